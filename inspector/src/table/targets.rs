//! Rows of `targets`.

use super::column::{Align, Cell, Column, Cut, Key, Raw, Value};
use crate::client::{Found, State};
use crate::clock::Anchor;
use crate::paint::Tone;

type C = Column<Found>;

const fn text(
    name: &'static str,
    title: &'static str,
    keep: u8,
    cell: fn(&Found, &super::Context) -> Cell,
    key: fn(&Found, &super::Context) -> Key,
) -> C {
    Column {
        name,
        title,
        align: Align::Left,
        keep,
        wide: false,
        least: 8,
        measure: None,
        cut: Cut::End,
        raw: &[],
        cell,
        key,
    }
}

const fn number(
    name: &'static str,
    title: &'static str,
    keep: u8,
    cell: fn(&Found, &super::Context) -> Cell,
    key: fn(&Found, &super::Context) -> Key,
) -> C {
    Column {
        align: Align::Right,
        ..text(name, title, keep, cell, key)
    }
}

fn answered<T: ToString>(
    found: &Found,
    value: fn(&netpoller_proto::v1::GetServerResponse) -> T,
) -> Cell {
    Cell::plain(
        found
            .connection
            .as_ref()
            .map(|connection| value(&connection.server).to_string())
            .unwrap_or_default(),
    )
}

fn number_of(found: &Found, value: fn(&netpoller_proto::v1::GetServerResponse) -> i128) -> Value {
    let server = found.connection.as_ref().map(|it| &it.server);
    Value::number(server.map(value))
}

/// As many as all pollers of a process claim to have. Who claims it may mean harm.
pub(crate) fn descriptors(server: &netpoller_proto::v1::GetServerResponse) -> u64 {
    let counts = server.pollers.iter().map(|poller| poller.descriptors);
    counts.fold(0, u64::saturating_add)
}

/// The same, with what machines read.
const fn raw(column: C, raw: &'static [Raw<Found>]) -> C {
    Column { raw, ..column }
}

/// A column of paths: they may be cut, and then keep their end.
const fn path(column: C, measure: fn(&Found) -> usize) -> C {
    Column {
        measure: Some(measure),
        least: 16,
        cut: Cut::Start(None),
        ..column
    }
}

/// Columns of `targets`.
pub(crate) static TARGETS: [C; 9] = [
    raw(
        number(
            "pid",
            "PID",
            255,
            |found, _| Cell::toned(found.pid.to_string(), Tone::Title),
            |found, _| Key::Number(found.pid.into()),
        ),
        &[Raw {
            name: "pid",
            value: |found, _| Value::Number(found.pid.into()),
        }],
    ),
    raw(
        number(
            "uid",
            "UID",
            95,
            |found, _| Cell::plain(found.uid.to_string()),
            |found, _| Key::Number(found.uid.into()),
        ),
        &[Raw {
            name: "uid",
            value: |found, _| Value::Number(found.uid.into()),
        }],
    ),
    raw(
        text(
            "start",
            "START",
            100,
            |found, _| Cell::plain(found.started.map(Anchor::seconds).unwrap_or_default()),
            |found, _| Key::Number(found.start_ticks.into()),
        ),
        &[
            Raw {
                name: "started_at",
                value: |found, _| {
                    Value::text(found.started.map(Anchor::seconds).unwrap_or_default())
                },
            },
            Raw {
                name: "start_ticks",
                value: |found, _| Value::Number(found.start_ticks.into()),
            },
        ],
    ),
    path(
        raw(
            text(
                "exe",
                "EXE",
                200,
                |found, _| Cell::plain(found.executable.as_str()),
                |found, _| Key::Text(found.executable.clone()),
            ),
            &[Raw {
                name: "executable",
                value: |found, _| Value::text(found.executable.clone()),
            }],
        ),
        |found| found.executable.len(),
    ),
    path(
        text(
            "socket",
            "SOCKET",
            90,
            |found, _| Cell::plain(found.path()),
            |found, _| Key::Text(found.path()),
        ),
        |found| found.socket.as_os_str().len(),
    ),
    raw(
        number(
            "proto",
            "PROTO",
            80,
            |found, _| answered(found, |server| server.protocol),
            |found, _| {
                found
                    .connection
                    .as_ref()
                    .map_or(Key::Absent, |it| Key::Number(it.server.protocol.into()))
            },
        ),
        &[Raw {
            name: "protocol",
            value: |found, _| number_of(found, |server| server.protocol.into()),
        }],
    ),
    raw(
        number(
            "pollers",
            "POLLERS",
            150,
            |found, _| answered(found, |server| server.pollers.len()),
            |found, _| {
                found.connection.as_ref().map_or(Key::Absent, |it| {
                    Key::Number(it.server.pollers.len() as i128)
                })
            },
        ),
        &[Raw {
            name: "pollers",
            value: |found, _| number_of(found, |server| server.pollers.len() as i128),
        }],
    ),
    raw(
        number(
            "fds",
            "FDS",
            160,
            |found, _| answered(found, descriptors),
            |found, _| {
                found.connection.as_ref().map_or(Key::Absent, |it| {
                    Key::Number(descriptors(&it.server).into())
                })
            },
        ),
        &[Raw {
            name: "descriptors",
            value: |found, _| number_of(found, |server| descriptors(server).into()),
        }],
    ),
    raw(
        text(
            "state",
            "STATE",
            210,
            |found, _| match &found.state {
                State::Ok => Cell::toned("ok", Tone::Good),
                State::Incompatible => Cell::toned("incompatible", Tone::Bad),
                State::Silent => Cell::toned("silent", Tone::Warn),
                State::Unreachable(reason) => Cell::toned(reason.as_str(), Tone::Bad),
            },
            |found, _| Key::Text(found.state.name().to_owned()),
        ),
        &[
            Raw {
                name: "state",
                value: |found, _| Value::text(found.state.name().to_owned()),
            },
            Raw {
                name: "reason",
                value: |found, _| {
                    Value::text(match &found.state {
                        State::Unreachable(reason) => reason.clone(),
                        _ => String::new(),
                    })
                },
            },
        ],
    ),
];
