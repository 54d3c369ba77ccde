//! The stream of latencies by descriptor, by line or by task.
//!
//! The poller groups them only while such a stream goes on, for one client at a time: it costs each
//! wait that ends a look into a table.

use std::time::Duration;

use netpoller_core::internals::{self, GroupKey, Grouping};
use netpoller_core::{DescId, Poller, view};
use netpoller_proto::v1::{LatenciesFrame, PollerLatencies, WatchLatenciesRequest};
use netpoller_proto::vocabulary::GroupBy;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::guard::guarded;
use crate::methods::{encode, find};
use crate::outlet::Outlet;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// What one client asks for.
struct Subscriber {
    pollers: Vec<(Poller, Grouping)>,
    interval: Duration,
    sequence: u64,
    counted_ns: u64,
}

pub(crate) fn start(
    request: &WatchLatenciesRequest,
    stalled: Duration,
) -> Result<ReceiverStream<Result<LatenciesFrame, Status>>, Status> {
    let subscriber = guarded(|| Subscriber::new(request))??;
    let (frames, stream) = Outlet::new(1, stalled);
    tokio::spawn(async move {
        // An error is the last thing that the client is told, if he listens.
        if let Err(status) = subscriber.run(&frames).await {
            frames.send(Err(status)).await;
        }
    });
    Ok(ReceiverStream::new(stream))
}

impl Subscriber {
    fn new(request: &WatchLatenciesRequest) -> Result<Self, Status> {
        let by = GroupBy::ALL
            .into_iter()
            .find(|it| it.number() == request.by)
            .ok_or_else(|| {
                let known = GroupBy::ALL.map(GroupBy::name).join(", ");
                Status::invalid_argument(format!("by: waits are grouped by one of: {known}"))
            })?;
        let (pollers, only) = selected(request)?;
        let begin = |poller: Poller| {
            let grouping = Grouping::begin(&poller, by, only).ok_or_else(|| {
                Status::resource_exhausted(
                    "another client has the latencies of this process grouped; ask again when it has ended",
                )
            })?;
            Ok((poller, grouping))
        };
        let interval = match Duration::from_nanos(request.interval_ns) {
            Duration::ZERO => DEFAULT_INTERVAL,
            interval => interval.max(LEAST_INTERVAL),
        };
        Ok(Self {
            pollers: pollers
                .into_iter()
                .map(begin)
                .collect::<Result<_, Status>>()?,
            interval,
            sequence: 0,
            counted_ns: view::now_ns(),
        })
    }

    /// Until the client has gone.
    async fn run(mut self, frames: &Outlet<LatenciesFrame>) -> Result<(), Status> {
        let mut ticks = interval_at(Instant::now() + self.interval, self.interval);
        // A client that is slow has longer intervals.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = frames.closed() => return Ok(()),
            }
            let frame = guarded(|| self.frame())?;
            if !frames.send(Ok(frame)).await {
                return Ok(());
            }
        }
    }

    fn frame(&mut self) -> LatenciesFrame {
        let now_ns = view::now_ns();
        let interval_ns = now_ns.saturating_sub(self.counted_ns);
        self.counted_ns = now_ns;
        self.sequence += 1;
        LatenciesFrame {
            sequence: self.sequence - 1,
            captured_at_ns: now_ns,
            epoch: view::started_at_ns(),
            interval_ns,
            pollers: self.pollers.iter().map(latencies).collect(),
        }
    }
}

/// The pollers that are meant, and the one descriptor.
fn selected(request: &WatchLatenciesRequest) -> Result<(Vec<Poller>, Option<DescId>), Status> {
    if request.id.is_empty() {
        return Ok((find::pollers(&request.poller)?, None));
    }
    let id = find::id(&request.id)?;
    let poller = find::poller_of(&request.poller, id)?;
    Ok((vec![poller], Some(id)))
}

fn latencies((poller, grouping): &(Poller, Grouping)) -> PollerLatencies {
    let (groups, others) = grouping.take().map_or_else(Default::default, |groups| {
        let (groups, others) = groups.into_parts();
        let groups = groups
            .iter()
            .map(|(key, group)| encode::group(text(*key), group));
        (groups.collect(), encode::group(String::new(), &others))
    });
    PollerLatencies {
        poller: poller.name().to_owned(),
        groups,
        others: Some(others),
    }
}

fn text(key: GroupKey) -> String {
    match key {
        GroupKey::Descriptor(id) => id.to_string(),
        GroupKey::Line(place) => place.to_string(),
        GroupKey::Task(name) => internals::text(name).as_ref().to_owned(),
    }
}
