//! Everything that can be planted, in one process, and one command that names it all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::doctor::source;
use netpoller_tests::program::{Running, get, items, netpoller};
use netpoller_tests::{LIMIT, eventually};

/// What a fault has to be named with.
struct Named {
    plant: &'static str,
    /// Of the descriptor, or of the poller's own evidence where it is not one descriptor's.
    what: What,
    /// How the task is called that waits, has not run, or does it.
    task: &'static str,
    /// What the line of code says.
    line: &'static str,
    /// The evidence that tells whose fault it is.
    blame: &'static str,
}

enum What {
    Anything,
    Descriptor,
    Evidence(&'static str),
}
use What::{Anything, Descriptor, Evidence};

const fn named(
    plant: &'static str,
    what: What,
    task: &'static str,
    line: &'static str,
    blame: &'static str,
) -> Named {
    Named {
        plant,
        what,
        task,
        line,
        blame,
    }
}

/// Of what is not here, a moment and some evidence are asked for.
const NAMED: &[Named] = &[
    named(
        "stuck-waiter",
        Descriptor,
        "stuck-reader",
        "desc.wait(",
        "bytes readable",
    ),
    named(
        "lost-edge",
        Descriptor,
        "lost-reader",
        "desc.wait(",
        "poll(2) says",
    ),
    named(
        "leaked-readiness",
        Descriptor,
        "",
        "poller.open(",
        "bytes readable",
    ),
    named(
        "blocked-executor",
        Descriptor,
        "hog",
        "hog.desc.wait(",
        "it",
    ),
    named(
        "no-deadline",
        Descriptor,
        "patient-reader",
        "desc.wait(",
        "longest",
    ),
    named(
        "woken-not-run",
        Descriptor,
        "kept-reader",
        "wait(",
        "its waker was called",
    ),
    named(
        "peer-not-reading",
        Descriptor,
        "pushing-writer",
        "desc.wait(",
        "bytes unsent",
    ),
    named(
        "peer-gone",
        Descriptor,
        "forsaken-client",
        "desc.wait(",
        "tried in a row",
    ),
    named(
        "close-wait-held",
        Descriptor,
        "",
        "poller.open(",
        "TCP state",
    ),
    named(
        "accept-stalled",
        Descriptor,
        "acceptor",
        "connection.wait(",
        "it now",
    ),
    named(
        "overdue-deadline",
        Descriptor,
        "",
        "poller.open(",
        "last poll",
    ),
    named(
        "poller-away",
        Evidence("longest waiter"),
        "",
        "desc.wait(",
        "last poll",
    ),
    named(
        "wake-storm",
        Evidence("the most by"),
        "",
        "",
        "breaks written",
    ),
    named(
        "spurious-ratio",
        Evidence("the most by"),
        "greedy",
        "",
        "spurious wakes",
    ),
    named(
        "starved-batch",
        Evidence("the most by"),
        "starved",
        "",
        "events in a batch",
    ),
    named(
        "slow-dispatch",
        Evidence("the most by"),
        "",
        "",
        "slow dispatches",
    ),
    named(
        "generation-churn",
        Evidence("the most by"),
        "",
        "",
        "descriptors closed",
    ),
    named(
        "ghost-registration",
        Evidence("registered as"),
        "",
        "",
        "held open by",
    ),
    named(
        "duplicate-registration",
        Descriptor,
        "",
        "poller.open(",
        "registrations",
    ),
    named(
        "blocking-mode",
        Descriptor,
        "",
        "poller.open(",
        "file status flags",
    ),
    named(
        "stale-descriptor",
        Descriptor,
        "",
        "poller.open(",
        "the number",
    ),
    named("broken-law", Evidence("law"), "", "", "difference"),
];

/// All that `--plant` takes.
fn plants() -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args(["demo", "--headless", "--plant", "?"]);
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    let (_, rest) = said.split_once("[possible values: ").expect(&said);
    let (values, _) = rest.split_once(']').unwrap();
    values.split(", ").map(str::to_owned).collect()
}

/// Checks that a finding names what it should, and says it in one line.
fn check(plant: &str, finding: &Value) -> String {
    let fallback = named("", Anything, "", "", "");
    let expected = NAMED.iter().find(|it| it.plant == plant);
    let expected = expected.unwrap_or(&fallback);
    let evidence = |name: &str| finding["evidence"][name].as_str().unwrap_or_default();
    assert_ne!(finding["evidence"], serde_json::json!({}), "{finding:#}");
    let what = match expected.what {
        Anything => finding["summary"].as_str().unwrap().to_owned(),
        Descriptor => {
            assert!(finding["id"].is_string(), "no descriptor: {finding:#}");
            let fd = &finding["descriptor"]["fd"];
            format!("{} (descriptor {fd})", finding["id"].as_str().unwrap())
        }
        Evidence(name) => {
            assert_ne!(evidence(name), "", "no {name}: {finding:#}");
            format!("{name} {}", evidence(name))
        }
    };
    let moments = [&finding["since_ns"], &finding["first_seen_ns"]];
    let known: Vec<u64> = moments.iter().filter_map(|it| it.as_u64()).collect();
    assert!(
        known.len() == 1 && known[0] > 0,
        "no one moment: {finding:#}"
    );
    let since = match finding["age_ns"].as_u64() {
        Some(age) => format!("{:.1} s", Duration::from_nanos(age).as_secs_f64()),
        None => "first seen".to_owned(),
    };
    let text = finding.to_string();
    assert!(
        text.contains(expected.task),
        "{} is missing: {finding:#}",
        expected.task
    );
    let line = finding["location"].as_str().unwrap_or("-");
    if !expected.line.is_empty() {
        let code = source(&finding["location"]);
        assert!(code.contains(expected.line), "{code}: {finding:#}");
    }
    if !expected.blame.is_empty() {
        assert_ne!(
            evidence(expected.blame),
            "",
            "no {}: {finding:#}",
            expected.blame
        );
    }
    let severity = finding["severity"].as_str().unwrap();
    let task = if expected.task.is_empty() {
        "-"
    } else {
        expected.task
    };
    let blame = format!("{}: {}", expected.blame, evidence(expected.blame));
    format!("{severity} | {what} | {task} | {since} | {line} | {blame}")
}

/// `doctor` waits for no fault for longer than leaves room for a look within five seconds, but for
/// the one that is a fault only because it lasts.
#[test]
fn every_hold_time_leaves_room_for_a_look_within_five_seconds() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args(["doctor", "--list", "--format", "json"]);
    let output = command.output().unwrap();
    let lints: Value = serde_json::from_slice(&output.stdout).unwrap();
    for lint in items(&lints)
        .iter()
        .filter(|it| it["lint"] != "no-deadline")
    {
        let hold = Duration::from_nanos(lint["hold_ns"].as_u64().unwrap());
        assert!(hold <= Duration::from_secs(3), "{lint}");
    }
}

/// What keeps others from a processor, or needs one, has a process to itself.
const APART: [&str; 2] = ["blocked-executor", "thread-starved"];

/// With `--nocapture` it prints the table.
#[test]
fn one_command_names_everything_that_can_be_planted() {
    let plants = plants();
    assert!(plants.len() >= NAMED.len(), "{plants:?}");
    let (apart, together): (Vec<_>, Vec<_>) = plants
        .into_iter()
        .partition(|it| APART.contains(&it.as_str()));
    let apart = apart.into_iter().map(|plant| vec![plant]);
    for plants in [together].into_iter().chain(apart) {
        let demo = start(&plants);
        for row in named_together(&demo, &plants).values() {
            println!("{row}");
        }
    }
}

/// The series that a fault moves, where it is not the number of findings of its lint: a wait is one
/// of those only after some minutes, and a law is no lint.
fn moved(plant: &str) -> (String, f64) {
    let poller = format!("plant_{}", plant.replace('-', "_"));
    match plant {
        "no-deadline" => (
            format!("netpoller_oldest_wait_seconds{{poller=\"{poller}\",direction=\"read\"}}"),
            2.0,
        ),
        "broken-law" => (
            format!("netpoller_laws_violated{{poller=\"{poller}\"}}"),
            1.0,
        ),
        _ => (
            format!("netpoller_findings{{poller=\"{poller}\",lint=\"{plant}\"}}"),
            1.0,
        ),
    }
}

/// What an exposition says of a series.
fn value(text: &str, series: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("no {series}"));
    value.parse().expect("a number")
}

#[test]
fn everything_that_can_be_planted_moves_a_series() {
    let (apart, together): (Vec<_>, Vec<_>) = plants()
        .into_iter()
        .partition(|it| APART.contains(&it.as_str()));
    let apart = apart.into_iter().map(|plant| vec![plant]);
    for plants in [together].into_iter().chain(apart) {
        let demo = start(&plants);
        for plant in &plants {
            let (series, least) = moved(plant);
            eventually(&series, || {
                let text = get(demo.said("metrics at "));
                // What is planted elsewhere is not told of the demo's own poller.
                for lint in ["stuck-waiter", "poller-away", "ghost-registration"] {
                    let of_demo =
                        format!("netpoller_findings{{poller=\"global\",lint=\"{lint}\"}}");
                    assert_eq!(value(&text, &of_demo), 0.0, "{of_demo}");
                }
                (value(&text, &series) >= least).then_some(())
            });
        }
    }
}

/// Plants all of these in one process.
fn start(plants: &[String]) -> Running {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = netpoller(scratch.path());
    command.args(["demo", "--headless", "--connections", "5"]);
    command.args(["--metrics", "127.0.0.1:0"]);
    for plant in plants {
        command.args(["--plant", plant]);
    }
    Running::start(scratch, command, &["attach with: ", "metrics at "])
}

/// Asks until each of these was named.
fn named_together(demo: &Running, plants: &[String]) -> BTreeMap<String, String> {
    let began = Instant::now();
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    while rows.len() < plants.len() {
        // A wait is no fault because it has no deadline, but because it lasts.
        let arguments = ["doctor", "--hold", "no-deadline=1s", "--format", "json"];
        let output = demo.ask(&arguments);
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | 3)),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for finding in items(&document) {
            let poller = finding["poller"].as_str().unwrap();
            let Some(plant) = plants
                .iter()
                .find(|it| poller == format!("plant_{}", it.replace('-', "_")))
            else {
                continue;
            };
            if finding["lint"] == **plant && !rows.contains_key(plant) {
                let row = check(plant, finding);
                let seconds = began.elapsed().as_secs_f64();
                rows.insert(plant.clone(), format!("{plant} | {seconds:.1} s | {row}"));
            }
        }
        let missing: Vec<_> = plants.iter().filter(|it| !rows.contains_key(*it)).collect();
        assert!(began.elapsed() < LIMIT, "nothing names {missing:?}");
    }
    rows
}
