//! The stream of the table: a keyframe, then what has changed since the group before.
//!
//! Each subscriber has a task and its own memory of what it was told. The next group is made when
//! the one before was taken, so a slow client gets fewer groups, and is told how many were skipped;
//! nothing queues up for it.
//!
//! | file | holds |
//! |---|---|
//! | `table` | what the subscriber was told of the table of one poller |
//! | `group` | the frames of one group |

mod group;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use netpoller_core::view::{Auditor, Reader, Sockets};
use netpoller_core::{Poller, internals};
use netpoller_proto::filter::Predicate;
use netpoller_proto::v1::{GetStatsResponse, WatchFrame, WatchRequest};
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::guard::guarded;
use crate::methods::find::pollers;
use crate::methods::page::Filter;
use crate::methods::stats::Reading;
use crate::methods::turns::Common;
use crate::outlet::Outlet;
use group::Group;
use table::Table;

/// The interval if none is asked for, and the shortest.
const INTERVAL: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);

pub(crate) fn start(
    request: WatchRequest,
    filter: Option<Predicate>,
    redact: bool,
    stalled: Duration,
    common: Arc<Common>,
) -> ReceiverStream<Result<WatchFrame, Status>> {
    let (frames, stream) = Outlet::new(1, stalled);
    let watcher = Watcher::new(request, filter, redact);
    tokio::spawn(async move { run(watcher, &common, frames).await });
    ReceiverStream::new(stream)
}

async fn run(mut watcher: Watcher, common: &Common, frames: Outlet<WatchFrame>) {
    let mut next = Instant::now();
    let mut lost = 0;
    loop {
        let sockets = match watcher.of_sockets {
            true => common.sockets().await.map(Some),
            false => Ok(None),
        };
        let group = sockets.and_then(|sockets| guarded(|| watcher.group(lost, sockets)));
        let group = match group {
            Ok(group) => group,
            Err(status) => {
                frames.send(Err(status)).await;
                return;
            }
        };
        for frame in group {
            if !frames.send(Ok(frame)).await {
                return;
            }
        }
        next += watcher.interval;
        lost = skipped(next, Instant::now(), watcher.interval);
        next += watcher.interval * lost;
        tokio::select! {
            () = sleep_until(next) => {}
            () = frames.closed() => return,
        }
    }
}

/// How many groups were due before the one that comes now.
fn skipped(next: Instant, now: Instant, interval: Duration) -> u32 {
    let late = now.saturating_duration_since(next).as_nanos();
    u32::try_from(late / interval.as_nanos()).unwrap_or(u32::MAX)
}

/// What one subscriber was told.
struct Watcher {
    poller: String,
    filter: Filter,
    redact: bool,
    stats: bool,
    /// The kernel is asked about sockets.
    of_sockets: bool,
    interval: Duration,
    sequence: u64,
    reader: Reader,
    /// By poller, as the next.
    tables: HashMap<u32, Table>,
    auditors: HashMap<u32, Auditor>,
    /// The statistics of the group before.
    stats_before: Option<Reading>,
}

impl Watcher {
    fn new(request: WatchRequest, filter: Option<Predicate>, redact: bool) -> Self {
        let interval = match request.interval_ns {
            0 => INTERVAL,
            ns => Duration::from_nanos(ns).max(SHORTEST),
        };
        let filter = Filter::new(filter);
        Self {
            poller: request.poller,
            of_sockets: request.sockets || filter.speaks_of_sockets(),
            filter,
            redact,
            stats: request.stats,
            interval,
            sequence: 0,
            reader: Reader::default(),
            tables: HashMap::new(),
            auditors: HashMap::new(),
            stats_before: None,
        }
    }

    fn group(&mut self, lost: u32, sockets: Option<Arc<Sockets>>) -> Vec<WatchFrame> {
        let mut group = Group::new(self.sequence, lost.into());
        internals::begin(&mut self.reader);
        self.reader.sockets(sockets.clone());
        // A poller that is gone leaves an empty table behind.
        let pollers = pollers(&self.poller).unwrap_or_default();
        for poller in &pollers {
            self.tables
                .entry(internals::id(poller))
                .or_insert_with(|| Table::new(poller))
                .tell(
                    poller,
                    &self.filter,
                    (&mut self.reader, sockets.as_deref()),
                    self.redact,
                    &mut group,
                );
        }
        let reader = &mut self.reader;
        self.tables.retain(|id, table| {
            let lives = pollers.iter().any(|poller| internals::id(poller) == *id);
            if !lives {
                table.clear(&mut group);
                internals::forget_all(reader, *id);
            }
            lives
        });
        self.sequence += 1;
        let stats = self.stats.then(|| self.statistics(&pollers));
        let sockets_error = sockets.map_or_else(String::new, |it| it.error());
        group.finish(stats, sockets_error)
    }

    fn statistics(&mut self, pollers: &[Poller]) -> GetStatsResponse {
        self.auditors
            .retain(|id, _| pollers.iter().any(|poller| internals::id(poller) == *id));
        let auditors = &mut self.auditors;
        let laws: Vec<_> = pollers
            .iter()
            .map(|poller| {
                auditors
                    .entry(internals::id(poller))
                    .or_default()
                    .read(poller)
            })
            .collect();
        let now = Reading::of(pollers);
        let response = now.response(pollers, &laws, self.stats_before.as_ref());
        self.stats_before = Some(now);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_a_slow_client_missed_are_counted_and_a_late_one_is_not() {
        let due = Instant::now();
        let interval = Duration::from_secs(1);
        assert_eq!(skipped(due, due - interval, interval), 0);
        assert_eq!(skipped(due, due + interval / 2, interval), 0);
        assert_eq!(skipped(due, due + interval * 5 / 2, interval), 2);
    }
}
