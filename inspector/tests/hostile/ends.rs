//! A target that is killed, or stopped, while it is looked at.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use netpoller_tests::program::Killed;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::process::{command, end};

/// A service with an endpoint: the demo of the same command.
pub(crate) struct Service(pub(crate) Killed);

impl Service {
    pub(crate) fn start(socket: &Path) -> Self {
        let child = command()
            .args([
                "demo",
                "--headless",
                "--for",
                "10min",
                "--connections",
                "3",
                "--inspect",
            ])
            .arg(format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run the demo");
        let service = Self(Killed(child));
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < deadline, "the demo does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        service
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).expect("kill");
    }

    /// Returns when all of its threads stand still: one that has not come to run since the signal
    /// may answer yet.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.0.id());
        let is_stopped = |stat: String| {
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            state == Some('T')
        };
        let all_are_stopped = || {
            let mut threads = std::fs::read_dir(&tasks).expect("threads").flatten();
            threads.all(|thread| {
                std::fs::read_to_string(thread.path().join("stat")).is_ok_and(is_stopped)
            })
        };
        while !all_are_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const FOLLOWING: [&[&str]; 9] = [
    &["watch", "--interval", "100ms"],
    &["events"],
    &["top", "--interval", "100ms"],
    &["top", "pollers", "--interval", "100ms"],
    &["audit", "--for", "5min", "--interval", "100ms"],
    &["doctor", "--for", "5min"],
    &["hist", "--interval", "4s"],
    &["watch", "waiters", "--interval", "100ms"],
    &["leaks", "--watch", "--interval", "100ms"],
];

/// Starts what follows the target, and waits until each is connected.
fn follow(socket: &Path, timeout: &str) -> Vec<(&'static [&'static str], Child)> {
    let children = FOLLOWING.map(|verb| {
        let child = command()
            .arg("-t")
            .arg(socket)
            .args(["--timeout", timeout])
            .args(verb)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run netpoller");
        (verb, child)
    });
    let deadline = Instant::now() + PATIENCE;
    for (verb, child) in &children {
        let fds = format!("/proc/{}/fd", child.id());
        let connected = || {
            let entries = std::fs::read_dir(&fds).into_iter().flatten().flatten();
            entries
                .filter_map(|entry| std::fs::read_link(entry.path()).ok())
                .any(|path| path.to_string_lossy().starts_with("socket:"))
        };
        while !connected() {
            assert!(Instant::now() < deadline, "{verb:?} does not connect");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    // Its first answers are of no interest; what is asked afterwards ends in the same way.
    std::thread::sleep(Duration::from_secs(1));
    children.into()
}

fn told(child: &mut Child) -> (i32, String) {
    use std::io::Read;

    let mut said = String::new();
    let stderr = child.stderr.take();
    stderr
        .expect("stderr")
        .read_to_string(&mut said)
        .expect("UTF-8");
    (end(child, None).0, said)
}

#[test]
fn a_target_that_is_killed_is_said_to_have_ended_by_every_verb() {
    let scratch = TempDir::new().expect("make a directory");
    let socket = scratch.path().join("d.sock");
    let mut service = Service::start(&socket);
    let pid = service.0.id();
    let children = follow(&socket, "10s");
    service.0.kill().expect("kill");
    service.0.wait().expect("wait");
    for (verb, mut child) in children {
        let (code, said) = told(&mut child);
        assert_eq!(code, 4, "{verb:?}: {said}");
        assert!(
            said.contains(&format!("process {pid} has ended")),
            "{verb:?}: {said}"
        );
        for name in ["Watch", "GetStats", "ListDescriptors", "Diagnose", "Audit"] {
            assert!(!said.contains(name), "{verb:?} names a method: {said}");
        }
    }
}

#[test]
fn a_target_that_is_stopped_is_said_to_be_stopped() {
    let scratch = TempDir::new().expect("make a directory");
    let socket = scratch.path().join("d.sock");
    let service = Service::start(&socket);
    let stopped = format!("process {} is stopped (state T)", service.0.id());
    let mut children = follow(&socket, "2s");
    service.stop();
    for verb in [&["ls"][..], &["stats"], &["describe", "fd:7"]] {
        let child = command()
            .arg("-t")
            .arg(&socket)
            .args(["--timeout", "500ms"])
            .args(verb)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run netpoller");
        children.push((verb, child));
    }
    for (verb, mut child) in children {
        let (code, said) = told(&mut child);
        assert!(
            matches!(code, 4 | 124),
            "{verb:?} ended with {code}: {said}"
        );
        assert!(said.contains(&stopped), "{verb:?}: {said}");
    }
}
