//! The service in `go`, which says of itself who waits on its descriptors.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use netpoller_tests::program::{Killed, isolated};
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

/// Builds the service with a `go`.
#[track_caller]
pub(crate) fn build(go: &Path, to: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attach/go");
    netpoller_tests::go::build(go, &source, to);
}

impl Service {
    #[track_caller]
    pub(crate) fn start(go: &Path) -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let program = scratch.path().join("truth");
        build(go, &program);
        let command = isolated(program, scratch.path());
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
