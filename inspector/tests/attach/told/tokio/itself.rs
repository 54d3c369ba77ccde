//! What the service says of itself against what the kernel and its own source say.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use netpoller_tests::rust::{Build, releases};
use serde_json::Value;

use super::commands::{change, prepare};
use super::{RUNTIMES, waiters};
use crate::told::{Dice, sides};
use crate::truth::Service;

/// Commands that are given, and how many of these have to be carried out.
const COMMANDS: usize = 600;
const CARRIED_OUT: usize = COMMANDS / 4;

/// The descriptors that are in some epoll set of a process.
fn registered(pid: u32) -> HashSet<i64> {
    let folder = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it runs");
    let texts = folder.filter_map(|it| fs::read_to_string(it.ok()?.path()).ok());
    let texts: Vec<String> = texts.collect();
    let lines = texts.iter().flat_map(|it| it.lines());
    let entries = lines.filter_map(|line| line.strip_prefix("tfd:")?.split_whitespace().next());
    entries.filter_map(|it| it.parse().ok()).collect()
}

/// Whether that line of a source awaits something.
fn awaits(place: &Value) -> bool {
    let file = place["file"].as_str().expect("a file");
    let number = place["line"].as_u64().expect("a line");
    let number = usize::try_from(number).expect("a line");
    let text = fs::read_to_string(file).expect("a source");
    let line = text.lines().nth(number - 1);
    let awaits = [".await", "select! {", "join!("];
    line.is_some_and(|line| awaits.iter().any(|it| line.contains(it)))
}

fn check(service: &mut Service) -> usize {
    let truth = service.obey("truth");
    let registered = registered(service.pid());
    let mut checked = 0;
    for ((fd, direction), side) in sides(&truth) {
        assert!(registered.contains(&fd), "{fd} {direction}: {truth}");
        for it in waiters(side) {
            let places = it["awaits"].as_array().expect("places");
            assert!(!places.is_empty() && places.iter().all(awaits), "{it}");
            let future = it["future"].as_str().expect("a type");
            assert!(future.starts_with("truth::"), "{it}");
            assert!(
                ["slot", "list"].map(Value::from).contains(&it["how"]),
                "{it}"
            );
            assert!(it["since_monotonic_ns"].as_i64() <= truth["now_monotonic_ns"].as_i64());
            assert_ne!(it["task"].is_u64(), it["thread"].is_u64(), "{it}");
            if let Some(thread) = it["thread"].as_u64() {
                let task = format!("/proc/{}/task/{thread}", service.pid());
                assert!(PathBuf::from(task).exists(), "{it}");
            }
            checked += 1;
        }
    }
    checked
}

fn rehearse(kind: &str) {
    let releases = releases();
    let tokio = releases.last().expect("one of them");
    let how = Build {
        tokio,
        ..Build::default()
    };
    let mut service = Service::of_tokio(&how, kind);
    let places = service.obey("places");
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut all = prepare(&mut service);
    let (mut carried_out, mut checked) = (0, 0);
    for command in 0..COMMANDS {
        match change(&mut service, &mut dice, &mut all, &places) {
            Ok(()) => carried_out += 1,
            // Of refusals these are none.
            Err(error) => {
                let failures = ["os error", "does not come to", "unknown", "no place"];
                let is_failure = failures.iter().any(|it| error.contains(it));
                assert!(!is_failure, "{error}");
            }
        }
        if command % 20 == 0 {
            checked += check(&mut service);
        }
    }
    assert!(carried_out >= CARRIED_OUT, "{carried_out}");
    assert!(checked >= 100, "{checked}");
    // Tasks that come and go have gone, but for the one that accepts.
    service.obey("churn 0");
    let truth = service.obey("truth");
    let sides = sides(&truth);
    let waiting = sides.values().flat_map(|it| waiters(it));
    let tasks = waiting.filter(|it| it["task"].is_u64()).count();
    assert_eq!(truth["tasks"], tasks + 1, "{truth}");
}

/// What it is compared with is right itself.
#[test]
#[ignore = "needs crates of several releases of tokio"]
fn what_the_service_on_tokio_says_agrees_with_the_kernel_and_with_its_source() {
    for kind in RUNTIMES {
        rehearse(kind);
    }
}
