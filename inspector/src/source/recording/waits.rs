//! The latencies of waits, from the events of a recording. These do not say which line or task
//! waited, so they are told by descriptor alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use netpoller_endpoint::messages::Waits;
use netpoller_proto::v1::{LatenciesFrame, LatencyGroup, PollerLatencies, WatchLatenciesRequest};
use netpoller_proto::vocabulary::GroupBy;
use tonic::Status;

use super::events::{Forward, Wanted};
use super::past::Past;
use super::sending::{Stream, stream};
use super::streams::step_ns;
use crate::source::cursor::Cursor;

/// Groups of a poller, as an endpoint has them.
const GROUPS: usize = 256;
/// Of a wait that began longer before, only the end is known.
const LOOK_BACK_NS: u64 = 300_000_000_000;
/// Descriptors that are followed at a time: more than there are in a table that is recorded.
const DESCRIPTORS: usize = 1 << 16;

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
    let step_ns = step_ns(request.interval_ns);
    let (past, cursor) = (Arc::clone(past), Arc::clone(cursor));
    Ok(stream(move |send| {
        let mut from_ns = cursor.start_ns();
        let mut waits = Followed::from(past, from_ns.saturating_sub(LOOK_BACK_NS), wanted);
        // What had ended before is not told.
        waits.step(from_ns.saturating_sub(1));
        for sequence in 0.. {
            let until_ns = from_ns.saturating_add(step_ns).min(cursor.ends_at_ns());
            cursor.go(until_ns);
            let frame = LatenciesFrame {
                sequence,
                captured_at_ns: until_ns,
                epoch,
                interval_ns: until_ns - from_ns,
                pollers: waits.step(until_ns),
            };
            if !send(frame) || until_ns >= cursor.ends_at_ns() {
                return;
            }
            from_ns = until_ns + 1;
        }
    }))
}

/// The waits of all descriptors, as far as their events have been read.
struct Followed {
    events: Forward,
    /// By poller and id, those of descriptors for which somebody waits, or has waited in this step.
    waits: BTreeMap<(String, String), Waits>,
}

impl Followed {
    fn from(past: Arc<Past>, from_ns: u64, wanted: Wanted) -> Self {
        Self {
            events: Forward::from(past, from_ns, wanted),
            waits: BTreeMap::new(),
        }
    }

    /// Goes on to a moment, and gives the waits that have ended on the way.
    fn step(&mut self, until_ns: u64) -> Vec<PollerLatencies> {
        while let Some(event) = self.events.next_until(until_ns) {
            let key = (event.poller.clone(), event.id.clone());
            let is_room = self.waits.len() < DESCRIPTORS;
            if !event.id.is_empty() && (is_room || self.waits.contains_key(&key)) {
                self.waits.entry(key).or_default().add(&event);
            }
        }
        let mut pollers: BTreeMap<String, Vec<LatencyGroup>> = BTreeMap::new();
        self.waits.retain(|(poller, id), waits| {
            let histograms = waits.take();
            let count = histograms.first().map_or(0, |it| it.count);
            if count > 0 {
                let group = LatencyGroup {
                    key: id.clone(),
                    waits: count,
                    histograms,
                };
                pollers.entry(poller.clone()).or_default().push(group);
            }
            waits.is_parked()
        });
        let told = pollers.into_iter().map(|(poller, groups)| {
            let (groups, others) = first(groups);
            PollerLatencies {
                poller,
                groups,
                others: Some(others),
            }
        });
        told.collect()
    }
}

/// The descriptors with the most waits, and all others together.
fn first(mut all: Vec<LatencyGroup>) -> (Vec<LatencyGroup>, LatencyGroup) {
    all.sort_by_key(|group| std::cmp::Reverse(group.waits));
    let rest = all.split_off(all.len().min(GROUPS));
    let others = LatencyGroup {
        waits: rest.iter().map(|group| group.waits).sum(),
        ..LatencyGroup::default()
    };
    (all, others)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};

    use netpoller_proto::v1::{Event, EventKind, Mode, TransitionsFrame, WatchFrame};
    use tokio_stream::StreamExt;

    use super::*;
    use crate::fixture;
    use crate::source::recording::block::Bytes;
    use crate::source::recording::writer::Writer;

    const MS: u64 = 1_000_000;

    /// A recording of which it is known how much of it was read.
    #[derive(Debug)]
    struct Counted(Vec<u8>, Arc<AtomicU64>);

    impl Bytes for Counted {
        fn size(&self) -> io::Result<u64> {
            self.0.size()
        }

        fn read(&self, at: u64, room: &mut [u8]) -> io::Result<()> {
            self.1.fetch_add(room.len() as u64, Ordering::Relaxed);
            self.0.read(at, room)
        }
    }

    fn event(kind: EventKind, ms: u64) -> Event {
        Event {
            at_ns: fixture::NOW_NS + ms * MS,
            id: "1.1".to_owned(),
            kind: kind.into(),
            direction: Mode::Read.into(),
            ..Event::default()
        }
    }

    /// A recording with a block for the events that were told at each of these times.
    fn recorded(told: &[(u64, Vec<Event>)]) -> Vec<u8> {
        let mut file = Vec::new();
        let server = fixture::server(3, fixture::NOW_NS);
        let mut writer = Writer::new(&mut file, server).expect("written to memory");
        let table = WatchFrame {
            captured_at_ns: fixture::NOW_NS,
            keyframe: true,
            end: true,
            ..WatchFrame::default()
        };
        writer.frame(table).expect("written");
        for (ms, events) in told {
            let frame = TransitionsFrame {
                captured_at_ns: fixture::NOW_NS + ms * MS,
                events: events.clone(),
                ..TransitionsFrame::default()
            };
            writer.transitions(frame).expect("written");
            writer.flush().expect("written");
        }
        writer.finish("").expect("written");
        drop(writer);
        file
    }

    /// Of each step the waits that ended in it, and what of the recording was read for all.
    async fn told(file: Vec<u8>, from_ms: u64) -> (Vec<u64>, u64) {
        let count = Arc::default();
        let past = Past::of(Box::new(Counted(file, Arc::clone(&count))));
        let past = Arc::new(past.expect("a recording"));
        let from_ns = Some(fixture::NOW_NS + from_ms * MS);
        let cursor = Cursor::new(past.begins_at_ns, past.ends_at_ns, from_ns);
        let request = WatchLatenciesRequest {
            by: GroupBy::Descriptor.number(),
            ..WatchLatenciesRequest::default()
        };
        let frames = start(&past, &Arc::new(cursor), &request, 1).expect("a stream");
        let waits = frames.map(|frame| {
            let pollers = frame.expect("a frame").pollers;
            let groups = pollers.iter().flat_map(|it| &it.groups);
            groups.map(|it| it.waits).sum()
        });
        (waits.collect().await, count.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn waits_are_told_in_the_step_in_which_they_ended_and_nothing_is_read_again() {
        // Each is half in one step and half in the next.
        let of = |second: u64| {
            let end = event(EventKind::ReadyParked, second * 1_000 + 500);
            let begin = event(EventKind::Park, second * 1_000 + 600);
            (second * 1_000 + 700, vec![end, begin])
        };
        let file = recorded(&(0..100).map(of).collect::<Vec<_>>());
        let size = file.len() as u64;
        let (waits, read) = told(file.clone(), 0).await;
        assert_eq!(waits.len(), 100);
        assert!(
            waits[0] == 0 && waits[1..].iter().all(|it| *it == 1),
            "{waits:?}"
        );
        // To open it, and then once.
        assert!(read <= 3 * size, "{read} of {size}");
        let (waits, _) = told(file, 50_000).await;
        assert_eq!(waits, [1; 50], "it began before");
    }

    #[tokio::test]
    async fn the_end_of_a_wait_may_be_told_before_its_beginning() {
        let file = recorded(&[
            (900, vec![event(EventKind::ReadyParked, 898)]),
            (
                920,
                vec![event(EventKind::Park, 897), event(EventKind::Park, 910)],
            ),
            (990, vec![event(EventKind::ReadyParked, 980)]),
        ]);
        assert_eq!(told(file, 0).await.0, [2]);
    }
}
