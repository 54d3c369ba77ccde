//! The programs that tests start, each with an environment of its own: it neither sees nor disturbs
//! what else runs here.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::built;

/// What a child inherits: where programs are, and what tools that watch the tests are told.
const INHERITED: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
];

/// The command `netpoller`. It puts its sockets into `scratch`, and looks for others nowhere else.
pub fn netpoller(scratch: &Path) -> Command {
    isolated(built("netpoller"), scratch)
}

/// Any program, with `scratch` as its home and for all that is temporary.
pub fn isolated(program: impl AsRef<OsStr>, scratch: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for name in ["HOME", "TMPDIR", "XDG_RUNTIME_DIR"] {
        command.env(name, scratch);
    }
    command
        .env("NETPOLLER_SOCKETS", scratch.join("netpoller"))
        // The machine may be busy; what is to end in time says its own.
        .env("NETPOLLER_TIMEOUT", "60s")
        .stdin(Stdio::null());
    command
}

/// Sends a signal to a process that the test has started.
///
/// # Panics
///
/// If it does not run.
#[track_caller]
pub fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process id"), signal).expect("it runs");
}

/// A process that does not outlive this.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Deref for Killed {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Killed {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that a test asks, and that does not outlive it.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Killed,
    /// Its home.
    pub scratch: TempDir,
    /// What it said on stderr before it was up.
    pub said: Vec<String>,
}

impl Running {
    /// Starts `command` and waits for a line on stderr that begins with each of `until`.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    #[track_caller]
    pub fn start(scratch: TempDir, mut command: Command, until: &[&str]) -> Self {
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
            child: Killed(child),
            scratch,
            said,
        }
    }

    /// The rest of the line that began with `start`.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    #[track_caller]
    pub fn said(&self, start: &str) -> &str {
        self.said
            .iter()
            .find_map(|line| line.strip_prefix(start))
            .expect("it said so")
            .trim()
    }

    /// `netpoller ARGUMENTS`, about this child.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        netpoller(self.scratch.path())
            .args(arguments)
            .output()
            .expect("it runs")
    }

    /// The document that `netpoller ARGUMENTS --format json` prints.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[arguments, &["--format", "json"]].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What it printed in all, once it has ended on its own.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    #[track_caller]
    pub fn finish(mut self) -> (i32, String) {
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

/// The items of a document.
///
/// # Panics
///
/// If it is otherwise.
#[track_caller]
pub fn items(document: &Value) -> &[Value] {
    document["items"].as_array().expect("items")
}

/// The body of `url`, which must be answered with 200.
///
/// # Panics
///
/// If it is otherwise.
#[track_caller]
pub fn get(url: &str) -> String {
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
