//! What is told of a process against what that says of itself, which changes at random.

mod go;
mod tokio;

use std::collections::HashMap;

use netpoller_tests::program::netpoller;
use serde_json::Value;

use crate::truth::Service;

/// Times at which everything is compared, and changes before each.
const ROUNDS: usize = 14;
const CHANGES: usize = 20;
/// Comparisons of a direction of a descriptor that each release has to pass.
const ENOUGH: usize = 1_000;

/// What is random here, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("it is below")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What came of comparisons.
#[derive(Default)]
struct Tally {
    right: usize,
    /// Right ones of who waits.
    parked: usize,
    /// Lines that were compared, and names of futures.
    lines: usize,
    futures: usize,
    /// Futures of threads that are in none of tokio's tasks.
    of_threads: usize,
    /// Lines that were not told of somebody who was.
    no_line: Vec<String>,
    /// The inspector did not tell, which it may do seldom.
    absent: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    /// Compares whether somebody waits there. It is `None` unless that is told, and right.
    fn state<'a>(
        &mut self,
        what: &str,
        told: Option<&'a Value>,
        waiters: &[Value],
    ) -> Option<&'a Value> {
        let Some(told) = told else {
            self.absent.push(what.to_owned());
            return None;
        };
        let state = told["state"].as_str().unwrap_or_default();
        // A row whose state is not known tells nothing.
        if state == "unknown" || told["torn"] == true {
            self.absent.push(what.to_owned());
            return None;
        }
        if (state == "parked") == waiters.is_empty() {
            self.wrong
                .push(format!("{what}: {state}, but it is {waiters:?}"));
            return None;
        }
        Some(told)
    }

    fn same(&mut self, what: &str, told: &Value, truth: &Value) -> bool {
        if told == truth {
            return true;
        }
        if told.is_null() {
            self.absent.push(what.to_owned());
        } else {
            self.wrong
                .push(format!("{what}: {told}, but it is {truth}"));
        }
        false
    }

    /// Counts what was compared, of a direction in which somebody waits or nobody does.
    fn count(&mut self, is_right: bool, is_parked: bool) {
        self.right += usize::from(is_right);
        self.parked += usize::from(is_right && is_parked);
    }

    /// Nothing is wrong, enough is right, and little is left out.
    #[track_caller]
    fn assert_right(&self, of: &str) {
        let Self {
            right,
            parked,
            lines,
            futures,
            of_threads,
            no_line,
            absent,
            wrong,
        } = self;
        let (absent_count, no_line_count) = (absent.len(), no_line.len());
        println!(
            "{of}: {right} right, {parked} of them of who waits, {lines} lines ({no_line_count} \
             more not told), {futures} futures, {of_threads} of them of threads, {absent_count} absent"
        );
        assert_eq!(wrong, &[""; 0], "{of}: {} are wrong", wrong.len());
        assert!(
            *right >= ENOUGH && *parked >= ENOUGH / 2,
            "{of}: {right}, {parked}"
        );
        assert!(absent_count * 20 < *right, "{of}: {absent:?}");
    }
}

/// Who waits in a direction, as the inspector tells it: of `ls` it is in a part of its own.
fn waiter(told: &Value) -> &Value {
    match &told["waiter"] {
        Value::Null => told,
        part => part,
    }
}

/// The sides of the descriptors of an answer to `truth`, by number and direction.
fn sides(truth: &Value) -> HashMap<(i64, &'static str), &Value> {
    let all = truth["descriptors"].as_array().expect("descriptors").iter();
    let all = all.flat_map(|it| {
        let fd = it["fd"].as_i64().expect("a number");
        ["read", "write"].map(|direction| ((fd, direction), &it[direction]))
    });
    all.filter(|(_, side)| !side.is_null()).collect()
}

/// What `netpoller ARGUMENTS` prints of it.
#[track_caller]
fn items(service: &Service, arguments: &[&str]) -> Vec<Value> {
    let target = format!("pid:{}", service.pid());
    let mut command = netpoller(service.scratch.path());
    command.args(["-t", &target, "-f", "json"]).args(arguments);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    document["items"].as_array().expect("items").clone()
}

/// Rows of epoll sets, by number.
fn by_fd(rows: &[Value]) -> HashMap<i64, &Value> {
    let rows = rows.iter().filter(|it| it["poller"] != "unpolled");
    rows.filter(|it| it["stale"] != true)
        .map(|it| (it["fd"].as_i64().expect("a number"), it))
        .collect()
}
