//! The columns of the descriptor table.

use netpoller_proto::filter::Field;
use netpoller_proto::v1::{DescriptorKind, State};

use super::cells::{age, deadline, epoll_names, side_state, state_cell};
use super::column::{Align, Cell, Column, Cut, Raw, Value};
use super::entry::{Entry, Side};
use crate::paint::Tone;
use crate::text;

type C = Column<Entry>;

const ID: C = Column {
    name: "id",
    title: "ID",
    align: Align::Left,
    keep: 255,
    wide: false,
    least: 6,
    measure: None,
    cut: Cut::End,
    raw: &[],
    cell: |entry, context| Cell::toned(entry.id(context), Tone::Title),
    key: |entry, _| entry.key(Field::Id),
};
const FD: C = Column {
    name: "fd",
    title: "FD",
    align: Align::Right,
    keep: 250,
    wide: false,
    least: 4,
    measure: None,
    cut: Cut::End,
    raw: &[Raw {
        name: "fd",
        value: |entry, _| Value::number(Some(entry.row.fd).filter(|fd| *fd >= 0)),
    }],
    cell: |entry, _| {
        Cell::plain(if entry.row.fd < 0 {
            String::new()
        } else {
            entry.row.fd.to_string()
        })
    },
    key: |entry, _| entry.key(Field::Fd),
};
const KIND: C = Column {
    name: "kind",
    title: "KIND",
    align: Align::Left,
    keep: 200,
    wide: false,
    // As much as tells the kinds of Unix sockets apart.
    least: 7,
    measure: Some(|entry| entry.row.kind().name().len()),
    cut: Cut::End,
    raw: &[],
    cell: |entry, _| match entry.row.kind() {
        kind @ (DescriptorKind::TcpListener | DescriptorKind::UnixListener) => {
            Cell::toned(kind.name(), Tone::Title)
        }
        kind @ (DescriptorKind::Timer | DescriptorKind::Unspecified) => {
            Cell::toned(kind.name(), Tone::Dim)
        }
        kind => Cell::plain(kind.name()),
    },
    key: |entry, _| entry.key(Field::Kind),
};
const DIR: C = Column {
    name: "dir",
    title: "DIR",
    align: Align::Left,
    keep: 245,
    wide: false,
    least: 5,
    measure: None,
    cut: Cut::End,
    raw: &[],
    cell: |entry, _| Cell::plain(entry.side.map_or("", Side::name)),
    key: |entry, _| entry.key(Field::Dir),
};
const LOCAL: C = Column {
    name: "local",
    title: "LOCAL",
    align: Align::Left,
    keep: 110,
    wide: false,
    least: 12,
    measure: Some(|entry| entry.row.local.len()),
    cut: Cut::Start(None),
    raw: &[],
    cell: |entry, _| Cell::plain(entry.row.local.as_str()),
    key: |entry, _| entry.key(Field::Local),
};
const PEER: C = Column {
    name: "peer",
    title: "PEER",
    align: Align::Left,
    keep: 130,
    wide: false,
    least: 15,
    measure: Some(|entry| entry.row.peer.len()),
    cut: Cut::Start(None),
    raw: &[],
    cell: |entry, _| Cell::plain(entry.row.peer.as_str()),
    key: |entry, _| entry.key(Field::Peer),
};
const RD: C = Column {
    name: "rd",
    title: "RD",
    align: Align::Left,
    keep: 241,
    wide: false,
    least: 6,
    measure: None,
    cut: Cut::End,
    raw: &[],
    cell: |entry, _| state_cell(side_state(entry, Side::Read)),
    key: |entry, _| entry.key(Field::Rd),
};
const WR: C = Column {
    name: "wr",
    title: "WR",
    align: Align::Left,
    keep: 240,
    wide: false,
    least: 6,
    measure: None,
    cut: Cut::End,
    raw: &[],
    cell: |entry, _| match side_state(entry, Side::Write) {
        // The usual state of an idle socket: it must not outshine unread input.
        State::Ready => Cell::toned(State::Ready.name(), Tone::Dim),
        state => state_cell(state),
    },
    key: |entry, _| entry.key(Field::Wr),
};
const SINCE: C = Column {
    name: "since",
    title: "SINCE",
    align: Align::Right,
    keep: 230,
    wide: false,
    least: 6,
    measure: None,
    cut: Cut::End,
    raw: &[
        Raw {
            name: "since_ns",
            value: |entry, _| Value::number(entry.part().since_ns()),
        },
        Raw {
            name: "age_ns",
            value: |entry, context| Value::number(entry.since(context.now_ns)),
        },
    ],
    cell: age,
    key: |entry, _| entry.key(Field::Since),
};
const AGE: C = Column {
    name: "age",
    title: "AGE",
    ..SINCE
};
const DEADLINE: C = Column {
    name: "deadline",
    title: "DEADLINE",
    align: Align::Right,
    keep: 120,
    wide: false,
    least: 8,
    measure: None,
    cut: Cut::End,
    raw: &[
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
    ],
    cell: deadline,
    key: |entry, _| entry.key(Field::Deadline),
};
const EDGES: C = Column {
    name: "edges",
    title: "EDGES",
    align: Align::Right,
    keep: 90,
    wide: false,
    least: 5,
    measure: None,
    cut: Cut::End,
    raw: &[Raw {
        name: "edges",
        value: |entry, _| Value::Number(entry.edges().into()),
    }],
    cell: |entry, _| Cell::plain(text::count(entry.edges())),
    key: |entry, _| entry.key(Field::Edges),
};
const WHERE: C = Column {
    name: "where",
    title: "WHERE",
    align: Align::Left,
    // The question is who waits; what it is, and for whom, are told by that line too.
    keep: 205,
    wide: false,
    least: 14,
    measure: Some(|entry| entry.location().len()),
    cut: Cut::Start(Some(|entry| text::file_and_line(entry.location()))),
    raw: &[],
    cell: |entry, _| {
        let tone = if entry.waiter().is_some() {
            Tone::Plain
        } else {
            Tone::Dim
        };
        Cell::toned(entry.location(), tone)
    },
    key: |entry, _| entry.key(Field::Where),
};
const LOCATION: C = Column {
    name: "location",
    title: "LOCATION",
    keep: 210,
    ..WHERE
};
const TASK: C = Column {
    name: "task",
    title: "TASK",
    align: Align::Left,
    keep: 140,
    wide: false,
    least: 10,
    measure: Some(|entry| entry.waiter().map_or(0, |waiter| waiter.task.len())),
    cut: Cut::Middle,
    raw: &[],
    cell: |entry, _| Cell::plain(entry.waiter().map_or("", |waiter| &waiter.task)),
    key: |entry, _| entry.key(Field::Task),
};
const THREAD: C = Column {
    name: "thread",
    title: "THREAD",
    align: Align::Left,
    keep: 105,
    wide: false,
    least: 8,
    measure: Some(|entry| entry.waiter().map_or(0, |waiter| waiter.thread.len())),
    cut: Cut::Middle,
    raw: &[],
    cell: |entry, _| Cell::plain(entry.waiter().map_or("", |waiter| &waiter.thread)),
    key: |entry, _| entry.key(Field::Thread),
};
const STATE: C = Column {
    name: "state",
    title: "STATE",
    keep: 220,
    cell: |entry, _| {
        state_cell(
            entry
                .side
                .map_or(State::Unspecified, |side| side_state(entry, side)),
        )
    },
    key: |entry, _| entry.key(Field::State),
    ..RD
};
const POLLER: C = Column {
    name: "poller",
    title: "POLLER",
    align: Align::Left,
    keep: 60,
    wide: true,
    least: 8,
    measure: Some(|entry| entry.row.poller.len()),
    cut: Cut::Middle,
    raw: &[],
    cell: |entry, _| Cell::plain(entry.row.poller.as_str()),
    key: |entry, _| entry.key(Field::Poller),
};
const LABEL: C = Column {
    name: "label",
    title: "LABEL",
    align: Align::Left,
    keep: 80,
    wide: true,
    least: 8,
    measure: Some(|entry| entry.row.label.len()),
    cut: Cut::Middle,
    raw: &[],
    cell: |entry, _| Cell::plain(entry.row.label.as_str()),
    key: |entry, _| entry.key(Field::Label),
};
const OPENED: C = Column {
    name: "opened",
    title: "OPENED",
    align: Align::Left,
    keep: 50,
    wide: true,
    least: 20,
    measure: None,
    cut: Cut::End,
    raw: &[
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
    ],
    cell: |entry, context| {
        Cell::plain(
            context
                .anchor
                .rfc3339(entry.row.opened_at_ns)
                .unwrap_or_default(),
        )
    },
    key: |entry, _| entry.key(Field::Opened),
};
const EVENTS: C = Column {
    name: "events",
    title: "EVENTS",
    align: Align::Left,
    keep: 40,
    wide: true,
    least: 12,
    measure: None,
    cut: Cut::End,
    raw: &[Raw {
        name: "last_events",
        value: |entry, _| Value::Number(entry.row.last_events.into()),
    }],
    cell: |entry, _| Cell::plain(epoll_names(entry.row.last_events)),
    key: |entry, _| entry.key(Field::Events),
};
const FLAGS: C = Column {
    name: "flags",
    title: "FLAGS",
    align: Align::Left,
    keep: 70,
    wide: true,
    least: 7,
    measure: Some(|entry| entry.flags().len()),
    cut: Cut::End,
    raw: &[],
    cell: |entry, _| Cell::toned(entry.flags(), Tone::Warn),
    key: |entry, _| entry.key(Field::Flags),
};

/// Columns of `ls descriptors`.
pub(crate) static DESCRIPTORS: [C; 18] = [
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
    TASK_WIDE,
    THREAD_WIDE,
    OPENED,
    EVENTS,
    FLAGS,
];

/// Who waits, of a row in which it may be nobody: where there is room.
const TASK_WIDE: C = Column {
    wide: true,
    keep: 65,
    ..TASK
};
const THREAD_WIDE: C = Column {
    wide: true,
    keep: 62,
    ..THREAD
};

/// Columns of `ls waiters`.
pub(crate) static WAITERS: [C; 15] = [
    ID, FD, KIND, DIR, TASK, THREAD, AGE, DEADLINE, LOCATION, LOCAL, PEER, STATE_WIDE, POLLER,
    LABEL, FLAGS,
];

/// Columns of `ls deadlines`.
pub(crate) static DEADLINES: [C; 12] = [
    ID, FD, KIND, DIR, DEADLINE, STATE, SINCE, LOCAL, PEER, WHERE, POLLER, LABEL,
];

/// Nearly always "parked" in the table of waiters, so not worth its room there.
const STATE_WIDE: C = Column {
    wide: true,
    ..STATE
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_proto::v1::Descriptor;

    use super::*;
    use crate::fixture;
    use crate::table::{Context, descriptors, waiters};

    fn texts(columns: &[C], entry: &Entry) -> Vec<String> {
        let context = Context {
            now_ns: fixture::NOW_NS,
            ..Context::default()
        };
        columns
            .iter()
            .filter(|column| !column.wide)
            .map(|column| (column.cell)(entry, &context).text)
            .collect()
    }

    #[test]
    fn a_parked_reader_is_shown_with_its_age_deadline_and_line() {
        let row = Arc::new(fixture::parked_reader());
        assert_eq!(
            texts(&DESCRIPTORS, &descriptors([Arc::clone(&row)])[0]),
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
        let waiting = waiters([row]);
        assert_eq!(
            waiting.len(),
            1,
            "only the direction in which somebody waits has a row"
        );
        assert_eq!(
            texts(&WAITERS, &waiting[0]),
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
        let entry = &descriptors([Arc::new(Descriptor {
            fd: -1,
            ..Descriptor::default()
        })])[0];
        assert_eq!(
            texts(&DESCRIPTORS, entry),
            [
                "0.0", "-", "unknown", "-", "-", "unknown", "unknown", "-", "-", "0", "-"
            ]
        );
    }
}
