//! `netpoller trace`: what it writes has what the events tell, and opens.

use std::collections::{BTreeMap, BTreeSet};

use netpoller_tests::perfetto::{Mark, Of, Slice, Trace};
use netpoller_tests::program::{Killed, Running, netpoller};
use rustix::process::Signal;
use serde_json::Value;

/// Of one direction of a descriptor.
type Moment = (String, String, u64);

fn demo() -> Running {
    let scratch = tempfile::tempdir().expect("a directory");
    let mut command = netpoller(scratch.path());
    command.args(["demo", "--headless", "--for", "300s", "--connections", "8"]);
    Running::start(scratch, command, &["attach with: "])
}

/// What `netpoller ARGUMENTS` writes to a file of this name; and its place as a target.
#[track_caller]
fn written(demo: &Running, name: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let path = demo.scratch.path().join(name);
    let path = path.to_str().expect("UTF-8");
    let output = demo.ask(&[arguments, &["-o", path, "--force"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(output.stdout.is_empty());
    let bytes = std::fs::read(path).expect("it is written");
    (bytes, format!("file:{path}"))
}

/// The events that a recording has.
#[track_caller]
fn events(demo: &Running, arguments: &[&str]) -> Vec<Value> {
    let output = demo.ask(&[arguments, &["-f", "jsonl"]].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

#[test]
fn the_trace_of_a_recording_has_a_slice_for_each_wait_and_an_instant_for_each_other_event() {
    let demo = demo();
    let (_, recording) = written(&demo, "x.npl", &["record", "--for", "2s"]);
    let (trace, _) = written(&demo, "x.pftrace", &["-t", &recording, "trace"]);
    let trace = Trace::read(&trace);
    trace.must_be_sound();

    let history = events(&demo, &["-t", &recording, "events", "--history"]);
    let mut told = BTreeMap::<&str, usize>::new();
    for event in &history {
        *told
            .entry(event["kind"].as_str().expect("a kind"))
            .or_default() += 1;
    }
    let slices = trace.slices();
    let waits: Vec<_> = slices.iter().filter(|it| it.name == "wait").collect();
    // A wait for each time that somebody was parked, unless the waiter was so already and has
    // another waker; and nothing else, unless the table tells that it waits.
    let key = |wait: &Slice| {
        let late = wait.args.get("happened_at_ns").map(|it| it.parse());
        let at_ns = late.map_or(wait.begin_ns, |it| it.expect("a number"));
        let [id, direction] = ["id", "direction"].map(|name| wait.args[name].clone());
        (id, direction, at_ns)
    };
    let begins: BTreeSet<Moment> = waits.iter().map(|it| key(it)).collect();
    let moments = |kind: &str| -> BTreeSet<Moment> {
        let of = history.iter().filter(|event| event["kind"] == kind);
        let text = |it: &Value| it.as_str().expect("text").to_owned();
        of.map(|event| {
            let at_ns = event["at_ns"].as_u64().expect("a moment");
            (text(&event["id"]), text(&event["direction"]), at_ns)
        })
        .collect()
    };
    let (parks, rearms) = (moments("park"), moments("rearm"));
    assert_eq!(begins.len(), waits.len());
    for (id, direction, at_ns) in parks.difference(&begins) {
        let mut rearms = rearms.iter();
        let is_before = rearms.any(|it| (&it.0, &it.1) == (id, direction) && it.2 <= *at_ns);
        assert!(is_before, "{id} {direction} {at_ns}");
    }
    for wait in &waits {
        let is_told = parks.contains(&key(wait)) || wait.args.contains_key("told_by");
        assert!(is_told, "{wait:?}");
    }
    assert!(!parks.is_empty());
    let instants = |name: &str| {
        let of = trace.marks.iter().filter(|it| it.of == Of::Instant);
        of.filter(|it| it.name == name).count()
    };
    let mut checked = 0;
    for (kind, count) in &told {
        match *kind {
            "park" => {}
            "ready_parked" | "unblock_parked" => {
                let by = trace.marks.iter().filter(|it| {
                    it.name == "woken" && it.args.get("by").is_some_and(|by| by == kind)
                });
                assert_eq!(by.count(), *count, "{kind}");
            }
            _ => {
                assert_eq!(instants(kind), *count, "{kind}");
                checked += 1;
            }
        }
    }
    assert!(checked > 5, "{told:?}");

    // Where they were woken by the kernel, the arrow comes from what it told.
    let arrows = trace.arrows();
    let whole = arrows.values().filter(|marks| {
        let names: Vec<&str> = marks.iter().map(|it| it.name.as_str()).collect();
        names == ["event", "woken", "run"]
    });
    assert!(whole.count() > 10, "of {} arrows", arrows.len());
    let reader = waits.iter().find(|it| {
        it.args.get("task").is_some_and(|task| task == "serve")
            && it.args["waiter_seen"] == "in this wait"
    });
    let reader = reader.expect("who waits is known of somebody");
    assert!(reader.args["location"].contains("demo/service.rs:"));
    let path = trace.path(reader.track);
    assert_eq!(path[1], "poller global");
    assert!(
        path[2].contains(" tcp 127.0.0.1:") && path[3] == "read",
        "{path:?}"
    );
    let process = trace.tracks.values().find_map(|it| it.process.clone());
    assert_eq!(process.expect("a process").1, "netpoller");
}

#[test]
fn a_part_of_a_recording_and_some_of_its_descriptors_can_be_had_alone() {
    let demo = demo();
    let (_, recording) = written(&demo, "x.npl", &["record", "--for", "2s"]);
    let of = |name: &str, arguments: &[&str]| {
        let all = [&["-t", &recording, "trace"], arguments].concat();
        let trace = Trace::read(&written(&demo, name, &all).0);
        trace.must_be_sound();
        trace
    };
    let number = |trace: &Trace| trace.marks.len();
    let all = of("all.pftrace", &[]);
    let part = of("part.pftrace", &["--at", "-1s", "--for", "500ms"]);
    assert!(number(&part) > 0 && number(&part) < number(&all));
    let of_events = |it: &&Mark| matches!(it.category.as_str(), "event" | "transition");
    let times: Vec<u64> = part
        .marks
        .iter()
        .filter(of_events)
        .map(|it| it.at_ns)
        .collect();
    let took = times
        .last()
        .zip(times.first())
        .map(|(last, first)| last - first);
    assert!(
        took.is_some_and(|it| it > 0 && it <= 500_000_000),
        "{took:?}"
    );

    let served = of("served.pftrace", &["-w", "task=serve"]);
    assert!(number(&served) > 0 && number(&served) < number(&all));
    let few = of("few.pftrace", &["-n", "10"]);
    assert!(number(&few) < 200, "{}", number(&few));
}

#[test]
fn a_live_process_is_traced_until_its_time_is_over_or_somebody_interrupts_it() {
    let demo = demo();
    let trace = Trace::read(&written(&demo, "live.pftrace", &["trace", "--for", "1s"]).0);
    trace.must_be_sound();
    assert!(
        trace
            .slices()
            .iter()
            .any(|it| it.args.get("outcome").is_some_and(|it| it == "run"))
    );

    let path = demo.scratch.path().join("until.pftrace");
    let mut command = netpoller(demo.scratch.path());
    command.args(["trace", "-o"]).arg(&path);
    let mut child = Killed(command.spawn().expect("it runs"));
    netpoller_tests::until("it has written something", || {
        std::fs::metadata(&path).is_ok_and(|it| it.len() > 100)
    });
    netpoller_tests::program::kill(child.id(), Signal::INT);
    assert!(child.wait().expect("it ends").success());
    Trace::read(&std::fs::read(&path).expect("it is written")).must_be_sound();
}

#[test]
fn what_cannot_be_traced_is_refused_and_nothing_is_written() {
    let demo = demo();
    let path = demo.scratch.path().join("x.pftrace");
    let outside = format!("pid:{}", std::process::id());
    let name = path.to_str().expect("UTF-8");
    for (arguments, code, reason) in [
        (
            &["-t", &outside, "trace", "-o", name][..],
            1,
            "a process with an inspection endpoint tells",
        ),
        (&["trace", "-o", name, "-f", "json"], 2, "netpoller events"),
        (&["trace"], 2, "--output <FILE>"),
    ] {
        let output = demo.ask(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(reason), "{error}");
        assert!(!path.exists(), "{arguments:?}");
    }
    std::fs::write(&path, "mine").expect("written");
    let output = demo.ask(&["trace", "-o", name]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--force"));
    assert_eq!(std::fs::read(&path).expect("it is there"), b"mine");
}

#[test]
fn the_recording_that_is_read_is_not_written_over_by_whatever_name() {
    let demo = demo();
    let (before, recording) = written(&demo, "b.npl", &["record", "--for", "1s"]);
    let path = demo.scratch.path().join("b.npl");
    let link = demo.scratch.path().join("link.pftrace");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let other = demo.scratch.path().join("other.pftrace");
    std::fs::hard_link(&path, &other).expect("another name");
    for name in [&path, &link, &other] {
        let name = name.to_str().expect("UTF-8");
        let output = demo.ask(&["-t", &recording, "trace", "-o", name, "--force"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains(&format!("{name} is the recording that is read")),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).expect("it is there"), before);
    }
}

#[test]
fn a_trace_of_nothing_is_not_left_behind() {
    let demo = demo();
    let (_, recording) = written(&demo, "x.npl", &["record", "--for", "1s"]);
    let path = demo.scratch.path().join("x.pftrace");
    let name = path.to_str().expect("UTF-8");
    let arguments = ["-t", &recording, "trace", "-o", name, "-w", "label=nobody"];
    let output = demo.ask(&arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("nothing to write"), "{error}");
    assert!(!error.contains("ui.perfetto.dev"), "{error}");
    assert!(!path.exists());
}

#[test]
fn who_interrupts_as_soon_as_there_is_a_file_has_what_there_is_or_none() {
    let demo = demo();
    let path = demo.scratch.path().join("soon.pftrace");
    let mut command = netpoller(demo.scratch.path());
    command.args(["trace", "-o"]).arg(&path);
    let mut child = Killed(command.spawn().expect("it runs"));
    netpoller_tests::until("there is a file", || path.exists());
    netpoller_tests::program::kill(child.id(), Signal::INT);
    let code = child.wait().expect("it ends").code();
    match std::fs::read(&path) {
        Ok(bytes) => {
            assert_eq!(code, Some(0));
            Trace::read(&bytes).must_be_sound();
        }
        Err(_) => assert_eq!(code, Some(1)),
    }
}
