//! The service that acts: evict and break. It is served on a listener of its own, and only where a
//! program asks for it.
//!
//! Every call is counted, noted on stderr and limited in its rate by the `gate` before it, which
//! learns from here what it was about.

use netpoller_core::Kind;
use netpoller_core::internals::{self, Eviction};
use netpoller_proto::v1::control_server::{Control, ControlServer};
use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};
use tonic::{Request, Response, Status};

use super::find;
use crate::door::gate::Subject;
use crate::guard::guarded;
use crate::limits::MAX_REQUEST;

pub(crate) fn control_service() -> ControlServer<Service> {
    ControlServer::new(Service).max_decoding_message_size(MAX_REQUEST)
}

/// Acts on the live pollers. Holds nothing of them.
#[derive(Debug)]
pub(crate) struct Service;

#[tonic::async_trait]
impl Control for Service {
    async fn evict(
        &self,
        request: Request<EvictRequest>,
    ) -> Result<Response<EvictResponse>, Status> {
        let EvictRequest { poller, id } = request.into_inner();
        let desc = find::id(&id)?;
        let poller = find::poller_of(&poller, desc)?;
        if internals::slot(&poller, desc.slot).is_some_and(|slot| slot.kind() == Kind::Timer) {
            return Err(Status::failed_precondition(format!(
                "{id} is a sleep, which nobody can be evicted from"
            )));
        }
        let answer = match guarded(|| internals::evict(&poller, desc))? {
            Eviction::Done(released) => EvictResponse {
                evicted: true,
                released,
            },
            Eviction::Closing => EvictResponse::default(),
            Eviction::Gone => return Err(find::gone(&poller, &id)),
        };
        let subject = format!("{}/{desc}", poller.name());
        Ok(about(subject, answer))
    }

    async fn r#break(
        &self,
        request: Request<BreakRequest>,
    ) -> Result<Response<BreakResponse>, Status> {
        let poller = find::poller(&request.get_ref().poller)?;
        let written = guarded(|| internals::request_break(&poller))?
            .map_err(|error| Status::internal(format!("writing the eventfd: {error}")))?;
        Ok(about(poller.name().to_owned(), BreakResponse { written }))
    }
}

/// An answer that tells the gate what the call was about.
fn about<T>(subject: String, answer: T) -> Response<T> {
    let mut response = Response::new(answer);
    response.extensions_mut().insert(Subject(subject));
    response
}
