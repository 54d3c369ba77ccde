//! Rows of `events`.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::{Event, EventKind};

use super::cell::{Cell, Context};
use super::column::{Column, Cut};
use super::descriptor_cells::epoll_names;
use crate::paint::Tone;
use crate::text;

type C = Column<Event>;

/// Columns of `events`, as wide as they are said to be at least: the rows to come are not known.
/// The last takes what is left.
pub(crate) static EVENTS: [C; 6] = [
    C::words("time", "TIME", C::ALWAYS, |event| {
        Key::Number(event.at_ns.into())
    })
    .least(15)
    .look(|event, context| {
        // The time of day, to the microsecond.
        let time = context.anchor.rfc3339(event.at_ns).unwrap_or_default();
        Cell::exactly(time.get(11..26).unwrap_or(&time), Tone::Dim)
    }),
    C::words("id", "ID", C::ALWAYS, |event| Key::text(&event.id))
        .least(12)
        .look(|event, context| Cell::exactly(id(event, context), Tone::Title)),
    C::words("dir", "DIR", C::ALWAYS, |event| {
        event.direction().name().map_or(Key::Absent, Key::text)
    })
    .least(5)
    .look(|event, _| Cell::exactly(event.direction().name().unwrap_or("-"), Tone::Plain)),
    C::words("kind", "KIND", C::ALWAYS, |event| {
        Key::text(event.kind().name())
    })
    .least(17)
    .look(|event, _| Cell::exactly(event.kind().name(), tone(event.kind()))),
    C::words("detail", "DETAIL", C::ALWAYS, |event| {
        Key::Number(event.argument.into())
    })
    .least(24)
    .look(|event, context| Cell::plain(detail(event, context))),
    // Only its end tells it from others.
    C::words("thread", "THREAD", C::ALWAYS, |event| {
        Key::text(&event.thread)
    })
    .least(8)
    .cut_to(Cut::Middle, |event| event.thread.len())
    .look(|event, _| Cell::exactly(event.thread.as_str(), Tone::Dim)),
];

/// Its descriptor as every verb takes it; the poller alone, if it is about the poller.
fn id(event: &Event, context: &Context) -> String {
    match (context.several, event.id.is_empty()) {
        (true, true) => event.poller.clone(),
        (true, false) => format!("{}/{}", event.poller, event.id),
        (false, true) => "-".to_owned(),
        (false, false) => event.id.clone(),
    }
}

fn tone(kind: EventKind) -> Tone {
    match kind {
        EventKind::Park => Tone::Parked,
        EventKind::ReadyIdle | EventKind::ReadyArmed | EventKind::ReadyParked => Tone::Ready,
        EventKind::StaleEvent
        | EventKind::Evicted
        | EventKind::EventErrSet
        | EventKind::DeadlineFired => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// What the argument of an event says; a dash for nothing.
pub(crate) fn detail(event: &Event, context: &Context) -> String {
    let argument = event.argument;
    let micros = |micros: u64| text::duration(micros.saturating_mul(1_000));
    let said = match event.kind() {
        EventKind::Event | EventKind::StaleEvent => epoll_names(argument as u32),
        EventKind::UnblockArmed | EventKind::UnblockParked => event
            .cause()
            .map_or_else(|| argument.to_string(), |cause| cause.name().to_owned()),
        #[allow(clippy::cast_possible_wrap)] // -1 for a sleep.
        EventKind::Opened | EventKind::Closed => match argument as i32 {
            -1 => "a sleep".to_owned(),
            fd => format!("fd {fd}"),
        },
        EventKind::DeadlineSet => format!("in {}", micros(argument)),
        EventKind::DeadlineFired => format!("{} late", micros(argument)),
        EventKind::Poll => format!("{argument} events"),
        EventKind::Run => format!("{} after the wake", text::duration(argument)),
        EventKind::Waited => format!("{} before the poll", text::duration(argument)),
        _ if argument != 0 => argument.to_string(),
        _ => "-".to_owned(),
    };
    context.written(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_said_in_its_unit() {
        let context = Context {
            ascii: true,
            ..Context::default()
        };
        let said = |kind: EventKind, argument| {
            let event = Event {
                kind: kind.into(),
                argument,
                ..Event::default()
            };
            detail(&event, &context)
        };
        assert_eq!(said(EventKind::Event, 0x2001), "IN|RDHUP");
        assert_eq!(
            said(
                EventKind::UnblockParked,
                netpoller_proto::v1::Cause::Deadline as u64
            ),
            "deadline"
        );
        assert_eq!(said(EventKind::Opened, 19), "fd 19");
        assert_eq!(said(EventKind::Closed, u32::MAX.into()), "a sleep");
        assert_eq!(said(EventKind::DeadlineSet, 5_000_000), "in 5.0s");
        assert_eq!(said(EventKind::DeadlineFired, 40), "40.0us late");
        assert_eq!(said(EventKind::Run, 12_400), "12.4us after the wake");
        assert_eq!(
            said(EventKind::Waited, 300_000_000),
            "300ms before the poll"
        );
        assert_eq!(said(EventKind::Arm, 0), "-");
    }
}
