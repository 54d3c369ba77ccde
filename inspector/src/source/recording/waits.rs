//! The latencies of waits, from the events of a recording. These do not say which line or task
//! waited, so they are told by descriptor alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use netpoller_proto::v1::{
    Event, LatenciesFrame, LatencyGroup, PollerLatencies, WatchLatenciesRequest,
};
use netpoller_proto::vocabulary::GroupBy;
use tonic::Status;

use super::events::{Wanted, between};
use super::past::Past;
use super::sending::{Stream, stream};
use crate::source::cursor::Cursor;

/// Groups of a poller, as an endpoint has them.
const GROUPS: usize = 256;
/// Of a wait that began longer before, only the end is known.
const LOOK_BACK_NS: u64 = 300_000_000_000;

/// The waits that ended from one step to the next.
pub(super) fn start(
    past: &Arc<Past>,
    cursor: &Arc<Cursor>,
    request: &WatchLatenciesRequest,
    epoch: u64,
) -> Result<Stream<LatenciesFrame>, Status> {
    if request.by != GroupBy::Descriptor.number() {
        return Err(Status::failed_precondition(
            "a recording has the waits of each descriptor, and not of each line or task: say --by descriptor",
        ));
    }
    let wanted = Wanted::of(&request.poller, &request.id);
    let step_ns = request.interval_ns.max(100_000_000);
    let (past, cursor) = (Arc::clone(past), Arc::clone(cursor));
    Ok(stream(move |send| {
        let mut from_ns = cursor.start_ns();
        for sequence in 0.. {
            let until_ns = from_ns.saturating_add(step_ns).min(cursor.ends_at_ns());
            cursor.go(until_ns);
            let mut waits: BTreeMap<String, BTreeMap<String, Vec<Event>>> = BTreeMap::new();
            let near = (from_ns.saturating_sub(LOOK_BACK_NS), until_ns);
            for frame in between(&past, near, &wanted) {
                for event in frame.events.into_iter().filter(|it| !it.id.is_empty()) {
                    let poller = waits.entry(event.poller.clone()).or_default();
                    poller.entry(event.id.clone()).or_default().push(event);
                }
            }
            let pollers = waits.into_iter().map(|(poller, waits)| {
                let (groups, others) = groups(waits, from_ns);
                PollerLatencies {
                    poller,
                    groups,
                    others: Some(others),
                }
            });
            let frame = LatenciesFrame {
                sequence,
                captured_at_ns: until_ns,
                epoch,
                interval_ns: until_ns - from_ns,
                pollers: pollers.collect(),
            };
            if !send(frame) || until_ns >= cursor.ends_at_ns() {
                return;
            }
            from_ns = until_ns + 1;
        }
    }))
}

/// The descriptors with the most waits, and all others together.
fn groups(waits: BTreeMap<String, Vec<Event>>, since_ns: u64) -> (Vec<LatencyGroup>, LatencyGroup) {
    let group = |(key, mut events): (String, Vec<Event>)| {
        events.sort_by_key(|event| event.at_ns);
        let histograms = netpoller_endpoint::messages::latencies(&events, since_ns);
        LatencyGroup {
            key,
            waits: histograms.first().map_or(0, |it| it.count),
            histograms,
        }
    };
    let mut all: Vec<LatencyGroup> = waits.into_iter().map(group).collect();
    all.retain(|group| group.waits > 0);
    all.sort_by_key(|group| std::cmp::Reverse(group.waits));
    let rest = all.split_off(all.len().min(GROUPS));
    let others = LatencyGroup {
        waits: rest.iter().map(|group| group.waits).sum(),
        ..LatencyGroup::default()
    };
    (all, others)
}
