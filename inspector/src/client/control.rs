//! The service that acts, at an address of its own.

use std::time::Duration;

use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};
use tonic::Code;

use super::connect::open;
use super::gate::Refusal;
use super::{Client, Peer, Target};
use crate::failure::Failure;

/// An open connection to a control endpoint.
#[derive(Debug)]
pub(crate) struct Control {
    client: Client,
    target: Target,
    timeout: Duration,
    peer: Peer,
}

impl Control {
    pub(crate) async fn connect(target: &Target, timeout: Duration) -> Result<Self, Failure> {
        let peer = Peer::default();
        let channel = tokio::time::timeout(timeout, open(target, timeout, &peer))
            .await
            .map_err(|_| Failure::Timeout {
                target: target.to_string(),
                what: "the connection",
                after: timeout,
                trouble: peer.trouble(),
            })??;
        Ok(Self {
            client: Client::new(channel),
            target: target.clone(),
            timeout,
            peer,
        })
    }

    pub(crate) async fn evict(&mut self, request: EvictRequest) -> Result<EvictResponse, Failure> {
        let call = tokio::time::timeout(self.timeout, self.client.evict(request)).await;
        self.answer("the eviction", call).await
    }

    pub(crate) async fn wake(&mut self, request: BreakRequest) -> Result<BreakResponse, Failure> {
        let call = tokio::time::timeout(self.timeout, self.client.wake(request)).await;
        self.answer("the break", call).await
    }

    async fn answer<T>(
        &self,
        what: &'static str,
        call: Result<Result<T, Refusal>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        let target = self.target.to_string();
        let refusal = match call {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(refusal)) => refusal,
            Err(_) => {
                return Err(Failure::Timeout {
                    target,
                    what,
                    after: self.timeout,
                    trouble: self.peer.trouble(),
                });
            }
        };
        if refusal.source().is_some() {
            let trouble = self.peer.trouble_soon().await;
            return Err(Failure::lost(target, &refusal.reason(), trouble));
        }
        let reason = refusal.reason();
        Err(match refusal.code() {
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
            _ => Failure::Runtime(format!("{target} refuses {what}: {reason}")),
        })
    }
}
