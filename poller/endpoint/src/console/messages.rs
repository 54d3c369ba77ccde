//! Entities as messages of console-api.
//!
//! The client panics at a missing `created_at` or `poll_stats`, and drops what has an empty text:
//! none is made here.

use console_api::field::{Name, Value as FieldValue};
use console_api::register_metadata::NewMetadata;
use console_api::{
    Field, Id, Location, MetaId, Metadata, PollStats, RegisterMetadata, async_ops, resources, tasks,
};

use super::entities::{Attribute, Meta, Op, Resource, ResourceKind, Task, Value};
use super::ids::Life;
use super::process::Place;
use super::wall::{Anchor, duration};
use crate::methods::encode::hidden;

pub(super) fn metadata() -> RegisterMetadata {
    let metadata = Meta::ALL.map(|meta| NewMetadata {
        id: id(meta),
        metadata: Some(Metadata {
            name: meta.name().to_owned(),
            target: meta.target().to_owned(),
            ..Default::default()
        }),
    });
    RegisterMetadata {
        metadata: metadata.into(),
    }
}

fn id(meta: Meta) -> Option<MetaId> {
    Some(MetaId { id: meta as u64 })
}

fn location(place: Option<&Place>) -> Option<Location> {
    place.map(|place| match place {
        Place::Here(at) => Location::from(*at),
        Place::Told(text) => {
            let parts = text.rsplit_once(':');
            let parts = parts.and_then(|(file, line)| Some((file, line.parse().ok()?)));
            Location {
                file: Some(parts.map_or(&**text, |(file, _)| file).to_owned()),
                line: parts.map(|(_, line)| line),
                ..Default::default()
            }
        }
    })
}

fn field(name: &str, value: FieldValue, meta: Meta) -> Field {
    Field {
        metadata_id: id(meta),
        name: Some(Name::StrName(name.to_owned())),
        value: Some(value),
    }
}

fn text(name: &str, value: &str, meta: Meta) -> Option<Field> {
    (!value.is_empty()).then(|| field(name, FieldValue::StrVal(value.to_owned()), meta))
}

fn attribute(attribute: &Attribute, meta: Meta, redact: bool) -> Option<console_api::Attribute> {
    let name = attribute.name;
    let field = match &attribute.value {
        Value::Number(number) => Some(field(name, FieldValue::U64Val(*number), meta)),
        Value::Text(value) => text(name, value, meta),
        Value::Address(address) if redact => text(name, &hidden(address), meta),
        Value::Address(address) => text(name, address, meta),
        Value::Place(Place::Here(at)) => text(name, &format!("{}:{}", at.file(), at.line()), meta),
        Value::Place(Place::Told(at)) => text(name, at, meta),
    };
    field.map(|field| console_api::Attribute {
        field: Some(field),
        unit: attribute.unit.map(str::to_owned),
    })
}

fn attributes(of: &[Attribute], meta: Meta, redact: bool) -> Vec<console_api::Attribute> {
    of.iter()
        .filter_map(|one| attribute(one, meta, redact))
        .collect()
}

impl Resource {
    pub(super) fn message(&self, number: u64) -> resources::Resource {
        use resources::resource::{Kind, kind};
        let kind = match self.kind {
            ResourceKind::Timer => kind::Kind::Known(kind::Known::Timer.into()),
            ResourceKind::Other(name) => kind::Kind::Other(name.to_owned()),
        };
        resources::Resource {
            id: Some(Id { id: number }),
            metadata: id(self.meta),
            concrete_type: self.concrete_type.clone().into_owned(),
            kind: Some(Kind { kind: Some(kind) }),
            location: location(self.location.as_ref()),
            parent_resource_id: self.parent.map(|id| Id { id }),
            is_internal: self.is_internal,
        }
    }

    pub(super) fn stats(&self, anchor: Anchor, redact: bool) -> resources::Stats {
        resources::Stats {
            created_at: Some(anchor.timestamp(self.created_ns)),
            dropped_at: None,
            attributes: attributes(&self.attributes, self.meta, redact),
        }
    }
}

impl Op {
    pub(super) fn message(&self, number: u64) -> async_ops::AsyncOp {
        async_ops::AsyncOp {
            id: Some(Id { id: number }),
            metadata: id(Meta::Op),
            source: self.source.to_owned(),
            parent_async_op_id: None,
            resource_id: Some(Id { id: self.resource }),
        }
    }

    /// What it is shown to be busy with is nothing: it waits, and the client counts that as idle.
    pub(super) fn stats(&self, anchor: Anchor, redact: bool) -> async_ops::Stats {
        async_ops::Stats {
            created_at: Some(anchor.timestamp(self.created_ns)),
            dropped_at: None,
            task_id: Some(Id { id: self.task }),
            poll_stats: Some(PollStats {
                polls: self.waits,
                first_poll: None,
                last_poll_started: anchor.known(self.since_ns),
                last_poll_ended: anchor.known(self.since_ns),
                busy_time: Some(duration(0)),
            }),
            attributes: attributes(&self.attributes, Meta::Op, redact),
        }
    }
}

impl Task {
    pub(super) fn message(&self, number: u64) -> tasks::Task {
        let kind = if self.number.is_some() {
            "task"
        } else {
            "thread"
        };
        let mut fields = vec![field(
            "kind",
            FieldValue::StrVal(kind.to_owned()),
            Meta::Task,
        )];
        fields.extend(text("task.name", &self.name, Meta::Task));
        fields.extend(
            self.number
                .map(|number| field("task.id", FieldValue::U64Val(number), Meta::Task)),
        );
        tasks::Task {
            id: Some(Id { id: number }),
            metadata: id(Meta::Task),
            kind: tasks::task::Kind::Spawn.into(),
            fields,
            parents: Vec::new(),
            location: location(self.location.as_ref()),
        }
    }

    pub(super) fn stats(&self, anchor: Anchor) -> tasks::Stats {
        let stats = &self.stats;
        tasks::Stats {
            created_at: Some(anchor.timestamp(self.created_ns)),
            dropped_at: None,
            wakes: stats.wakes,
            // One waker is kept where somebody waits. Of one that nobody will call there is none:
            // the client warns.
            waker_clones: stats.parks.saturating_add(1),
            waker_drops: (stats.parks).saturating_add(self.has_lost_waker.into()),
            last_wake: anchor.known(stats.woken_ns),
            poll_stats: Some(PollStats {
                polls: (stats.parks).saturating_add((stats.started_ns > stats.ended_ns).into()),
                first_poll: None,
                last_poll_started: anchor.known(stats.started_ns),
                last_poll_ended: anchor.known(stats.ended_ns),
                busy_time: Some(duration(stats.busy_ns)),
            }),
            self_wakes: 0,
            scheduled_time: Some(duration(stats.scheduled_ns)),
        }
    }
}

impl Life {
    /// The end of what was `last`, as far as that is still known.
    pub(super) fn of_resource(
        self,
        last: Option<&Resource>,
        anchor: Anchor,
        redact: bool,
    ) -> resources::Stats {
        let last = last.map(|last| last.stats(anchor, redact));
        resources::Stats {
            created_at: Some(anchor.timestamp(self.created_ns)),
            dropped_at: Some(anchor.timestamp(self.dropped_ns)),
            ..last.unwrap_or_default()
        }
    }

    pub(super) fn of_op(self, last: Option<&Op>, anchor: Anchor, redact: bool) -> async_ops::Stats {
        let last = last.map(|last| last.stats(anchor, redact));
        let last = last.unwrap_or_else(|| async_ops::Stats {
            poll_stats: Some(PollStats::default()),
            ..Default::default()
        });
        async_ops::Stats {
            created_at: Some(anchor.timestamp(self.created_ns)),
            dropped_at: Some(anchor.timestamp(self.dropped_ns)),
            ..last
        }
    }

    pub(super) fn of_task(self, last: Option<&Task>, anchor: Anchor) -> tasks::Stats {
        let last = last.map(|last| last.stats(anchor));
        let last = last.unwrap_or_else(|| tasks::Stats {
            poll_stats: Some(PollStats::default()),
            ..Default::default()
        });
        tasks::Stats {
            created_at: Some(anchor.timestamp(self.created_ns)),
            dropped_at: Some(anchor.timestamp(self.dropped_ns)),
            ..last
        }
    }
}
