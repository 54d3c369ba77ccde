//! The doctor beside the demo: it names each fault that is planted, and is silent where none is.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use netpoller_tests::eventually;
use netpoller_tests::program::{Running, items, netpoller};

/// A small demo with one fault.
fn planted(fault: &str) -> Running {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args(["demo", "--headless", "--connections", "5", "--plant", fault]);
    Running::start(scratch, command, &["attach with: "])
}

/// Asks the doctor until it finds something. Where the machine is short of processors, threads are
/// starved in truth.
#[track_caller]
pub(super) fn findings(demo: &Running, arguments: &[&str]) -> Value {
    let asked = ["doctor", "--format", "json", "--allow", "thread-starved"];
    findings_of(demo, &[&asked, arguments].concat())
}

#[track_caller]
fn findings_of(demo: &Running, arguments: &[&str]) -> Value {
    eventually("a finding", || {
        let output = demo.ask(arguments);
        match output.status.code() {
            Some(0) => None,
            Some(3) => Some(serde_json::from_slice(&output.stdout).expect("JSON")),
            _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
    })
}

/// The line of this project's source that a location names.
#[track_caller]
pub(super) fn source(location: &Value) -> String {
    let (file, line) = location.as_str().unwrap().split_once(':').unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join(file)).unwrap();
    let line: usize = line.parse().unwrap();
    text.lines().nth(line - 1).unwrap().to_owned()
}

/// Plants `fault`, and checks that the doctor finds it, and nothing else, at a line of code that
/// contains `code`.
#[track_caller]
fn finds(fault: &str, arguments: &[&str], code: Option<&str>) -> Value {
    let demo = planted(fault);
    let document = findings(&demo, arguments);
    assert_eq!(document["schema"], "netpoller/v1/findings");
    for finding in items(&document) {
        assert_eq!(finding["lint"], fault, "{finding:#}");
        assert_eq!(
            finding["poller"],
            format!("plant_{}", fault.replace('-', "_")),
            "{finding:#}"
        );
    }
    let finding = items(&document)[0].clone();
    match code {
        Some(code) => {
            let line = source(&finding["location"]);
            assert!(line.contains(code), "{line} is not {code}: {finding:#}");
        }
        None => assert_eq!(finding["location"], Value::Null),
    }
    if finding["descriptor"] != Value::Null {
        assert_eq!(finding["descriptor"]["label"], format!("planted: {fault}"));
    }
    for field in ["summary", "advice"] {
        assert!(finding[field].as_str().unwrap().len() > 20, "{finding:#}");
    }
    assert!(!finding["evidence"].as_object().unwrap().is_empty());
    finding
}

#[test]
fn a_stuck_waiter_is_named_with_the_line_that_waits() {
    let finding = finds("stuck-waiter", &[], Some("desc.wait(Direction::Read)"));
    assert_eq!(finding["direction"], "read");
    assert_eq!(finding["severity"], "error");
    // 17 bytes came, 4 were read.
    assert_eq!(finding["evidence"]["bytes readable"], "13");
    let waiter = &finding["descriptor"]["read"]["waiter"];
    assert_eq!(waiter["thread"], "plant_stuck_waiter");
    assert!(waiter["task"].as_str().unwrap().starts_with("stuck-reader"));
}

#[test]
fn a_stuck_waiter_is_told_of_in_prose() {
    let demo = planted("stuck-waiter");
    let said = eventually("a finding", || {
        let output = demo.ask(&["doctor"]);
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code() == Some(3)).then_some((text, output.stderr))
    });
    let (text, stderr) = said;
    for word in [
        "1. stuck-waiter (error)",
        "although the descriptor is",
        "plant_stuck_waiter/0.1, descriptor ",
        "\"planted: stuck-waiter\"",
        "task stuck-reader",
        "plant/waits.rs:",
        "bytes readable: 13",
        "until EAGAIN",
    ] {
        assert!(text.contains(word), "`{word}` is missing in\n{text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains("1 finding in"), "{stderr}");
}

#[test]
fn a_lost_edge_is_told_from_a_stuck_waiter() {
    let finding = finds("lost-edge", &[], Some("desc.wait(Direction::Read)"));
    let summary = finding["summary"].as_str().unwrap();
    assert!(
        summary.contains("registration with epoll is gone"),
        "{summary}"
    );
}

#[test]
fn leaked_readiness_is_named_with_the_line_that_registered_it() {
    let finding = finds("leaked-readiness", &[], Some("poller.open("));
    assert_eq!(finding["evidence"]["bytes readable"], "10");
}

#[test]
fn a_thread_that_polls_and_is_kept_from_running_is_named_with_what_it_waited() {
    let demo = planted("thread-starved");
    let finding = eventually("the thread is found starved", || {
        let document = findings_of(&demo, &["doctor", "--format", "json"]);
        let starved =
            |it: &&Value| it["lint"] == "thread-starved" && it["poller"] == "plant_thread_starved";
        items(&document).iter().find(starved).cloned()
    });
    assert_eq!(finding["severity"], "error");
    let evidence = &finding["evidence"];
    assert_eq!(evidence["thread"], "plant_thread_starved", "{finding:#}");
    assert_eq!(evidence["nice"], "19", "{finding:#}");
    assert!(
        evidence["waited for a processor"].is_string(),
        "{finding:#}"
    );
    let pollers = demo.json(&["ls", "pollers"]);
    let starved = items(&pollers).iter();
    let mut starved = starved.filter(|it| it["name"] == "plant_thread_starved");
    let thread = &starved.next().unwrap()["polled_by"][0];
    assert_eq!(thread["name"], "plant_thread_starved", "{pollers:#}");
    assert!(thread["run_delay_ns"].as_u64() > Some(0), "{pollers:#}");
    let wide = demo.ask(&["ls", "pollers", "-f", "wide"]);
    let wide = String::from_utf8(wide.stdout).unwrap();
    assert!(wide.contains("RUN DELAY"), "{wide}");
}

#[test]
fn a_task_that_keeps_its_executor_is_named_with_its_thread_and_its_line() {
    // Of a hog that hardly gets the processor either no more is certain for a while.
    let allow = ["--allow", "poller-away"];
    let finding = finds("blocked-executor", &allow, Some("hog.desc.wait("));
    let evidence = |name: &str| {
        finding["evidence"][name]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    assert!(
        evidence("task that ran last").starts_with("hog"),
        "{finding:#}"
    );
    assert_eq!(evidence("thread"), "plant_blocked_executor");
    assert_eq!(evidence("it"), "runs (R)");
    assert!(finding["since_ns"].is_u64(), "{finding:#}");
}

#[test]
fn a_wait_without_a_deadline_is_for_information() {
    let hold = ["--hold", "no-deadline=100ms"];
    let finding = finds("no-deadline", &hold, Some("desc.wait(Direction::Read)"));
    assert_eq!(finding["severity"], "info");
    assert_eq!(finding["evidence"]["waits without a deadline"], "1");
}

#[test]
fn a_waiter_that_was_woken_and_has_not_run_is_named_and_listed() {
    let finding = finds("woken-not-run", &[], Some("wait(Direction::Read)"));
    let read = &finding["descriptor"]["read"];
    assert_eq!(read["state"], "woken");
    let task = read["waiter"]["task"].as_str().unwrap();
    assert!(task.starts_with("kept-reader"), "{finding:#}");
    assert!(finding["since_ns"].is_u64());
}

#[test]
fn an_overdue_deadline_is_named() {
    let finding = finds("overdue-deadline", &[], Some("poller.open("));
    assert_eq!(finding["evidence"]["last poll"], "never");
}

#[test]
fn a_poller_that_nobody_polls_is_one_finding() {
    let finding = finds("poller-away", &[], Some("wait(Direction::Read)"));
    assert_eq!(
        finding["evidence"]["waiters whose descriptor is ready"],
        "1"
    );
}

#[test]
fn a_wake_storm_is_named() {
    let finding = finds("wake-storm", &[], None);
    let most = finding["evidence"]["the most by"].as_str().unwrap();
    assert_eq!(most, "thread plant_wake_storm 100 %");
    assert_eq!(
        finding["since_ns"],
        Value::Null,
        "nobody counts when nobody looks"
    );
    assert!(finding["first_seen_ns"].is_u64(), "{finding:#}");
}

#[test]
fn a_broken_law_is_named() {
    let demo = planted("broken-law");
    let document = findings(&demo, &[]);
    let finding = &items(&document)[0];
    assert_eq!(finding["lint"], "broken-law", "{finding:#}");
    assert_eq!(finding["poller"], "plant_broken_law");
    assert_eq!(finding["severity"], "error");
    assert!(finding["first_seen_ns"].is_u64(), "{finding:#}");
    let output = demo.ask(&["doctor", "--kernel=never"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("(--kernel)"));
    let output = demo.ask(&["doctor"]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("(--kernel)"), "{text}");
}

#[test]
fn spurious_wakes_are_named() {
    // Without enough of them it is the duplicates that are told.
    finds("spurious-ratio", &["--kernel=never"], None);
}

#[test]
fn starved_batches_are_named() {
    let finding = finds("starved-batch", &[], None);
    assert_eq!(finding["evidence"]["events in a batch"], "2");
}

#[test]
fn slow_dispatch_is_named() {
    let finding = finds("slow-dispatch", &[], None);
    let most = finding["evidence"]["the most by"].as_str().unwrap();
    assert!(
        most.contains("plant/rates.rs:") && most.contains("100 %"),
        "{most}"
    );
}

#[test]
fn generation_churn_is_named() {
    let finding = finds("generation-churn", &[], None);
    let most = finding["evidence"]["the most by"].as_str().unwrap();
    assert!(
        most.contains("plant/rates.rs:") && most.contains("100 %"),
        "{most}"
    );
    assert_eq!(finding["severity"], "info");
}

#[test]
fn a_descriptor_in_blocking_mode_is_named_with_the_line_that_registered_it() {
    finds("blocking-mode", &[], Some("poller.open("));
}

#[test]
fn a_stale_descriptor_is_named_and_its_mode_is_not() {
    let finding = finds("stale-descriptor", &[], Some("poller.open("));
    assert_eq!(finding["descriptor"]["stale"], true);
    assert_eq!(finding["descriptor"]["local"], Value::Null);
    assert!(finding["first_seen_ns"].is_u64(), "{finding:#}");
}

#[test]
fn a_duplicate_registration_is_named_with_both_lines() {
    let finding = finds("duplicate-registration", &[], Some("poller.open("));
    let since = finding["since_ns"].as_u64().expect("a moment");
    let opened = finding["descriptor"]["opened_at_ns"]
        .as_u64()
        .expect("a moment");
    assert!(
        since >= opened && since - opened < 1_000_000_000,
        "{finding:#}"
    );
    let lines = finding["evidence"]["registered at"].as_str().unwrap();
    assert_eq!(lines.matches("registrations.rs:").count(), 2, "{lines}");
}

#[test]
fn a_ghost_is_named_with_the_descriptor_that_keeps_it_alive() {
    let finding = finds("ghost-registration", &[], None);
    assert!(
        finding["since_ns"].is_u64(),
        "when it was closed is recorded: {finding:#}"
    );
    assert_eq!(finding["first_seen_ns"], Value::Null);
    let held = finding["evidence"]["held open by"].as_str().unwrap();
    assert!(held.starts_with("descriptor "), "{held}");
}

#[test]
fn a_fault_that_is_allowed_is_not_reported() {
    let demo = planted("blocking-mode");
    findings(&demo, &[]);
    let output = demo.ask(&["doctor", "--allow", "blocking-mode"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_laws_of_the_demo_hold_beside_planted_faults() {
    let scratch = tempfile::tempdir().unwrap();
    let output = netpoller(scratch.path())
        .args([
            "demo",
            "--headless",
            "--for",
            "1s",
            "--connections",
            "20",
            "--format",
            "json",
        ])
        .args([
            "--plant",
            "stuck-waiter",
            "--plant",
            "lost-edge",
            "--plant",
            "ghost-registration",
        ])
        .args([
            "--plant",
            "poller-away",
            "--plant",
            "wake-storm",
            "--plant",
            "wake-storm",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    for law in items(&summary)[0]["laws"].as_array().unwrap() {
        assert_eq!(law["violated"], false, "{law}");
    }
}

#[test]
fn a_healthy_demo_has_no_findings_however_long_one_looks() {
    let seconds: u64 =
        std::env::var("DOCTOR_SILENT_SECS").map_or(10, |text| text.parse().expect("seconds"));
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args(["demo", "--headless", "--connections", "256"]);
    let demo = Running::start(scratch, command, &["attach with: "]);
    let began = Instant::now();
    // A machine that is short of processors is none of its faults: it keeps threads from running,
    // also in the middle of a dispatch.
    let allowed = ["--allow", "thread-starved", "--allow", "slow-dispatch"];
    let time = format!("{seconds}s");
    let output = demo.ask(&[&["doctor", "--kernel", "--for", &time], &allowed[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("no findings in "), "{text}");
    assert!(began.elapsed() >= Duration::from_secs(seconds));
}

#[test]
fn a_peer_that_reads_nothing_is_named_with_the_write_that_waits_for_it() {
    let finding = finds("peer-not-reading", &[], Some("desc.wait(Direction::Write)"));
    assert_eq!(finding["direction"], "write");
    assert!(finding["since_ns"].is_u64(), "{finding:#}");
    let waiter = &finding["descriptor"]["write"]["waiter"];
    assert!(
        waiter["task"]
            .as_str()
            .unwrap()
            .starts_with("pushing-writer")
    );
}

#[test]
fn a_peer_that_is_gone_is_named_with_who_waits_for_its_answer() {
    let finding = finds("peer-gone", &[], Some("desc.wait(Direction::Read)"));
    let waiter = &finding["descriptor"]["read"]["waiter"];
    assert!(
        waiter["task"]
            .as_str()
            .unwrap()
            .starts_with("forsaken-client")
    );
}

#[test]
fn a_connection_that_the_peer_has_closed_is_named_with_the_line_that_opened_it() {
    let finding = finds("close-wait-held", &[], Some("poller.open(ours.as_fd()"));
    assert_eq!(finding["evidence"]["TCP state"], "CLOSE_WAIT");
}

#[test]
fn an_acceptor_that_waits_for_a_silent_client_is_named_with_that_wait() {
    let finding = finds(
        "accept-stalled",
        &[],
        Some("connection.wait(Direction::Read)"),
    );
    let evidence = &finding["evidence"];
    assert!(
        evidence["accepted last"]
            .as_str()
            .unwrap()
            .starts_with("task acceptor")
    );
    assert!(
        evidence["accept queue"]
            .as_str()
            .unwrap()
            .starts_with("3 of ")
    );
    assert!(
        finding["summary"]
            .as_str()
            .unwrap()
            .contains("is parked in a read of")
    );
}

#[test]
fn describe_says_where_the_acceptor_waits_instead() {
    let demo = planted("accept-stalled");
    let finding = items(&findings(&demo, &[]))[0].clone();
    let id = finding["id"].as_str().unwrap();
    let output = demo.ask(&["describe", &format!("plant_accept_stalled/{id}")]);
    let said = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = said.split_whitespace().collect();
    let said = words.join(" ");
    assert!(
        said.contains("it waits elsewhere: it waits to read"),
        "{said}"
    );
    let location = finding["location"].as_str().unwrap();
    assert!(said.contains(&format!("at {location} since")), "{said}");
}

#[test]
fn files_that_run_out_are_counted_and_the_line_that_opens_them_is_named() {
    let finding = finds(
        "descriptors-run-out",
        &[],
        Some("poller.open(file.as_fd(), Kind::UnixDatagram)"),
    );
    let evidence = &finding["evidence"];
    let said = |name: &str| evidence[name].as_str().unwrap_or_default();
    assert!(said("open files").ends_with(" of 2048"), "{finding:#}");
    assert!(said("opened most at").contains("plant/files.rs:"));
    assert!(finding["first_seen_ns"].is_u64(), "{finding:#}");
}
