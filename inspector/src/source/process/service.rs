//! Answers for a process that does not, in the messages with which an endpoint would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netpoller_proto::v1::inspector_server::Inspector;
use netpoller_proto::v1::{
    self, GetDescriptorResponse, GetServerResponse, GetStatsResponse, ListDescriptorsResponse,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::glance::Glance;
use super::lints::{self, Suspects};
use super::outside::Outside;
use super::watch;
use crate::source::serve::{Page, one};

/// How long a diagnosis looks unless another time is asked for, and at most; and how often.
const WINDOW: Duration = Duration::from_secs(1);
const LONGEST_WINDOW: Duration = Duration::from_secs(4);
const LOOKS: u32 = 8;

/// What a process does not tell that is looked at from outside.
fn unknown<T>(what: &str) -> Result<T, Status> {
    Err(Status::failed_precondition(format!(
        "the process is read from outside, where no {what} can be seen; a process with an inspection endpoint tells \
         it"
    )))
}

/// The service, as it is asked over a connection of this command's own.
#[derive(Debug, Clone)]
pub(super) struct Service(pub(super) Arc<Outside>);

type Stream<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl Inspector for Service {
    async fn get_server(
        &self,
        _: Request<v1::GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        let look = self.0.look().await?;
        Ok(Response::new(self.0.server(&look)))
    }

    async fn list_descriptors(
        &self,
        request: Request<v1::ListDescriptorsRequest>,
    ) -> Result<Response<ListDescriptorsResponse>, Status> {
        let request = request.into_inner();
        let page = Page::of(&request.page_token)?;
        let look = match page.captured_at_ns.and_then(|at_ns| self.0.look_at(at_ns)) {
            Some(look) => look,
            None => self.0.look().await?,
        };
        self.0.table(&look).page(&request, page).map(Response::new)
    }

    async fn get_stats(
        &self,
        _: Request<v1::GetStatsRequest>,
    ) -> Result<Response<GetStatsResponse>, Status> {
        let look = self.0.look().await?;
        Ok(Response::new(self.0.stats(&look)))
    }

    type WatchStream = Stream<v1::WatchFrame>;

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        watch::start(self.0.clone(), request.get_ref()).map(Response::new)
    }

    async fn get_descriptor(
        &self,
        request: Request<v1::GetDescriptorRequest>,
    ) -> Result<Response<GetDescriptorResponse>, Status> {
        let request = request.into_inner();
        let id = one::id(&request.id)?;
        let look = self.0.look().await?;
        let row = one::row(&look.rows, id, &request.poller).ok_or_else(|| {
            Status::not_found(format!(
                "no descriptor has the id {id}: it is closed, or never was"
            ))
        })?;
        let poller = look.pollers.iter().find(|it| it.name == row.poller);
        // Of a number that is closed, or another file's, it would tell of that.
        let kernel = (!row.stale).then(|| self.0.kernel(&look, row, poller));
        let (descriptor, kept) = self.0.kept(&look, row, poller);
        Ok(Response::new(GetDescriptorResponse {
            captured_at_ns: look.captured_at_ns,
            descriptor: Some(descriptor),
            kept,
            epoch: self.0.epoch,
            kernel,
            polled_by: poller.map(|it| it.polled_by.clone()).unwrap_or_default(),
            ..GetDescriptorResponse::default()
        }))
    }

    type WatchTransitionsStream = Stream<v1::TransitionsFrame>;

    async fn watch_transitions(
        &self,
        _: Request<v1::WatchTransitionsRequest>,
    ) -> Result<Response<Self::WatchTransitionsStream>, Status> {
        unknown("events of the past")
    }

    type WatchLatenciesStream = Stream<v1::LatenciesFrame>;

    async fn watch_latencies(
        &self,
        _: Request<v1::WatchLatenciesRequest>,
    ) -> Result<Response<Self::WatchLatenciesStream>, Status> {
        unknown("latencies of waits")
    }

    async fn audit(
        &self,
        _: Request<v1::AuditRequest>,
    ) -> Result<Response<v1::AuditResponse>, Status> {
        unknown("transitions to count")
    }

    async fn diagnose(
        &self,
        request: Request<v1::DiagnoseRequest>,
    ) -> Result<Response<v1::DiagnoseResponse>, Status> {
        let request = request.into_inner();
        let window = match request.window_ns {
            0 => WINDOW,
            ns => Duration::from_nanos(ns).clamp(WINDOW, LONGEST_WINDOW),
        };
        let began = Instant::now();
        let look = self.0.look().await?;
        let mut suspects = Suspects::of(&look, &request.allow);
        drop(look);
        while began.elapsed() < window {
            tokio::time::sleep(window / LOOKS).await;
            let pid = self.0.pid;
            let glance = tokio::task::spawn_blocking(move || Glance::at(pid)).await;
            let glance = glance.map_err(|_| Status::internal("reading the sockets has failed"))?;
            suspects.confirm(&glance);
        }
        let look = self.0.look().await?;
        Ok(Response::new(v1::DiagnoseResponse {
            captured_at_ns: look.captured_at_ns,
            findings: suspects.findings(&look, &request.allow),
            lints: lints::known(&look)
                .map(|lint| lint.name().to_owned())
                .filter(|name| !request.allow.contains(name))
                .collect(),
            window_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            epoch: self.0.epoch,
            ..v1::DiagnoseResponse::default()
        }))
    }

    async fn list_sites(
        &self,
        _: Request<v1::ListSitesRequest>,
    ) -> Result<Response<v1::ListSitesResponse>, Status> {
        unknown("lines that opened descriptors")
    }
}
