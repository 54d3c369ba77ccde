//! The service: questions that have one answer, and the stream.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use netpoller_proto::v1;
use netpoller_proto::v1::inspector_server::{Inspector, InspectorServer};
use netpoller_proto::v1::{
    GetServerRequest, GetServerResponse, GetStatsRequest, GetStatsResponse, ListDescriptorsRequest,
    ListDescriptorsResponse, WatchFrame, WatchRequest,
};
use prost::Message;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::connection::Peer;
use super::{diagnose, encode, laws, watch};
use crate::poller::Poller;
use crate::view::{self, RawRow, Reader};

/// Bytes of a request.
const MAX_REQUEST: usize = 64 * 1024;
/// Bytes of a message, and rows of a page.
pub(super) const MAX_MESSAGE: usize = 1 << 20;
const MAX_ROWS: usize = 1000;
/// Subscribers of `Watch`, over all connections.
pub(super) const MAX_SUBSCRIBERS: usize = 8;

pub(super) fn service() -> InspectorServer<Service> {
    let subscribers = Arc::new(Semaphore::new(MAX_SUBSCRIBERS));
    InspectorServer::new(Service { subscribers }).max_decoding_message_size(MAX_REQUEST)
}

/// Answers from the live tables. Holds nothing of them.
#[derive(Debug)]
pub(super) struct Service {
    subscribers: Arc<Semaphore>,
}

/// Runs a reading. A panic in it is a fault of ours, and the answer to this one question.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Status> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| Status::internal("the endpoint failed to read the tables: a bug"))
}

/// The pollers with this name, all for the empty one.
pub(super) fn pollers(name: &str) -> Result<Vec<Poller>, Status> {
    let mut pollers = view::pollers();
    if name.is_empty() {
        return Ok(pollers);
    }
    let known: Vec<_> = pollers
        .iter()
        .map(|poller| poller.name().to_owned())
        .collect();
    pollers.retain(|poller| poller.name() == name);
    if pollers.is_empty() {
        return Err(Status::not_found(format!(
            "no poller is called {name:?}; there are: {}",
            known.join(", ")
        )));
    }
    Ok(pollers)
}

/// Whether addresses are to be hidden from whoever asks.
fn redact<T>(request: &Request<T>) -> bool {
    request
        .extensions()
        .get::<Peer>()
        .is_none_or(|peer| peer.redact)
}

#[tonic::async_trait]
impl Inspector for Service {
    async fn get_server(
        &self,
        _: Request<GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        guarded(server).map(Response::new)
    }

    async fn list_descriptors(
        &self,
        request: Request<ListDescriptorsRequest>,
    ) -> Result<Response<ListDescriptorsResponse>, Status> {
        let redact = redact(&request);
        guarded(|| page(request.get_ref(), redact))?.map(Response::new)
    }

    async fn get_stats(
        &self,
        request: Request<GetStatsRequest>,
    ) -> Result<Response<GetStatsResponse>, Status> {
        let pollers = guarded(|| pollers(&request.get_ref().poller))??;
        Ok(Response::new(laws::audited(&pollers).await))
    }

    type WatchStream = ReceiverStream<Result<WatchFrame, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let redact = redact(&request);
        let request = request.into_inner();
        pollers(&request.poller)?;
        let place = self.subscribers.clone().try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{MAX_SUBSCRIBERS} clients watch already; stop one of them, or ask for pages instead"
            ))
        })?;
        Ok(Response::new(watch::start(request, redact, place)))
    }

    async fn get_descriptor(
        &self,
        _: Request<v1::GetDescriptorRequest>,
    ) -> Result<Response<v1::GetDescriptorResponse>, Status> {
        Err(Status::unimplemented("GetDescriptor"))
    }

    type WatchTransitionsStream = ReceiverStream<Result<v1::TransitionsFrame, Status>>;

    async fn watch_transitions(
        &self,
        _: Request<v1::WatchTransitionsRequest>,
    ) -> Result<Response<Self::WatchTransitionsStream>, Status> {
        Err(Status::unimplemented("WatchTransitions"))
    }

    async fn audit(
        &self,
        _: Request<v1::AuditRequest>,
    ) -> Result<Response<v1::AuditResponse>, Status> {
        Err(Status::unimplemented("Audit"))
    }

    async fn diagnose(
        &self,
        request: Request<v1::DiagnoseRequest>,
    ) -> Result<Response<v1::DiagnoseResponse>, Status> {
        let redact = redact(&request);
        diagnose::diagnose(request, redact).await
    }
}

fn server() -> GetServerResponse {
    let first_line = |path| {
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let executable = match std::env::current_exe() {
        Ok(path) => path.display().to_string(),
        Err(_) => first_line("/proc/self/comm"),
    };
    let wall_clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    GetServerResponse {
        protocol: netpoller_proto::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        executable,
        start_ticks: crate::sys::start_ticks(),
        captured_at_ns: view::now_ns(),
        wall_clock_ns: u64::try_from(wall_clock.as_nanos()).unwrap_or(u64::MAX),
        started_at_ns: view::started_at_ns(),
        boot_id: first_line("/proc/sys/kernel/random/boot_id"),
        kernel: first_line("/proc/sys/kernel/osrelease"),
        pollers: view::pollers()
            .iter()
            .map(|poller| encode::poller(&view::info(poller)))
            .collect(),
        redacted: false,
    }
}

fn page(request: &ListDescriptorsRequest, redact: bool) -> Result<ListDescriptorsResponse, Status> {
    let (first_poller, first_slot) = parse_token(&request.page_token)?;
    let limit = match request.page_size as usize {
        0 => MAX_ROWS,
        size => size.min(MAX_ROWS),
    };
    let mut answer = ListDescriptorsResponse {
        captured_at_ns: view::now_ns(),
        ..Default::default()
    };
    let mut reader = Reader::default();
    let mut bytes = 0;
    for poller in pollers(&request.poller)?
        .iter()
        .filter(|poller| poller.shared.id >= first_poller)
    {
        let id = poller.shared.id;
        let from = if id == first_poller { first_slot } else { 0 };
        for desc in poller.shared.cache.iter_from(from) {
            let Some(raw) = RawRow::read(desc) else {
                continue;
            };
            if request.waiting_only && !raw.is_waiting() {
                continue;
            }
            let row = encode::descriptor(poller.name(), reader.row(poller, desc, &raw), redact);
            // With the tag and the length that it has inside of the answer.
            bytes += row.encoded_len() + 8;
            if answer.descriptors.len() == limit || bytes > MAX_MESSAGE - 1024 {
                answer.next_page_token = format!("{id}:{}", raw.slot);
                return Ok(answer);
            }
            answer.descriptors.push(row);
        }
    }
    Ok(answer)
}

/// Number of the poller and the slot with which a page begins.
fn parse_token(token: &str) -> Result<(u32, u32), Status> {
    if token.is_empty() {
        return Ok((0, 0));
    }
    let parts = token
        .split_once(':')
        .and_then(|(poller, slot)| Some((poller.parse().ok()?, slot.parse().ok()?)));
    parts.ok_or_else(|| {
        Status::invalid_argument("page_token: give back what the page before has said, unchanged")
    })
}
