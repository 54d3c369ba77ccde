//! The columns of the descriptor table. Their names, what filters compare them with and what they
//! sort by are those of the fields that they show.

use netpoller_proto::Direction;
use netpoller_proto::filter::Field;
use netpoller_proto::v1::{DescriptorKind, State};

use super::cells::{age, deadline, epoll_names, side_state, state_cell};
use super::column::{Cell, Column, Cut, Raw, Value};
use super::entry::{Entry, Rows, deadlines, descriptors, waiters};
use crate::paint::Tone;
use crate::text;

type C = Column<Entry>;

const fn of(field: Field, title: &'static str, keep: u8) -> C {
    Column::of(field, title, keep, Entry::key)
}

const ID: C = of(Field::Id, "ID", C::ALWAYS)
    .least(6)
    .look(|entry, context| Cell::toned(entry.id(context), Tone::Title))
    .raw(&[Raw {
        name: "id",
        value: |entry, context| Value::text(entry.id(context)),
    }]);
const FD: C = of(Field::Fd, "FD", 250)
    .right()
    .least(4)
    .look(|entry, _| match entry.row.fd {
        ..0 => Cell::plain(""),
        fd => Cell::plain(fd.to_string()),
    })
    .raw(&[Raw {
        name: "fd",
        value: |entry, _| Value::number(Some(entry.row.fd).filter(|fd| *fd >= 0)),
    }]);
const KIND: C = of(Field::Kind, "KIND", 200)
    // As much as tells the kinds of Unix sockets apart.
    .least(7)
    .cut_to(Cut::End, |entry| entry.row.kind().name().len())
    .look(|entry, _| match entry.row.kind() {
        kind @ (DescriptorKind::TcpListener | DescriptorKind::UnixListener) => {
            Cell::toned(kind.name(), Tone::Title)
        }
        kind @ (DescriptorKind::Timer | DescriptorKind::Unspecified) => {
            Cell::toned(kind.name(), Tone::Dim)
        }
        kind => Cell::plain(kind.name()),
    });
const DIR: C = of(Field::Dir, "DIR", 245).least(5);
const LOCAL: C = of(Field::Local, "LOCAL", 110)
    .least(12)
    .cut_to(Cut::Start(None), |entry| entry.row.local.len());
const PEER: C = of(Field::Peer, "PEER", 130)
    .least(15)
    .cut_to(Cut::Start(None), |entry| entry.row.peer.len());
const RD: C = of(Field::Rd, "RD", 241)
    .least(6)
    .look(|entry, _| state_cell(side_state(entry, Direction::Read)));
const WR: C =
    of(Field::Wr, "WR", 240)
        .least(6)
        .look(|entry, _| match side_state(entry, Direction::Write) {
            // The usual state of an idle socket: it must not outshine unread input.
            State::Ready => Cell::toned(State::Ready.name(), Tone::Dim),
            state => state_cell(state),
        });
const SINCE: C = of(Field::Since, "SINCE", 230)
    .right()
    .least(6)
    .largest_first()
    .look(age)
    .raw(&[
        Raw {
            name: "since_ns",
            value: |entry, _| Value::number(entry.part().since_ns()),
        },
        Raw {
            name: "age_ns",
            value: |entry, context| Value::number(entry.since(context.now_ns)),
        },
    ]);
const AGE: C = SINCE.called("age", "AGE");
const DEADLINE: C = of(Field::Deadline, "DEADLINE", 120)
    .right()
    .look(deadline)
    .raw(&[
        Raw {
            name: "deadline_ns",
            value: |entry, _| Value::number(entry.part().deadline_ns()),
        },
        Raw {
            name: "deadline_in_ns",
            value: |entry, context| Value::number(entry.deadline_in(context.now_ns)),
        },
        Raw {
            name: "deadline_expired",
            value: |entry, _| Value::Truth(entry.expired()),
        },
    ]);
const EDGES: C = of(Field::Edges, "EDGES", 90)
    .right()
    .least(5)
    .largest_first()
    .count();
// The question is who waits; what it is, and for whom, are told by that line too.
const WHERE: C = of(Field::Where, "WHERE", 205)
    .least(14)
    .cut_to(
        Cut::Start(Some(|entry| text::file_and_line(entry.location()))),
        |entry| entry.location().len(),
    )
    .look(|entry, _| {
        let tone = match entry.waiter() {
            Some(_) => Tone::Plain,
            None => Tone::Dim,
        };
        Cell::toned(entry.location(), tone)
    });
const LOCATION: C = WHERE.called("location", "LOCATION").keep(210);
const TASK: C = of(Field::Task, "TASK", 140)
    .least(10)
    .cut_to(Cut::Middle, |entry| {
        entry.waiter().map_or(0, |waiter| waiter.task.len())
    });
const THREAD: C = of(Field::Thread, "THREAD", 105).cut_to(Cut::Middle, |entry| {
    entry.waiter().map_or(0, |waiter| waiter.thread.len())
});
const STATE: C = of(Field::State, "STATE", 220).least(6).look(|entry, _| {
    let state = entry
        .direction
        .map(|direction| side_state(entry, direction));
    state_cell(state.unwrap_or(State::Unspecified))
});
const POLLER: C = of(Field::Poller, "POLLER", 60)
    .wide()
    .cut_to(Cut::Middle, |entry| entry.row.poller.len());
const LABEL: C = of(Field::Label, "LABEL", 80)
    .wide()
    .cut_to(Cut::Middle, |entry| entry.row.label.len());
const OPENED: C = of(Field::Opened, "OPENED", 50)
    .wide()
    .least(20)
    .look(|entry, context| {
        let at = context.anchor.rfc3339(entry.row.opened_at_ns);
        Cell::plain(at.unwrap_or_default())
    })
    .raw(&[
        Raw {
            name: "opened_at",
            value: |entry, context| {
                let at = context.anchor.rfc3339(entry.row.opened_at_ns);
                Value::text(at.unwrap_or_default())
            },
        },
        Raw {
            name: "opened_at_ns",
            value: |entry, _| Value::Number(entry.row.opened_at_ns.into()),
        },
    ]);
const EVENTS: C = of(Field::Events, "EVENTS", 40)
    .wide()
    .least(12)
    .look(|entry, _| Cell::plain(epoll_names(entry.row.last_events)))
    .raw(&[Raw {
        name: "last_events",
        value: |entry, _| Value::Number(entry.row.last_events.into()),
    }]);
const FLAGS: C = of(Field::Flags, "FLAGS", 70)
    .wide()
    .least(7)
    .cut_to(Cut::End, |entry| entry.flags().len())
    .toned(Tone::Warn);

/// `ls descriptors`.
pub(crate) static DESCRIPTORS: Rows = Rows {
    schema: "netpoller/v1/descriptors",
    columns: &[
        ID,
        FD,
        KIND,
        LOCAL,
        PEER,
        RD,
        WR,
        SINCE,
        DEADLINE,
        EDGES,
        WHERE,
        POLLER,
        LABEL,
        // Who waits, of a row in which it may be nobody: where there is room.
        TASK.wide().keep(65),
        THREAD.wide().keep(62),
        OPENED,
        EVENTS,
        FLAGS,
    ],
    entries: descriptors,
    of_directions: false,
};

/// `ls waiters`.
pub(crate) static WAITERS: Rows = Rows {
    schema: "netpoller/v1/waiters",
    columns: &[
        ID,
        FD,
        KIND,
        DIR,
        TASK,
        THREAD,
        AGE,
        DEADLINE,
        LOCATION,
        LOCAL,
        PEER,
        // Nearly always "parked", so not worth its room here.
        STATE.wide(),
        POLLER,
        LABEL,
        FLAGS,
    ],
    entries: waiters,
    of_directions: true,
};

/// `ls deadlines`.
pub(crate) static DEADLINES: Rows = Rows {
    schema: "netpoller/v1/deadlines",
    columns: &[
        ID, FD, KIND, DIR, DEADLINE, STATE, SINCE, LOCAL, PEER, WHERE, POLLER, LABEL,
    ],
    entries: deadlines,
    of_directions: true,
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_proto::v1::Descriptor;

    use super::*;
    use crate::fixture;
    use crate::table::Context;

    fn texts(columns: &[C], entry: &Entry) -> Vec<String> {
        let context = Context {
            now_ns: fixture::NOW_NS,
            ..Context::default()
        };
        columns
            .iter()
            .filter(|column| !column.wide)
            .map(|column| column.cell(entry, &context).text)
            .collect()
    }

    #[test]
    fn a_parked_reader_is_shown_with_its_age_deadline_and_line() {
        let row = Arc::new(fixture::parked_reader());
        assert_eq!(
            texts(DESCRIPTORS.columns, &descriptors(vec![Arc::clone(&row)])[0]),
            [
                "42.7",
                "19",
                "tcp",
                "10.0.0.1:8080",
                "10.0.0.9:51234",
                "parked",
                "ready",
                "12.4s",
                "+17.6s",
                "1 204",
                "src/server.rs:88"
            ]
        );
        let waiting = waiters(vec![row]);
        assert_eq!(
            waiting.len(),
            1,
            "only the direction in which somebody waits has a row"
        );
        assert_eq!(
            texts(WAITERS.columns, &waiting[0]),
            [
                "42.7",
                "19",
                "tcp",
                "read",
                "conn-42",
                "worker-1",
                "12.4s",
                "+17.6s",
                "src/server.rs:88",
                "10.0.0.1:8080",
                "10.0.0.9:51234"
            ]
        );
    }

    #[test]
    fn a_row_without_directions_is_shown_with_dashes() {
        let entry = &descriptors(vec![Arc::new(Descriptor {
            fd: -1,
            ..Descriptor::default()
        })])[0];
        assert_eq!(
            texts(DESCRIPTORS.columns, entry),
            [
                "0.0", "-", "unknown", "-", "-", "unknown", "unknown", "-", "-", "0", "-"
            ]
        );
    }
}
