//! Rows of `targets`.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::GetServerResponse;

use super::cell::Cell;
use super::column::{Column, Cut};
use super::value::{Raw, Value};
use crate::clock::Anchor;
use crate::paint::Tone;
use crate::source::{Found, Outside, State};

type C = Column<Found>;

/// A number that only whoever answered can tell.
fn told(found: &Found, number: fn(&GetServerResponse) -> u64) -> Key {
    let server = found.connection.as_ref().map(|it| &it.server);
    server.map_or(Key::Absent, |server| Key::Number(number(server).into()))
}

/// As many as all pollers of a process claim to have. Who claims it may mean harm.
pub(crate) fn descriptors(server: &GetServerResponse) -> u64 {
    let counts = server.pollers.iter().map(|poller| poller.descriptors);
    counts.fold(0, u64::saturating_add)
}

/// A number of a process that whoever answered tells, or that is seen from outside.
fn number(found: &Found, told_by: fn(&GetServerResponse) -> u64, seen: fn(&Outside) -> u64) -> Key {
    match &found.state {
        State::Outside(outside) => Key::Number(seen(outside).into()),
        _ => told(found, told_by),
    }
}

fn started(found: &Found) -> String {
    found.started.map(Anchor::seconds).unwrap_or_default()
}

/// Columns of `targets`.
pub(crate) static TARGETS: [C; 10] = [
    C::numbers("pid", "PID", C::ALWAYS, |found| {
        Key::Number(found.pid.into())
    })
    .least(8)
    .toned(Tone::Title),
    C::numbers("uid", "UID", 95, |found| Key::Number(found.uid.into())).least(8),
    C::words("start", "START", 100, |found| {
        Key::Number(found.start_ticks.into())
    })
    .look(|found, _| Cell::plain(started(found)))
    .raw(&[
        Raw {
            name: "started_at",
            value: |found, _| Value::text(started(found)),
        },
        Raw {
            name: "start_ticks",
            value: |found, _| Value::Number(found.start_ticks.into()),
        },
    ]),
    C::words("exe", "EXE", 200, |found| {
        Key::Text(found.executable.clone())
    })
    .least(16)
    .cut_to(Cut::Start(None), |found| found.executable.len())
    .raw(&[Raw {
        name: "executable",
        value: |found, _| Value::text(found.executable.clone()),
    }]),
    C::words("alias", "ALIAS", 95, |found| {
        found
            .alias
            .as_deref()
            .map_or(Key::Absent, |it| Key::Text(it.to_owned()))
    })
    .filled()
    .cut_to(Cut::End, |found| {
        found.alias.as_ref().map_or(0, String::len)
    }),
    C::words("socket", "SOCKET", 90, |found| Key::Text(found.path()))
        .least(16)
        .cut_to(Cut::Start(None), |found| found.socket.as_os_str().len()),
    C::numbers("proto", "PROTO", 80, |found| {
        told(found, |server| server.protocol.into())
    })
    .least(8)
    .raw(&[Raw {
        name: "protocol",
        value: |found, _| told(found, |server| server.protocol.into()).into(),
    }]),
    C::numbers("pollers", "POLLERS", 150, |found| {
        number(found, |server| server.pollers.len() as u64, |it| it.sets)
    })
    .least(8),
    C::numbers("fds", "FDS", 160, |found| {
        number(found, descriptors, |it| it.descriptors)
    })
    .least(8)
    .raw(&[Raw {
        name: "descriptors",
        value: |found, _| number(found, descriptors, |it| it.descriptors).into(),
    }]),
    C::words("state", "STATE", 210, |found| Key::text(found.state.name()))
        .look(|found, _| match &found.state {
            State::Ok => Cell::toned("ok", Tone::Good),
            State::Incompatible => Cell::toned("incompatible", Tone::Bad),
            State::Silent => Cell::toned("silent", Tone::Warn),
            State::Stopped => Cell::toned("stopped", Tone::Warn),
            State::Unreachable(reason) => Cell::toned(reason.as_str(), Tone::Bad),
            State::Outside(outside) => Cell::plain(format!("from outside ({})", outside.runtime)),
        })
        .raw(&[
            Raw {
                name: "state",
                value: |found, _| Value::text(found.state.name().to_owned()),
            },
            Raw {
                name: "reason",
                value: |found, _| match &found.state {
                    State::Unreachable(reason) => Value::text(reason.clone()),
                    _ => Value::Nothing,
                },
            },
            Raw {
                name: "runtime",
                value: |found, _| match &found.state {
                    State::Outside(outside) => Value::text(outside.runtime.clone()),
                    _ => Value::Nothing,
                },
            },
        ]),
];
