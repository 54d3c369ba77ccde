//! Events by time, with which of them has led to which wake.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, Event, EventKind, TransitionsFrame};
use netpoller_proto::vocabulary::{Cause, Direction};

/// Something that is told, with its arrows.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) at_ns: u64,
    /// When it was, if it cannot be told then: it comes too late, or from later than it was read.
    pub(super) happened_at_ns: Option<u64>,
    pub(super) what: What,
    /// The wakes that it has led to, by the numbers of their arrows.
    pub(super) leads_to: Vec<u64>,
    /// Of a wake that something led to: the arrow that comes from there.
    pub(super) comes_from: Option<u64>,
}

#[derive(Debug, PartialEq)]
pub(super) enum What {
    Event(Event),
    /// The table has told, with this row, that somebody waits since then.
    Parked {
        row: Arc<Descriptor>,
        direction: Direction,
    },
    /// So many events before the next one were not read.
    Lost(u64),
}

/// Puts events in the order of their time.
///
/// A frame has the events of all threads by time, and an event may come in a later frame than some
/// that happened after it, where one thread was read before another, or one thread has read the
/// clock and then done much. So a frame waits for the next one, and for a while.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: VecDeque<Told>,
    /// The last moment that was given.
    given_ns: u64,
    /// Arrows so far.
    arrows: u64,
    lost: u64,
}

/// So long an event is waited for.
const WAIT_NS: u64 = 250_000_000;
/// What is held at most, whatever a process says of the time; more than a table has waiters.
const MOST: usize = 1 << 18;
/// Perfetto counts with signed numbers.
const LAST_NS: u64 = i64::MAX.cast_unsigned();

impl Order {
    /// Takes somebody who is known to wait since then.
    pub(super) fn parked(&mut self, at_ns: u64, row: Arc<Descriptor>, direction: Direction) {
        let what = What::Parked { row, direction };
        self.held.push_back(Told::new(at_ns.min(LAST_NS), what));
    }

    /// Events that were lost, as far as is known; some may not be told yet.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes the events of the next frame; gives those that were held before, by time.
    pub(super) fn take(&mut self, frame: TransitionsFrame) -> Vec<Told> {
        let read_ns = frame.captured_at_ns.min(LAST_NS);
        let settled_ns = self.last_ns();
        let settled_ns = settled_ns.map(|it| it.min(read_ns.saturating_sub(WAIT_NS)));
        let lost = frame.lost.saturating_add(frame.dropped);
        if lost > self.lost {
            let first = frame.events.first();
            let at_ns = first.map_or(read_ns, |event| event.at_ns.min(read_ns));
            let what = What::Lost(lost - self.lost);
            self.held.push_back(Told::new(at_ns, what));
            self.lost = lost;
        }
        let events = frame.events.into_iter();
        self.held.extend(events.map(|event| {
            let at_ns = event.at_ns;
            Told {
                // It cannot have been read before it was.
                happened_at_ns: (at_ns > read_ns).then_some(at_ns),
                ..Told::new(at_ns.min(read_ns), What::Event(event))
            }
        }));
        self.sort();
        let later = |settled_ns| self.held.partition_point(|it| it.at_ns <= settled_ns);
        let mut count = settled_ns.map_or(0, later);
        if self.held.len() - count > MOST {
            // Many at once, so that it does not come to this with each frame.
            count = self.held.len() - MOST / 2;
        }
        self.give(count)
    }

    /// When the last event was that is held.
    fn last_ns(&self) -> Option<u64> {
        let is_event = |it: &&Told| matches!(it.what, What::Event(_));
        self.held.iter().rfind(is_event).map(|it| it.at_ns)
    }

    /// Gives the first of them. One that comes later than all waiting is put where it can be, and
    /// says when it was.
    fn give(&mut self, count: usize) -> Vec<Told> {
        if count == 0 {
            return Vec::new();
        }
        self.draw();
        let mut given: Vec<Told> = self.held.drain(..count).collect();
        for told in &mut given {
            if told.at_ns < self.given_ns {
                told.happened_at_ns.get_or_insert(told.at_ns);
                told.at_ns = self.given_ns;
            }
            self.given_ns = told.at_ns;
        }
        given
    }

    /// Leaves out what the table has told of later than the last event; gives when that was.
    pub(super) fn cut(&mut self) -> Option<u64> {
        self.sort();
        let last_ns = self.last_ns()?;
        self.held.retain(|it| it.at_ns <= last_ns);
        Some(last_ns)
    }

    /// Gives what is left.
    pub(super) fn rest(&mut self) -> Vec<Told> {
        self.sort();
        self.give(self.held.len())
    }

    /// The number of an arrow that nothing else has.
    pub(super) fn arrow(&mut self) -> u64 {
        self.arrows += 1;
        self.arrows
    }

    fn sort(&mut self) {
        // What happened at the same time stays in its order.
        self.held.make_contiguous().sort_by_key(|it| it.at_ns);
    }

    /// Finds what has led to which wake, among what is held. A thread that wakes somebody reads the
    /// clock once for what it was told and for the wake. A wake of no descriptor, or of both
    /// directions, is of nobody.
    fn draw(&mut self) {
        let mut origins = HashMap::<(&str, &str, Direction), usize>::new();
        let mut found = Vec::new();
        for (at, told) in self.held.iter().enumerate() {
            let What::Event(event) = &told.what else {
                continue;
            };
            if event.id.is_empty() {
                continue;
            }
            let one = event.direction().word();
            let directions = match &one {
                Some(direction) => std::slice::from_ref(direction),
                None => &Direction::ALL[..],
            };
            for direction in directions {
                let key = (event.poller.as_str(), event.id.as_str(), *direction);
                match event.kind() {
                    EventKind::Event | EventKind::DeadlineFired => {
                        origins.insert(key, at);
                    }
                    EventKind::ReadyParked | EventKind::UnblockParked if one.is_some() => {
                        let origin = origins.remove(&key);
                        let is_of_it = |origin: &usize| match &self.held[*origin].what {
                            What::Event(origin) => leads(origin, event),
                            _ => false,
                        };
                        if told.comes_from.is_none() {
                            found.extend(origin.filter(is_of_it).map(|origin| (origin, at)));
                        }
                    }
                    _ => {}
                }
            }
        }
        for (origin, wake) in found {
            let arrow = self.arrow();
            self.held[origin].leads_to.push(arrow);
            self.held[wake].comes_from = Some(arrow);
        }
    }
}

/// Whether the one is what the other was woken by.
fn leads(origin: &Event, wake: &Event) -> bool {
    let is_kind = match origin.kind() {
        EventKind::Event => wake.kind() == EventKind::ReadyParked,
        _ => wake.cause() == Some(Cause::Deadline),
    };
    is_kind && (&origin.thread, origin.at_ns) == (&wake.thread, wake.at_ns)
}

impl Told {
    fn new(at_ns: u64, what: What) -> Self {
        Self {
            at_ns,
            happened_at_ns: None,
            what,
            leads_to: Vec::new(),
            comes_from: None,
        }
    }
}
