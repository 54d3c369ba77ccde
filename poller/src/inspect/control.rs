//! The service `netpoller.v1.Control`: what changes the process. Only the listeners of `Builder::control` serve it.

use netpoller_proto::v1::control_server::{Control, ControlServer};
use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};
use tonic::{Request, Response, Status};

use super::limits::MAX_REQUEST;

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

    async fn r#break(&self, _: Request<BreakRequest>) -> Result<Response<BreakResponse>, Status> {
        Err(Status::unimplemented("Break"))
    }
}
