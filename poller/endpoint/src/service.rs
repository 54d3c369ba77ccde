//! The service: questions that have one answer, and the stream.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use netpoller_core::{internals, view};
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_server::{Inspector, InspectorServer};
use netpoller_proto::v1::{
    GetServerRequest, GetServerResponse, GetStatsRequest, GetStatsResponse, ListDescriptorsRequest,
    ListDescriptorsResponse, WatchFrame, WatchRequest,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::door::connection::Peer;
use crate::guard::guarded;
use crate::limits::MAX_REQUEST;
use crate::methods::find::pollers;
use crate::methods::stats::{self, Reading};
use crate::methods::turns::{Common, Turns};
use crate::methods::{describe, diagnose, encode, laws, page, sites};
use crate::streams::{latencies, transitions, watch};
use crate::wall;

/// The service of one listener.
pub(super) fn service(common: Arc<Common>) -> InspectorServer<Service> {
    let service = Service {
        turns: Turns::new(common),
    };
    InspectorServer::new(service).max_decoding_message_size(MAX_REQUEST)
}

/// Answers from the live tables. Holds nothing of them.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) turns: Turns,
}

/// Whether addresses are to be hidden from whoever asks.
fn redact<T>(request: &Request<T>) -> Result<bool, Status> {
    Peer::of(request).map(|peer| peer.redact)
}

#[tonic::async_trait]
impl Inspector for Service {
    async fn get_server(
        &self,
        request: Request<GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        let redact = redact(&request)?;
        guarded(|| server(redact)).map(Response::new)
    }

    async fn list_descriptors(
        &self,
        request: Request<ListDescriptorsRequest>,
    ) -> Result<Response<ListDescriptorsResponse>, Status> {
        let redact = redact(&request)?;
        let _turn = self.turns.walk().await?;
        page::page(request.get_ref(), redact, self.turns.common())
            .await
            .map(Response::new)
    }

    async fn get_stats(
        &self,
        request: Request<GetStatsRequest>,
    ) -> Result<Response<GetStatsResponse>, Status> {
        let request = request.get_ref();
        let pollers = guarded(|| pollers(&request.poller))??;
        let before = match stats::interval(request.interval_ns)? {
            None => None,
            Some(interval) => {
                let before = guarded(|| Reading::of(&pollers))?;
                tokio::time::sleep(interval).await;
                Some(before)
            }
        };
        let laws = laws::audited(&pollers, None).await;
        guarded(|| Reading::of(&pollers).response(&pollers, &laws, before.as_ref()))
            .map(Response::new)
    }

    type WatchStream = ReceiverStream<Result<WatchFrame, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let peer = Peer::of(&request)?.clone();
        let request = request.into_inner();
        pollers(&request.poller)?;
        let filter = page::predicate(request.filter.as_ref())?;
        let common = self.turns.common().clone();
        let stream = watch::start(request, filter, &peer, common);
        Ok(Response::new(stream))
    }

    async fn get_descriptor(
        &self,
        request: Request<v1::GetDescriptorRequest>,
    ) -> Result<Response<v1::GetDescriptorResponse>, Status> {
        let redact = redact(&request)?;
        let sockets = self.turns.common().sockets().await?;
        let _turn = self.turns.kernel().await;
        guarded(|| describe::describe(request.get_ref(), redact, sockets))?.map(Response::new)
    }

    type WatchTransitionsStream = ReceiverStream<Result<v1::TransitionsFrame, Status>>;

    async fn watch_transitions(
        &self,
        request: Request<v1::WatchTransitionsRequest>,
    ) -> Result<Response<Self::WatchTransitionsStream>, Status> {
        let stalled = Peer::of(&request)?.session.stalled;
        transitions::start(request.into_inner(), stalled).map(Response::new)
    }

    type WatchLatenciesStream = ReceiverStream<Result<v1::LatenciesFrame, Status>>;

    async fn watch_latencies(
        &self,
        request: Request<v1::WatchLatenciesRequest>,
    ) -> Result<Response<Self::WatchLatenciesStream>, Status> {
        let stalled = Peer::of(&request)?.session.stalled;
        latencies::start(request.get_ref(), stalled).map(Response::new)
    }

    async fn audit(
        &self,
        request: Request<v1::AuditRequest>,
    ) -> Result<Response<v1::AuditResponse>, Status> {
        let request = request.get_ref();
        let pollers = guarded(|| pollers(&request.poller))??;
        let kernel = request.kernel.then_some(&self.turns);
        Ok(Response::new(laws::audit(&pollers, kernel).await))
    }

    async fn diagnose(
        &self,
        request: Request<v1::DiagnoseRequest>,
    ) -> Result<Response<v1::DiagnoseResponse>, Status> {
        let _turn = self.turns.diagnose()?;
        let Peer { redact, session } = Peer::of(&request)?.clone();
        diagnose::diagnose(request.into_inner(), redact, &session.seen, &self.turns).await
    }

    async fn list_sites(
        &self,
        request: Request<v1::ListSitesRequest>,
    ) -> Result<Response<v1::ListSitesResponse>, Status> {
        let redact = redact(&request)?;
        let _turn = self.turns.walk().await?;
        sites::sites(request.get_ref(), redact, self.turns.common())
            .await
            .map(Response::new)
    }
}

/// What does not change while the process lives, and may not be there to be read later: after
/// chroot(2) there is no /proc, and without a descriptor left no file can be opened.
#[derive(Debug)]
struct Process {
    executable: PathBuf,
    boot_id: String,
    kernel: String,
}

impl Process {
    fn get() -> &'static Self {
        static PROCESS: OnceLock<Process> = OnceLock::new();
        PROCESS.get_or_init(|| {
            let first_line = |path| {
                std::fs::read_to_string(path)
                    .map(|text| text.trim().to_owned())
                    .unwrap_or_default()
            };
            let names = [
                std::env::current_exe().unwrap_or_default(),
                first_line("/proc/self/comm").into(),
                // There is no /proc. A name it has to have.
                format!("process-{}", std::process::id()).into(),
            ];
            let mut names = names.into_iter();
            Process {
                executable: names
                    .find(|name| name.file_name().is_some())
                    .unwrap_or_default(),
                boot_id: first_line("/proc/sys/kernel/random/boot_id"),
                kernel: first_line("/proc/sys/kernel/osrelease"),
            }
        })
    }
}

/// Reads what may not be there to be read later.
pub(super) fn remember_process() {
    Process::get();
}

fn server(redacted: bool) -> GetServerResponse {
    let process = Process::get();
    let executable = match process.executable.file_name() {
        // Where it lies is nobody's business who may not see addresses either.
        Some(name) if redacted => name.to_string_lossy().into_owned(),
        _ => process.executable.display().to_string(),
    };
    let captured_at_ns = view::now_ns();
    GetServerResponse {
        protocol: netpoller_proto::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        executable,
        start_ticks: internals::start_ticks(),
        captured_at_ns,
        wall_clock_ns: wall::Anchor::now().wall_ns(captured_at_ns),
        started_at_ns: view::started_at_ns(),
        boot_id: process.boot_id.clone(),
        kernel: process.kernel.clone(),
        pollers: view::pollers()
            .iter()
            .map(|poller| v1::Poller {
                polled_by: encode::polled_by(poller),
                ..encode::poller(&poller.info())
            })
            .collect(),
        redacted,
        outside: None,
        lints: encode::lints(),
    }
}
