//! `netpoller record`, and a recording as a target: what the verbs say of it is what they say of
//! the process.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netpoller::net::UnixStream;
use netpoller::{Poller, block_on_poller, inspect, task};
use netpoller_tests::program::netpoller;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A process of which nothing changes: readers of sockets to which nobody writes.
struct Process {
    /// An endpoint tells of all pollers of a process, so there is one such process at a time.
    _alone: MutexGuard<'static, ()>,
    endpoint: inspect::Server,
    scratch: TempDir,
    /// They end with these.
    peers: Vec<std::os::unix::net::UnixStream>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Process {
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = tempfile::tempdir().expect("a directory");
        let place = inspect::Listen::Unix(scratch.path().join("s"));
        let endpoint = inspect::Server::builder().listen(place).start();
        let (mut peers, mut readers) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
            let name = format!("quiet \u{1b}[31m {number}");
            let poller = Poller::builder().name(format!("still_{number}")).build();
            let poller = poller.expect("a poller");
            readers.push(std::thread::spawn(move || {
                let read = async {
                    let stream = UnixStream::from_std(ours).expect("a stream");
                    stream.set_label(&name);
                    // The end of its peer.
                    let read = stream.read(&mut [0; 8]).await;
                    assert_eq!(read.expect("it can be read"), 0);
                };
                block_on_poller(&poller, task::named("reader", read));
            }));
            peers.push(theirs);
        }
        let process = Self {
            _alone: alone,
            endpoint: endpoint.expect("an endpoint"),
            scratch,
            peers,
            readers,
        };
        // All of them wait.
        while process
            .items(process.endpoint.target(), &["ls", "waiters"])
            .len()
            < 3
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        process
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn ask(&self, target: &str, arguments: &[&str]) -> Output {
        let mut command = netpoller(self.scratch.path());
        command.args(["-t", target]).args(arguments);
        command.output().expect("it runs")
    }

    #[track_caller]
    fn json(&self, target: &str, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-f", "json"]);
        let output = self.ask(target, &all);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.stdout.is_empty(), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    #[track_caller]
    fn items(&self, target: &str, arguments: &[&str]) -> Vec<Value> {
        match self.json(target, arguments)["items"].take() {
            Value::Array(items) => items,
            other => panic!("no items: {other}"),
        }
    }

    /// Records it for a while.
    #[track_caller]
    fn record(&self, name: &str) -> String {
        let path = self.path(name);
        let path = path.to_str().expect("UTF-8");
        let output = self.ask(
            self.endpoint.target(),
            &[
                "record",
                "-o",
                path,
                "--for",
                "1500ms",
                "--interval",
                "100ms",
            ],
        );
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        assert!(error.contains("its time is over"), "{error}");
        assert!(
            error.contains(&format!("netpoller -t file:{path}")),
            "{error}"
        );
        format!("file:{path}")
    }

    fn end(self) {
        drop(self.peers);
        for reader in self.readers {
            reader.join().expect("it ends");
        }
    }
}

/// What goes on in a process of which nothing changes: ages, and what the kernel counts of threads.
fn without_time(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let is_time = ["captured_at", "captured_at_ns", "last_poll_ns", "polls"];
                !name.contains("age") && !is_time.contains(&name.as_str())
            });
            fields.values_mut().for_each(without_time);
        }
        Value::Array(items) => items.iter_mut().for_each(without_time),
        _ => {}
    }
}

#[test]
fn a_recording_answers_as_the_process_did() {
    let process = Process::new();
    let live = process.endpoint.target();
    let recording = process.record("still.npl");
    for arguments in [
        &["ls"][..],
        &["ls", "waiters"],
        &["ls", "waiters", "--where", "task=reader and since<1h"],
        &["ls", "deadlines"],
        &["ls", "pollers"],
        &["ls", "--sort", "poller:desc", "-n", "2"],
        &["ls", "--columns", "id,label,task,since"],
        &["audit"],
        &["events", "--dump"],
        &["describe", "still_0/0.1", "still_2/0.1"],
    ] {
        let (mut then, mut now) = (
            process.items(&recording, arguments),
            process.items(live, arguments),
        );
        // What the kernel says of a registration is asked of it, and of it alone.
        for item in then.iter_mut().chain(&mut now) {
            without_time(item);
            if let Some(fields) = item.as_object_mut() {
                fields.remove("kernel");
            }
        }
        assert!(
            !now.is_empty() || arguments.contains(&"deadlines"),
            "{arguments:?}"
        );
        assert_eq!(then, now, "{arguments:?}");
    }
    process.end();
}

#[test]
fn statistics_leaks_and_diagnoses_are_recorded_too() {
    let process = Process::new();
    let live = process.endpoint.target();
    let recording = process.record("all.npl");
    let counts = |target: &str| {
        let stats = process.items(target, &["stats"]);
        let of = |it: &Value| {
            (
                it["poller"].clone(),
                it["read"].clone(),
                it["histograms"].clone(),
            )
        };
        stats.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(counts(&recording), counts(live));
    let sites = |target: &str| {
        let leaks = process.items(target, &["leaks", "--interval", "100ms"]);
        let of = |it: &Value| (it["site"].clone(), it["live"].clone(), it["opened"].clone());
        leaks.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(sites(&recording), sites(live));
    let doctor = process.ask(&recording, &["doctor"]);
    assert!(
        doctor.status.success(),
        "{}",
        String::from_utf8_lossy(&doctor.stderr)
    );
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(
        said.contains("no findings") && said.contains("laws hold"),
        "{said}"
    );
    let hist = process.items(&recording, &["hist", "--interval", "1s"]);
    assert!(hist.iter().all(|it| {
        it["interval_ns"]
            .as_u64()
            .is_some_and(|it| it > 900_000_000)
    }));
    process.end();
}

#[test]
fn what_goes_on_goes_on_to_the_end_of_a_recording_and_no_further() {
    let process = Process::new();
    let recording = process.record("ends.npl");
    let watch = process.ask(&recording, &["watch", "-f", "jsonl"]);
    assert!(watch.status.success());
    let lines = String::from_utf8(watch.stdout).expect("UTF-8");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(
        lines.lines().all(|line| line.contains(r#""op":"add""#)),
        "{lines}"
    );
    let never = process.ask(&recording, &["watch", "--until", "state=woken"]);
    assert_eq!(never.status.code(), Some(3));
    let top = process.ask(
        &recording,
        &["top", "-f", "csv", "--interval", "500ms", "-c", "id"],
    );
    let lines = String::from_utf8(top.stdout).expect("UTF-8");
    // A title, and three rows at the beginning, after each half second, and at the end.
    assert!(
        top.status.success() && lines.lines().count() > 3 * 4,
        "{lines}"
    );
    let events = process.ask(
        &recording,
        &["events", "--history", "-f", "jsonl", "-k", "park"],
    );
    assert!(events.status.success());
    assert_eq!(String::from_utf8_lossy(&events.stdout).lines().count(), 3);
    process.end();
}

#[test]
fn a_moment_that_the_recording_does_not_have_is_refused_with_those_that_it_has() {
    let process = Process::new();
    let recording = process.record("short.npl");
    for within in ["0s", "-1s", "+1s"] {
        let output = process.ask(&recording, &["ls", "--at", within]);
        assert!(output.status.success(), "{within}");
    }
    for outside in ["1h", "-1h", "2001-01-01T00:00:00Z"] {
        let output = process.ask(&recording, &["ls", "--at", outside]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("the recording is of"), "{error}");
    }
    let output = process.ask(process.endpoint.target(), &["ls", "--at", "1s"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("file:PATH"), "{error}");
    process.end();
}

fn cut(from: &Path, to: &Path, length: usize) {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(from).expect("it is there");
    file.read_to_end(&mut bytes).expect("it can be read");
    std::fs::write(to, &bytes[..length.min(bytes.len())]).expect("written");
}

#[test]
fn a_recording_that_was_cut_is_opened_with_a_warning_and_other_files_are_refused() {
    let process = Process::new();
    process.record("whole.npl");
    let whole = process.path("whole.npl");
    let size = std::fs::metadata(&whole).expect("it is there").len();
    let part = process.path("part.npl");
    cut(&whole, &part, usize::try_from(size).expect("small") - 9);
    let target = format!("file:{}", part.display());
    let output = process.ask(&target, &["ls", "waiters"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(error.contains("it was cut or damaged"), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 4);
    for (content, code, reason) in [
        (
            Some(&b"something else"[..]),
            1,
            "begins with something else",
        ),
        (Some(b""), 1, "begins with something else"),
        (None, 6, "there is no file"),
    ] {
        let other = process.path("other");
        let _ = std::fs::remove_file(&other);
        if let Some(content) = content {
            std::fs::write(&other, content).expect("written");
        }
        let output = process.ask(&format!("file:{}", other.display()), &["ls"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(
            error.contains(reason) && error.contains("record -o"),
            "{error}"
        );
    }
    process.end();
}

#[test]
fn what_has_changed_is_told_between_two_moments_two_recordings_and_a_recording_and_now() {
    let mut process = Process::new();
    let first = process.record("before.npl");
    let nothing = process.ask(&first, &["diff", "@500ms"]);
    let text = String::from_utf8_lossy(&nothing.stdout);
    assert!(nothing.status.success(), "{text}");
    assert!(
        !text.contains("DESCRIPTORS") && !text.contains("BY LINE"),
        "{text}"
    );

    // One of them is closed.
    let gone = process.items(&first, &["ls", "-w", "label~' 0$'"])[0]["id"].take();
    process.peers.remove(0);
    process.readers.remove(0).join().expect("it ends");
    let second = process.record("after.npl");
    let live = process.endpoint.target().to_owned();
    for after in [&second, &live] {
        let told = process.json(&first, &["diff", "--no-doctor", &first, after]);
        assert_eq!(told["same_process"], true, "{told}");
        let items = told["items"].as_array().expect("items");
        let descriptors: Vec<&Value> = items
            .iter()
            .filter(|it| it["what"] == "descriptor")
            .collect();
        let [closed] = descriptors[..] else {
            panic!("one was closed: {told}");
        };
        assert_eq!(closed["change"], "closed");
        assert_eq!(
            (&closed["before"]["id"], &closed["after"]),
            (&gone, &Value::Null)
        );
        let lines: Vec<i64> = ["waiting", "open"]
            .iter()
            .flat_map(|group| items.iter().filter(move |it| it["group"] == *group))
            .filter_map(|it| it["change"].as_i64())
            .collect();
        assert_eq!(lines, [-1, -1], "{told}");
    }
    let text = process.ask(&first, &["diff", "--no-doctor", &first, &second]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("0 opened, 1 closed, 0 changed"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");

    for (target, arguments, reason) in [
        (&live, &["diff", "@500ms"][..], "a moment is of a recording"),
        (&first, &["diff", "@500ms", "@500ms"], "both are the same"),
        (&first, &["diff", "@soon"], "before its end, as -10s"),
        (&first, &["diff", "@1h"], "the recording is of"),
    ] {
        let output = process.ask(target, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason), "{error}");
    }
    process.end();
}

#[test]
fn a_while_of_a_recording_is_of_its_own_time() {
    let process = Process::new();
    let poller = Poller::builder().name("ticking").build().expect("a poller");
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ticking = std::thread::spawn({
        let is_over = std::sync::Arc::clone(&is_over);
        move || {
            let order = std::sync::atomic::Ordering::Relaxed;
            block_on_poller(&poller, async {
                while !is_over.load(order) {
                    netpoller::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
    });
    let recording = process.record("ticking.npl");
    is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    ticking.join().expect("it ends");
    let moments = |arguments: &[&str]| -> Vec<u64> {
        let output = process.ask(&recording, arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let events = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let moments = events.map(|event: Value| event["at_ns"].as_u64().expect("a moment"));
        moments.collect()
    };
    let all = moments(&["events", "-f", "jsonl"]);
    let some = moments(&["events", "-f", "jsonl", "--for", "500ms"]);
    let begins = process.json(&recording, &["ls", "--at", "0s"])["captured_at_ns"].take();
    let ends = begins.as_u64().expect("a moment") + 500_000_000;
    let expected: Vec<u64> = all.iter().copied().filter(|at| *at <= ends).collect();
    assert!(
        some.len() > 1 && some.len() < all.len(),
        "{} of {}",
        some.len(),
        all.len()
    );
    assert_eq!(some, expected);
    process.end();
}

/// A recording that is replayed.
struct Replayed {
    child: std::process::Child,
    target: String,
}

impl Replayed {
    fn start(process: &Process, recording: &str, arguments: &[&str]) -> Self {
        use std::io::BufRead as _;
        let socket = process.path("replay.sock");
        let socket = socket.to_str().expect("UTF-8");
        let mut command = netpoller(process.scratch.path());
        command.args(["-t", recording, "replay", "--serve", socket]);
        command.args(arguments).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut lines = std::io::BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = lines.next().expect("a line").expect("it is told");
        let target = line.strip_prefix("attach with: netpoller -t ");
        let target = target.expect("where it answers").to_owned();
        Self { child, target }
    }

    fn end(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("it runs");
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn a_replay_tells_any_client_what_the_recording_does_and_goes_on_to_its_end() {
    let process = Process::new();
    let recording = process.record("first.npl");
    let still = Replayed::start(&process, &recording, &["--at", "500ms", "--speed", "0"]);
    for arguments in [
        &["ls"][..],
        &["ls", "waiters"],
        &["stats"],
        &["events", "--dump"],
    ] {
        let mut at = arguments.to_vec();
        at.extend(["--at", "500ms"]);
        let of_file = process.items(&recording, &at);
        assert_eq!(
            process.items(&still.target, arguments),
            of_file,
            "{arguments:?}"
        );
    }
    let output = process.ask(&still.target, &["hist", "--by", "descriptor"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("ask the file"), "{error}");
    still.end();

    let fast = Replayed::start(&process, &recording, &["--speed", "1000"]);
    let end = process.json(&recording, &["ls"])["captured_at_ns"].take();
    netpoller_tests::until("it comes to its end", || {
        process.json(&fast.target, &["ls"])["captured_at_ns"] == end
    });
    // Though nothing changes any more, it goes on to be told.
    let watch = [
        "watch",
        "--interval",
        "100ms",
        "--until",
        "fd=-7",
        "--timeout",
        "1s",
    ];
    let output = process.ask(&fast.target, &watch);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("has not come about within"), "{error}");
    fast.end();
    for (arguments, reason) in [
        (["--serve", "tcp:127.0.0.1:1"], "write a Unix socket"),
        (["--speed", "fast"], "is no number from 0"),
    ] {
        let mut all = vec!["replay", "--serve", "./x.sock"];
        if arguments[0] == "--serve" {
            all.truncate(1);
        }
        all.extend(arguments);
        let output = process.ask(&recording, &all);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason), "{error}");
    }
    process.end();
}

#[test]
fn what_cannot_be_recorded_is_refused_and_nothing_is_written_over() {
    let process = Process::new();
    let live = process.endpoint.target();
    let there = process.path("there.npl");
    std::fs::write(&there, "mine").expect("written");
    let path = there.to_str().expect("UTF-8");
    let refused = |target: &str, arguments: &[&str], code: i32, reason: &str| {
        let output = process.ask(target, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(reason), "{error}");
    };
    refused(live, &["record", "-o", path], 2, "--force");
    assert_eq!(std::fs::read(&there).expect("it is there"), b"mine");
    let nowhere = process.path("none/x.npl");
    let nowhere = nowhere.to_str().expect("UTF-8");
    refused(live, &["record", "-o", nowhere], 1, "creating");
    refused(live, &["record", "-o", "x", "--max-size", "1"], 2, "64KiB");
    let recording = process.record("first.npl");
    refused(
        &recording,
        &["record", "-o", nowhere],
        2,
        "is a recording already",
    );
    refused(
        &recording,
        &["hist", "--by", "location"],
        1,
        "--by descriptor",
    );
    let mut forced: Command = netpoller(process.scratch.path());
    forced.args([
        "-t",
        live,
        "record",
        "-o",
        path,
        "--force",
        "--max-size",
        "64KiB",
    ]);
    let output = forced
        .args(["--interval", "100ms"])
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("as large as it may be"), "{error}");
    assert!(std::fs::metadata(&there).expect("it is there").len() <= 64 << 10);
    process.end();
}
