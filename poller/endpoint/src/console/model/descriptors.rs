//! Descriptors, their deadlines, and who waits for them.

use netpoller_core::internals::{self, RawRow, RawSide, Slot};
use netpoller_core::view::Row;
use netpoller_core::{Direction, Kind, Poller, Transition};

use super::{Listed, Model, Timer};
use crate::console::attributes::{self, is_armed};
use crate::console::entities::{Meta, Op, Resource, ResourceKind};
use crate::console::tasks::count;
use crate::console::wall::Anchor;

impl Model {
    /// Lists a descriptor if there is room.
    pub(super) fn list(&mut self, poller: &Poller, desc: Slot<'_>, raw: &RawRow) -> bool {
        let Some(parent) = self.pollers.get(&internals::id(poller)) else {
            return false;
        };
        if self.descriptors.len() >= self.sizes.descriptors {
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
            .insert((internals::id(poller), raw.slot), listed);
        self.refresh(poller, desc, raw);
        true
    }

    /// Brings what is shown of a listed descriptor up to date.
    pub(super) fn refresh(&mut self, poller: &Poller, desc: Slot<'_>, raw: &RawRow) {
        let key = (internals::id(poller), raw.slot);
        // Taken out for the while, so that all else can be changed beside it.
        let Some(mut listed) = self.descriptors.remove(&key) else {
            return;
        };
        let before = (listed.seen != 0).then_some(listed.row);
        listed.seen = self.sample;
        listed.row = *raw;
        let row = (before != Some(*raw)).then(|| desc.row(&mut self.reader, poller, raw));
        for direction in Direction::ALL {
            // For each sample: it keeps the task from being taken for one that is gone.
            let side = &raw.sides[direction.index()];
            let task = self.people.find(
                &mut self.tasks,
                raw,
                direction,
                self.sample,
                self.sampled_ns,
            );
            listed.sides[direction.index()].task = task;
            let earlier = before.as_ref().map(|row| &row.sides[direction.index()]);
            if let Some(row) = &row
                && earlier != Some(side)
            {
                self.refresh_waits(&mut listed, row, earlier, direction);
            }
        }
        if raw.kind == Kind::Timer {
            let deadline_ns = raw.sides[0].deadline_ns;
            let attributes = attributes::of_deadline(deadline_ns, None, self.sampled_ns);
            self.replace(listed.resource, attributes);
        } else {
            if let Some(row) = row {
                self.replace(listed.resource, attributes::of_descriptor(&row));
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
        listed: &mut Listed,
        row: &Row,
        earlier: Option<&RawSide>,
        direction: Direction,
    ) {
        let Listed {
            resource,
            row: raw,
            sides,
            ..
        } = listed;
        let (side, shown) = (&raw.sides[direction.index()], &mut sides[direction.index()]);
        let parks = count(side, Transition::Park)
            .saturating_sub(earlier.map_or(0, |side| count(side, Transition::Park)));
        let Some(task) = shown.task else {
            // Nobody has waited yet, or there was no number left for who did.
            self.dropped.tasks += parks;
            self.dropped.ops += parks;
            return;
        };
        self.tasks.update(task, self.sample, |task| {
            let stats = task.stats;
            task.stats.add(side, earlier);
            task.stats != stats
        });
        let mut op = op(*resource, row, raw, direction, task, self.anchor);
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
                    self.dropped.ops += parks;
                }
            }
        }
    }

    fn refresh_deadline(&mut self, listed: &mut Listed, direction: Direction) {
        let side = &listed.row.sides[direction.index()];
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
            location: internals::line(&listed.row, direction).or(listed.row.opened_location),
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
    row: &Row,
    raw: &RawRow,
    direction: Direction,
    task: u64,
    anchor: Anchor,
) -> Op {
    let side = row.side(direction);
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
