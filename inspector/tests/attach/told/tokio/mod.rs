//! A process on tokio.

mod commands;
mod itself;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use netpoller_tests::rust::{Build, TOKIO};
use serde_json::Value;

use self::commands::{change, prepare};
use super::{CHANGES, Dice, ROUNDS, Tally, by_fd, items, sides, waiter};
use crate::truth::Service;

/// The runtimes that the service knows.
const RUNTIMES: [&str; 3] = ["multi-thread", "current-thread", "local"];

fn waiters(side: &Value) -> &[Value] {
    side["waiters"].as_array().expect("waiters")
}

/// What a task is called.
fn name(id: &Value) -> String {
    id.to_string()
}

/// Whether that is what is told of it: which task, and how it waits.
fn is_it(told: &Value, truth: &Value, direction: &str) -> bool {
    let is_who = match &truth["task"] {
        // A thread is none, and its waker does not know which it is.
        Value::Null => ["another waker", "block_on", "block_on or LocalSet"]
            .iter()
            .any(|name| told["task"] == *name),
        id => told["task"] == name(id),
    };
    let how = match (&truth["how"], direction) {
        (how, _) if how == "list" => "readiness",
        (_, "read") => "poll_read_ready",
        _ => "poll_write_ready",
    };
    is_who && told["reason"] == how
}

/// Whether it is told of a task that has ended, whose waker is there still: nobody waits.
fn is_left(told: &Value, side: &Value) -> bool {
    told["task_state"] == "complete" && told["task"] == name(&side["left"])
}

/// The line of the innermost await of the program itself. Nothing is known of a task that has
/// begun to wait, and is elsewhere by now.
fn line(waiter: &Value) -> Option<String> {
    let innermost = waiter["awaits"].as_array()?.first()?;
    let line = format!("{}:{}", innermost["file"].as_str()?, innermost["line"]);
    (waiter["awaits_it"] == true).then_some(line)
}

/// A direction of a descriptor, and how that is called here.
struct Of<'a> {
    what: String,
    direction: &'a str,
    side: &'a Value,
}

/// Compares a row that tells who waits with those that do: it has to be one of them.
fn compare_waiter(tally: &mut Tally, told: &Value, of: &Of<'_>) {
    let (told, what) = (waiter(told), &of.what);
    let truth = waiters(of.side);
    let Some(it) = truth.iter().find(|it| is_it(told, it, of.direction)) else {
        let wrong = format!("{what}: {told}, but it is {}", of.side);
        return tally.wrong.push(wrong);
    };
    // Not every program knows its lines.
    let is_right = match (line(it), &told["location"]) {
        (None, _) | (_, Value::Null) => true,
        (Some(line), told) => {
            tally.lines += 1;
            tally.same(&format!("{what}, location"), told, &line.into())
        }
    };
    tally.count(is_right, true);
}

/// Compares all that is told with all that is so.
fn look(service: &mut Service, tally: &mut Tally) {
    let before = service.obey("truth");
    let rows = items(service, &["ls"]);
    let told = items(service, &["ls", "waiters"]);
    let after = service.obey("truth");
    let (rows, after) = (by_fd(&rows), sides(&after));
    for (key, side) in sides(&before) {
        assert_eq!(after.get(&key), Some(&side), "it changes by commands alone");
        let (fd, direction) = key;
        let of = Of {
            what: format!("{fd} {direction}"),
            direction,
            side,
        };
        let row = rows.get(&fd).filter(|it| it["torn"] != true);
        let row = row.map(|it| &it[direction]);
        let truth = waiters(side);
        match row {
            Some(row) if truth.is_empty() && is_left(waiter(row), side) => tally.count(true, false),
            _ => match tally.state(&of.what, row, truth) {
                Some(_) if truth.is_empty() => tally.count(true, false),
                Some(row) if is_left(waiter(row), side) => (),
                Some(row) => compare_waiter(tally, row, &of),
                None => (),
            },
        }
        let of_it = |it: &&Value| it["fd"] == fd && it["dir"] == direction;
        let told = told.iter().filter(of_it);
        let told: Vec<&Value> = told.filter(|it| !is_left(it, side)).collect();
        for row in &told {
            compare_waiter(tally, row, &of);
        }
        let untold = truth.len().saturating_sub(told.len());
        let what = format!("waiter {}", of.what);
        tally.absent.extend((0..untold).map(|_| what.clone()));
    }
}

fn compare(how: &Build<'_>, kind: &str) {
    let mut service = Service::of_tokio(how, kind);
    let places = service.obey("places");
    // Each has commands of its own.
    let mut hasher = DefaultHasher::new();
    (format!("{how:?}"), kind).hash(&mut hasher);
    let mut dice = Dice(hasher.finish() | 1);
    let mut all = prepare(&mut service);
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for _ in 0..CHANGES {
            // What cannot be done is refused, and changes nothing.
            let _ = change(&mut service, &mut dice, &mut all, &places);
        }
        look(&mut service, &mut tally);
    }
    tally.assert_right(&format!("{how:?} {kind}"));
}

/// Each release on each kind of runtime.
#[test]
#[ignore = "needs crates of several releases of tokio"]
fn what_is_told_of_a_process_on_tokio_is_what_it_says_itself() {
    for tokio in TOKIO {
        let how = Build {
            tokio,
            ..Build::default()
        };
        thread::scope(|scope| {
            for kind in RUNTIMES {
                scope.spawn(move || compare(&how, kind));
            }
        });
    }
}

/// The newest release, built in other ways.
#[test]
#[ignore = "needs crates of several releases of tokio"]
fn however_it_is_built_nothing_is_told_that_is_not_so() {
    let tokio = TOKIO.last().expect("one of them");
    let plain = Build {
        tokio,
        ..Build::default()
    };
    let release = Build {
        release: true,
        ..plain
    };
    for how in [
        Build {
            features: &["parking_lot"],
            ..plain
        },
        release,
        Build {
            settings: &[("RUSTFLAGS", "-C symbol-mangling-version=v0")],
            ..release
        },
        Build {
            settings: &[("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")],
            ..release
        },
        Build {
            settings: &[("CARGO_PROFILE_RELEASE_STRIP", "symbols")],
            ..release
        },
    ] {
        compare(&how, "multi-thread");
    }
}
