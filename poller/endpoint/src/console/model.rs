//! What is shown, brought up to date when somebody looks.
//!
//! All clients share it, so that they agree on the numbers: tokio-console keeps what it was told
//! when it connects anew.

mod descriptors;
mod lost;
mod pollers;
mod replay;

use std::collections::{HashMap, HashSet};

use netpoller_core::{Direction, Kind};

use super::entities::{Attribute, Op, Resource, Task};
use super::ids::Table;
use super::process::{Begun, Event, Process, Reading};
use super::tasks::People;
use super::wall::Anchor;

/// How much is shown at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The client sorts and draws all rows anew for each message.
    pub(super) descriptors: usize,
    /// Descriptors, their deadlines, pollers and their eventfds.
    pub(super) resources: usize,
    pub(super) ops: usize,
    pub(super) tasks: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            descriptors: 5000,
            resources: 8192,
            ops: 10_000,
            tasks: 8192,
        }
    }
}

/// What is not shown although it should be, counted once each: rows that changed faster than they
/// could be read, deadlines and pollers that found no number, and waits whose task or op found
/// none. Descriptors for which there is no room are no loss, for `more` shows how many; nor is what
/// the flight recorder has overwritten, for the poller's row tells that.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Dropped {
    pub(super) resources: u64,
    pub(super) ops: u64,
    pub(super) tasks: u64,
}

impl Dropped {
    /// What was lost after `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            resources: self.resources - earlier.resources,
            ops: self.ops - earlier.ops,
            tasks: self.tasks - earlier.tasks,
        }
    }
}

/// A sleep is listed when it has lasted so long. Shorter ones come and go by the thousand, and
/// nobody looks for them.
const LONG_SLEEP_NS: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Model<P: Process> {
    /// What is looked at.
    pub(super) process: P,
    pub(super) anchor: Anchor,
    pub(super) resources: Table<Resource>,
    pub(super) ops: Table<Op>,
    pub(super) tasks: Table<Task>,
    /// Number of the last sample; 0 before the first.
    pub(super) sample: u64,
    pub(super) sampled_ns: u64,
    people: People,
    pollers: HashMap<u32, Followed>,
    /// By poller and slot.
    descriptors: HashMap<(u32, u32), Listed<P::Row>>,
    /// The resource that stands for those that are not listed.
    more: Option<u64>,
    /// The tasks that have lost their waker.
    lost: HashSet<u64>,
    sizes: Sizes,
    pub(super) dropped: Dropped,
    events: Vec<Event>,
}

/// A poller.
#[derive(Debug)]
struct Followed {
    resource: u64,
    /// Its eventfd.
    wake: Option<u64>,
    /// Events that the flight recorder overwrote before they were read.
    overwritten: u64,
    /// By thread: the task that it has resumed, and when.
    running: HashMap<u32, (u64, u64)>,
    seen: u64,
}

/// A descriptor that is listed.
#[derive(Debug)]
struct Listed<R> {
    resource: u64,
    row: R,
    seen: u64,
    sides: [Shown; 2],
}

/// What is shown of one direction.
#[derive(Clone, Copy, Default, Debug)]
struct Shown {
    timer: Timer,
    op: Option<u64>,
    /// Who waits, or waited last.
    task: Option<u64>,
}

/// The resource of an armed deadline.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Timer {
    /// No deadline is armed.
    #[default]
    None,
    Shown(u64),
    /// There was no number left; it is counted.
    Dropped,
}

/// A poller, by its place in the look and by its number.
#[derive(Clone, Copy)]
struct At {
    index: usize,
    number: u32,
}

/// A descriptor that is not listed yet.
struct Candidate {
    /// It waits since then, `u64::MAX` if it does not.
    since_ns: u64,
    poller: At,
    place: u32,
}

impl<P: Process> Model<P> {
    pub(super) fn new(process: P, sizes: Sizes) -> Self {
        Self {
            process,
            anchor: Anchor::now(),
            resources: Table::new(sizes.resources),
            ops: Table::new(sizes.ops),
            tasks: Table::new(sizes.tasks),
            sample: 0,
            sampled_ns: 0,
            people: People::default(),
            pollers: HashMap::new(),
            descriptors: HashMap::new(),
            more: None,
            lost: HashSet::new(),
            sizes,
            dropped: Dropped::default(),
            events: Vec::new(),
        }
    }

    /// Looks at all tables.
    pub(super) fn look(&mut self, moment: P::Moment) {
        let Begun { now_ns, anchor } = self.process.begin(moment);
        if self.sample == 0 {
            // Once and for all: the client subtracts its times from each other.
            self.anchor = anchor;
        }
        self.sample += 1;
        // What is told may have gone back, and a client's time must not.
        self.sampled_ns = self.sampled_ns.max(now_ns);
        let (mut pollers, mut candidates) = (Vec::new(), Vec::new());
        for (index, now) in self.process.pollers().iter().enumerate() {
            let poller = At {
                index,
                number: now.number,
            };
            pollers.push(poller);
            if self.follow(now) {
                self.sweep(poller, &mut candidates);
            }
        }
        self.end_unseen();
        candidates.sort_by_key(|candidate: &Candidate| candidate.since_ns);
        let mut unlisted = 0;
        for Candidate { poller, place, .. } in candidates {
            let Some(row) = self.process.row(poller.index, place) else {
                continue;
            };
            if row.is_torn() {
                self.dropped.resources += 1;
            } else if !self.list(poller, row) {
                unlisted += 1;
            }
        }
        self.tell_of_more(unlisted);
        for poller in &pollers {
            self.replay(*poller);
        }
        self.find_lost(&pollers);
        self.process.end();
        self.people
            .end_unseen(&mut self.tasks, self.sample, self.sampled_ns);
        self.resources.forget(self.sampled_ns);
        self.ops.forget(self.sampled_ns);
        self.tasks.forget(self.sampled_ns);
    }

    fn sweep(&mut self, poller: At, candidates: &mut Vec<Candidate>) {
        for place in 0..self.process.places(poller.index) {
            let Some(row) = self.process.row(poller.index, place) else {
                continue;
            };
            let key = (poller.number, row.id().slot);
            let known = self.descriptors.get(&key);
            let is_known = known.is_some_and(|listed| listed.row.id() == row.id());
            if row.is_torn() {
                self.dropped.resources += 1;
                if is_known {
                    self.keep(key);
                }
            } else if is_known {
                self.refresh(poller, row);
            } else if row.kind() != Kind::Timer
                || row.opened_at_ns().saturating_add(LONG_SLEEP_NS) <= self.sampled_ns
            {
                let sides = Direction::ALL.map(|direction| row.side(direction));
                let waits = sides.iter().filter(|side| side.is_waiting());
                candidates.push(Candidate {
                    since_ns: waits.map(|side| side.since_ns).min().unwrap_or(u64::MAX),
                    poller,
                    place,
                });
            }
        }
    }

    fn end_unseen(&mut self) {
        let Self {
            process,
            descriptors,
            pollers,
            resources,
            ops,
            sample,
            sampled_ns,
            ..
        } = self;
        descriptors.retain(|(poller, slot), listed| {
            let seen = listed.seen == *sample;
            if !seen {
                for side in listed.sides {
                    side.op
                        .into_iter()
                        .for_each(|id| ops.end(id, *sample, *sampled_ns));
                    if let Timer::Shown(id) = side.timer {
                        resources.end(id, *sample, *sampled_ns);
                    }
                }
                resources.end(listed.resource, *sample, *sampled_ns);
                process.forget(*poller, *slot);
            }
            seen
        });
        pollers.retain(|_, followed| {
            let seen = followed.seen == *sample;
            if !seen {
                resources.end(followed.resource, *sample, *sampled_ns);
                if let Some(id) = followed.wake {
                    resources.end(id, *sample, *sampled_ns);
                }
            }
            seen
        });
    }

    fn replace(&mut self, id: u64, attributes: Vec<Attribute>) {
        self.resources.update(id, self.sample, |resource| {
            let changed = resource.attributes != attributes;
            resource.attributes = attributes;
            changed
        });
    }
}
