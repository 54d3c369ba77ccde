//! The stream of the flight recorder: what it still holds, and then what it records.
//!
//! Each subscriber reads the rings for itself, every [`TICK`]. What was overwritten before it was
//! read is counted as lost; what a slow client has no room for is dropped and counted. Nobody waits
//! for a client, and nothing queues up for it beyond [`QUEUE`] frames.
//!
//! | file | holds |
//! |---|---|
//! | `subscriber` | how far one subscriber has come |
//! | `filter` | which events are wanted |

mod filter;
mod subscriber;

use std::time::Duration;

use netpoller_proto::v1::{TransitionsFrame, WatchTransitionsRequest};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::guard::guarded;
use crate::outlet::Outlet;
use subscriber::Subscriber;

/// Between two readings of the rings.
const TICK: Duration = Duration::from_millis(20);
/// Frames that wait for a client.
const QUEUE: usize = 8;

pub(crate) fn start(
    request: WatchTransitionsRequest,
    stalled: Duration,
) -> Result<ReceiverStream<Result<TransitionsFrame, Status>>, Status> {
    let subscriber = Subscriber::new(request)?;
    let (frames, stream) = Outlet::new(QUEUE, stalled);
    tokio::spawn(async move {
        // An error is the last thing that the client is told, if it listens.
        if let Err(status) = run(subscriber, &frames).await {
            frames.send(Err(status)).await;
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// Until the client has gone, or has all that it asked for.
async fn run(mut subscriber: Subscriber, frames: &Outlet<TransitionsFrame>) -> Result<(), Status> {
    if !send_recorded(&mut subscriber, frames).await? || subscriber.history_only {
        return Ok(());
    }
    let mut next = Instant::now();
    loop {
        next = (next + TICK).max(Instant::now());
        tokio::select! {
            () = sleep_until(next) => {}
            () = frames.closed() => return Ok(()),
        }
        let end = guarded(|| subscriber.end())?;
        loop {
            let step = guarded(|| subscriber.step(&end))?;
            subscriber.offer(step.events, frames);
            if !step.more {
                break;
            }
            // A busy process records as much in a tick as takes some time to tell; others are
            // served meanwhile.
            yield_now().await;
        }
    }
}

/// What is there already, as fast as the client takes it; at least one frame, so that it knows the
/// beginning. `false` if it takes no more.
async fn send_recorded(
    subscriber: &mut Subscriber,
    frames: &Outlet<TransitionsFrame>,
) -> Result<bool, Status> {
    let end = guarded(|| subscriber.end())?;
    let mut is_first = true;
    loop {
        let step = guarded(|| subscriber.step(&end))?;
        if is_first || !step.events.is_empty() {
            let frame = subscriber.frame(step.events);
            if !frames.send(Ok(frame)).await {
                return Ok(false);
            }
            subscriber.was_told();
            is_first = false;
        }
        if !step.more {
            return Ok(true);
        }
        yield_now().await;
    }
}
