//! The verbs that ask more than one question, about a busy demo.

use std::collections::HashMap;

use serde_json::Value;

use netpoller_tests::eventually;
use netpoller_tests::program::items;

use crate::{demo, stuck};

#[test]
fn an_audit_of_a_loaded_demo_finds_every_law_upheld() {
    let demo = demo("100", &[]);
    stuck(&demo);
    let document = demo.json(&["audit", "--kernel", "--for", "2s", "--interval", "500ms"]);
    assert_eq!(document["schema"], "netpoller/v1/audit");
    let laws = items(&document);
    assert!(laws.len() >= 10, "{laws:?}");
    for law in laws {
        assert_eq!(law["violated"], false, "{law}");
        for field in ["poller", "law", "statement", "lhs", "rhs", "delta"] {
            assert!(!law[field].is_null(), "{field} is missing in {law}");
        }
    }
    assert!(laws.iter().any(|law| law["law"] == "kernel"));
    let csv = demo.ask(&["audit", "--format", "csv"]);
    let mut records = csv::Reader::from_reader(&*csv.stdout);
    let records: Vec<HashMap<String, String>> = records
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("records");
    assert!(records.len() >= 10, "{records:?}");
    for law in records {
        for number in ["lhs", "rhs", "delta"] {
            assert!(law[number].parse::<i128>().is_ok(), "{number} of {law:?}");
        }
    }
    let table = demo.ask(&["audit"]);
    assert_eq!(table.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&table.stdout).contains("VIOLATED"));
    let config = demo.scratch.path().join("c.toml");
    std::fs::write(&config, "[views.laws]\ncolumns = ['state', 'law']\n").unwrap();
    let chosen = demo.ask(&["--config", &config.display().to_string(), "audit"]);
    let chosen = String::from_utf8_lossy(&chosen.stdout);
    let titles: Vec<&str> = chosen
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(titles, ["STATE", "LAW"], "{chosen}");
}

#[test]
fn an_audit_of_a_skewed_counter_exits_3_and_names_the_law() {
    let demo = demo("20", &["--plant", "broken-law"]);
    let output = demo.ask(&["audit"]);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("law `park` of poller plant_broken_law"),
        "{stderr}"
    );
    let row = stdout
        .lines()
        .find(|line| line.contains("VIOLATED") && line.contains(" park "));
    assert!(
        row.is_some_and(|row| row.contains("plant_broken_law")),
        "{stdout}"
    );
    let output = demo.ask(&["audit", "--format", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let broken: Vec<_> = items(&document)
        .iter()
        .filter(|law| law["violated"] == true)
        .collect();
    assert!(
        broken.iter().all(|law| law["poller"] == "plant_broken_law"),
        "{broken:?}"
    );
    assert!(
        broken
            .iter()
            .any(|law| law["law"] == "park" && law["delta"] == 1),
        "{broken:?}"
    );
}

#[test]
fn a_descriptor_is_described_with_waiter_history_kernel_and_line() {
    let demo = demo("60", &[]);
    let row = stuck(&demo);
    let (id, fd) = (row["id"].as_str().unwrap(), row["fd"].to_string());
    let output = demo.ask(&["describe", id]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for word in [
        "DESCRIPTOR global/",
        "READ",
        "parked",
        "stuck",
        "demo/clients.rs:",
        "LAST TRANSITIONS",
        "park",
        "KERNEL",
        "ESTABLISHED",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    for words in [
        &["describe", "fd", &fd][..],
        &["describe", &format!("global/{id}")],
    ] {
        let document = demo.json(words);
        assert_eq!(document["schema"], "netpoller/v1/descriptor");
        let item = &items(&document)[0];
        assert_eq!(item["id"], id, "{words:?}");
        assert_eq!(item["read"]["state"], "parked");
        assert_eq!(item["kernel"]["registered"], true, "{item}");
        assert_eq!(item["kernel"]["tcp_state"], "ESTABLISHED");
        let history = item["history"].as_array().unwrap();
        assert!(
            history
                .iter()
                .any(|event| event["kind"] == "park" && event["direction"] == "read")
        );
        // A wake may have been slow on a busy machine, but it waits for what is not there.
        let hints = item["hints"].to_string();
        assert!(!hints.contains("although the kernel says"), "{hints}");
    }
    let missing = demo.ask(&["describe", "999999.1"]);
    assert_eq!(missing.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("999999.1"));

    // Several, of which those that are there are told.
    let several = ["describe", id, "999999.1", "fd", &fd, "-f", "json"];
    let output = demo.ask(&several);
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("999999.1"), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let ids: Vec<&Value> = items(&document).iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, [id, id]);
    let output = demo.ask(&several[..5]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("DESCRIPTOR global/").count(), 2, "{text}");
}

#[test]
fn histograms_are_shown_of_all_time_and_of_the_interval_with_bars_and_exemplars() {
    let demo = demo("60", &[]);
    stuck(&demo);
    let output = demo.ask(&["hist", "wake_latency", "--interval", "500ms", "--ascii"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["P99.9", "wake_latency_read", "all time", "last ", "####"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    let document = demo.json(&["hist", "wake_latency_read", "--interval", "500ms"]);
    let [item] = items(&document) else {
        panic!("{document}")
    };
    assert!(item["interval_ns"].as_u64().unwrap() >= 500_000_000);
    let (all, interval) = (&item["cumulative"], &item["interval"]);
    assert!(interval["count"].as_u64().unwrap() > 0);
    assert!(
        interval["count"].as_u64() < all["count"].as_u64(),
        "{interval} {all}"
    );
    let buckets = all["buckets"].as_array().unwrap();
    assert!(
        buckets
            .iter()
            .any(|bucket| bucket["exemplar"]["id"].is_string()),
        "{all}"
    );
    let wrong = demo.ask(&["hist", "wake_latecy_read"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `wake_latency_read`?"));
}

#[test]
fn histograms_of_a_line_a_task_and_a_descriptor_are_those_of_its_waits() {
    let demo = demo("60", &[]);
    let parked = stuck(&demo);
    let by_line = demo.json(&["hist", "--by", "location", "--for", "500ms"]);
    assert_eq!(by_line["schema"], "netpoller/v1/latencies");
    let lines = items(&by_line);
    assert!(lines.len() > 1, "{by_line}");
    let waits = |item: &Value| item["waits"].as_u64().unwrap();
    assert!(lines.is_sorted_by(|one, next| waits(one) >= waits(next)));
    for item in lines {
        assert_eq!(item["by"], "location");
        assert!(item["interval_ns"].as_u64().unwrap() >= 500_000_000);
        let histograms = item["histograms"].as_array().unwrap();
        let names: Vec<_> = histograms.iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["time_parked", "wake_latency", "waker_to_run"]);
        assert_eq!(histograms[0]["count"], item["waits"]);
    }

    // By the end of its path, as people write it.
    let line = lines[0]["group"].as_str().unwrap();
    let end = line.rsplit('/').next().unwrap();
    let table = demo.ask(&["hist", "wake_latency", "--location", end, "--for", "500ms"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("GROUP"), "{table}");
    assert_eq!(table.matches(line).count(), 1, "{table}");
    assert_eq!(table.lines().count(), 2, "{table}");

    let csv = demo.ask(&["hist", "--by", "task", "--for", "500ms", "-f", "csv"]);
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(
        csv.starts_with("poller,group,histogram,unit,over_ns,count"),
        "{csv}"
    );

    let reader = demo.json(&["ls", "descriptors", "-w", "kind=tcp", "-n", "1"]);
    let fd = items(&reader)[0]["fd"].to_string();
    let of_one = demo.json(&["hist", "--fd", &fd, "--for", "1s"]);
    assert!(items(&of_one).len() <= 1, "{of_one}");

    let (task, id) = (&parked["task"], &parked["id"]);
    for (arguments, code, words) in [
        (
            &["--task", "nobody", "--for", "200ms"][..],
            6,
            "no wait of task `nobody` has ended in",
        ),
        (
            &["--task", task.as_str().unwrap(), "--for", "200ms"],
            0,
            "it still waits",
        ),
        (
            &["--id", id.as_str().unwrap(), "--for", "200ms"],
            0,
            "no wait has ended in",
        ),
        (
            &["--by", "task", "--location", "a.rs:1"],
            2,
            "leave --by out",
        ),
        (&["--for", "1s"], 2, "say --by location"),
        (&["--by", "task", "--for", "1ms"], 2, "the least is 100ms"),
        (
            &["parked", "--by", "task", "--for", "200ms"],
            2,
            "time_parked, wake_latency",
        ),
    ] {
        let wrong = demo.ask(&[&["hist"], arguments].concat());
        let said = String::from_utf8_lossy(&wrong.stderr);
        assert_eq!(wrong.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_watch_ends_when_its_condition_comes_about_and_fails_when_it_does_not() {
    let demo = demo("60", &[]);
    let met = demo.ask(&[
        "watch",
        "-w",
        "kind=tcp",
        "--until",
        "task~stuck && state=parked && since>200ms",
        "--timeout",
        "30s",
        "--interval",
        "100ms",
        "--format",
        "jsonl",
    ]);
    assert_eq!(
        met.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&met.stderr)
    );
    let mut lines = 0;
    for line in String::from_utf8(met.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["kind"], "tcp", "{line}");
        assert!(
            ["add", "mod", "del"].contains(&line["op"].as_str().unwrap()),
            "{line}"
        );
        assert!(line["id"].is_string() && line["ts"].is_string(), "{line}");
        lines += 1;
    }
    assert!(lines > 60, "{lines}");
    let unmet = demo.ask(&[
        "watch",
        "-w",
        "fd=-7",
        "--until",
        "kind=udp",
        "--timeout",
        "600ms",
    ]);
    assert_eq!(unmet.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&unmet.stderr).contains("kind=udp"));
}

#[test]
fn a_server_that_filters_and_sorts_gives_the_rows_that_the_command_would_choose() {
    let demo = demo("60", &[]);
    stuck(&demo);
    let ids = |arguments: &[&str]| -> Vec<Value> {
        items(&demo.json(arguments))
            .iter()
            .map(|item| item["fd"].clone())
            .collect()
    };
    // The numbers of the service's own descriptors stand still, unlike their states.
    let all = ids(&["ls", "-w", "label=client && fd>0", "--sort", "fd:desc"]);
    let first = ids(&[
        "ls",
        "-w",
        "label=client && fd>0",
        "--sort",
        "fd:desc",
        "-n",
        "3",
    ]);
    assert_eq!(first.len(), 3);
    assert!(all.len() > 3);
    assert!(
        first.is_sorted_by_key(|fd| std::cmp::Reverse(fd.as_i64())),
        "{first:?}"
    );
}

#[test]
fn an_id_is_taken_by_every_verb_as_it_is_printed() {
    let demo = demo("10", &["--plant", "lost-edge", "--plant", "stuck-waiter"]);
    let said = eventually("rows of three pollers", || {
        let output = demo.ask(&["ls", "-w", "slot=0", "-c", "id", "--no-header"]);
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().count() >= 3).then_some(text)
    });
    let ids: Vec<&str> = said.lines().collect();
    assert!(ids.contains(&"plant_lost_edge/0.1"), "{ids:?}");
    for id in &ids {
        assert_eq!(demo.ask(&["describe", id]).status.code(), Some(0), "{id}");
        let found = demo.json(&["ls", "-w", &format!("id={id}")]);
        assert_eq!(items(&found).len(), 1, "{id}");
    }
    let dump = demo.json(&["events", "--dump", "--id", "plant_lost_edge/0.1"]);
    assert!(
        items(&dump)
            .iter()
            .all(|it| it["poller"] == "plant_lost_edge")
    );
    let waiters = demo.ask(&["ls", "waiters", "-c", "id"]);
    assert!(String::from_utf8_lossy(&waiters.stdout).contains("plant_lost_edge/0.1"));
    let table = demo.ask(&["events", "--dump"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("plant_lost_edge/0.1"));
    // What is left open is answered with what can be written.
    let output = demo.ask(&["describe", "0.1"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let choices: Vec<&str> = said
        .split_whitespace()
        .filter(|it| it.ends_with("/0.1"))
        .collect();
    assert!(choices.len() >= 3, "{said}");
    for id in choices {
        assert_eq!(demo.ask(&["describe", id]).status.code(), Some(0), "{id}");
    }
}

#[test]
fn names_in_a_pipe_are_whole() {
    let demo = demo("5", &["--plant", "lost-edge"]);
    let document = demo.json(&["stats"]);
    let names: Vec<&str> = items(&document)[0]["histograms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"time_parked_read_deadline"), "{names:?}");
    for verb in ["stats", "hist"] {
        let output = demo.ask(&[verb]);
        let text = String::from_utf8(output.stdout).unwrap();
        for name in &names {
            assert!(text.contains(name), "{name} is missing in {verb}:\n{text}");
        }
        assert!(!text.contains('…'), "{text}");
    }
    let output = demo.ask(&["hist"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("plant_lost_edge/time_parked_read_deadline"),
        "{text}"
    );
}
