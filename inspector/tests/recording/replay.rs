//! `netpoller replay`.

use super::*;

/// A recording that is replayed.
pub(super) struct Replayed {
    child: std::process::Child,
    pub(super) target: String,
}

impl Replayed {
    pub(super) fn start(process: &Process, recording: &str, arguments: &[&str]) -> Self {
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

    pub(super) fn end(mut self) {
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
