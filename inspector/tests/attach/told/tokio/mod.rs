//! A process on tokio.

mod commands;
mod itself;
mod known;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use netpoller_tests::rust::{Build, Stripped, releases};
use serde_json::{Value, json};

use self::commands::{change, prepare};
use self::known::Known;
use super::{CHANGES, Dice, ROUNDS, Tally, by_fd, items, sides, waiter};
use crate::truth::Service;

/// The runtimes that the service knows.
const RUNTIMES: [&str; 3] = ["multi-thread", "current-thread", "local"];

/// Services that run at a time.
const AT_A_TIME: usize = 4;

fn waiters(side: &Value) -> &[Value] {
    side["waiters"].as_array().expect("waiters")
}

/// What a task is called.
fn name(id: &Value) -> String {
    id.to_string()
}

/// Whether that is what is told of it: which task, and how it waits.
fn is_it(told: &Value, truth: &Value, direction: &str, known: &Known) -> bool {
    let is_who = match &truth["task"] {
        // A thread is none, and its waker does not know which it is; its future may be known.
        Value::Null => {
            let future = &told["future"];
            let is_its = future.is_null() || known.future(truth).as_deref() == future.as_str();
            is_its && known.threads.iter().any(|name| told["task"] == *name)
        }
        id => told["task"] == name(id),
    };
    let how = match (&truth["how"], direction) {
        (how, _) if how == "list" => "readiness",
        (_, "read") => "poll_read_ready",
        _ => "poll_write_ready",
    };
    is_who && told["reason"] == how
}

/// A direction of a descriptor, and how that is called here.
struct Of<'a> {
    what: String,
    direction: &'a str,
    side: &'a Value,
}

/// Compares a row that tells who waits with those that do: it has to be one of them.
fn compare_waiter(tally: &mut Tally, told: &Value, of: &Of<'_>, known: &Known) {
    let (told, what) = (waiter(told), &of.what);
    let truth = waiters(of.side);
    let it = truth.iter().find(|it| is_it(told, it, of.direction, known));
    let Some(it) = it else {
        let wrong = format!("{what}: {told}, but it is {}", of.side);
        return tally.wrong.push(wrong);
    };
    let before = tally.wrong.len();
    known.compare(tally, told, it);
    tally.count(tally.wrong.len() == before, true);
}

/// Looks at all while nothing changes: on a busy machine a task may come to its place late.
fn still(service: &mut Service) -> (Value, Vec<Value>, Vec<Value>) {
    let look = || {
        let before = service.obey("truth");
        let rows = items(service, &["ls"]);
        let told = items(service, &["ls", "waiters"]);
        let after = service.obey("truth");
        let is_same = sides(&before) == sides(&after);
        is_same.then_some((before, rows, told))
    };
    let mut looks = std::iter::repeat_with(look).take(20);
    let still = looks.find_map(|it| it);
    still.expect("it changes by commands alone")
}

/// Compares all that is told with all that is so.
fn look(service: &mut Service, tally: &mut Tally, known: &Known) {
    let (truth, rows, told) = still(service);
    let rows = by_fd(&rows);
    let mut has_described = false;
    for (key, side) in sides(&truth) {
        let (fd, direction) = key;
        let of = Of {
            what: format!("{fd} {direction}"),
            direction,
            side,
        };
        let row = rows.get(&fd).filter(|it| it["torn"] != true);
        let row = row.map(|it| &it[direction]);
        let truth = waiters(side);
        match tally.state(&of.what, row, truth) {
            Some(_) if truth.is_empty() => tally.count(true, false),
            Some(row) => compare_waiter(tally, row, &of, known),
            None => (),
        }
        let of_it = |it: &&Value| it["fd"] == fd && it["dir"] == direction;
        let told: Vec<&Value> = told.iter().filter(of_it).collect();
        for row in &told {
            compare_waiter(tally, row, &of, known);
        }
        let untold = truth.len().saturating_sub(told.len());
        let what = format!("waiter {}", of.what);
        tally.absent.extend((0..untold).map(|_| what.clone()));
        if truth.len() > 1 && !has_described {
            has_described = true;
            let what = format!("{fd} {direction}");
            let described = &items(service, &["describe", &format!("fd:{fd}")])[0];
            let others = described[direction]["others"].as_array();
            let others = others.map_or(0, Vec::len);
            if others + 1 != truth.len() {
                tally
                    .wrong
                    .push(format!("{what}: {others} others, but {truth:?}"));
            }
        }
    }
}

/// Compares how many tasks there are with how many are told of, while none comes or goes.
fn count(service: &mut Service, kind: &str) {
    service.obey("churn 0");
    let truth = service.obey("truth");
    let told = items(service, &["stats"]);
    let told = told.iter().find(|it| it["poller"]["name"] != "unpolled");
    let told = &told.expect("its epoll set")["tasks"];
    // A set of tasks keeps them elsewhere than a runtime does.
    let tasks = match kind {
        "local" => json!({}),
        _ => json!({"idle": truth["tasks"]}),
    };
    assert_eq!(*told, tasks, "{kind}");
}

fn compare(how: &Build<'_>, kind: &str) {
    let mut service = Service::of_tokio(how, kind);
    let places = service.obey("places");
    // Each has commands of its own.
    let mut hasher = DefaultHasher::new();
    (format!("{how:?}"), kind).hash(&mut hasher);
    let mut dice = Dice(hasher.finish() | 1);
    let mut all = prepare(&mut service);
    let known = Known::of(how);
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for _ in 0..CHANGES {
            // What cannot be done is refused, and changes nothing.
            let _ = change(&mut service, &mut dice, &mut all, &places);
        }
        look(&mut service, &mut tally, &known);
    }
    let of = format!("{how:?} {kind}");
    tally.assert_right(&of);
    known.assert_enough(&tally, &of);
    count(&mut service, kind);
}

/// Each release on a kind of runtime, and the newest one on each.
#[test]
#[ignore = "needs crates of several releases of tokio"]
fn what_is_told_of_a_process_on_tokio_is_what_it_says_itself() {
    let releases = releases();
    let (newest, others) = releases.split_last().expect("one of them");
    let others = others.iter().zip(RUNTIMES.iter().cycle());
    let all = others.chain(RUNTIMES.iter().map(|kind| (newest, kind)));
    let all: Vec<_> = all.collect();
    // What one waits for, another one computes.
    for some in all.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            for (tokio, kind) in some {
                let how = Build {
                    tokio,
                    ..Build::default()
                };
                scope.spawn(move || compare(&how, kind));
            }
        });
    }
}

/// How it is built in another way, which is optimised a little: to do it well takes a minute.
const SETTINGS: &[(&str, &str)] = &[
    ("RUSTFLAGS", "-C symbol-mangling-version=v0"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
];

/// The newest release, built in another way, with more and less that tells of it.
#[test]
#[ignore = "needs crates of several releases of tokio"]
fn however_it_is_built_nothing_is_told_that_is_not_so() {
    let releases = releases();
    let tokio = releases.last().expect("one of them");
    let all = [Stripped::Nothing, Stripped::Debug, Stripped::All];
    thread::scope(|scope| {
        for stripped in all {
            let how = Build {
                tokio,
                release: true,
                features: &["parking_lot"],
                settings: SETTINGS,
                stripped,
            };
            scope.spawn(move || compare(&how, "multi-thread"));
        }
    });
}
