//! The demo without a terminal, and the inspector beside it.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use netpoller_tests::eventually;
use netpoller_tests::program::kill;
use netpoller_tests::program::{Running, get, items, netpoller};

#[track_caller]
fn assert_laws_hold(document: &Value) {
    for item in items(document) {
        let laws = item["laws"].as_array().expect("laws");
        assert!(laws.len() >= 8, "{laws:?}");
        for law in laws {
            assert_eq!(law["violated"], false, "{law}");
            assert_eq!(law["lhs"], law["rhs"], "{law}");
        }
    }
}

#[test]
fn the_summary_is_one_json_document_with_no_violated_law() {
    let scratch = tempfile::tempdir().unwrap();
    let output = netpoller(scratch.path())
        .args([
            "demo",
            "--headless",
            "--for",
            "5s",
            "--connections",
            "60",
            "--format",
            "json",
        ])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["schema"], "netpoller/v1/demo");
    assert_eq!(summary["complete"], true);
    assert_laws_hold(&summary);
    let item = &items(&summary)[0];
    assert_eq!(item["connections"], 60);
    assert_eq!(item["errors"], 0);
    for name in ["requests", "timeouts", "cut_off"] {
        assert!(item[name].as_u64().unwrap() > 0, "{name}: {}", item[name]);
    }
    assert!(item["counters"]["deadlines_fired"].as_u64().unwrap() > 0);
    assert_eq!(item["counters"]["opened"], item["counters"]["closed"]);
    for name in [
        "deadlines_extended",
        "unpark_read_close",
        "unpark_write_close",
    ] {
        assert!(item["counters"][name].as_u64().unwrap() > 0, "{name}");
    }
    for histogram in item["histograms"].as_array().unwrap() {
        assert!(
            histogram["count"].as_u64().unwrap() > 0,
            "nothing was recorded: {histogram}"
        );
    }
    let (p50, p99) = (&item["round_trip"]["p50_ns"], &item["round_trip"]["p99_ns"]);
    assert!(p50.as_u64().unwrap() > 1_000, "{p50}");
    assert!(p99.as_u64() >= p50.as_u64(), "{p99}");
}

#[test]
fn the_summary_for_people_names_requests_latencies_and_laws() {
    let scratch = tempfile::tempdir().unwrap();
    let output = netpoller(scratch.path())
        .args(["demo", "--headless", "--for", "1s", "--connections", "20"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for word in [
        "20 clients",
        "requests",
        "round trip",
        "wake_latency_read",
        "LAW",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(!text.contains("VIOLATED"), "{text}");
}

#[test]
fn a_running_demo_can_be_listed_and_scraped() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", scratch.path().join("demo.sock").display());
    let mut command = netpoller(scratch.path());
    command.args([
        "demo",
        "--headless",
        "--for",
        "300s",
        "--connections",
        "100",
        "--metrics",
        "127.0.0.1:0",
    ]);
    command.args(["--inspect", &socket]);
    let demo = Running::start(scratch, command, &["attach with: ", "metrics at "]);

    // Both ends of a hundred connections, and the listener, which is at a connection now and then.
    let rows = eventually("all connections, and the listener parked", || {
        let document = demo.json(&["ls", "-t", &socket]);
        let waits = |row: &Value| row["kind"] == "tcp_listener" && row["read"]["state"] == "parked";
        let rows = items(&document);
        (rows.len() > 200 && rows.iter().any(waits)).then_some(document)
    });
    let rows = items(&rows);
    for row in rows {
        for direction in ["read", "write"] {
            let state = row[direction]["state"].as_str().unwrap();
            assert!(
                ["nil", "ready", "wait", "parked", "woken"].contains(&state),
                "{row}"
            );
        }
    }
    let listener = rows
        .iter()
        .find(|row| row["kind"] == "tcp_listener")
        .expect("the listener");
    assert_eq!(listener["label"], "echo");
    assert!(
        rows.iter()
            .any(|row| row["kind"] == "tcp" && row["peer"] == listener["local"])
    );

    // Who waits, where, and for how long.
    assert_eq!(demo.said("attach with: "), format!("netpoller -t {socket}"));
    // It listens at the usual place as well, so it need not be named.
    let waiters = demo.json(&["ls", "waiters"]);
    let stuck: Vec<_> = items(&waiters)
        .iter()
        .filter(|row| {
            row["task"]
                .as_str()
                .is_some_and(|task| task.starts_with("stuck"))
        })
        .collect();
    assert_eq!(stuck.len(), 10, "{stuck:#?}");
    for row in stuck {
        assert!(
            row["location"]
                .as_str()
                .unwrap()
                .contains("demo/clients.rs:"),
            "{row}"
        );
        assert!(row["age_ns"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["thread"], "demo-clients");
    }

    // The laws, on the running process.
    let stats = demo.json(&["stats", "-t", &socket]);
    for law in items(&stats)[0]["laws"].as_array().unwrap() {
        assert_eq!(law["violated"], false, "{law}");
    }

    let metrics = get(demo.said("metrics at "));
    for name in [
        "netpoller_transitions_total",
        "netpoller_waiters",
        "netpoller_wakeup_latency_seconds_bucket",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    let parked: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("netpoller_transitions_total") && line.contains("\"park\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64)
        .sum();
    assert!(parked > 100, "{parked}");
}

#[test]
fn a_signal_ends_the_demo_with_its_summary_and_takes_the_socket_away() {
    for (signal, expected) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("demo.sock");
        let mut command = netpoller(scratch.path());
        command.args([
            "demo",
            "--headless",
            "--connections",
            "10",
            "--format",
            "json",
            "--inspect",
        ]);
        command.arg(format!("unix:{}", path.display()));
        let demo = Running::start(scratch, command, &["attach with: "]);
        assert!(path.exists());
        kill(demo.child.id(), signal);
        let (code, stdout) = demo.finish();
        assert_eq!(code, expected);
        let summary: Value = serde_json::from_str(&stdout).unwrap();
        assert_laws_hold(&summary);
        assert!(!path.exists());
    }
}

#[test]
fn what_it_cannot_do_is_said_with_the_address_and_the_remedy() {
    let scratch = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (arguments, code, words) in [
        (
            ["--for=1s", "--metrics", &addr],
            1,
            vec![addr.as_str(), "use"],
        ),
        (
            ["--for=1s", "--inspect", "unix:/dev/null"],
            1,
            vec!["/dev/null"],
        ),
        (
            ["--for=1s", "--connections", "many"],
            2,
            vec!["many", "--connections"],
        ),
        (
            ["--for=1s", "--connections", "0"],
            2,
            vec!["0", "--connections"],
        ),
        (["--headless", "--for", "soon"], 2, vec!["soon", "--for"]),
        // At once: it has no end of its own.
        (
            ["--headless", "--format", "csv"],
            2,
            vec!["CSV", "--format json"],
        ),
    ] {
        let output = netpoller(scratch.path())
            .arg("demo")
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word} is missing in {stderr}");
        }
        assert!(output.stdout.is_empty());
    }
}
