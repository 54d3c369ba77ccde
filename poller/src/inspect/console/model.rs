//! What is shown, brought up to date from the live tables.
//!
//! All clients share it, so that they agree on the numbers: tokio-console keeps what it was told when it connects anew.

mod lost;
mod replay;

use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;

use super::attributes::{self, is_armed, is_waiting};
use super::entities::{Attribute, Meta, Op, Resource, ResourceKind, Task};
use super::ids::Table;
use super::tasks::People;
use super::wall::Anchor;
use crate::desc::{Kind, PollDesc};
use crate::observe::Direction;
use crate::poller::Poller;
use crate::view::lints::StuckWatch;
use crate::view::recorder::{Cursor, Event};
use crate::view::{self, RawRow, Reader, Row};

/// Descriptors that are listed. The client sorts and draws all rows anew for each message.
pub(super) const MAX_DESCRIPTORS: usize = 5000;
/// Numbers of resources: descriptors, their deadlines, pollers and their eventfds.
const MAX_RESOURCES: usize = 8192;
const MAX_OPS: usize = 2 * MAX_DESCRIPTORS;
const MAX_TASKS: usize = 8192;
/// A sleep is listed when it has lasted so long. Shorter ones come and go by the thousand, and nobody looks for them.
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
    reader: Reader,
    people: People,
    pollers: HashMap<u32, Followed>,
    /// By poller and slot.
    descriptors: HashMap<(u32, u32), Listed>,
    /// The resource that stands for those that are not listed.
    more: Option<u64>,
    /// The tasks that have lost their waker.
    lost: HashSet<u64>,
    /// How long a waiter is left alone, for tests that have not the time to wait for what is meant for programs.
    #[cfg(test)]
    pub(super) hold: Option<std::time::Duration>,
    /// What its clock is ahead, in nanoseconds.
    #[cfg(test)]
    pub(super) ahead_ns: u64,
    events: Vec<Event>,
}

/// A poller.
#[derive(Debug)]
struct Followed {
    resource: u64,
    /// Its eventfd, and the number of that.
    wake: Option<(u64, RawFd)>,
    recorded: Cursor,
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
    timer: Option<u64>,
    op: Option<u64>,
    /// Who waits, or waited last.
    task: Option<u64>,
}

/// A descriptor that is not listed yet.
struct Candidate {
    /// It waits since then, `u64::MAX` if it does not.
    since_ns: u64,
    poller: usize,
    slot: u32,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            anchor: Anchor::now(),
            resources: Table::new(MAX_RESOURCES),
            ops: Table::new(MAX_OPS),
            tasks: Table::new(MAX_TASKS),
            sample: 0,
            sampled_ns: 0,
            reader: Reader::new(),
            people: People::default(),
            pollers: HashMap::new(),
            descriptors: HashMap::new(),
            more: None,
            lost: HashSet::new(),
            #[cfg(test)]
            hold: None,
            #[cfg(test)]
            ahead_ns: 0,
            events: Vec::new(),
        }
    }

    /// Looks at all tables.
    pub(super) fn sample(&mut self) {
        self.look(&view::pollers());
    }

    /// Looks at the tables of `pollers`, as if there were no others.
    pub(super) fn look(&mut self, pollers: &[Poller]) {
        self.sample += 1;
        self.sampled_ns = self.now_ns();
        self.reader.begin();
        let mut candidates = Vec::new();
        for (index, poller) in pollers.iter().enumerate() {
            if self.follow(poller) {
                self.sweep(poller, index, &mut candidates);
            }
        }
        self.end_unseen();
        candidates.sort_by_key(|candidate: &Candidate| candidate.since_ns);
        let mut unlisted = 0;
        for Candidate { poller, slot, .. } in candidates {
            let poller = &pollers[poller];
            let Some(desc) = poller.shared.cache.get(slot) else {
                continue;
            };
            if let Some(row) = RawRow::read(desc)
                && !self.list(poller, desc, &row)
            {
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

    #[cfg(not(test))]
    fn now_ns(&self) -> u64 {
        view::now_ns()
    }

    #[cfg(test)]
    fn now_ns(&self) -> u64 {
        view::now_ns() + self.ahead_ns
    }

    fn new_watch(&self) -> StuckWatch {
        #[cfg(test)]
        if let Some(hold) = self.hold {
            return StuckWatch::with_hold(hold);
        }
        StuckWatch::default()
    }

    /// Whether the poller is shown.
    fn follow(&mut self, poller: &Poller) -> bool {
        let stats = view::stats(poller);
        let attributes = attributes::of_poller(&stats);
        let id = poller.shared.id;
        if let Some(followed) = self.pollers.get_mut(&id) {
            followed.seen = self.sample;
            replace(
                &mut self.resources,
                followed.resource,
                self.sample,
                attributes,
            );
            if let Some((id, fd)) = followed.wake {
                let attributes = attributes::of_break(&stats, fd);
                replace(&mut self.resources, id, self.sample, attributes);
            }
            return true;
        }
        let resource = Resource {
            meta: Meta::Poller,
            parent: None,
            kind: ResourceKind::Other("poller"),
            concrete_type: "Epoll",
            location: None,
            created_ns: stats.info().created_at_ns,
            is_internal: false,
            attributes,
        };
        let Some(resource) = self
            .resources
            .insert(resource, self.sample, self.sampled_ns)
        else {
            return false;
        };
        let wake = poller.shared.backend.break_fd().and_then(|fd| {
            let eventfd = Resource {
                meta: Meta::Descriptor,
                parent: Some(resource),
                kind: ResourceKind::Other("eventfd"),
                concrete_type: "EventFd",
                location: None,
                created_ns: stats.info().created_at_ns,
                is_internal: true,
                attributes: attributes::of_break(&stats, fd),
            };
            let id = self.resources.insert(eventfd, self.sample, self.sampled_ns);
            id.zip(Some(fd))
        });
        let followed = Followed {
            resource,
            wake,
            recorded: Cursor::oldest(poller),
            running: HashMap::new(),
            watch: self.new_watch(),
            seen: self.sample,
        };
        self.pollers.insert(id, followed);
        true
    }

    fn sweep(&mut self, poller: &Poller, index: usize, candidates: &mut Vec<Candidate>) {
        for desc in poller.shared.cache.iter_from(0) {
            let Some(row) = RawRow::read(desc) else {
                continue;
            };
            let known = self.descriptors.get(&(poller.shared.id, row.slot));
            if known.is_some_and(|listed| listed.row.generation == row.generation) {
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
                    side.timer
                        .into_iter()
                        .for_each(|id| resources.end(id, *sample, *sampled_ns));
                }
                resources.end(listed.resource, *sample, *sampled_ns);
                reader.forget(*poller, *slot);
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

    /// Lists a descriptor if there is room.
    fn list(&mut self, poller: &Poller, desc: &PollDesc, raw: &RawRow) -> bool {
        let Some(parent) = self.pollers.get(&poller.shared.id) else {
            return false;
        };
        if self.descriptors.len() >= MAX_DESCRIPTORS {
            return false;
        }
        let (kind, concrete_type) = attributes::kind(raw);
        let resource = Resource {
            meta: match raw.kind {
                Kind::Timer => Meta::Timer,
                _ => Meta::Descriptor,
            },
            parent: Some(parent.resource),
            kind,
            concrete_type,
            location: raw.opened_location,
            created_ns: raw.opened_at_ns,
            is_internal: false,
            attributes: Vec::new(),
        };
        let Some(resource) = self
            .resources
            .insert(resource, self.sample, self.sampled_ns)
        else {
            return false;
        };
        // As it was before anything happened to it, so that all of it is new.
        let listed = Listed {
            resource,
            row: *raw,
            seen: 0,
            sides: Default::default(),
        };
        self.descriptors
            .insert((poller.shared.id, raw.slot), listed);
        self.refresh(poller, desc, raw);
        true
    }

    fn refresh(&mut self, poller: &Poller, desc: &PollDesc, raw: &RawRow) {
        let Some(listed) = self.descriptors.get_mut(&(poller.shared.id, raw.slot)) else {
            return;
        };
        let is_new = listed.seen == 0;
        let before = (!is_new).then_some(listed.row);
        listed.seen = self.sample;
        listed.row = *raw;
        let row = (before != Some(*raw)).then(|| self.reader.row(poller, desc, raw));
        let (sample, now_ns) = (self.sample, self.sampled_ns);
        for direction in Direction::ALL {
            let index = direction.index();
            let shown = &mut listed.sides[index];
            // For each sample: it keeps the task from being taken for one that is gone.
            let side = &raw.sides[index];
            let task = self.people.find(&mut self.tasks, side, sample, now_ns);
            shown.task = task;
            let Some(row) = &row else {
                continue;
            };
            let earlier = before.as_ref().map(|row| &row.sides[index]);
            if earlier == Some(side) {
                continue;
            }
            if let Some(task) = task {
                self.tasks.update(task, sample, |task| {
                    let stats = task.stats;
                    task.stats.add(side, earlier);
                    task.stats != stats
                });
                let mut op = op(listed.resource, row, raw, direction, task, self.anchor);
                let known = shown.op.zip(shown.op.and_then(|id| self.ops.get(id)));
                match known.map(|(id, known)| (id, known.source, known.created_ns)) {
                    Some((id, source, created_ns)) if source == op.source => {
                        op.created_ns = created_ns;
                        self.ops.update(id, sample, |known| {
                            std::mem::replace(known, op.clone()) != op
                        });
                    }
                    earlier => {
                        if let Some((id, ..)) = earlier {
                            // Its source was told once and for all: what is waited for now is another op.
                            self.ops.end(id, sample, now_ns);
                            op.created_ns = op.created_ns.max(op.since_ns);
                        }
                        shown.op = self.ops.insert(op, sample, now_ns);
                    }
                }
            }
        }
        if raw.kind == Kind::Timer {
            let deadline_ns = raw.sides[0].deadline_ns;
            let attributes = attributes::of_deadline(deadline_ns, None, now_ns);
            replace(&mut self.resources, listed.resource, sample, attributes);
            return;
        }
        if let Some(row) = row {
            let attributes = attributes::of_descriptor(&row);
            replace(&mut self.resources, listed.resource, sample, attributes);
        }
        for direction in Direction::ALL {
            let deadline_ns = raw.sides[direction.index()].deadline_ns;
            let timer = &mut listed.sides[direction.index()].timer;
            match (*timer, is_armed(deadline_ns)) {
                (None, false) => {}
                (Some(id), false) => {
                    self.resources.end(id, sample, now_ns);
                    *timer = None;
                }
                (known, true) => {
                    let attributes = attributes::of_deadline(deadline_ns, Some(direction), now_ns);
                    match known {
                        Some(id) => replace(&mut self.resources, id, sample, attributes),
                        None => {
                            let deadline = Resource {
                                meta: Meta::Timer,
                                parent: Some(listed.resource),
                                kind: ResourceKind::Timer,
                                concrete_type: "Deadline",
                                location: raw.sides[direction.index()]
                                    .location
                                    .or(raw.opened_location),
                                created_ns: now_ns,
                                is_internal: false,
                                attributes,
                            };
                            *timer = self.resources.insert(deadline, sample, now_ns);
                        }
                    }
                }
            }
        }
    }

    fn tell_of_more(&mut self, unlisted: u64) {
        let attributes = vec![Attribute::number("count", unlisted)];
        match (self.more, unlisted) {
            (None, 0) => {}
            (Some(id), 0) => {
                self.resources.end(id, self.sample, self.sampled_ns);
                self.more = None;
            }
            (Some(id), _) => replace(&mut self.resources, id, self.sample, attributes),
            (None, _) => {
                let more = Resource {
                    meta: Meta::Poller,
                    parent: None,
                    kind: ResourceKind::Other("more"),
                    concrete_type: "PollDesc",
                    location: None,
                    created_ns: self.sampled_ns,
                    is_internal: false,
                    attributes,
                };
                self.more = self.resources.insert(more, self.sample, self.sampled_ns);
            }
        }
    }
}

fn op(
    resource: u64,
    row: &Row,
    raw: &RawRow,
    direction: Direction,
    task: u64,
    anchor: Anchor,
) -> Op {
    let side = match direction {
        Direction::Read => &row.read,
        Direction::Write => &row.write,
    };
    let (source, waits) = attributes::waits(raw, direction);
    Op {
        resource,
        source,
        created_ns: row.opened_at_ns,
        waits,
        since_ns: side.since_ns,
        task,
        attributes: attributes::of_wait(side, anchor),
    }
}

fn replace(resources: &mut Table<Resource>, id: u64, sample: u64, attributes: Vec<Attribute>) {
    resources.update(id, sample, |resource| {
        let changed = resource.attributes != attributes;
        resource.attributes = attributes;
        changed
    });
}
