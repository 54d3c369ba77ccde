//! An event as a row that a filter can be asked about.

use netpoller_proto::v1::{Descriptor, Event, State, Waiter};
use netpoller_proto::{Direction, Part, Side};

/// The event as a row that a filter can be asked about: its descriptor, with the thread that did it
/// in the place of the one that waits. What nothing is known of is as in a row that does not have
/// it.
pub(crate) fn subject(
    event: &Event,
    known: Option<&Descriptor>,
) -> (Descriptor, Option<Direction>) {
    let direction = event.direction().word();
    let mut row = known.cloned().unwrap_or_else(|| {
        let place = event.id.split_once('.');
        let number = |text: &str| text.parse::<u32>().ok();
        Descriptor {
            slot: place.and_then(|(slot, _)| number(slot)).unwrap_or(u32::MAX),
            generation: place.and_then(|(_, it)| number(it)).unwrap_or(0),
            fd: -1,
            ..Descriptor::default()
        }
    });
    row.poller.clone_from(&event.poller);
    let part = Part {
        row: &row,
        direction,
    };
    let waiter = Waiter {
        thread: event.thread.clone(),
        ..part.waiter().cloned().unwrap_or_default()
    };
    let done = Side {
        // So that its waiter counts, whatever has become of it meanwhile.
        state: State::Parked.into(),
        waiter: Some(waiter),
        ..Side::default()
    };
    (row.read, row.write) = match direction {
        Some(Direction::Write) => (None, Some(done)),
        Some(Direction::Read) | None => (Some(done), None),
    };
    (row, direction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::query::Query;
    use netpoller_proto::v1::Mode;

    fn admits(filter: &str, event: &Event, known: Option<&Descriptor>) -> bool {
        let query: Query = filter.parse().expect(filter);
        let (row, direction) = subject(event, known);
        query.holds(
            Part {
                row: &row,
                direction,
            },
            fixture::NOW_NS,
        )
    }

    #[test]
    fn an_event_of_a_poller_has_its_poller_and_thread_and_no_descriptor() {
        let event = Event {
            poller: "plant".into(),
            thread: "Worker-1".into(),
            ..Event::default()
        };
        for (filter, expected) in [
            ("poller=plant", true),
            ("poller=global", false),
            ("thread~worker", true),
            ("thread~^worker-[12]$", true),
            ("kind=tcp", false),
            ("kind!=tcp", true),
            ("slot=0", false),
            ("id=0.0", false),
            ("dir=read", false),
            ("peer~.", false),
        ] {
            assert_eq!(admits(filter, &event, None), expected, "{filter}");
        }
    }

    #[test]
    fn an_event_of_a_descriptor_has_what_its_row_has_and_the_thread_that_did_it() {
        let row = fixture::parked_reader();
        let event = |direction: Mode| Event {
            poller: "global".into(),
            id: "42.7".into(),
            thread: "poller-thread".into(),
            direction: direction.into(),
            ..Event::default()
        };
        for (filter, direction, expected) in [
            ("kind=tcp && fd=19", Mode::Read, true),
            ("peer~10.0.0.9", Mode::Unspecified, true),
            ("thread=poller-thread", Mode::Read, true),
            ("thread=worker-1", Mode::Read, false),
            ("task=conn-42", Mode::Read, true),
            ("task=conn-42", Mode::Write, false),
            ("where~server.rs:88", Mode::Read, true),
            ("where~server.rs:41", Mode::Write, true),
            ("dir=read", Mode::Read, true),
            ("dir=read", Mode::Write, false),
            ("id=global/42.7", Mode::Read, true),
            ("opened<2min", Mode::Read, true),
        ] {
            let holds = admits(filter, &event(direction), Some(&row));
            assert_eq!(holds, expected, "{filter} {direction:?}");
        }
        assert!(admits("slot=42 && id=42.7", &event(Mode::Read), None));
    }
}
