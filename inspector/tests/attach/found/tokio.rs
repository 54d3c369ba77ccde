//! A process on tokio.

use std::thread;

use netpoller_tests::rust::{self, Build};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{findings, opened};
use crate::truth::Service;

/// How often it is looked for what there is not.
const OFTEN: usize = 10;
/// Tasks that open and close connections meanwhile.
const MANY: usize = 20;
/// Milliseconds: longer than a diagnosis, and shorter than one.
const LONG: u64 = 60_000;
const SHORT: u64 = 400;

/// The oldest release and the newest.
fn releases() -> impl Iterator<Item = Build<'static>> {
    let releases = rust::releases();
    let both = [releases.first().copied(), releases.last().copied()];
    both.into_iter().flatten().map(|tokio| Build {
        tokio,
        ..Build::default()
    })
}

/// A connection that a task waits to read.
fn waits(service: &mut Service) -> i64 {
    let id = opened(&service.obey("open tcp"));
    service.obey(&format!("park {id} read plain"));
    id
}

/// The number of a descriptor, and who waits to read it, if somebody does.
fn reader(service: &mut Service, id: i64) -> (i64, Value) {
    let truth = service.obey("truth");
    let descriptors = truth["descriptors"].as_array().expect("descriptors");
    let it = descriptors.iter().find(|it| it["id"] == id);
    let it = it.expect("it is open");
    let fd = it["fd"].as_i64().expect("a number");
    (fd, it["read"]["waiters"][0].clone())
}

/// The one thing that is found.
#[track_caller]
fn only(service: &Service, of: &str) -> (String, i64, Value) {
    match <[_; 1]>::try_from(findings(service)) {
        Ok([only]) => only,
        Err(found) => panic!("{of}: {found:#?}"),
    }
}

#[test]
#[ignore = "needs crates of several releases of tokio"]
fn a_task_that_nobody_wakes_is_found_and_those_that_wait_for_nothing_are_not() {
    for how in releases() {
        for kind in ["multi-thread", "current-thread", "local"] {
            let of = format!("{how:?} {kind}");
            let mut service = Service::of_tokio(&how, kind);
            let [lost, _] = [(); 2].map(|()| waits(&mut service));
            let listener = opened(&service.obey("open listener"));
            service.obey(&format!("park {listener} read plain"));
            assert_eq!(findings(&service), [], "{of}");

            let (fd, waiter) = reader(&mut service, lost);
            service.obey(&format!("lose {lost}"));
            let (lint, at, finding) = only(&service, &of);
            assert_eq!((&*lint, at), ("lost-edge", fd), "{of}: {finding}");
            let summary = finding["summary"].as_str().expect("a sentence");
            let task = format!("task {} (truth::reads::read::{{async fn}}<", waiter["task"]);
            assert!(summary.starts_with(&task), "{of}: {summary}");
            assert!(summary.contains("waits to read"), "{of}: {summary}");
            let place = &waiter["awaits"][0];
            let line = format!(
                "{}:{}",
                place["file"].as_str().expect("a file"),
                place["line"]
            );
            assert_eq!(finding["location"], line, "{of}: {finding}");
        }
    }
}

#[test]
#[ignore = "needs crates of several releases of tokio"]
fn what_nobody_reads_is_found_when_it_has_been_there_for_a_while() {
    for how in releases() {
        let mut service = Service::of_tokio(&how, "multi-thread");
        waits(&mut service);
        let id = opened(&service.obey("open tcp"));
        service.obey(&format!("send {id}"));
        let looks = std::iter::repeat_with(|| findings(&service)).take(OFTEN);
        let found = looks.into_iter().find(|found| !found.is_empty());
        let found = found.unwrap_or_default();
        let (fd, reader) = reader(&mut service, id);
        assert_eq!(reader, Value::Null);
        let [(lint, at, finding)] = &found[..] else {
            panic!("{how:?}: {found:#?}")
        };
        assert_eq!(
            (&**lint, *at),
            ("leaked-readiness", fd),
            "{how:?}: {finding}"
        );
    }
}

#[test]
#[ignore = "needs crates of several releases of tokio"]
fn a_task_that_blocks_its_runtime_is_found_and_one_that_is_done_soon_is_not() {
    let look = |how: &Build<'_>, kind: &str, by: &str| {
        let of = format!("{how:?} {kind} {by}");
        let mut service = Service::of_tokio(how, kind);
        let [short, long] = [(); 2].map(|()| waits(&mut service));
        let mut block = |waits: i64, time: u64| {
            let task = service.obey(&format!("block {time} {by}"))["task"].clone();
            service.obey(&format!("send {waits}"));
            (findings(&service), task)
        };
        assert_eq!(block(short, SHORT).0, [], "{of}");
        let (found, task) = block(long, LONG);
        let [(lint, _, finding)] = &found[..] else {
            panic!("{of}: {found:#?}")
        };
        assert_eq!(lint, "blocked-executor", "{of}: {finding}");
        let summary = finding["summary"].as_str().expect("a sentence");
        let task = format!("task {task} (truth::blocks::{by}::{{async fn}}) keeps its thread");
        assert!(summary.starts_with(&task), "{of}: {summary}");
    };
    for how in releases() {
        thread::scope(|scope| {
            for kind in ["one-worker", "current-thread"] {
                for by in ["spin", "sleep"] {
                    scope.spawn(move || look(&how, kind, by));
                }
            }
        });
    }
}

#[test]
#[ignore = "needs crates of several releases of tokio"]
fn nothing_is_found_in_a_process_with_which_nothing_is_the_matter() {
    let look = |how: &Build<'_>, kind: &str| {
        let of = format!("{how:?} {kind}");
        let mut service = Service::of_tokio(how, kind);
        assert_eq!(findings(&service), [], "{of}, which is idle");
        let id = waits(&mut service);
        assert_eq!(findings(&service), [], "{of}, which waits");
        service.obey(&format!("churn {MANY}"));
        for _ in 0..OFTEN {
            assert_eq!(findings(&service), [], "{of}, which is busy");
        }
        service.obey("churn 0");
        // Nobody has been woken yet when it is stopped.
        service.obey(&format!("block {SHORT} sleep"));
        service.obey(&format!("send {id}"));
        let pid = i32::try_from(service.pid()).expect("a number");
        let pid = Pid::from_raw(pid).expect("a process");
        kill_process(pid, Signal::STOP).expect("it runs");
        assert_eq!(findings(&service), [], "{of}, which is stopped");
    };
    let newest = releases().last().expect("one of them");
    thread::scope(|scope| {
        for kind in ["one-worker", "current-thread"] {
            scope.spawn(move || look(&newest, kind));
        }
    });
}
