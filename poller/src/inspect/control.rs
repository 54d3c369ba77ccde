//! The service that acts: evict and break. It is served on a listener of its own, and only where a program asks for it.
//!
//! Every call is counted by what it does (`evicted`, `breaks_requested`), said on stderr, and limited in its rate: somebody
//! who evicts in a loop is told to stop before the service has noticed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netpoller_proto::v1::control_server::{Control, ControlServer};
use netpoller_proto::v1::{BreakRequest, BreakResponse, EvictRequest, EvictResponse};
use tonic::{Request, Response, Status};

use super::find;
use super::service::guarded;
use crate::Kind;
use crate::poller::Eviction;

/// Bytes of a request.
const MAX_REQUEST: usize = 4 * 1024;
/// Calls at once, and the time after which there is room for another.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_millis(100);

pub(super) fn control_service() -> ControlServer<Controller> {
    ControlServer::new(Controller::default()).max_decoding_message_size(MAX_REQUEST)
}

/// Acts on the live pollers. Holds nothing of them.
#[derive(Debug, Default)]
pub(super) struct Controller {
    limit: Limit,
}

#[tonic::async_trait]
impl Control for Controller {
    async fn evict(
        &self,
        request: Request<EvictRequest>,
    ) -> Result<Response<EvictResponse>, Status> {
        self.limit.take(Instant::now())?;
        let EvictRequest { poller, id } = request.into_inner();
        let poller = find::poller(&poller)?;
        let (slot, generation) = find::id(&id)?;
        if poller
            .shared
            .cache
            .get(slot)
            .is_some_and(|desc| desc.kind() == Kind::Timer)
        {
            return Err(Status::failed_precondition(format!(
                "{id} is a sleep, which nobody can be evicted from"
            )));
        }
        let answer = match guarded(|| poller.evict(slot, generation))? {
            Eviction::Done(released) => EvictResponse {
                evicted: true,
                released,
            },
            Eviction::Closing => EvictResponse::default(),
            Eviction::Gone => return Err(find::gone(&poller, &id)),
        };
        say(&format!(
            "evict {}/{slot}.{generation}: {}",
            poller.name(),
            match answer {
                EvictResponse { evicted: false, .. } => "it was being closed already".to_owned(),
                EvictResponse { released, .. } => format!("{released} waiters released"),
            }
        ));
        Ok(Response::new(answer))
    }

    async fn r#break(
        &self,
        request: Request<BreakRequest>,
    ) -> Result<Response<BreakResponse>, Status> {
        self.limit.take(Instant::now())?;
        let poller = find::poller(&request.get_ref().poller)?;
        let written = guarded(|| poller.shared.request_break())?
            .map_err(|error| Status::internal(format!("writing the eventfd: {error}")))?;
        let done = if written {
            "written"
        } else {
            "one was pending"
        };
        say(&format!("break {}: {done}", poller.name()));
        Ok(Response::new(BreakResponse { written }))
    }
}

/// Tells whoever runs the service what was done to it.
fn say(what: &str) {
    use std::io::Write;
    // Nobody is left to tell when stderr is gone. Control characters would let a poller's name write other lines.
    let what: String = what
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect();
    let _ = writeln!(std::io::stderr(), "netpoller: control: {what}");
}

/// A bucket of [`BURST`] calls that fills again by one every [`REFILL`].
#[derive(Debug, Default)]
struct Limit {
    /// When the bucket will be full again.
    full_at: Mutex<Option<Instant>>,
}

impl Limit {
    fn take(&self, now: Instant) -> Result<(), Status> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.map_or(now, |full| full.max(now)) + REFILL;
        if full > now + REFILL * BURST {
            return Err(Status::resource_exhausted(format!(
                "more than {BURST} calls at once; another is let through every {} ms",
                REFILL.as_millis()
            )));
        }
        *full_at = Some(full);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_beyond_the_limit_are_refused_until_there_is_room_again() {
        let limit = Limit::default();
        let now = Instant::now();
        for _ in 0..BURST {
            limit.take(now).unwrap();
        }
        assert_eq!(
            limit.take(now).unwrap_err().code(),
            tonic::Code::ResourceExhausted
        );
        limit.take(now + REFILL).unwrap();
        limit.take(now + REFILL).unwrap_err();
    }
}
