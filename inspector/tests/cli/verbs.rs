//! Verbs that ask for what an older server does not have, and what they make of that.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::{assert_fails, json, netpoller, run, stderr, stdout};
use netpoller_tests::mock::{Mock, Running};

#[test]
fn what_an_older_server_does_not_have_is_exit_5_with_its_version() {
    let (scratch, _running, target) = Running::alone(Mock::new(3));
    for (arguments, method) in [
        (&["audit"][..], "the laws"),
        (&["events"], "its events"),
        (&["describe", "global/1.2"], "the descriptor"),
    ] {
        let output = run(scratch.path(), &[&["-t", &target], arguments].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(5), "{said}");
        for word in [method, "0.1.0", "older than this command"] {
            assert!(said.contains(word), "`{word}` is missing in: {said}");
        }
    }
}

#[test]
fn the_first_rows_of_an_order_are_right_although_the_server_does_not_sort() {
    let (scratch, _running, target) = Running::alone(Mock::new(2_500));
    let all = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "--sort", "fd:desc", "-f", "json"],
    ));
    let some = json(&run(
        scratch.path(),
        &[
            "-t", &target, "ls", "-w", "fd>0", "--sort", "fd:desc", "-n", "7", "-f", "json",
        ],
    ));
    let fds = |document: &Value| -> Vec<Value> {
        let items = document["items"].as_array().expect("items").iter();
        items
            .map(|item| item["fd"].clone())
            .filter(|fd| !fd.is_null())
            .take(7)
            .collect()
    };
    assert_eq!(fds(&some), fds(&all));
    assert_eq!(some["complete"], false);
}

#[test]
fn a_watch_tells_what_comes_changes_and_goes() {
    let (scratch, _running, target) = Running::alone(Mock::new(70));
    let output = run(
        scratch.path(),
        &[
            "-t",
            &target,
            "watch",
            "-n",
            "150",
            "--interval",
            "100ms",
            "-f",
            "jsonl",
            "-w",
            "kind=tcp",
        ],
    );
    let mut known = std::collections::HashSet::new();
    let mut ops = std::collections::BTreeSet::new();
    for line in stdout(&output).lines() {
        let line: Value = serde_json::from_str(line).expect("an object");
        assert_eq!(
            line["kind"], "tcp",
            "the server does not filter, the command does"
        );
        let key = (line["poller"].to_string(), line["id"].to_string());
        let op = line["op"].as_str().expect("an operation").to_owned();
        match op.as_str() {
            "add" => assert!(known.insert(key), "{line}"),
            "mod" => assert!(known.contains(&key), "{line}"),
            _ => assert!(known.remove(&key), "{line}"),
        }
        ops.insert(op);
    }
    assert_eq!(ops.len(), 3, "{ops:?}");
}

#[test]
fn histograms_of_an_older_server_are_those_of_all_time() {
    let (scratch, _running, target) = Running::alone(Mock::new(10));
    let document = json(&run(
        scratch.path(),
        &["-t", &target, "hist", "wake_latency", "-f", "json"],
    ));
    let item = &document["items"][0];
    assert!(item["cumulative"]["p99"].is_u64(), "{item}");
    assert!(item["interval"].is_null(), "{item}");
}

#[test]
fn one_of_several_descriptors_with_a_number_must_be_named_by_its_id() {
    let (scratch, _running, target) = Running::alone(Mock::new(60));
    assert_fails(
        &run(scratch.path(), &["-t", &target, "describe", "fd", "100000"]),
        6,
        &["fd:100000", "netpoller ls"],
    );
    assert_fails(
        &run(scratch.path(), &["-t", &target, "describe", "nonsense"]),
        2,
        &["nonsense", "POLLER/42.7", "fd:19"],
    );
}

#[test]
fn flags_that_mean_nothing_to_a_verb_are_refused() {
    let (scratch, _running, target) = Running::alone(Mock::new(1));
    for (arguments, words) in [
        (&["audit", "-w", "fd=1"][..], &["laws"][..]),
        (&["events", "--sort", "fd"], &["--sort", "as they happen"]),
        (&["events", "-f", "json"], &["--dump"]),
        (&["events", "-k", "parked"], &["parked", "park"]),
        (&["watch", "-f", "json"], &["jsonl"]),
        (&["watch", "pollers"], &["top"]),
        (&["hist", "--interval", "5s"], &["4s"]),
        (&["evict", "1.2"], &["--control"]),
        (&["evict", "1.2", "--control", "pid:1"], &["address"]),
        (&["break", "--control", "uinx:/x"], &["uinx"]),
    ] {
        let output = run(scratch.path(), &[&["-t", &target], arguments].concat());
        assert_fails(&output, 2, words);
    }
}

#[test]
fn nothing_is_evicted_without_consent() {
    let (scratch, _running, target) = Running::alone(Mock::new(1));
    let mut child = netpoller(scratch.path())
        .args(["evict", "1.2", "--control", &target])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run netpoller");
    // Whoever is no person at a terminal has to say so.
    let _ = child.stdin.take().expect("a pipe").write_all(b"y\n");
    let output = child.wait_with_output().expect("wait");
    assert_fails(&output, 2, &["evict 1.2", "--yes"]);
}
