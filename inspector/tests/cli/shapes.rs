//! What is cut where there is little room, and what machines read.

use crate::{json, netpoller, on_terminal, run, stdout};
use netpoller_tests::mock::{Mock, Running};

const FOLDER: &str = "/home/builder/.cargo/registry/a-crate-with-a-long-name-1.2.3/";

fn far_away() -> Mock {
    Mock {
        folder: FOLDER,
        ..Mock::new(60)
    }
}

/// The words that name a line of a file.
fn locations(text: &str) -> Vec<&str> {
    let is_location = |word: &&str| word.contains(".rs:");
    text.split_ascii_whitespace().filter(is_location).collect()
}

#[test]
fn a_location_never_loses_its_file_and_line_on_a_terminal() {
    let (scratch, _running, target) = Running::alone(far_away());
    for columns in [80, 100, 120, 160] {
        for verb in [
            &["ls"][..],
            &["ls", "waiters"],
            &["ls", "deadlines"],
            &["watch", "-n", "50"],
            &["watch", "waiters", "-n", "50"],
        ] {
            let arguments = [&["-t", &target], verb].concat();
            let text = on_terminal(scratch.path(), columns, &arguments);
            let seen = locations(&text);
            assert!(
                !seen.is_empty() || verb[1..] == ["deadlines"],
                "{columns} {verb:?}:\n{text}"
            );
            for location in seen {
                let (_, file) = location.rsplit_once('/').expect("a folder");
                let (file, line) = file.split_once(".rs:").expect("a file");
                assert!(["conn", "server", "flush"].contains(&file), "{location}");
                assert!(line.parse::<u32>().is_ok(), "{location}");
            }
            for line in text.lines() {
                let width = line.chars().count();
                assert!(width <= columns.into(), "{columns} {verb:?}: {line}");
            }
        }
    }
}

#[test]
fn nothing_is_cut_where_there_is_no_terminal() {
    let (scratch, _running, target) = Running::alone(far_away());
    for verb in [
        &["ls"][..],
        &["ls", "waiters"],
        &["watch", "-n", "50"],
        &["watch", "waiters", "-n", "50"],
    ] {
        let output = run(scratch.path(), &[&["-t", &target], verb].concat());
        let text = stdout(&output);
        assert!(!text.contains('…'), "{text}");
        let seen = locations(text);
        assert!(seen.len() > 20);
        for location in seen {
            assert!(location.starts_with(FOLDER), "{location}");
        }
    }
}

#[test]
fn a_watch_says_what_stands_in_its_columns() {
    let (scratch, _running, target) = Running::alone(Mock::new(10));
    let output = run(scratch.path(), &["-t", &target, "watch", "-n", "5"]);
    let titles: Vec<&str> = stdout(&output)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(titles[..4], ["TIME", "OP", "ID", "FD"]);
}

/// A table of CSV by the names of its columns.
fn records(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("records")
}

#[test]
fn csv_has_raw_numbers_with_their_units_in_the_names() {
    let (scratch, _running, target) = Running::alone(Mock::new(1_500));
    for (verb, numbers, others) in [
        (
            &["ls"][..],
            &[
                "fd",
                "since_ns",
                "age_ns",
                "deadline_ns",
                "deadline_in_ns",
                "edges",
                "opened_at_ns",
                "last_events",
            ][..],
            &["id", "rd", "where", "deadline_expired", "opened_at"][..],
        ),
        (
            &["ls", "waiters"],
            &["fd", "since_ns", "age_ns", "deadline_in_ns"],
            &["id", "dir", "location"],
        ),
        (
            &["ls", "deadlines"],
            &["deadline_ns", "since_ns"],
            &["state"],
        ),
        (
            &["ls", "pollers"],
            &[
                "descriptors",
                "waiters",
                "last_poll_ns",
                "last_poll_age_ns",
                "created_at_ns",
            ],
            &["name", "blocked"],
        ),
        (&["stats"], &["value"], &["poller", "group", "name", "unit"]),
        (
            &["hist"],
            &["count", "p50", "p99_9", "over_ns"],
            &["histogram", "of"],
        ),
    ] {
        let arguments = [&["-t", &target], verb, &["-f", "csv"]].concat();
        let output = run(scratch.path(), &arguments);
        let records = records(stdout(&output));
        assert!(!records.is_empty(), "{verb:?}");
        for name in numbers.iter().chain(others) {
            assert!(
                records[0].contains_key(*name),
                "{name} in {:?}",
                records[0].keys()
            );
        }
        for record in &records {
            for name in numbers {
                let value = &record[*name];
                assert!(
                    value.is_empty() || value.parse::<i64>().is_ok(),
                    "{name}: {value}"
                );
            }
        }
    }
    let rows = records(stdout(&run(
        scratch.path(),
        &["-t", &target, "ls", "-f", "csv"],
    )));
    let document = json(&run(scratch.path(), &["-t", &target, "ls", "-f", "json"]));
    for (row, item) in rows
        .iter()
        .zip(document["items"].as_array().expect("items"))
    {
        assert_eq!(
            row["fd"],
            item["fd"]
                .as_i64()
                .map(|fd| fd.to_string())
                .unwrap_or_default()
        );
        assert_eq!(
            row["opened_at"],
            item["opened_at"].as_str().unwrap_or_default()
        );
        assert!(["true", "false"].contains(&row["deadline_expired"].as_str()));
    }
}

#[test]
fn csv_that_goes_on_has_its_names_once() {
    let (scratch, _running, target) = Running::alone(Mock::new(3));
    let arguments = [
        "-t",
        &target,
        "top",
        "-C",
        "3",
        "--interval",
        "100ms",
        "-f",
        "csv",
    ];
    let output = run(scratch.path(), &arguments);
    let all = records(stdout(&output));
    assert_eq!(all.len(), 9);
    assert!(all.iter().all(|record| record["fd"].parse::<i32>().is_ok()));
}

#[test]
fn json_has_the_columns_that_are_asked_for_and_no_others() {
    let (scratch, _running, target) = Running::alone(Mock::new(20));
    let arguments = ["-t", &target, "ls", "-c", "id,rd,since,fd", "-f", "json"];
    let document = json(&run(scratch.path(), &arguments));
    for item in document["items"].as_array().expect("items") {
        let item = item.as_object().expect("an object");
        let names: std::collections::BTreeSet<&str> = item.keys().map(String::as_str).collect();
        assert_eq!(names, ["age_ns", "fd", "id", "rd", "since_ns"].into());
        assert!(item["fd"].is_i64() || item["fd"].is_null());
        assert!(item["rd"].is_string());
    }
    let lines = run(
        scratch.path(),
        &["-t", &target, "ls", "-c", "fd", "-f", "jsonl", "-n", "1"],
    );
    assert_eq!(stdout(&lines), "{\"fd\":7}\n");
}

#[test]
fn ids_of_several_pollers_name_theirs_and_are_understood_as_they_are_printed() {
    let (scratch, _running, target) = Running::alone(Mock::new(200));
    for verb in ["ls", "waiters", "deadlines"] {
        let what = if verb == "ls" { "descriptors" } else { verb };
        let arguments = [
            "-t",
            &target,
            "ls",
            what,
            "-c",
            "id",
            "--no-header",
            "-w",
            "dir!=write",
        ];
        // Of whole descriptors no direction is asked.
        let arguments = if verb == "ls" {
            &arguments[..7]
        } else {
            &arguments[..]
        };
        let output = run(scratch.path(), arguments);
        let ids: Vec<&str> = stdout(&output).lines().collect();
        let unique: std::collections::HashSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert!(ids.iter().any(|id| id.starts_with("global/")), "{ids:?}");
        assert!(ids.iter().any(|id| id.starts_with("shard-1/")), "{ids:?}");
    }
    for (filter, rows) in [
        ("id=shard-1/3.4", 1),
        ("id=global/3.4", 0),
        ("id in (shard-1/3.4, global/4.5, 5.6)", 3),
        ("id!=shard-1/3.4 && fd in (7, 8, 10)", 2),
        ("id~^shard-1/3\\.", 1),
    ] {
        let arguments = ["-t", &target, "ls", "--no-header", "-w", filter];
        let output = run(scratch.path(), &arguments);
        assert_eq!(stdout(&output).lines().count(), rows, "{filter}");
    }
    // JSON has the two parts of it, as ever.
    let document = json(&run(
        scratch.path(),
        &["-t", &target, "ls", "-f", "json", "-w", "id=shard-1/3.4"],
    ));
    assert_eq!(document["items"][0]["id"], "3.4");
    assert_eq!(document["items"][0]["poller"], "shard-1");
}

#[test]
fn what_a_filter_can_name_is_a_column_too() {
    let (scratch, _running, target) = Running::alone(Mock::new(50));
    let arguments = [
        "-t",
        &target,
        "ls",
        "-c",
        "id,task,thread,age,location",
        "--sort",
        "age:desc",
    ];
    let output = run(scratch.path(), &arguments);
    let titles: Vec<&str> = stdout(&output)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(titles, ["ID", "TASK", "THREAD", "SINCE", "WHERE"]);
    assert!(stdout(&output).contains("conn-"), "who waits");
    for what in ["descriptors", "waiters", "deadlines"] {
        let arguments = [
            "-t",
            &target,
            "ls",
            what,
            "--sort",
            "where",
            "-c",
            "where,since",
        ];
        stdout(&run(scratch.path(), &arguments));
    }
}

#[test]
fn the_environment_says_where_to_sort_and_a_limit_has_a_unit() {
    let (scratch, _running, target) = Running::alone(Mock::new(1_500));
    let output = run(
        scratch.path(),
        &["-t", &target, "ls", "-n", "1k", "--no-header"],
    );
    assert_eq!(stdout(&output).lines().count(), 1_000);
    let output = netpoller(scratch.path())
        .args(["-t", &target, "ls", "-n", "2", "--no-header", "-c", "fd"])
        .env("NETPOLLER_SORT", "fd:desc")
        .output()
        .expect("run netpoller");
    let fds: Vec<&str> = stdout(&output).split_ascii_whitespace().collect();
    assert_eq!(fds, ["1506", "1505"]);
}
