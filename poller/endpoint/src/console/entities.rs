//! What is shown: resources, async ops and tasks, before they are messages.

use std::borrow::Cow;
use std::sync::Arc;

use super::histogram::Durations;
use super::ids::Entity;
use super::process::Place;

/// A fact about a resource or an async op.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) unit: Option<&'static str>,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Number(u64),
    Text(Arc<str>),
    /// Shown to those who may see addresses; to others a number stands for it.
    Address(Arc<str>),
    Place(Place),
}

impl Attribute {
    pub(super) fn number(name: &'static str, value: u64) -> Self {
        Self {
            name,
            value: Value::Number(value),
            unit: None,
        }
    }

    pub(super) fn text(name: &'static str, value: impl Into<Arc<str>>) -> Self {
        Self {
            name,
            value: Value::Text(value.into()),
            unit: None,
        }
    }

    pub(super) fn address(name: &'static str, value: &Arc<str>) -> Self {
        Self {
            name,
            value: Value::Address(value.clone()),
            unit: None,
        }
    }

    pub(super) fn place(name: &'static str, value: Place) -> Self {
        Self {
            name,
            value: Value::Place(value),
            unit: None,
        }
    }

    pub(super) fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }
}

/// Which registered metadata a thing belongs to. Few and small: tokio-console keeps all that it is
/// ever told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meta {
    Poller = 1,
    Descriptor = 2,
    Timer = 3,
    Op = 4,
    Task = 5,
}

impl Meta {
    pub(super) const ALL: [Meta; 5] = [
        Meta::Poller,
        Meta::Descriptor,
        Meta::Timer,
        Meta::Op,
        Meta::Task,
    ];

    /// The column Target.
    pub(super) fn target(self) -> &'static str {
        match self {
            Meta::Poller | Meta::Descriptor | Meta::Op => "netpoller",
            Meta::Timer => "netpoller::time",
            Meta::Task => "netpoller::task",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Meta::Poller => "poller",
            Meta::Descriptor => "descriptor",
            Meta::Timer => "timer",
            Meta::Op => "wait",
            Meta::Task => "task",
        }
    }
}

/// The column Kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ResourceKind {
    Timer,
    Other(&'static str),
}

/// A poller, its eventfd, a descriptor, an armed deadline, or the descriptors that are not listed.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) meta: Meta,
    pub(super) parent: Option<u64>,
    pub(super) kind: ResourceKind,
    pub(super) concrete_type: Cow<'static, str>,
    pub(super) location: Option<Place>,
    pub(super) created_ns: u64,
    /// The poller's own, which no program has opened.
    pub(super) is_internal: bool,
    pub(super) attributes: Vec<Attribute>,
}

/// All the waits of one direction of a descriptor.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Op {
    pub(super) resource: u64,
    pub(super) source: &'static str,
    pub(super) created_ns: u64,
    /// The waits that parked.
    pub(super) waits: u64,
    /// When the last one parked or ended.
    pub(super) since_ns: u64,
    /// Who waits, or waited last.
    pub(super) task: u64,
    pub(super) attributes: Vec<Attribute>,
}

/// What waits: a task, or a thread outside of any task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) name: Arc<str>,
    /// `None` for a thread.
    pub(super) number: Option<u64>,
    /// The line that was seen waiting first, the program's own if one is known.
    pub(super) location: Option<Place>,
    pub(super) created_ns: u64,
    pub(super) stats: TaskStats,
    /// It is parked on a descriptor that is ready: stuck, or its edge was lost.
    pub(super) has_lost_waker: bool,
    pub(super) wake_latency: Durations,
    pub(super) run_time: Durations,
}

/// The numbers of a task. A time is 0 if it is not known.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct TaskStats {
    /// Times it has parked.
    pub(super) parks: u64,
    /// Times it was woken from there.
    pub(super) wakes: u64,
    /// When it last ran after a wake.
    pub(super) started_ns: u64,
    /// When it last parked.
    pub(super) ended_ns: u64,
    /// When its waker was last called.
    pub(super) woken_ns: u64,
    pub(super) busy_ns: u64,
    pub(super) scheduled_ns: u64,
}

impl Entity for Resource {
    fn created_ns(&self) -> u64 {
        self.created_ns
    }
}

impl Entity for Op {
    fn created_ns(&self) -> u64 {
        self.created_ns
    }
}

impl Entity for Task {
    fn created_ns(&self) -> u64 {
        self.created_ns
    }

    fn shrink(&mut self) {
        self.wake_latency = Durations::default();
        self.run_time = Durations::default();
    }
}
