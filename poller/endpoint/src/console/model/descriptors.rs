//! Descriptors, their deadlines, and who waits for them.

use netpoller_core::{Direction, Kind};

use super::{At, Listed, Model, Timer};
use crate::console::attributes::{self, is_armed};
use crate::console::entities::{Meta, Op, Resource, ResourceKind};
use crate::console::process::{Process, Reading, SideWords};
use crate::console::wall::Anchor;

impl<P: Process> Model<P> {
    /// Lists a descriptor if there is room.
    pub(super) fn list(&mut self, poller: At, row: P::Row) -> bool {
        let Some(parent) = self.pollers.get(&poller.number) else {
            return false;
        };
        if self.descriptors.len() >= self.sizes.descriptors {
            return false;
        }
        let (kind, concrete_type) = attributes::kind(row.kind());
        let resource = Resource {
            meta: match row.kind() {
                Kind::Timer => Meta::Timer,
                _ => Meta::Descriptor,
            },
            parent: Some(parent.resource),
            kind,
            concrete_type,
            location: row.opened(),
            created_ns: row.opened_at_ns(),
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
            row: row.clone(),
            seen: 0,
            sides: Default::default(),
        };
        self.descriptors
            .insert((poller.number, row.id().slot), listed);
        self.refresh(poller, row);
        true
    }

    /// Brings what is shown of a listed descriptor up to date.
    pub(super) fn refresh(&mut self, poller: At, row: P::Row) {
        let key = (poller.number, row.id().slot);
        // Taken out for the while, so that all else can be changed beside it.
        let Some(mut listed) = self.descriptors.remove(&key) else {
            return;
        };
        let before = std::mem::replace(&mut listed.row, row);
        let before = (listed.seen != 0).then_some(before);
        listed.seen = self.sample;
        let row = &listed.row;
        let is_changed = before.as_ref() != Some(row);
        let words = is_changed.then(|| self.process.words(poller.index, row));
        let words = words.flatten();
        for direction in Direction::ALL {
            // For each sample: it keeps the task from being taken for one that is gone.
            let task = self.people.find(
                &mut self.tasks,
                &listed.row,
                direction,
                self.sample,
                self.sampled_ns,
            );
            listed.sides[direction.index()].task = task;
            let is_same = |before: &P::Row| listed.row.is_same(before, direction);
            if let Some(words) = &words
                && !before.as_ref().is_some_and(is_same)
            {
                let words = &words.sides[direction.index()];
                self.refresh_waits(&mut listed, words, before.as_ref(), direction);
            }
        }
        if listed.row.kind() == Kind::Timer {
            let deadline_ns = listed.row.side(Direction::Read).deadline_ns;
            let attributes = attributes::of_deadline(deadline_ns, None, self.sampled_ns);
            self.replace(listed.resource, attributes);
        } else {
            if let Some(words) = words {
                let attributes = attributes::of_descriptor(&listed.row, words);
                self.replace(listed.resource, attributes);
            }
            for direction in Direction::ALL {
                self.refresh_deadline(&mut listed, direction);
            }
        }
        self.descriptors.insert(key, listed);
    }

    /// Shows a descriptor, and who waits for it, as they were.
    pub(super) fn keep(&mut self, key: (u32, u32)) {
        if let Some(listed) = self.descriptors.get_mut(&key) {
            listed.seen = self.sample;
            let row = &listed.row;
            for direction in Direction::ALL {
                self.people.find(
                    &mut self.tasks,
                    row,
                    direction,
                    self.sample,
                    self.sampled_ns,
                );
            }
        }
    }

    /// The waits of one direction, which has changed since `earlier`.
    fn refresh_waits(
        &mut self,
        listed: &mut Listed<P::Row>,
        words: &SideWords,
        earlier: Option<&P::Row>,
        direction: Direction,
    ) {
        let Listed {
            resource,
            row,
            sides,
            ..
        } = listed;
        let shown = &mut sides[direction.index()];
        let side = row.side(direction);
        let earlier = earlier.map(|row| row.side(direction));
        let parks = side
            .parks
            .saturating_sub(earlier.map_or(0, |side| side.parks));
        let Some(task) = shown.task else {
            // Nobody has waited yet, or there was no number left for who did.
            if row.who(direction).is_some() {
                self.dropped.tasks = self.dropped.tasks.saturating_add(parks);
                self.dropped.ops = self.dropped.ops.saturating_add(parks);
            }
            return;
        };
        self.tasks.update(task, self.sample, |task| {
            let stats = task.stats;
            task.stats.add(&side, earlier.as_ref());
            task.stats != stats
        });
        let mut op = op(*resource, row, words, direction, task, self.anchor);
        let known = shown.op.zip(shown.op.and_then(|id| self.ops.get(id)));
        match known.map(|(id, known)| (id, known.source, known.created_ns)) {
            Some((id, source, created_ns)) if source == op.source => {
                op.created_ns = created_ns;
                self.ops.update(id, self.sample, |known| {
                    std::mem::replace(known, op.clone()) != op
                });
            }
            earlier => {
                if let Some((id, ..)) = earlier {
                    // Its source was told once and for all: what is waited for now is another op.
                    self.ops.end(id, self.sample, self.sampled_ns);
                    op.created_ns = op.created_ns.max(op.since_ns);
                }
                shown.op = self.ops.insert(op, self.sample, self.sampled_ns);
                if shown.op.is_none() {
                    self.dropped.ops = self.dropped.ops.saturating_add(parks);
                }
            }
        }
    }

    fn refresh_deadline(&mut self, listed: &mut Listed<P::Row>, direction: Direction) {
        let side = listed.row.side(direction);
        let shown = &mut listed.sides[direction.index()];
        if !is_armed(side.deadline_ns) {
            if let Timer::Shown(id) = shown.timer {
                self.resources.end(id, self.sample, self.sampled_ns);
            }
            shown.timer = Timer::None;
            return;
        }
        let attributes =
            attributes::of_deadline(side.deadline_ns, Some(direction), self.sampled_ns);
        if let Timer::Shown(id) = shown.timer {
            self.replace(id, attributes);
            return;
        }
        let deadline = Resource {
            meta: Meta::Timer,
            parent: Some(listed.resource),
            kind: ResourceKind::Timer,
            concrete_type: "Deadline".into(),
            location: listed.row.line(direction).or_else(|| listed.row.opened()),
            created_ns: self.sampled_ns,
            is_internal: false,
            attributes,
        };
        shown.timer = match self
            .resources
            .insert(deadline, self.sample, self.sampled_ns)
        {
            Some(id) => Timer::Shown(id),
            None => {
                self.dropped.resources += u64::from(shown.timer == Timer::None);
                Timer::Dropped
            }
        };
    }
}

fn op(
    resource: u64,
    row: &impl Reading,
    words: &SideWords,
    direction: Direction,
    task: u64,
    anchor: Anchor,
) -> Op {
    let side = row.side(direction);
    let (source, waits) = attributes::waits(row, direction);
    Op {
        resource,
        source,
        created_ns: row.opened_at_ns(),
        waits,
        since_ns: side.since_ns,
        task,
        attributes: attributes::of_wait(&side, words, anchor),
    }
}
