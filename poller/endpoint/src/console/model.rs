//! What is shown, brought up to date from the live tables.
//!
//! All clients share it, so that they agree on the numbers: tokio-console keeps what it was told
//! when it connects anew.

mod descriptors;
mod lost;
mod pollers;
mod replay;

use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;

use netpoller_core::internals::{self, RawRow, Slot, StuckWatch};
use netpoller_core::view::recorder::{Cursor, Event};
use netpoller_core::view::{self, Reader};
use netpoller_core::{Kind, Poller};

use super::attributes::is_waiting;
use super::entities::{Attribute, Op, Resource, Task};
use super::ids::Table;
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
pub(super) struct Model {
    pub(super) anchor: Anchor,
    pub(super) resources: Table<Resource>,
    pub(super) ops: Table<Op>,
    pub(super) tasks: Table<Task>,
    /// Number of the last sample; 0 before the first.
    pub(super) sample: u64,
    pub(super) sampled_ns: u64,
    /// How long the lints leave a waiter alone.
    pub(super) options: view::lints::Options,
    reader: Reader,
    people: People,
    pollers: HashMap<u32, Followed>,
    /// By poller and slot.
    descriptors: HashMap<(u32, u32), Listed>,
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
    /// Its eventfd, and the number of that.
    wake: Option<(u64, RawFd)>,
    recorded: Cursor,
    /// Events that the flight recorder overwrote before they were read.
    overwritten: u64,
    /// By thread: the task that it has resumed, and when.
    running: HashMap<u32, (u64, u64)>,
    watch: StuckWatch,
    seen: u64,
}

/// A descriptor that is listed.
#[derive(Debug)]
struct Listed {
    resource: u64,
    row: RawRow,
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

/// What a look is of.
pub(super) struct Look<'a> {
    pub(super) pollers: &'a [Poller],
    /// When it begins.
    pub(super) now_ns: u64,
    /// How a row is read.
    pub(super) read: fn(Slot<'_>) -> Option<RawRow>,
}

impl<'a> Look<'a> {
    /// Of the tables of `pollers`, as they are now.
    pub(super) fn at(pollers: &'a [Poller]) -> Self {
        Self {
            pollers,
            now_ns: view::now_ns(),
            read: |slot| slot.read(),
        }
    }
}

/// A descriptor that is not listed yet.
struct Candidate {
    /// It waits since then, `u64::MAX` if it does not.
    since_ns: u64,
    poller: usize,
    slot: u32,
}

impl Model {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            anchor: Anchor::now(),
            resources: Table::new(sizes.resources),
            ops: Table::new(sizes.ops),
            tasks: Table::new(sizes.tasks),
            sample: 0,
            sampled_ns: 0,
            options: view::lints::Options::default(),
            reader: Reader::new(),
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
    pub(super) fn sample(&mut self) {
        self.look(Look::at(&view::pollers()));
    }

    /// Looks at some tables, as if there were no others.
    pub(super) fn look(&mut self, look: Look<'_>) {
        let Look { pollers, read, .. } = look;
        self.sample += 1;
        self.sampled_ns = look.now_ns;
        internals::begin(&mut self.reader);
        let mut candidates = Vec::new();
        for (index, poller) in pollers.iter().enumerate() {
            if self.follow(poller) {
                self.sweep(poller, index, read, &mut candidates);
            }
        }
        self.end_unseen();
        candidates.sort_by_key(|candidate: &Candidate| candidate.since_ns);
        let mut unlisted = 0;
        for Candidate { poller, slot, .. } in candidates {
            let poller = &pollers[poller];
            let Some(desc) = internals::slot(poller, slot) else {
                continue;
            };
            let Some(row) = read(desc) else {
                continue;
            };
            if row.torn {
                self.dropped.resources += 1;
            } else if !self.list(poller, desc, &row) {
                unlisted += 1;
            }
        }
        self.tell_of_more(unlisted);
        for poller in pollers {
            self.replay(poller);
        }
        self.find_lost(pollers);
        self.people
            .end_unseen(&mut self.tasks, self.sample, self.sampled_ns);
        self.resources.forget(self.sampled_ns);
        self.ops.forget(self.sampled_ns);
        self.tasks.forget(self.sampled_ns);
    }

    fn sweep(
        &mut self,
        poller: &Poller,
        index: usize,
        read: fn(Slot<'_>) -> Option<RawRow>,
        candidates: &mut Vec<Candidate>,
    ) {
        for desc in internals::slots(poller, 0) {
            let Some(row) = read(desc) else {
                continue;
            };
            let key = (internals::id(poller), row.slot);
            let known = self.descriptors.get(&key);
            let is_known = known.is_some_and(|listed| listed.row.generation == row.generation);
            if row.torn {
                self.dropped.resources += 1;
                if is_known {
                    self.keep(key);
                }
            } else if is_known {
                self.refresh(poller, desc, &row);
            } else if row.kind != Kind::Timer || row.opened_at_ns + LONG_SLEEP_NS <= self.sampled_ns
            {
                let waits = row.sides.iter().filter(|side| is_waiting(side.state));
                candidates.push(Candidate {
                    since_ns: waits.map(|side| side.since_ns).min().unwrap_or(u64::MAX),
                    poller: index,
                    slot: row.slot,
                });
            }
        }
    }

    fn end_unseen(&mut self) {
        let Self {
            descriptors,
            pollers,
            resources,
            ops,
            reader,
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
                internals::forget(reader, *poller, *slot);
            }
            seen
        });
        pollers.retain(|_, followed| {
            let seen = followed.seen == *sample;
            if !seen {
                resources.end(followed.resource, *sample, *sampled_ns);
                if let Some((id, _)) = followed.wake {
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
