//! Events as instants.

use netpoller_proto::v1::{Event, EventKind};

use super::writer::{Args, Mark, Value};
use crate::table::epoll_names;

/// Whether it is told of whoever polls, though it is about a descriptor, which may be gone.
pub(super) fn is_of_poller(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Event
            | EventKind::StaleEvent
            | EventKind::DeadlineFired
            | EventKind::DeadlineExtended
            | EventKind::DeadlineStale
    )
}

/// An event as an instant.
pub(super) fn mark(event: &Event) -> Mark {
    let text = |text: &str| Value::Text(text.to_owned());
    let kind = event.kind();
    let mut args = Args::new();
    if !event.id.is_empty() {
        args.push(("id", text(&event.id)));
    }
    if let Some(direction) = event.direction().name() {
        args.push(("direction", text(direction)));
    }
    #[allow(clippy::cast_possible_truncation)] // As its kind says.
    let argument = match kind {
        EventKind::Event | EventKind::StaleEvent => {
            Some(("epoll", Value::Text(epoll_names(event.argument as u32))))
        }
        // A wake says why by itself.
        EventKind::ReadyParked | EventKind::UnblockParked => None,
        EventKind::UnblockArmed => event.cause().map(|cause| ("cause", text(cause.name()))),
        EventKind::Opened | EventKind::Closed => {
            Some(("fd", Value::Signed((event.argument as i32).into())))
        }
        EventKind::DeadlineSet => Some(("in_us", Value::Number(event.argument))),
        EventKind::DeadlineFired => Some(("late_us", Value::Number(event.argument))),
        EventKind::Poll => Some(("events", Value::Number(event.argument))),
        EventKind::Run => Some(("wake_latency_ns", Value::Number(event.argument))),
        EventKind::Waited => Some(("before_poll_ns", Value::Number(event.argument))),
        _ => (event.argument != 0).then_some(("argument", Value::Number(event.argument))),
    };
    args.extend(argument);
    let category = match kind.word().and_then(|it| it.transition()) {
        Some(_) => "transition",
        None => "event",
    };
    Mark {
        name: kind.name(),
        category,
        args,
        ..Mark::default()
    }
}
