//! Rows of `targets`.

use super::column::{Align, Cell, Column, Key};
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
        tail: false,
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

fn descriptors(server: &netpoller_proto::v1::GetServerResponse) -> u64 {
    server.pollers.iter().map(|poller| poller.descriptors).sum()
}

/// A column of paths: they may be cut, and then keep their end.
const fn path(column: C, measure: fn(&Found) -> usize) -> C {
    Column {
        measure: Some(measure),
        least: 16,
        tail: true,
        ..column
    }
}

/// Columns of `targets`.
pub(crate) static TARGETS: [C; 9] = [
    number(
        "pid",
        "PID",
        255,
        |found, _| Cell::toned(found.pid.to_string(), Tone::Title),
        |found, _| Key::Number(found.pid.into()),
    ),
    number(
        "uid",
        "UID",
        95,
        |found, _| Cell::plain(found.uid.to_string()),
        |found, _| Key::Number(found.uid.into()),
    ),
    text(
        "start",
        "START",
        100,
        |found, _| Cell::plain(found.started.map(Anchor::seconds).unwrap_or_default()),
        |found, _| Key::Number(found.start_ticks.into()),
    ),
    path(
        text(
            "exe",
            "EXE",
            200,
            |found, _| Cell::plain(found.executable.as_str()),
            |found, _| Key::Text(found.executable.clone()),
        ),
        |found| found.executable.len(),
    ),
    path(
        text(
            "socket",
            "SOCKET",
            90,
            |found, _| Cell::plain(found.socket.display().to_string()),
            |found, _| Key::Text(found.socket.display().to_string()),
        ),
        |found| found.socket.as_os_str().len(),
    ),
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
];
