//! A row of the table of targets.

use crate::clock::Anchor;
use crate::source::{Found, State};
use crate::table::descriptors_of;

/// A row of `targets`.
#[derive(serde::Serialize)]
pub(crate) struct TargetItem<'a> {
    pid: u32,
    uid: u32,
    start_ticks: u64,
    started_at: Option<String>,
    executable: &'a str,
    socket: String,
    state: &'static str,
    reason: Option<&'a str>,
    protocol: Option<u32>,
    version: Option<&'a str>,
    pollers: Option<usize>,
    descriptors: Option<u64>,
}

pub(crate) fn target(found: &Found) -> TargetItem<'_> {
    let server = found
        .connection
        .as_ref()
        .map(|connection| &connection.server);
    TargetItem {
        pid: found.pid,
        uid: found.uid,
        start_ticks: found.start_ticks,
        started_at: found.started.map(Anchor::seconds),
        executable: &found.executable,
        socket: found.path(),
        state: found.state.name(),
        reason: match &found.state {
            State::Unreachable(reason) => Some(reason),
            _ => None,
        },
        protocol: server.map(|server| server.protocol),
        version: server.map(|server| server.version.as_str()),
        pollers: server.map(|server| server.pollers.len()),
        descriptors: server.map(descriptors_of),
    }
}
