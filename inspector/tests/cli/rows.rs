//! `ls` and `top`.

use serde_json::Value;

use crate::{json, netpoller, run, stdout};
use netpoller_tests::mock::{Mock, Running};

#[test]
fn ls_prints_one_aligned_line_for_each_descriptor() {
    let (scratch, _running, target) = Running::alone(Mock::new(40));
    let output = run(scratch.path(), &["-t", &target, "ls"]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 41);
    let titles: Vec<&str> = lines[0].split_ascii_whitespace().collect();
    assert_eq!(
        titles,
        [
            "ID", "FD", "KIND", "LOCAL", "PEER", "RD", "WR", "SINCE", "DEADLINE", "EDGES", "WHERE"
        ]
    );
    let column = lines[0].find("RD").expect("RD");
    for line in &lines[1..] {
        let state = line[column..].split(' ').next().expect("a state");
        assert!(
            ["nil", "ready", "wait", "parked", "woken"].contains(&state),
            "{line}"
        );
        assert_eq!(line.trim_end(), *line, "no trailing blanks");
    }
}

#[test]
fn without_a_terminal_no_verb_means_ls() {
    let (scratch, _running, target) = Running::alone(Mock::new(3));
    let output = netpoller(scratch.path())
        .env("NETPOLLER_TARGET", target)
        .output()
        .expect("run netpoller");
    assert_eq!(stdout(&output).lines().count(), 4);
    assert!(!stdout(&output).contains('\x1b'));
}

#[test]
fn json_has_every_field_of_the_contract() {
    let (scratch, _running, target) = Running::alone(Mock::new(60));
    let document = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "--format", "json"],
    ));
    assert_eq!(document["schema"], "netpoller/v1/descriptors");
    assert_eq!(document["target"]["pid"], 4242);
    assert_eq!(document["captured_at"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(document["complete"], true);
    let items = document["items"].as_array().expect("items");
    assert_eq!(items.len(), 60);
    for item in items {
        for field in [
            "id",
            "poller",
            "fd",
            "kind",
            "local",
            "peer",
            "label",
            "opened_at",
            "read",
            "write",
        ] {
            assert!(item.get(field).is_some(), "{field} is missing in {item}");
        }
        for side in ["read", "write"] {
            let side = &item[side];
            for field in [
                "state",
                "since_ns",
                "age_ns",
                "waiter",
                "deadline_ns",
                "transitions",
            ] {
                assert!(side.get(field).is_some(), "{field} is missing in {side}");
            }
            let waits = side["state"] == "parked" || side["state"] == "woken";
            assert_eq!(side["waiter"].is_null(), !waits);
            assert!(side["transitions"]["ready_parked"].is_u64());
        }
    }
    let parked = items
        .iter()
        .find(|item| item["read"]["state"] == "parked")
        .expect("somebody waits");
    assert!(
        parked["read"]["waiter"]["location"]
            .as_str()
            .is_some_and(|location| location.contains(".rs:"))
    );
    assert!(parked["id"].as_str().is_some_and(|id| id.contains('.')));
}

#[test]
fn a_table_of_many_pages_is_complete() {
    let (scratch, _running, target) = Running::alone(Mock::new(15_321));
    let output = run(
        scratch.path(),
        &["-t", &target, "--timeout", "60s", "ls", "-f", "jsonl"],
    );
    let ids: std::collections::HashSet<String> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object")["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 15_321);
}

#[test]
fn waiters_have_a_row_for_each_parked_direction() {
    let (scratch, _running, target) = Running::alone(Mock::new(80));
    let all = json(&run(scratch.path(), &["-t", &target, "ls", "-f", "json"]));
    let parked: usize = all["items"]
        .as_array()
        .expect("items")
        .iter()
        .flat_map(|item| [&item["read"], &item["write"]])
        .filter(|side| side["state"] == "parked")
        .count();
    let waiters = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "waiters", "-f", "json"],
    ));
    assert_eq!(waiters["schema"], "netpoller/v1/waiters");
    let items = waiters["items"].as_array().expect("items");
    assert_eq!(items.len(), parked);
    for item in items {
        for field in [
            "id",
            "fd",
            "kind",
            "dir",
            "task",
            "thread",
            "location",
            "age_ns",
            "deadline_ns",
        ] {
            assert!(item.get(field).is_some(), "{field} is missing in {item}");
        }
    }
    let table = run(scratch.path(), &["-t", &target, "ls", "waiters"]);
    let titles: Vec<&str> = stdout(&table)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(
        titles,
        [
            "ID", "FD", "KIND", "DIR", "TASK", "THREAD", "AGE", "DEADLINE", "LOCATION", "LOCAL",
            "PEER", "STATE"
        ]
    );
}

#[test]
fn deadlines_and_pollers_are_tables_too() {
    let (scratch, _running, target) = Running::alone(Mock::new(80));
    let deadlines = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "deadlines", "-f", "json"],
    ));
    let items = deadlines["items"].as_array().expect("items");
    assert!(!items.is_empty());
    assert!(
        items
            .iter()
            .all(|item| item["deadline_expired"] == true || item["deadline_ns"].is_u64())
    );
    let pollers = run(scratch.path(), &["-t", &target, "ls", "pollers"]);
    assert!(stdout(&pollers).contains("shard-1"));
    let pollers = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "pollers", "-f", "json"],
    ));
    assert_eq!(pollers["items"][0]["name"], "global");
}

#[test]
fn rows_are_filtered_sorted_limited_and_cut_to_columns() {
    let (scratch, _running, target) = Running::alone(Mock::new(200));
    let output = run(
        scratch.path(),
        &[
            "-t",
            &target,
            "ls",
            "-w",
            "rd=parked && kind=tcp",
            "--sort",
            "fd:desc",
            "-n",
            "5",
            "--columns",
            "fd,rd,kind",
            "--no-header",
        ],
    );
    let rows: Vec<Vec<&str>> = stdout(&output)
        .lines()
        .map(|line| line.split_ascii_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 5);
    assert!(
        rows.iter().all(|row| row[1..] == ["parked", "tcp"]),
        "{rows:?}"
    );
    let fds: Vec<i32> = rows
        .iter()
        .map(|row| row[0].parse().expect("a number"))
        .collect();
    assert!(fds.is_sorted_by(|left, right| left > right), "{fds:?}");
    let cut = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "-n", "5", "-f", "json"],
    ));
    assert_eq!(cut["complete"], false);
}

#[test]
fn csv_is_one_record_for_each_row() {
    let (scratch, _running, target) = Running::alone(Mock::new(10));
    let output = run(scratch.path(), &["-t", &target, "ls", "-f", "csv"]);
    let mut reader = csv::Reader::from_reader(stdout(&output).as_bytes());
    assert_eq!(&reader.headers().expect("a header")[0], "id");
    assert_eq!(reader.records().count(), 10);
}

#[test]
fn top_repeats_the_table_with_a_blank_line_between() {
    let (scratch, _running, target) = Running::alone(Mock::new(2));
    let output = run(
        scratch.path(),
        &["-t", &target, "top", "-C", "2", "--interval", "100ms"],
    );
    assert_eq!(
        stdout(&output)
            .lines()
            .filter(|line| line.is_empty())
            .count(),
        1
    );
    assert_eq!(stdout(&output).lines().count(), 7);
}
