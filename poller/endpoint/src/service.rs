//! The service: which of `methods` and of `streams` answers what.

use std::sync::Arc;

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
use crate::methods::turns::{Common, Turns};
use crate::methods::{describe, diagnose, laws, page, server, sites, stats};
use crate::streams::{latencies, transitions, watch};

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
        guarded(|| server::server(redact)).map(Response::new)
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
        stats::stats(request.get_ref()).await.map(Response::new)
    }

    type WatchStream = ReceiverStream<Result<WatchFrame, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let Peer { redact, session } = Peer::of(&request)?.clone();
        let request = request.into_inner();
        pollers(&request.poller)?;
        let filter = page::predicate(request.filter.as_ref())?;
        let common = self.turns.common().clone();
        let stream = watch::start(request, filter, redact, session.stalled, common);
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
