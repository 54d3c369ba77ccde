//! The service `netpoller.v1.Control`: what changes the process. Only the listeners of `Builder::control` serve it.

use netpoller_proto::v1::control_server::{Control, ControlServer};
use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};
use tonic::{Request, Response, Status};

use super::gate::Subject;
use super::limits::MAX_REQUEST;
use super::service::pollers;
use crate::poller::Poller;
use crate::{Counter, view};

pub(super) fn control_service() -> ControlServer<Service> {
    ControlServer::new(Service).max_decoding_message_size(MAX_REQUEST)
}

/// Acts on the live tables.
#[derive(Debug)]
pub(super) struct Service;

#[tonic::async_trait]
impl Control for Service {
    async fn evict(&self, _: Request<EvictRequest>) -> Result<Response<EvictResponse>, Status> {
        Err(Status::unimplemented("Evict"))
    }

    async fn r#break(
        &self,
        request: Request<BreakRequest>,
    ) -> Result<Response<BreakResponse>, Status> {
        let name = request.into_inner().poller;
        let pollers = pollers(&name)?;
        let [poller] = &pollers[..] else {
            return Err(Status::invalid_argument(
                "which poller? there are several; GetServer names them",
            ));
        };
        let before = written(poller);
        poller
            .wake()
            .map_err(|error| Status::internal(format!("cannot write the eventfd: {error}")))?;
        let mut response = Response::new(BreakResponse {
            written: written(poller) > before,
        });
        let subject = Subject(poller.name().to_owned());
        response.extensions_mut().insert(subject);
        Ok(response)
    }
}

/// Breaks of the poller that were written and not coalesced. Another one may come in between: then somebody was woken too.
fn written(poller: &Poller) -> u64 {
    view::stats(poller).counter(Counter::BreaksWritten)
}
