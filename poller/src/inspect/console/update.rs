//! What one client was told, and the messages that tell it the rest.
//!
//! Nothing queues up for a client: it remembers the sample that it was told last, and is told what has changed since,
//! however many samples were made meanwhile.

use console_api::instrument::Update;
use console_api::{async_ops, resources, tasks};
use prost::Message;
use prost_types::Timestamp;

use super::entities::{Meta, Resource};
use super::ids::{Life, Place, State, Table};
use super::messages;
use super::model::Model;
use crate::inspect::service::MAX_MESSAGE;

/// Bytes of the entries of a message; the rest is for what surrounds them.
const MAX_ENTRIES: usize = MAX_MESSAGE - 8192;

/// One client.
#[derive(Debug)]
pub(super) struct Told {
    redact: bool,
    /// Number of the last sample.
    sample: u64,
}

impl Told {
    pub(super) fn nothing(redact: bool) -> Self {
        Self { redact, sample: 0 }
    }

    /// All that is new, at least the time. What refers to another thing comes in a later message than that.
    pub(super) fn updates(&mut self, model: &Model) -> Vec<Update> {
        let mut batch = Batch::new(model.anchor.timestamp(model.sampled_ns));
        if self.sample == 0 {
            batch.last().new_metadata = Some(messages::metadata());
            self.bury(model, &mut batch);
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

    /// Ends whatever the client remembers of a process that was here before, at numbers that nobody has now.
    fn bury(&self, model: &Model, batch: &mut Batch) {
        let life = Life {
            created_ns: model.sampled_ns,
            dropped_ns: model.sampled_ns,
        };
        let anchor = model.anchor;
        for id in ended(&model.resources) {
            batch.resource(id, None, life.of_resource(anchor));
        }
        for id in ended(&model.tasks) {
            batch.task(id, None, life.of_task(anchor));
        }
        for id in ended(&model.ops) {
            batch.op(id, None, life.of_op(anchor));
        }
        batch.cut();
    }

    fn is_news<E>(&self, place: &Place<E>) -> bool {
        place.version > self.sample && !(self.sample == 0 && matches!(place.state, State::Dead(_)))
    }

    fn resources(&self, model: &Model, batch: &mut Batch, level: Level) {
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
                    let mut stats = life.of_resource(model.anchor);
                    if let Some(last) = &place.last {
                        let dropped_at = stats.dropped_at;
                        stats = last.stats(model.anchor, self.redact);
                        stats.dropped_at = dropped_at;
                    }
                    batch.resource(id, None, stats);
                }
                _ => {}
            }
        }
    }

    fn tasks(&self, model: &Model, batch: &mut Batch) {
        for (id, place) in model.tasks.iter().filter(|(_, place)| self.is_news(place)) {
            match &place.state {
                State::Live(task) => {
                    let new = (place.born > self.sample).then(|| task.message(id));
                    batch.task(id, new, task.stats(model.anchor));
                }
                State::Dead(life) => {
                    let mut stats = life.of_task(model.anchor);
                    if let Some(last) = &place.last {
                        let dropped_at = stats.dropped_at;
                        stats = last.stats(model.anchor);
                        stats.dropped_at = dropped_at;
                    }
                    batch.task(id, None, stats)
                }
            }
        }
    }

    fn ops(&self, model: &Model, batch: &mut Batch) {
        for (id, place) in model.ops.iter().filter(|(_, place)| self.is_news(place)) {
            match &place.state {
                State::Live(op) => {
                    let new = (place.born > self.sample).then(|| op.message(id));
                    batch.op(id, new, op.stats(model.anchor, self.redact));
                }
                State::Dead(life) => {
                    let mut stats = life.of_op(model.anchor);
                    if let Some(last) = &place.last {
                        let dropped_at = stats.dropped_at;
                        stats = last.stats(model.anchor, self.redact);
                        stats.dropped_at = dropped_at;
                    }
                    batch.op(id, None, stats)
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

/// The numbers that nothing lives at.
fn ended<E: super::ids::Entity>(table: &Table<E>) -> impl Iterator<Item = u64> + '_ {
    let dead = table
        .iter()
        .filter(|(_, place)| matches!(place.state, State::Dead(_)))
        .map(|(id, _)| id);
    dead.chain(table.unused())
}

/// Messages in the making, each at most as large as a message may be.
struct Batch {
    now: Timestamp,
    done: Vec<Update>,
    last: Update,
    bytes: usize,
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
            bytes: 0,
        }
    }

    fn last(&mut self) -> &mut Update {
        &mut self.last
    }

    /// What comes now comes in a later message than what came before.
    fn cut(&mut self) {
        if self.bytes > 0 || self.last.new_metadata.is_some() {
            let next = Update {
                now: Some(self.now),
                ..Default::default()
            };
            self.done.push(std::mem::replace(&mut self.last, next));
            self.bytes = 0;
        }
    }

    /// The message that has room for an entry.
    fn entry(&mut self, new: usize, stats: usize) -> &mut Update {
        // Number, tags and lengths.
        let bytes = new + stats + 32;
        if self.bytes + bytes > MAX_ENTRIES {
            self.cut();
        }
        self.bytes += bytes;
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
        if self.bytes > 0 || self.done.is_empty() {
            self.done.push(self.last);
        }
        self.done
    }
}
