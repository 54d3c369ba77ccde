//! A process on tokio.

mod commands;
mod itself;

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

/// What a task is called, or nothing if a thread waits.
fn task(waiter: &Value) -> Value {
    match &waiter["task"] {
        Value::Null => Value::Null,
        id => format!("task {id}").into(),
    }
}

/// The line of the innermost await of the program itself. Nothing is known of a task that has
/// begun to wait, and is elsewhere by now.
fn line(waiter: &Value) -> Option<String> {
    let innermost = waiter["awaits"].as_array()?.first()?;
    let line = format!("{}:{}", innermost["file"].as_str()?, innermost["line"]);
    (waiter["awaits_it"] == true).then_some(line)
}

/// Compares a row that tells who waits with those that do: it has to be one of them.
fn compare_waiter(tally: &mut Tally, what: &str, told: &Value, truth: &[Value], has_lines: bool) {
    let told = waiter(told);
    let Some(it) = truth.iter().find(|it| task(it) == told["task"]) else {
        let wrong = format!("{what}: {told}, but it is {truth:?}");
        return tally.wrong.push(wrong);
    };
    let is_right = match (line(it), &told["location"]) {
        (None, _) => true,
        (Some(_), Value::Null) if !has_lines => true,
        (Some(line), told) => tally.same(&format!("{what}, location"), told, &line.into()),
    };
    tally.count(is_right, true);
}

/// Compares all that is told with all that is so.
fn look(service: &mut Service, tally: &mut Tally, has_lines: bool) {
    let before = service.obey("truth");
    let rows = items(service, &["ls"]);
    let told = items(service, &["ls", "waiters"]);
    let after = service.obey("truth");
    let (rows, after) = (by_fd(&rows), sides(&after));
    for (key, side) in sides(&before) {
        assert_eq!(after.get(&key), Some(&side), "it changes by commands alone");
        let (fd, direction) = key;
        let truth = waiters(side);
        let row = rows.get(&fd).filter(|it| it["torn"] != true);
        let row = row.map(|it| &it[direction]);
        let what = format!("{fd} {direction}");
        match tally.state(&what, row, truth) {
            Some(_) if truth.is_empty() => tally.count(true, false),
            Some(row) => compare_waiter(tally, &what, row, truth, has_lines),
            None => (),
        }
        let what = format!("waiter {what}");
        let of_it = |it: &&Value| it["fd"] == fd && it["dir"] == direction;
        let told: Vec<&Value> = told.iter().filter(of_it).collect();
        for row in &told {
            compare_waiter(tally, &what, row, truth, has_lines);
        }
        let untold = truth.len().saturating_sub(told.len());
        tally.absent.extend((0..untold).map(|_| what.clone()));
    }
}

fn compare(how: &Build<'_>, kind: &str) {
    let mut service = Service::of_tokio(how, kind);
    let places = service.obey("places");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut all = prepare(&mut service);
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for _ in 0..CHANGES {
            // What cannot be done is refused, and changes nothing.
            let _ = change(&mut service, &mut dice, &mut all, &places);
        }
        look(&mut service, &mut tally, !how.release);
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
