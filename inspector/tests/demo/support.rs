//! Starting the demo, asking the inspector about it, and reading its metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::command;

/// How long anything may take before a test gives up. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The inspector's binary, without colours.
pub(crate) fn netpoller(scratch: &TempDir) -> Command {
    let mut command = command::netpoller(scratch.path());
    command.env("NO_COLOR", "1");
    command
}

/// Polls `probe` until it gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            Instant::now() < give_up,
            "{what} did not come about in {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A child that does not outlive its test.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) scratch: TempDir,
    /// What it said on stderr before it was up.
    pub(crate) said: Vec<String>,
}

impl Running {
    /// Starts `command` and waits for a line on stderr that begins with each of `until`.
    #[track_caller]
    pub(crate) fn start(scratch: TempDir, mut command: Command, until: &[&str]) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said: Vec<String> = Vec::new();
        while !until
            .iter()
            .all(|start| said.iter().any(|line| line.starts_with(start)))
        {
            match lines.next() {
                Some(line) => said.push(line.expect("text")),
                None => panic!("it ended before it said {until:?}; it said {said:?}"),
            }
        }
        // Whatever else it says must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            scratch,
            said,
        }
    }

    /// The rest of the line that began with `start`.
    #[track_caller]
    pub(crate) fn said(&self, start: &str) -> &str {
        self.said
            .iter()
            .find_map(|line| line.strip_prefix(start))
            .expect("it said so")
            .trim()
    }

    /// `netpoller ARGUMENTS`, about this child.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        netpoller(&self.scratch)
            .args(arguments)
            .output()
            .expect("it runs")
    }

    /// The document that `netpoller ARGUMENTS --format json` prints.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[arguments, &["--format", "json"]].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What it printed in all, once it has ended on its own.
    #[track_caller]
    pub(crate) fn finish(mut self) -> (i32, String) {
        let mut stdout = String::new();
        self.child
            .stdout
            .take()
            .expect("piped")
            .read_to_string(&mut stdout)
            .expect("text");
        let status = self.child.wait().expect("it ends");
        (status.code().unwrap_or(-1), stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The items of a document.
#[track_caller]
pub(crate) fn items(document: &Value) -> &[Value] {
    document["items"].as_array().expect("items")
}

/// The body of `url`, which must be answered with 200.
#[track_caller]
pub(crate) fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("it listens");
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{}",
        answer.lines().next().unwrap_or_default()
    );
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}
