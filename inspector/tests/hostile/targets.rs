//! `netpoller targets` in a runtime directory in which everything but one service means harm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ends::Service;
use crate::process::{MOST_MEMORY, Seen, command, run_in};
use crate::server::{Hostile, Mode};
use crate::{MODES, strange, words};

/// No process has this id, so what answers has the only word on what it is.
const NOBODY: u32 = 4_000_000_000;
/// That of the one that means no harm. It is the last that is looked for.
const HONEST: u32 = NOBODY + 1;

/// A directory that is trusted, with a name that nobody should print as it is.
fn place(scratch: &Path) -> PathBuf {
    let place = scratch.join("net\n4711  0  \u{1b}]0;PWNED\u{7}\u{202e}poller");
    fs::create_dir(&place).expect("make a directory");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).expect("close it to others");
    place
}

fn socket_name(pid: u32, start: usize) -> String {
    format!("{pid}-{start}.sock")
}

fn targets(place: &Path, timeout: &str, format: &str) -> Seen {
    let mut command = command();
    command.env("NETPOLLER_SOCKETS", place);
    let seen = run_in(
        command,
        &words(&["targets", "--endpoints", "--timeout", timeout, "-f", format]),
    );
    let said = format!("{}\n{}", seen.stdout, seen.stderr);
    assert_eq!(seen.code, 0, "{format}: {said}");
    assert_eq!(strange(&said), None, "{format}: {said:?}");
    assert!(seen.memory <= MOST_MEMORY, "took {} MiB", seen.memory >> 20);
    seen
}

fn items(place: &Path, timeout: &str) -> Vec<serde_json::Value> {
    let seen = targets(place, timeout, "jsonl");
    let lines = seen.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn whatever_else_is_in_the_directory_a_service_is_listed_and_nothing_is_obeyed() {
    let scratch = TempDir::new().expect("make a directory");
    let place = place(scratch.path());
    let random = [1_000, 2_000, 3_000].map(Mode::Random);
    let modes: Vec<Mode> = MODES.into_iter().chain(random).collect();
    let servers: Vec<Hostile> = modes
        .iter()
        .enumerate()
        .map(|(number, mode)| Hostile::start(*mode, &place, &socket_name(NOBODY, number)))
        .collect();
    // It began long after the last year that has a name.
    let _late = Hostile::start(Mode::Skew, &place, &format!("{NOBODY}-{}.sock", u64::MAX));
    let _honest = Service::start(&place.join(socket_name(HONEST, 1)));

    let items = items(&place, "10s");
    assert_eq!(items.len(), servers.len() + 2);
    for (number, mode) in modes.iter().enumerate() {
        let item = &items[number];
        assert_eq!(item["start_ticks"], number, "{item}");
        let states: &[&str] = match mode {
            Mode::HangFirst => &["silent"],
            Mode::Skew => &["incompatible"],
            Mode::Garbage | Mode::ErrorFirst(_) => &["unreachable"],
            _ => &["ok", "unreachable", "incompatible", "silent"],
        };
        let state = item["state"].as_str().expect("a state");
        assert!(states.contains(&state), "{mode:?} is {state}");
    }
    let late = &items[modes.len()];
    assert_eq!(
        (&late["start_ticks"], &late["started_at"]),
        (&u64::MAX.into(), &serde_json::Value::Null)
    );
    let honest = items.last().expect("an item");
    assert_eq!(honest["pid"], HONEST);
    assert_eq!(honest["state"], "ok", "{honest}");

    // Those that say nothing have been waited for once.
    for (mode, server) in modes.iter().zip(&servers) {
        if *mode == Mode::HangFirst {
            fs::remove_file(&server.socket).expect("remove the socket");
        }
    }
    for format in ["table", "wide", "json", "csv"] {
        let seen = targets(&place, "10s", format);
        let honest = HONEST.to_string();
        assert!(seen.stdout.contains(&honest), "{format}: {}", seen.stdout);
        if matches!(format, "table" | "wide") {
            // A line a target, which no name can turn into two.
            let sockets = fs::read_dir(&place).expect("its entries").count();
            assert_eq!(seen.stdout.lines().count(), 1 + sockets, "{}", seen.stdout);
        }
    }
}

#[test]
fn many_that_take_a_connection_and_say_nothing_keep_it_no_longer_than_one() {
    let scratch = TempDir::new().expect("make a directory");
    let place = place(scratch.path());
    // The kernel takes their connections, and nobody ever reads.
    let silent: Vec<UnixListener> = (0..30)
        .map(|number| UnixListener::bind(place.join(socket_name(NOBODY, number))).expect("bind"))
        .collect();
    let _honest = Service::start(&place.join(socket_name(HONEST, 1)));
    let began = Instant::now();
    let items = items(&place, "2s");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(items.len(), silent.len() + 1);
    for item in &items[..silent.len()] {
        assert_eq!(item["state"], "silent", "{item}");
    }
    assert_eq!(items.last().expect("an item")["state"], "ok");
}

#[test]
fn a_socket_with_another_name_than_ours_is_passed_over() {
    let scratch = TempDir::new().expect("make a directory");
    let place = place(scratch.path());
    let names = [
        "1-1\u{1b}]0;PWNED\u{7}.sock",
        "\u{1b}[31337m1-1.sock",
        "1\u{202e}-1.sock",
        "1-1.sock\n",
        "1-1\n2-2.sock",
    ];
    let _servers = names.map(|name| Hostile::start(Mode::Garbage, &place, name));
    assert_eq!(items(&place, "10s"), Vec::<serde_json::Value>::new());
    let _honest = Service::start(&place.join(socket_name(HONEST, 1)));
    let items = items(&place, "10s");
    let states: Vec<_> = items.iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["ok"]);
}
