//! The demo and the examples end to end: the real binaries, the real endpoint, the real terminal.

mod axum;
mod blackbox;
mod control;
mod doctor;
mod events;
mod headless;
mod plants;
mod process;
mod terminal;
mod verbs;

use netpoller_tests::eventually;
use netpoller_tests::program::{Running, items, netpoller};
use serde_json::Value;

/// A demo with so many connections, and what else it is told.
fn demo(connections: &str, arguments: &[&str]) -> Running {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args([
        "demo",
        "--headless",
        "--for",
        "300s",
        "--connections",
        connections,
    ]);
    command.args(arguments);
    Running::start(scratch, command, &["attach with: "])
}

/// A waiter of the demo that stays parked, with its document.
#[track_caller]
fn stuck(demo: &Running) -> Value {
    eventually("a client that is stuck", || {
        let document = demo.json(&["ls", "waiters", "-w", "task~stuck && dir=read"]);
        items(&document).first().cloned()
    })
}
