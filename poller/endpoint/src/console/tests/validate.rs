//! What tokio-console 0.1.14 demands of every message: where it would panic, drop something for
//! ever, or show it wrong.
//!
//! A client remembers what it was told, over reconnects too. This one refuses what the real one
//! would.

use std::collections::{HashMap, HashSet};

use console_api::field::{Name, Value};
use console_api::instrument::Update;
use console_api::resources::resource::kind;
use console_api::tasks::TaskDetails;
use console_api::tasks::task_details::PollTimesHistogram;
use console_api::{Attribute, Field, MetaId, PollStats};
use hdrhistogram::serialization::Deserializer;
use prost::Message;
use prost_types::Timestamp;

use crate::limits::MAX_MESSAGE;

/// What a client knows.
#[derive(Default, Debug)]
pub(super) struct Client {
    metadata: HashSet<u64>,
    now: Option<i128>,
    pub(super) resources: HashMap<u64, Known>,
    pub(super) tasks: HashMap<u64, Known>,
    pub(super) ops: HashMap<u64, Known>,
    /// What it shows as dropped: async ops, tasks, resources.
    pub(super) dropped: [u64; 3],
}

/// What it knows of one entity.
#[derive(Clone, Default, Debug)]
pub(super) struct Known {
    pub(super) kind: String,
    pub(super) parent: Option<u64>,
    /// Of a resource.
    pub(super) is_internal: bool,
    /// Of an async op.
    pub(super) task: Option<u64>,
    pub(super) fields: HashMap<String, String>,
    pub(super) polls: u64,
    /// Of a task: the client warns of it.
    pub(super) has_lost_waker: bool,
    pub(super) dropped: bool,
}

type Fault = Result<(), String>;

fn demand(holds: bool, what: impl FnOnce() -> String) -> Fault {
    if holds { Ok(()) } else { Err(what()) }
}

impl Client {
    /// A message that the real client would take without harm.
    pub(super) fn take(&mut self, update: &Update) -> Fault {
        let bytes = update.encoded_len();
        demand(bytes <= MAX_MESSAGE, || format!("{bytes} bytes"))?;
        let now = update.now.ok_or("no `now`: rows would never appear")?;
        let now = time(&now)?;
        demand(self.now.is_none_or(|before| before <= now), || {
            "time goes back".into()
        })?;
        self.now = Some(now);
        for new in update.new_metadata.iter().flat_map(|new| &new.metadata) {
            let id = new.id.ok_or("metadata without id")?;
            let metadata = new.metadata.as_ref().ok_or("metadata without metadata")?;
            demand(id.id != 0 && !metadata.target.is_empty(), || {
                format!("{metadata:?}")
            })?;
            self.metadata.insert(id.id);
        }
        demand(self.metadata.len() <= 10, || {
            "the client keeps all metadata".into()
        })?;
        let dropped = [
            update
                .async_op_update
                .as_ref()
                .map(|update| update.dropped_events),
            update
                .task_update
                .as_ref()
                .map(|update| update.dropped_events),
            update
                .resource_update
                .as_ref()
                .map(|update| update.dropped_events),
        ];
        for (sum, dropped) in self.dropped.iter_mut().zip(dropped) {
            *sum += dropped.unwrap_or(0);
        }
        self.take_tasks(update)?;
        self.take_resources(update)?;
        self.take_ops(update)
    }

    fn take_tasks(&mut self, update: &Update) -> Fault {
        let Some(tasks) = &update.task_update else {
            return Ok(());
        };
        for task in &tasks.new_tasks {
            let id = task.id.ok_or("task without id")?.id;
            let at = |what: &str| format!("task {id}: {what}");
            demand(id != 0, || at("is zero"))?;
            self.registered(task.metadata).map_err(|fault| at(&fault))?;
            location(task.location.as_ref()).map_err(|fault| at(&fault))?;
            demand(tasks.stats_update.contains_key(&id), || {
                at("no stats beside it")
            })?;
            let mut known = Known::default();
            for one in &task.fields {
                let (name, value) = self.field(one).map_err(|fault| at(&fault))?;
                let is_number = matches!(one.value, Some(Value::U64Val(_)));
                demand(name != "task.id" || is_number, || {
                    at("task.id is no number")
                })?;
                known.fields.insert(name, value);
            }
            known.kind = known.fields.get("kind").cloned().unwrap_or_default();
            self.tasks.insert(id, known);
        }
        for (id, stats) in &tasks.stats_update {
            let at = |fault: String| format!("task {id}: {fault}");
            life(stats.created_at, stats.dropped_at).map_err(at)?;
            let polls = polls(stats.poll_stats.as_ref()).map_err(at)?;
            stats.last_wake.as_ref().map(time).transpose().map_err(at)?;
            if let Some(time) = &stats.scheduled_time {
                positive(time).map_err(at)?;
            }
            demand(stats.waker_drops <= stats.waker_clones, || {
                at("more wakers dropped than made".into())
            })?;
            if let Some(known) = self.tasks.get_mut(id) {
                known.polls = polls;
                known.dropped = stats.dropped_at.is_some();
                known.has_lost_waker = has_lost_waker(stats);
            }
        }
        Ok(())
    }

    fn take_resources(&mut self, update: &Update) -> Fault {
        let Some(resources) = &update.resource_update else {
            return Ok(());
        };
        let earlier: HashSet<u64> = self.resources.keys().copied().collect();
        for resource in &resources.new_resources {
            let id = resource.id.ok_or("resource without id")?.id;
            let at = |what: &str| format!("resource {id}: {what}");
            demand(id != 0, || at("is zero"))?;
            self.registered(resource.metadata)
                .map_err(|fault| at(&fault))?;
            location(resource.location.as_ref()).map_err(|fault| at(&fault))?;
            demand(resources.stats_update.contains_key(&id), || {
                at("no stats beside it")
            })?;
            demand(!resource.concrete_type.is_empty(), || at("no type"))?;
            let kind = resource.kind.as_ref().ok_or_else(|| at("no kind"))?;
            let kind = match kind
                .kind
                .as_ref()
                .ok_or_else(|| at("an empty kind: a panic"))?
            {
                kind::Kind::Known(0) => "Timer".to_owned(),
                kind::Kind::Known(other) => return Err(at(&format!("kind {other}"))),
                kind::Kind::Other(name) => name.clone(),
            };
            demand(!kind.is_empty(), || at("an empty kind"))?;
            let parent = resource.parent_resource_id.map(|parent| parent.id);
            demand(
                parent.is_none_or(|parent| earlier.contains(&parent)),
                || at("its parent was in no earlier message"),
            )?;
            let known = Known {
                kind,
                parent,
                is_internal: resource.is_internal,
                ..Default::default()
            };
            self.resources.insert(id, known);
        }
        for (id, stats) in &resources.stats_update {
            let at = |fault: String| format!("resource {id}: {fault}");
            life(stats.created_at, stats.dropped_at).map_err(at)?;
            let fields = self.attributes(&stats.attributes).map_err(at)?;
            if let Some(known) = self.resources.get_mut(id) {
                known.fields = fields;
                known.dropped = stats.dropped_at.is_some();
            }
        }
        Ok(())
    }

    fn take_ops(&mut self, update: &Update) -> Fault {
        let Some(ops) = &update.async_op_update else {
            return Ok(());
        };
        for op in &ops.new_async_ops {
            let id = op.id.ok_or("async op without id")?.id;
            let at = |what: &str| format!("async op {id}: {what}");
            demand(id != 0, || at("is zero"))?;
            self.registered(op.metadata).map_err(|fault| at(&fault))?;
            demand(ops.stats_update.contains_key(&id), || {
                at("no stats beside it")
            })?;
            demand(!op.source.is_empty(), || at("no source"))?;
            let resource = op.resource_id.ok_or_else(|| at("no resource"))?.id;
            demand(self.resources.contains_key(&resource), || {
                at("of an unknown resource")
            })?;
            let known = Known {
                kind: op.source.clone(),
                parent: Some(resource),
                ..Default::default()
            };
            self.ops.insert(id, known);
        }
        for (id, stats) in &ops.stats_update {
            let at = |fault: String| format!("async op {id}: {fault}");
            life(stats.created_at, stats.dropped_at).map_err(at)?;
            let polls = polls(stats.poll_stats.as_ref()).map_err(at)?;
            let fields = self.attributes(&stats.attributes).map_err(at)?;
            let task = stats.task_id.map(|task| task.id);
            let Some(known) = self.ops.get_mut(id) else {
                continue;
            };
            demand(stats.dropped_at.is_some() || task.is_some(), || {
                at("no task: invisible".into())
            })?;
            demand(
                task.is_none_or(|task| self.tasks.contains_key(&task)),
                || at("of a task that was in no message yet".into()),
            )?;
            known.fields = fields;
            known.polls = polls;
            known.task = task;
            known.dropped = stats.dropped_at.is_some();
        }
        Ok(())
    }

    fn registered(&self, id: Option<MetaId>) -> Fault {
        let id = id.ok_or("no metadata id")?;
        demand(self.metadata.contains(&id.id), || {
            format!("metadata {id:?} is not registered")
        })
    }

    fn field(&self, field: &Field) -> Result<(String, String), String> {
        if field.metadata_id.is_some() {
            self.registered(field.metadata_id)?;
        }
        let Some(Name::StrName(name)) = &field.name else {
            return Err(format!("{field:?} has no name of its own"));
        };
        let value = field
            .value
            .as_ref()
            .ok_or_else(|| format!("{name} has no value"))?
            .to_string();
        demand(!name.is_empty() && !value.is_empty(), || {
            format!("{field:?} is empty")
        })?;
        Ok((name.clone(), value))
    }

    fn attributes(&self, of: &[Attribute]) -> Result<HashMap<String, String>, String> {
        of.iter()
            .map(|attribute| {
                let field = attribute
                    .field
                    .as_ref()
                    .ok_or("an attribute without field")?;
                self.field(field)
            })
            .collect()
    }

    /// Those that are there.
    pub(super) fn live(of: &HashMap<u64, Known>) -> impl Iterator<Item = (u64, &Known)> {
        of.iter()
            .filter(|(_, known)| !known.dropped)
            .map(|(id, known)| (*id, known))
    }
}

/// The histograms of a task, as the client draws them: how many values each has.
pub(super) fn details(details: &TaskDetails) -> Result<(u64, u64), String> {
    details.task_id.ok_or("no task id: ignored")?;
    time(details.now.as_ref().ok_or("no now")?)?;
    let scheduled = details
        .scheduled_times_histogram
        .as_ref()
        .ok_or("no scheduled times")?;
    let Some(PollTimesHistogram::Histogram(polls)) = &details.poll_times_histogram else {
        return Err("no poll times".into());
    };
    let count = |histogram: &console_api::tasks::DurationHistogram| {
        demand(
            histogram.high_outliers == 0 || histogram.highest_outlier.is_some(),
            || "outliers without the highest: a panic".into(),
        )?;
        let decoded: hdrhistogram::Histogram<u64> = Deserializer::new()
            .deserialize(&mut histogram.raw_histogram.as_slice())
            .map_err(|error| format!("{error:?}"))?;
        Ok::<_, String>(decoded.len())
    };
    Ok((count(scheduled)?, count(polls)?))
}

fn time(time: &Timestamp) -> Result<i128, String> {
    demand(
        time.seconds >= 0 && (0..1_000_000_000).contains(&time.nanos),
        || format!("{time:?}"),
    )?;
    Ok(i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
}

fn positive(duration: &prost_types::Duration) -> Fault {
    demand(
        duration.seconds >= 0 && (0..1_000_000_000).contains(&duration.nanos),
        || format!("{duration:?} is negative: a panic"),
    )
}

fn life(created: Option<Timestamp>, dropped: Option<Timestamp>) -> Fault {
    let created = time(&created.ok_or("no created_at: a panic")?)?;
    let dropped = dropped.as_ref().map(time).transpose()?;
    demand(dropped.is_none_or(|dropped| created <= dropped), || {
        "ended before it began".into()
    })
}

fn polls(stats: Option<&PollStats>) -> Result<u64, String> {
    let stats = stats.ok_or("no poll_stats: a panic")?;
    for at in [&stats.last_poll_started, &stats.last_poll_ended]
        .into_iter()
        .flatten()
    {
        time(at)?;
    }
    if let Some(busy) = &stats.busy_time {
        positive(busy)?;
    }
    Ok(stats.polls)
}

/// As the client judges it: nobody has its waker, and it neither runs nor is about to.
fn has_lost_waker(stats: &console_api::tasks::Stats) -> bool {
    let nanos = |at: &Timestamp| (at.seconds, at.nanos);
    let polls = stats.poll_stats.as_ref();
    let started = polls.and_then(|polls| polls.last_poll_started.as_ref().map(nanos));
    let ended = polls.and_then(|polls| polls.last_poll_ended.as_ref().map(nanos));
    stats.dropped_at.is_none()
        && stats.waker_clones == stats.waker_drops
        && polls.is_some_and(|polls| polls.polls > 0)
        && started <= ended
        && stats.last_wake.as_ref().map(nanos) <= started
}

fn location(location: Option<&console_api::Location>) -> Fault {
    demand(
        location.is_none_or(|location| !location.to_string().is_empty()),
        || "a location that is empty: a panic".into(),
    )
}
