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
    /// Its name in the configuration.
    alias: Option<&'a str>,
    socket: String,
    state: &'static str,
    reason: Option<&'a str>,
    /// What it is made of, if it can be read from outside.
    runtime: Option<&'a str>,
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
        alias: found.alias.as_deref(),
        socket: found.path(),
        state: found.state.name(),
        reason: match &found.state {
            State::Unreachable(reason) => Some(reason),
            _ => None,
        },
        runtime: match &found.state {
            State::Outside(outside) => Some(&outside.runtime),
            _ => None,
        },
        protocol: server.map(|server| server.protocol),
        version: server.map(|server| server.version.as_str()),
        pollers: match &found.state {
            State::Outside(outside) => usize::try_from(outside.sets).ok(),
            _ => server.map(|server| server.pollers.len()),
        },
        descriptors: match &found.state {
            State::Outside(outside) => Some(outside.descriptors),
            _ => server.map(descriptors_of),
        },
    }
}
