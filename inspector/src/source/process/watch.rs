//! The table as it changes, told like an endpoint's.

use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::{WatchFrame, WatchRequest};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::outside::Outside;
use crate::source::endpoint::SHORTEST_LOOK;
use crate::source::serve::{Told, Wanted};

pub(super) fn start(
    outside: Arc<Outside>,
    request: &WatchRequest,
) -> Result<ReceiverStream<Result<WatchFrame, Status>>, Status> {
    let wanted = Wanted::new(&request.poller, false, request.filter.as_ref())?;
    let mut ticks = interval(Duration::from_nanos(request.interval_ns).max(SHORTEST_LOOK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stats = request.stats;
    let (frames, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut told = Told::default();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = frames.closed() => return,
            }
            let look = match outside.look().await {
                Ok(look) => look,
                Err(status) => return drop(frames.send(Err(status)).await),
            };
            let mut group = told.tell(&outside.table(&look), &wanted);
            if let Some(last) = group.last_mut() {
                last.stats = stats.then(|| outside.stats(&look));
            }
            for frame in group {
                if frames.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(ReceiverStream::new(stream))
}
