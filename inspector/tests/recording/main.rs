//! `netpoller record`, and a recording as a target: what the verbs say of it is what they say of
//! the process.

mod console;
mod damaged;
mod diff;
mod moments;
mod replay;
mod same;
mod written;
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
                "--force",
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
