//! The columns of the descriptor table. Their names, what filters compare them with and what they
//! sort by are those of the fields that they show.

use netpoller_proto::Direction;
use netpoller_proto::filter::Field;
use netpoller_proto::v1::{DescriptorKind, State};

use super::cell::Cell;
use super::column::{Column, Cut};
use super::descriptor_cells::{age, deadline, epoll_names, side_state, state_cell};
use super::entry::{Entry, Rows, deadlines, descriptors, waiters};
use super::value::{Raw, Value};
use crate::paint::Tone;
use crate::text;

type C = Column<Entry>;

const fn of(field: Field, keep: u8) -> C {
    Column::of(field, keep, Entry::key)
}

const ID: C = of(Field::Id, C::ALWAYS)
    .least(6)
    .look(|entry, context| Cell::toned(entry.id(context), Tone::Title))
    .raw(&[Raw {
        name: "id",
        value: |entry, context| Value::text(entry.id(context)),
    }]);
const FD: C = of(Field::Fd, 250)
    .least(4)
    .look(|entry, _| match entry.row.fd {
        ..0 => Cell::plain(""),
        fd => Cell::plain(fd.to_string()),
    })
    .raw(&[Raw {
        name: "fd",
        value: |entry, _| Value::number(Some(entry.row.fd).filter(|fd| *fd >= 0)),
    }]);
const KIND: C = of(Field::Kind, 200)
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
const DIR: C = of(Field::Dir, 245).least(5);
const LOCAL: C = of(Field::Local, 110)
    .least(12)
    .cut_to(Cut::Start(None), |entry| entry.row.local.len());
const PEER: C = of(Field::Peer, 130)
    .least(15)
    .cut_to(Cut::Start(None), |entry| entry.row.peer.len());
const RD: C = of(Field::Rd, 241)
    .least(6)
    .look(|entry, _| state_cell(side_state(entry, Direction::Read)));
const WR: C =
    of(Field::Wr, 240)
        .least(6)
        .look(|entry, _| match side_state(entry, Direction::Write) {
            // The usual state of an idle socket: it must not outshine unread input.
            State::Ready => Cell::toned(State::Ready.name(), Tone::Dim),
            state => state_cell(state),
        });
const SINCE: C = of(Field::Since, 230)
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
const DEADLINE: C = of(Field::Deadline, 120).least(8).look(deadline).raw(&[
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
const EDGES: C = of(Field::Edges, 90).least(5).largest_first().count();
// The question is who waits; what it is, and for whom, are told by that line too.
const WHERE: C = of(Field::Where, 205)
    .least(14)
    .cut_to(
        Cut::Start(Some(|entry| text::file_and_line(&entry.location()))),
        |entry| text::tail_of_path(&entry.location()).len(),
    )
    .look(|entry, _| {
        let tone = match entry.waiter() {
            Some(_) => Tone::Plain,
            None => Tone::Dim,
        };
        Cell::toned(text::tail_of_path(&entry.location()).to_owned(), tone)
    });
const LOCATION: C = WHERE.called("location", "LOCATION").keep(210);
const TASK: C = of(Field::Task, 140).least(10).cut_to(Cut::Middle, |entry| {
    entry.waiter().map_or(0, |waiter| waiter.task.len())
});
const FUTURE: C = of(Field::Future, 138)
    .wide()
    .least(16)
    // Behind the name of the function is what it is generic over, as long as that may be.
    .cut_to(Cut::End, |entry| {
        entry.waiter().map_or(0, |waiter| waiter.future.len())
    });
const THREAD: C = of(Field::Thread, 105).cut_to(Cut::Middle, |entry| {
    entry.waiter().map_or(0, |waiter| waiter.thread.len())
});
const STATE: C = of(Field::State, 220).least(6).look(|entry, _| {
    let state = entry
        .direction
        .map(|direction| side_state(entry, direction));
    state_cell(state.unwrap_or(State::Unspecified))
});
const POLLER: C = of(Field::Poller, 60)
    .wide()
    .cut_to(Cut::Middle, |entry| entry.row.poller.len());
const LABEL: C = of(Field::Label, 80)
    .wide()
    .cut_to(Cut::Middle, |entry| entry.row.label.len());
const OPENED: C = of(Field::Opened, 50)
    .left()
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
const EVENTS: C = of(Field::Events, 40)
    .left()
    .wide()
    .least(12)
    .look(|entry, _| Cell::plain(epoll_names(entry.row.last_events)))
    .raw(&[Raw {
        name: "last_events",
        value: |entry, _| Value::Number(entry.row.last_events.into()),
    }]);
const FLAGS: C = of(Field::Flags, 70)
    .wide()
    .least(7)
    .cut_to(Cut::End, |entry| entry.flags().len())
    .toned(Tone::Warn);
// The terminal UI has it in WHERE, or in the details.
const SITE: C = of(Field::Site, 45).wide();

/// What the kernel knows of a socket.
const fn of_socket(field: Field) -> C {
    of(field, 35).wide()
}

/// Those above, each with the name and the look that it has unless a table says otherwise.
const LAID_OUT: &[C] = &[
    ID, FD, KIND, DIR, LOCAL, PEER, RD, WR, SINCE, DEADLINE, EDGES, WHERE, TASK, THREAD, STATE,
    FUTURE, POLLER, LABEL, OPENED, EVENTS, FLAGS, SITE,
];

const fn has(columns: &[C], field: Field) -> Option<C> {
    let mut at = 0;
    while at < columns.len() {
        match columns[at].field() {
            Some(known) if known as u8 == field as u8 => return Some(columns[at]),
            _ => at += 1,
        }
    }
    None
}

/// The columns that a table shows, and behind them those of all other fields, for those who ask:
/// whatever one can filter by can be seen and sorted by too.
const fn with_all_fields<const COUNT: usize>(shown: &[C], skipped: &[Field]) -> [C; COUNT] {
    let mut all = [ID; COUNT];
    let mut at = 0;
    while at < shown.len() {
        all[at] = shown[at];
        at += 1;
    }
    let mut number = 0;
    while number < Field::ALL.len() {
        let field = Field::ALL[number];
        if has(shown, field).is_none() && !is_among(skipped, field) {
            let column = match has(LAID_OUT, field) {
                Some(column) => column,
                None => of(field, 30),
            };
            all[at] = column.asked();
            at += 1;
        }
        number += 1;
    }
    assert!(at == COUNT);
    all
}

const fn is_among(fields: &[Field], field: Field) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if fields[at] as u8 == field as u8 {
            return true;
        }
        at += 1;
    }
    false
}

/// The columns of a table: those that it shows, and behind a semicolon the fields that say nothing
/// of its rows. No field has two columns in one table.
macro_rules! columns {
    ($($column:expr),* $(,)?; $($skipped:expr),*) => {{
        const SHOWN: &[C] = &[$($column),*];
        const SKIPPED: &[Field] = &[$($skipped),*];
        const ALL: [C; Field::ALL.len() - SKIPPED.len()] = with_all_fields(SHOWN, SKIPPED);
        &ALL
    }};
}

/// `ls descriptors`.
pub(crate) static DESCRIPTORS: Rows = Rows {
    schema: "netpoller/v1/descriptors",
    columns: columns!(
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
        FUTURE.keep(64),
        OPENED,
        EVENTS,
        FLAGS,
        of_socket(Field::TcpState),
        of_socket(Field::Recvq).largest_first(),
        of_socket(Field::Sendq).largest_first(),
        of_socket(Field::Unacked).largest_first(),
        of_socket(Field::Unsent).largest_first(),
        of_socket(Field::Rtt).largest_first(),
        of_socket(Field::Retrans).largest_first(),
        of_socket(Field::LastRecv),
        of_socket(Field::LastSend),
        of_socket(Field::Acceptq).largest_first(),
        of_socket(Field::AcceptqLimit),
        of_socket(Field::BytesReceived).largest_first(),
        of_socket(Field::BytesSent).largest_first(),
        of_socket(Field::Drops).largest_first(),
        SITE;
        Field::Dir, Field::State
    ),
    entries: descriptors,
    of_directions: false,
};

/// `ls waiters`.
pub(crate) static WAITERS: Rows = Rows {
    schema: "netpoller/v1/waiters",
    columns: columns!(
        ID,
        // Who waits, and where, is wanted first.
        FD.keep(130),
        KIND.keep(120),
        DIR.keep(206),
        TASK.keep(208),
        THREAD,
        AGE,
        DEADLINE,
        LOCATION,
        LOCAL,
        PEER,
        // Nearly always "parked": the first to give up its room.
        STATE.keep(61),
        // The longest: what is behind it would be far away.
        FUTURE.filled(),
        POLLER,
        LABEL,
        FLAGS;
    ),
    entries: waiters,
    of_directions: true,
};

/// `ls deadlines`.
pub(crate) static DEADLINES: Rows = Rows {
    schema: "netpoller/v1/deadlines",
    columns: columns!(
        ID, FD, KIND, DIR, DEADLINE, STATE, SINCE, LOCAL, PEER, WHERE, POLLER, LABEL;
    ),
    entries: deadlines,
    of_directions: true,
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_proto::v1::{self, Descriptor, State};

    use super::*;
    use crate::fixture;
    use crate::table::{Context, Shown};

    fn texts(columns: &[C], entry: &Entry) -> Vec<String> {
        let context = Context {
            now_ns: fixture::NOW_NS,
            ..Context::default()
        };
        columns
            .iter()
            .filter(|column| column.shown == Shown::Always)
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
                "10.0.0.9:51234",
                "parked"
            ]
        );
    }

    #[test]
    fn who_was_woken_who_waits_beside_and_who_waits_for_the_lock_have_a_row_each() {
        let mut row = fixture::parked_reader();
        let read = row.read.as_mut().expect("a side");
        read.state = State::Woken.into();
        read.queued.push(v1::Queued {
            since_ns: fixture::NOW_NS - 1_000_000,
            waiter: Some(v1::Waiter {
                task: "second".into(),
                location: "src/server.rs:99".into(),
                ..Default::default()
            }),
        });
        read.others.push(v1::Waiter {
            task: "beside".into(),
            ..Default::default()
        });
        let all = waiters(vec![Arc::new(row)]);
        let shown: Vec<_> = all
            .iter()
            .map(|entry| {
                let texts = texts(WAITERS.columns, entry);
                [&texts[4], &texts[6], &texts[8], &texts[11]].map(String::clone)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ["conn-42", "12.4s", "src/server.rs:88", "woken"],
                ["beside", "-", "src/server.rs:41", "woken"],
                ["second", "1.0ms", "src/server.rs:99", "queued"]
            ]
        );
    }

    #[test]
    fn the_future_has_a_column_among_those_who_wait_if_one_of_them_has_one() {
        let mut row = fixture::parked_reader();
        let column = crate::table::find(WAITERS.columns, "future").expect("a column");
        assert_eq!(column.shown, Shown::Filled);
        assert!(column.is_empty(&waiters(vec![Arc::new(row.clone())])));
        let waiter = row.read.as_mut().and_then(|it| it.waiter.as_mut());
        waiter.expect("it waits").future = "shop::price::{async fn}".into();
        assert!(!column.is_empty(&waiters(vec![Arc::new(row)])));
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
                "0.0", "-", "unknown", "-", "-", "unknown", "unknown", "-", "-", "-", "-"
            ]
        );
    }

    #[test]
    fn whatever_can_be_filtered_by_can_be_seen_and_sorted_by() {
        for table in [&DESCRIPTORS, &WAITERS, &DEADLINES] {
            for field in Field::ALL {
                let means_nothing =
                    !table.of_directions && matches!(field, Field::Dir | Field::State);
                let found = crate::table::find(table.columns, field.name());
                assert_eq!(found.is_err(), means_nothing, "{}: {field:?}", table.schema);
            }
        }
    }

    #[test]
    fn a_field_that_nobody_laid_out_looks_as_its_kind_does() {
        let mut row = fixture::parked_reader();
        row.closing = true;
        let entry = &descriptors(vec![Arc::new(row)])[0];
        let context = Context::default();
        for (name, shown, raw) in [
            ("slot", "42", Value::Number(42)),
            ("closing", "yes", Value::Truth(true)),
            ("torn", "no", Value::Truth(false)),
        ] {
            let column = crate::table::find(DESCRIPTORS.columns, name).expect(name);
            assert_eq!(column.cell(entry, &context).text, shown);
            assert_eq!(column.raw_values(entry, &context), [raw]);
            assert!(!column.is_shown(true));
        }
    }
}
