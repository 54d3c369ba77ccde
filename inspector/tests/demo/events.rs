//! `events`, of a busy demo.

use serde_json::Value;

use netpoller_tests::program::{Running, items};

use crate::{demo, stuck};

/// The lines of `events`, with what is asked for.
#[track_caller]
fn events(demo: &Running, arguments: &[&str]) -> Vec<Value> {
    let output = demo.ask(&[&["events", "--format", "jsonl"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect()
}

#[test]
fn events_are_dumped_and_followed_with_their_filters() {
    let demo = demo("60", &[]);
    stuck(&demo);
    let dump = demo.json(&["events", "--dump", "-k", "park,run"]);
    assert_eq!(dump["schema"], "netpoller/v1/events");
    let events = items(&dump);
    assert!(!events.is_empty());
    for event in events {
        assert!(event["kind"] == "park" || event["kind"] == "run", "{event}");
        assert!(
            event["thread"].as_str().unwrap().starts_with("demo-"),
            "{event}"
        );
    }
    let output = demo.ask(&[
        "events",
        "--direction",
        "read",
        "-k",
        "ready_parked",
        "-n",
        "5",
        "--format",
        "jsonl",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    for line in lines {
        assert_eq!(
            (&line["kind"], &line["direction"], &line["cause"]),
            (&"ready_parked".into(), &"read".into(), &"io".into())
        );
    }
    let csv = demo.ask(&["events", "-n", "5", "-f", "csv"]);
    let mut records = csv::Reader::from_reader(&*csv.stdout);
    let names: Vec<String> = records
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let fields = events[0].as_object().unwrap();
    assert_eq!(names.len(), fields.len());
    assert!(
        names.iter().all(|name| fields.contains_key(name)),
        "{names:?}"
    );
    let records: Vec<csv::StringRecord> = records.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 5);
    let at_ns = names.iter().position(|it| it == "at_ns").unwrap();
    assert!(records.iter().all(|it| it[at_ns].parse::<u64>().is_ok()));
    let table = demo.ask(&["events", "-n", "3"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.starts_with("TIME"), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn events_are_counted_by_what_they_have_in_common() {
    let demo = demo("20", &[]);
    stuck(&demo);
    for when in [&["--dump"][..], &["--for", "1s"]] {
        let words = [&["events", "--count-by", "location,kind"], when].concat();
        let rows = items(&demo.json(&words)).to_vec();
        let counts: Vec<u64> = rows.iter().filter_map(|it| it["count"].as_u64()).collect();
        assert_eq!(counts.len(), rows.len(), "{rows:?}");
        assert!(counts.is_sorted_by(|one, next| one >= next), "{counts:?}");
        let is_one = |it: &&Value| {
            it["kind"] == "park" && it["location"].to_string().contains("demo/clients.rs:")
        };
        assert!(rows.iter().any(|it| is_one(&it)), "{when:?}: {rows:?}");
    }
    let output = demo.ask(&["events", "--count-by", "kind"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--dump"), "{said}");
    // Without counting it is a way to end, too.
    let output = demo.ask(&["events", "--for", "300ms", "-f", "jsonl"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stdout.is_empty());
}

#[test]
fn events_are_filtered_one_by_one() {
    let demo = demo("60", &["--plant", "wake-storm"]);
    stuck(&demo);
    // Of a poller, not of a descriptor.
    let breaks = events(
        &demo,
        &["-w", "poller=plant_wake_storm && id!=0.1", "-n", "5"],
    );
    assert_eq!(breaks.len(), 5);
    assert!(breaks.iter().all(|it| it["poller"] == "plant_wake_storm"));
    assert!(breaks.iter().any(|it| it["id"].is_null()), "{breaks:?}");
    // By who did it.
    for event in events(&demo, &["-w", "thread~^demo-clients", "-n", "5"]) {
        assert_eq!(event["thread"], "demo-clients", "{event}");
    }
    // Connections that are opened after the command has begun.
    let opened = events(
        &demo,
        &["-w", "kind=tcp && label!=echo", "-k", "opened", "-n", "5"],
    );
    assert_eq!(opened.len(), 5);
    let before = demo.json(&["ls", "-w", "kind=tcp"]);
    assert!(!items(&before).is_empty());
    // By who waits, and only in that direction.
    for event in events(&demo, &["-w", "task~timing && dir=read", "-n", "5"]) {
        assert_eq!(event["direction"], "read", "{event}");
    }
    let dump = demo.json(&["events", "--dump", "-w", "poller=plant_wake_storm"]);
    assert!(
        items(&dump)
            .iter()
            .all(|it| it["poller"] == "plant_wake_storm")
    );
}
