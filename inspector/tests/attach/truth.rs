//! The services in `go` and in `tokio`, which say of themselves who waits on their descriptors.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use netpoller_tests::program::{Killed, isolated};
use netpoller_tests::rust::{self, Build};
use serde_json::Value;
use tempfile::TempDir;

/// One that runs.
pub(crate) struct Service {
    child: Killed,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Its home, and that of whoever looks at it.
    pub(crate) scratch: TempDir,
}

/// The folder of one.
fn source(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attach");
    tests.join(name)
}

/// Builds the one in `go` with a `go`.
#[track_caller]
pub(crate) fn build_go(go: &Path, to: &Path) {
    netpoller_tests::go::build(go, &source("go"), to);
}

/// Builds the one in `tokio` like this.
#[track_caller]
pub(crate) fn build_tokio(how: &Build<'_>, to: &Path) {
    rust::build(&source("tokio"), how, to);
}

impl Service {
    /// Builds the one in `go`, and starts it.
    #[track_caller]
    pub(crate) fn of_go(go: &Path) -> Self {
        Self::start(|to| build_go(go, to), &[])
    }

    /// Builds the one in `tokio`, and starts it on a runtime of a kind.
    #[track_caller]
    pub(crate) fn of_tokio(how: &Build<'_>, kind: &str) -> Self {
        Self::start(|to| build_tokio(how, to), &[kind])
    }

    #[track_caller]
    fn start(build: impl FnOnce(&Path), arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let program = scratch.path().join("truth");
        build(&program);
        let mut command = isolated(program, scratch.path());
        command.args(arguments);
        Self::run(command, scratch)
    }

    /// Starts what was built there, by this command.
    #[track_caller]
    pub(crate) fn run(mut command: Command, scratch: TempDir) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Killed(command.spawn().expect("it starts"));
        Self {
            commands: child.stdin.take().expect("a pipe"),
            answers: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
            scratch,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives a command, and returns the answer; the error is why it was refused.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Result<Value, String> {
        writeln!(self.commands, "{command}").expect("it reads");
        let answer = self.answers.next().expect("it answers").expect("text");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        match answer["error"].as_str() {
            Some(error) => Err(format!("{command}: {error}")),
            None => Ok(answer),
        }
    }

    /// The same, of a command that cannot be refused.
    #[track_caller]
    pub(crate) fn obey(&mut self, command: &str) -> Value {
        self.ask(command).unwrap_or_else(|error| panic!("{error}"))
    }
}
