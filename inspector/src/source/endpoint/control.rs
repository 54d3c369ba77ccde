//! The service that acts, at an address of its own.

use std::time::Duration;

use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};

use super::connect::open;
use super::gate::Client;
use super::peer::Peer;
use super::refusal::{Asked, Doing};
use crate::failure::Failure;
use crate::source::target::Target;

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
        let asked = Asked {
            target,
            peer: &peer,
            timeout,
            what: "the connection",
            doing: Doing::Acting,
        };
        let transport = asked.timely(open(target, timeout, &peer)).await??;
        Ok(Self {
            client: Client::new(transport),
            target: target.clone(),
            timeout,
            peer,
        })
    }

    pub(crate) async fn evict(&mut self, request: EvictRequest) -> Result<EvictResponse, Failure> {
        let mut client = self.client.clone();
        let call = client.evict(request);
        self.asked("the eviction").answer(call).await
    }

    pub(crate) async fn wake(&mut self, request: BreakRequest) -> Result<BreakResponse, Failure> {
        let mut client = self.client.clone();
        let call = client.wake(request);
        self.asked("the break").answer(call).await
    }

    fn asked(&self, what: &'static str) -> Asked<'_> {
        Asked {
            target: &self.target,
            peer: &self.peer,
            timeout: self.timeout,
            what,
            doing: Doing::Acting,
        }
    }
}
