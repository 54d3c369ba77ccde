//! The service in `tests/attach/go`, built for arm64 and run by an emulator.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};

use netpoller_tests::program::{Killed, isolated, kill};
use netpoller_tests::tool;
use rustix::process::Signal;
use serde_json::Value;

use super::core_file::Core;
use crate::source::process::facts::{Facts, Registered};

/// Where Debian has the dynamic linker of another processor, by which a program is moved.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Builds it with a `go`.
#[track_caller]
pub(super) fn build(go: &Path, flags: &[&str], to: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attach/go");
    let mut command = netpoller_tests::go::command(go);
    command.env("GOARCH", "arm64").current_dir(source);
    command.arg("build").args(flags).arg("-o").arg(to).arg(".");
    let status = command.status().expect("go runs");
    assert!(status.success(), "{} {flags:?}", go.display());
}

/// One that runs.
pub(super) struct Service {
    child: Killed,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    scratch: PathBuf,
}

impl Service {
    #[track_caller]
    pub(super) fn start(program: &Path, scratch: &Path) -> Self {
        // The emulator writes a core file only if this process may.
        let mut command = isolated(tool(&["sh"]), scratch);
        command.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]);
        command.arg(tool(&["qemu-aarch64", "qemu-aarch64-static"]));
        command.args(["-L", LIBRARIES]).arg(program);
        // Go ends by a signal only if it is asked to, after it has told a lot.
        command.env("GOTRACEBACK", "crash").current_dir(scratch);
        let said = fs::File::create(scratch.join("said")).expect("a file");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said);
        let mut child = Killed(command.spawn().expect("it starts"));
        Self {
            commands: child.stdin.take().expect("a pipe"),
            answers: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
            scratch: scratch.to_owned(),
        }
    }

    /// Gives a command, and returns the answer.
    #[track_caller]
    pub(super) fn obey(&mut self, command: &str) -> Value {
        let asked = writeln!(self.commands, "{command}");
        let answer = self
            .answers
            .next()
            .and_then(Result::ok)
            .filter(|_| asked.is_ok());
        let answer = answer.unwrap_or_else(|| panic!("{command}: it is gone: {}", self.said()));
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["error"], Value::Null, "{command}");
        answer
    }

    /// What it has said last.
    fn said(&self) -> String {
        let said = fs::read(self.scratch.join("said")).unwrap_or_default();
        String::from_utf8_lossy(&said[said.len().saturating_sub(4096)..]).into_owned()
    }

    /// Returns what is registered in the epoll set of its runtime, which is one of this kernel's.
    #[track_caller]
    pub(super) fn registered(&self) -> Vec<Registered> {
        let facts = Facts::read(self.child.id()).expect("it runs");
        let sets: Vec<_> = facts.sets.into_values().collect();
        let [set] = &sets[..] else {
            panic!("not one epoll set: {sets:?}");
        };
        set.clone()
    }

    /// Ends it, and returns what was in its memory.
    #[track_caller]
    pub(super) fn end(mut self) -> Core {
        kill(self.child.id(), Signal::ABORT);
        self.child.wait().expect("it ends");
        let files = fs::read_dir(&self.scratch).expect("a folder").flatten();
        let mut cores = files.map(|it| it.path());
        let core = cores.find(|path| path.extension().is_some_and(|it| it == "core"));
        let core = core.unwrap_or_else(|| panic!("it has left no core file: {}", self.said()));
        Core::open(&core)
    }
}
