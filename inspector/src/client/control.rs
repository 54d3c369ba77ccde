//! The service that acts, at an address of its own.

use std::time::Duration;

use netpoller_proto::v1::control_client::ControlClient;
use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};
use tonic::{Code, Response, Status};

use super::Target;
use super::connect::{Transport, open};
use super::refusal::describe;
use crate::failure::Failure;

/// An open connection to a control endpoint.
#[derive(Debug)]
pub(crate) struct Control {
    client: ControlClient<Transport>,
    target: Target,
    timeout: Duration,
}

impl Control {
    pub(crate) async fn connect(target: &Target, timeout: Duration) -> Result<Self, Failure> {
        let channel = tokio::time::timeout(timeout, open(target))
            .await
            .map_err(|_| Failure::Timeout {
                target: target.to_string(),
                what: "the connection",
                after: timeout,
            })??;
        Ok(Self {
            client: ControlClient::new(channel),
            target: target.clone(),
            timeout,
        })
    }

    pub(crate) async fn evict(&mut self, request: EvictRequest) -> Result<EvictResponse, Failure> {
        let call = tokio::time::timeout(self.timeout, self.client.evict(request)).await;
        self.answer("Evict", call)
    }

    pub(crate) async fn wake(&mut self, request: BreakRequest) -> Result<BreakResponse, Failure> {
        let call = tokio::time::timeout(self.timeout, self.client.r#break(request)).await;
        self.answer("Break", call)
    }

    fn answer<T>(
        &self,
        what: &'static str,
        call: Result<Result<Response<T>, Status>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        let target = self.target.to_string();
        let status = match call {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => {
                return Err(Failure::Timeout {
                    target,
                    what,
                    after: self.timeout,
                });
            }
        };
        let reason = describe(&status);
        Err(match status.code() {
            Code::NotFound => Failure::NotFound(reason),
            Code::InvalidArgument => Failure::Usage(reason),
            Code::Unimplemented => Failure::Connect {
                target,
                reason: "it does not serve netpoller.v1.Control".into(),
                advice: "an inspection endpoint shows and does not act; the program must open a control endpoint of its own"
                    .into(),
            },
            Code::Unauthenticated => Failure::Connect {
                target,
                reason,
                advice: "name the file that holds the token of the control endpoint with --control-token-file PATH; it is \
                         not that of the inspection endpoint"
                    .into(),
            },
            Code::Unavailable | Code::PermissionDenied => Failure::Connect {
                target,
                reason,
                advice: "check the address, and that the control endpoint lets this user in".into(),
            },
            _ => Failure::Runtime(format!("{what} of {target}: {reason}")),
        })
    }
}
