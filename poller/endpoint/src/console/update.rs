//! What one client was told, and the messages that tell it the rest.
//!
//! Nothing queues up for a client: it remembers the sample that it was told last, and is told what
//! has changed since, however many samples were made meanwhile.

use console_api::instrument::Update;
use console_api::{async_ops, resources, tasks};
use prost::Message;
use prost_types::Timestamp;

use super::entities::{Meta, Resource};
use super::ids::{Entity, Life, Place, State, Table};
use super::messages;
use super::model::{Dropped, Model};
use super::process::Process;
use crate::packer::Room;

/// One client.
#[derive(Debug)]
pub(super) struct ClientView {
    redact: bool,
    /// Number of the last sample.
    sample: u64,
    /// All that had been dropped by then.
    dropped: Dropped,
}

impl ClientView {
    /// One that is told of what is dropped from now on: what was before is no loss of its.
    pub(super) fn nothing(model: &Model<impl Process>, redact: bool) -> Self {
        Self {
            redact,
            sample: 0,
            dropped: model.dropped,
        }
    }

    /// All that is new, at least the time. What refers to another thing comes in a later message
    /// than that.
    pub(super) fn updates(&mut self, model: &Model<impl Process>) -> Vec<Update> {
        let mut batch = Batch::new(model.anchor.timestamp(model.sampled_ns));
        batch.dropped(model.dropped.since(self.dropped));
        self.dropped = model.dropped;
        if self.sample == 0 {
            batch.last().new_metadata = Some(messages::metadata());
            self.tell_ended(model, &mut batch);
        }
        self.resources(model, &mut batch, Level::Poller);
        batch.cut();
        self.resources(model, &mut batch, Level::Descriptor);
        self.tasks(model, &mut batch);
        batch.cut();
        self.resources(model, &mut batch, Level::Timer);
        self.ops(model, &mut batch);
        self.sample = model.sample;
        batch.finish()
    }

    /// Tells of each number at which nothing lives that it has ended: the client may remember it,
    /// from before it lost its connection, or from a process that was here before.
    fn tell_ended(&self, model: &Model<impl Process>, batch: &mut Batch) {
        let anchor = model.anchor;
        let unknown = Life {
            created_ns: model.sampled_ns,
            dropped_ns: model.sampled_ns,
        };
        for (id, life, last) in ended(&model.resources) {
            let life = life.unwrap_or(unknown);
            batch.resource(id, None, life.of_resource(last, anchor, self.redact));
        }
        for (id, life, last) in ended(&model.tasks) {
            batch.task(id, None, life.unwrap_or(unknown).of_task(last, anchor));
        }
        for (id, life, last) in ended(&model.ops) {
            let stats = life.unwrap_or(unknown).of_op(last, anchor, self.redact);
            // By now its task's number may be another's.
            let task_id = None;
            batch.op(id, None, async_ops::Stats { task_id, ..stats });
        }
        batch.cut();
    }

    fn is_news<E>(&self, place: &Place<E>) -> bool {
        place.version > self.sample && !(self.sample == 0 && matches!(place.state, State::Dead(_)))
    }

    fn resources(&self, model: &Model<impl Process>, batch: &mut Batch, level: Level) {
        for (id, place) in model
            .resources
            .iter()
            .filter(|(_, place)| self.is_news(place))
        {
            match &place.state {
                State::Live(resource) if Level::of(resource) == level => {
                    let new = (place.born > self.sample).then(|| resource.message(id));
                    batch.resource(id, new, resource.stats(model.anchor, self.redact));
                }
                State::Dead(life) if level == Level::Poller => {
                    let last = place.last.as_ref();
                    let stats = life.of_resource(last, model.anchor, self.redact);
                    batch.resource(id, None, stats);
                }
                _ => {}
            }
        }
    }

    fn tasks(&self, model: &Model<impl Process>, batch: &mut Batch) {
        for (id, place) in model.tasks.iter().filter(|(_, place)| self.is_news(place)) {
            match &place.state {
                State::Live(task) => {
                    let new = (place.born > self.sample).then(|| task.message(id));
                    batch.task(id, new, task.stats(model.anchor));
                }
                State::Dead(life) => {
                    batch.task(id, None, life.of_task(place.last.as_ref(), model.anchor));
                }
            }
        }
    }

    fn ops(&self, model: &Model<impl Process>, batch: &mut Batch) {
        for (id, place) in model.ops.iter().filter(|(_, place)| self.is_news(place)) {
            match &place.state {
                State::Live(op) => {
                    let new = (place.born > self.sample).then(|| op.message(id));
                    batch.op(id, new, op.stats(model.anchor, self.redact));
                }
                State::Dead(life) => {
                    let last = place.last.as_ref();
                    batch.op(id, None, life.of_op(last, model.anchor, self.redact));
                }
            }
        }
    }
}

/// How far down the tree. The client looks for a parent among what it was told before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level {
    Poller,
    Descriptor,
    Timer,
}

impl Level {
    fn of(resource: &Resource) -> Self {
        match (resource.parent, resource.meta) {
            (None, _) => Level::Poller,
            (Some(_), Meta::Descriptor) => Level::Descriptor,
            (Some(_), _) => Level::Timer,
        }
    }
}

/// The numbers that nothing lives at, with what is known of what lay there.
fn ended<E: Entity>(table: &Table<E>) -> impl Iterator<Item = (u64, Option<Life>, Option<&E>)> {
    let dead = table.iter().filter_map(|(id, place)| match &place.state {
        State::Dead(life) => Some((id, Some(*life), place.last.as_ref())),
        State::Live(_) => None,
    });
    dead.chain(table.unused().map(|id| (id, None, None)))
}

/// Messages in the making, each at most as large as a message may be.
struct Batch {
    now: Timestamp,
    done: Vec<Update>,
    last: Update,
    room: Room,
}

impl Batch {
    fn new(now: Timestamp) -> Self {
        Self {
            now,
            done: Vec::new(),
            last: Update {
                now: Some(now),
                ..Default::default()
            },
            room: Room::default(),
        }
    }

    fn last(&mut self) -> &mut Update {
        &mut self.last
    }

    fn dropped(&mut self, dropped: Dropped) {
        let Dropped {
            resources,
            ops,
            tasks,
        } = dropped;
        if dropped == Dropped::default() {
            return;
        }
        let update = self.entry(0, 0);
        update
            .resource_update
            .get_or_insert_default()
            .dropped_events = resources;
        update
            .async_op_update
            .get_or_insert_default()
            .dropped_events = ops;
        update.task_update.get_or_insert_default().dropped_events = tasks;
    }

    /// What comes now comes in a later message than what came before.
    fn cut(&mut self) {
        if !self.room.is_empty() || self.last.new_metadata.is_some() {
            let next = Update {
                now: Some(self.now),
                ..Default::default()
            };
            self.done.push(std::mem::replace(&mut self.last, next));
            self.room = Room::default();
        }
    }

    /// The message that has room for an entry.
    fn entry(&mut self, new: usize, stats: usize) -> &mut Update {
        // With the number, and the tags and lengths of both.
        let bytes = new + stats + 24;
        if !self.room.take(bytes) {
            self.cut();
            self.room.take(bytes);
        }
        &mut self.last
    }

    fn resource(&mut self, id: u64, new: Option<resources::Resource>, stats: resources::Stats) {
        let update = self.entry(
            new.as_ref().map_or(0, Message::encoded_len),
            stats.encoded_len(),
        );
        let update = update.resource_update.get_or_insert_default();
        update.new_resources.extend(new);
        update.stats_update.insert(id, stats);
    }

    fn task(&mut self, id: u64, new: Option<tasks::Task>, stats: tasks::Stats) {
        let update = self.entry(
            new.as_ref().map_or(0, Message::encoded_len),
            stats.encoded_len(),
        );
        let update = update.task_update.get_or_insert_default();
        update.new_tasks.extend(new);
        update.stats_update.insert(id, stats);
    }

    fn op(&mut self, id: u64, new: Option<async_ops::AsyncOp>, stats: async_ops::Stats) {
        let update = self.entry(
            new.as_ref().map_or(0, Message::encoded_len),
            stats.encoded_len(),
        );
        let update = update.async_op_update.get_or_insert_default();
        update.new_async_ops.extend(new);
        update.stats_update.insert(id, stats);
    }

    fn finish(mut self) -> Vec<Update> {
        if !self.room.is_empty() || self.done.is_empty() {
            self.done.push(self.last);
        }
        self.done
    }
}
