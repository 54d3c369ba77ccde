//! Processes that lie, in `go` and in `tokio`: each is read from outside while it overwrites what
//! is read, as fast as it can. What one reads there is bounded and ends; what is no lie is told.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use netpoller_tests::program::{Killed, isolated};
use netpoller_tests::rust::{self, Build};
use serde_json::Value;
use tempfile::TempDir;

use crate::ENDED;
use crate::process::{MOST_MEMORY, run};

/// Stands for one of the descriptors of which it lies.
const LYING: &str = "fd:LYING";

/// What is asked of it.
const VERBS: [&[&str]; 8] = [
    &["ls"],
    &["ls", "waiters"],
    &["ls", "deadlines"],
    &["ls", "--sort", "age:desc"],
    &["describe", LYING],
    &["stats"],
    &["doctor"],
    &["watch"],
];

/// One of them, with the number of the descriptor of which it says the truth, and that of another.
struct Liar {
    child: Killed,
    honest: i64,
    lying: i64,
    _scratch: TempDir,
}

fn source(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    tests.join(name)
}

impl Liar {
    #[track_caller]
    fn start(build: impl FnOnce(&Path)) -> Self {
        let scratch = TempDir::new().expect("make a directory");
        let program = scratch.path().join("liar");
        build(&program);
        let mut command = isolated(&program, scratch.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Killed(command.spawn().expect("it starts"));
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        said.read_line(&mut line).expect("text");
        let numbers = line.split_whitespace().map(str::parse);
        let numbers: Vec<i64> = numbers.map_while(Result::ok).collect();
        let [64, honest, lying] = numbers[..] else {
            panic!("it finds what it lies about: {line}");
        };
        Self {
            child,
            honest,
            lying,
            _scratch: scratch,
        }
    }

    /// Whether the descriptor of which nobody lies is told to be waited for, and at which line.
    fn waits(&self, document: &str) -> bool {
        let document: Value = serde_json::from_str(document).expect("JSON");
        let rows = document["items"].as_array().expect("items");
        let is_it = |it: &&Value| it["fd"] == self.honest && it["poller"] != "unpolled";
        let row = rows.iter().find(is_it);
        let row = row.unwrap_or_else(|| panic!("it is not registered: {document:#}"));
        let line = row["read"]["waiter"]["location"].as_str();
        line.is_some_and(|it| it.contains("main."))
    }

    /// Every verb ends, is bounded, and tells what is so.
    fn does_no_harm(mut self) {
        let target = format!("pid:{}", self.child.id());
        // Whoever reads may not have come to wait yet.
        netpoller_tests::eventually("the honest one waits", || {
            let arguments = ["-t", &target, "-f", "json", "ls"].map(String::from);
            self.waits(&run(&arguments).stdout).then_some(())
        });
        for verb in VERBS {
            let arguments = [&["-t", &target, "-f", "json", "--timeout", "60s"], verb].concat();
            let lying = format!("fd:{}", self.lying);
            let arguments = arguments.into_iter().map(|it| it.replace(LYING, &lying));
            let mut arguments: Vec<String> = arguments.collect();
            if verb == ["watch"] {
                arguments[3] = "jsonl".into();
            }
            let seen = run(&arguments);
            let what = format!("{arguments:?}: {}", seen.stderr);
            let code = seen.code;
            // A doctor has found something; a signal ends what follows.
            assert!([0, 1, 3, ENDED].contains(&code), "{code}: {what}");
            assert!(!seen.stderr.contains("panicked"), "{what}");
            assert!(seen.memory < MOST_MEMORY, "{}: {what}", seen.memory);
            assert!(!seen.stdout.contains('\x1b'), "{what}");
            if verb == ["ls"] {
                assert!(self.waits(&seen.stdout), "{}", seen.stdout);
            }
        }
        let ended = self.child.0.try_wait().expect("it is asked for");
        assert_eq!(ended, None, "it has lied all the while");
    }
}

#[test]
#[ignore = "needs several releases of Go"]
fn a_go_process_that_overwrites_what_is_read_of_it_neither_hangs_nor_fills_the_inspector() {
    let releases = netpoller_tests::go::releases();
    let (first, last) = (releases.first(), releases.last());
    for go in [first, last].into_iter().flatten() {
        Liar::start(|to| netpoller_tests::go::build(go, &source("go"), to)).does_no_harm();
    }
}

#[test]
#[ignore = "needs crates of several releases of tokio"]
fn a_process_on_tokio_that_does_so_neither_hangs_nor_fills_the_inspector() {
    let releases = rust::releases();
    let (first, last) = (releases.first(), releases.last());
    for tokio in [first, last].into_iter().flatten() {
        let how = Build {
            tokio,
            ..Build::default()
        };
        Liar::start(|to| rust::build(&source("tokio"), &how, to)).does_no_harm();
    }
}
