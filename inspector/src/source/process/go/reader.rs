//! What a program of Go says of its descriptors, read in its memory.
//!
//! A goroutine may run while it is read. So whatever is told of one row was read twice and was the
//! same both times: the `pollDesc` before and after the goroutines, each of them before and after
//! its stack, and the stack itself.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::all;
use super::functions::{Frame, Functions};
use super::goroutine::{self, Goroutine, Status};
use super::layout::Layout;
use super::poll_desc::{self, PollDesc, Waits};
use super::stack;
use crate::source::process::kept::{Call, Kept, Row, Side, Stack, Waiter};
use crate::source::process::memory::Memory;
use netpoller_proto::v1::{LineKind, State};

/// How often a row is read that changes meanwhile.
const TRIES: usize = 8;
/// Stacks whose lines are remembered.
const MOST_STACKS: usize = 4_096;
/// Frames of a stack.
const MOST_FRAMES: usize = 256;

/// A program of Go, with what is known of it once and for all.
pub(super) struct Reader<M, F> {
    pub(super) memory: M,
    layout: Layout,
    /// Where its functions are, if that is known, and how far the program was moved.
    functions: Option<(Functions<F>, u64)>,
    /// The addresses of its variables.
    variables: Vec<Range<u64>>,
    stacks: RefCell<HashMap<Vec<u64>, Arc<Stack>>>,
    /// Where the list of all goroutines is, once it was found.
    all: Option<u64>,
}

impl<M: Memory, F: Memory> Reader<M, F> {
    pub(super) fn new(
        memory: M,
        layout: Layout,
        functions: Option<(Functions<F>, u64)>,
        variables: Vec<Range<u64>>,
    ) -> Self {
        Self {
            memory,
            layout,
            functions,
            variables,
            stacks: RefCell::default(),
            all: None,
        }
    }

    /// Returns what has the functions of the program, if they are known.
    pub(super) fn program(&self) -> Option<&F> {
        self.functions
            .as_ref()
            .map(|(functions, _)| functions.memory())
    }

    /// Reads what is kept of descriptor `fd`, which was registered with this word; `None` if
    /// nothing is.
    pub(super) fn row(&self, fd: i32, data: u64) -> Option<Kept> {
        for _ in 0..TRIES {
            let before = self.poll_desc(fd, data)?;
            let read = self.side(before.read);
            let write = self.side(before.write);
            if let (Some(read), Some(write)) = (read, write)
                && self.poll_desc(fd, data) == Some(before)
            {
                return Some(Kept::Row(Box::new(Row {
                    kind: "runtime.pollDesc",
                    address: before.address,
                    sequence: before.fdseq,
                    events: None,
                    closing: before.closing,
                    event_err: before.event_err,
                    read,
                    write,
                })));
            }
        }
        Some(Kept::Torn)
    }

    fn poll_desc(&self, fd: i32, data: u64) -> Option<PollDesc> {
        poll_desc::read(&self.memory, &self.layout.poll_desc, fd, data)
    }

    /// Reads who waits in a direction; `None` if that has changed meanwhile.
    fn side(&self, side: poll_desc::Side) -> Option<Side> {
        let (state, waiter) = match side.waits {
            Waits::Nobody => (State::Nil, None),
            Waits::Ready => (State::Ready, None),
            Waits::Soon => (State::Wait, None),
            Waits::Goroutine(address) => (State::Parked, Some(self.waiter(address)?)),
        };
        Some(Side {
            state,
            // One that has passed is below 0.
            deadline_ns: u64::try_from(side.deadline).unwrap_or(1),
            waiter,
            others: Vec::new(),
        })
    }

    fn waiter(&self, address: u64) -> Option<Waiter> {
        let (goroutine, stack) = self.stable(address)?;
        let reason = self.reason(goroutine.reason);
        // For nothing else it is in a `pollDesc`.
        if goroutine.status != Status::Waiting || reason != "IO wait" {
            return None;
        }
        // A loop leaves the same stack each time.
        let fingerprint = stack.as_ref().map_or(0, stack::Stack::fingerprint);
        let fingerprint = fingerprint ^ u64::from(goroutine.stops);
        let calls = stack.zip(self.functions.as_ref());
        let calls = calls.map(|(stack, (functions, bias))| stack.calls(functions, *bias));
        let stack = calls.map_or_else(Arc::default, |it| self.calls(it));
        Some(Waiter {
            task: format!("G{}", goroutine.goid),
            task_id: goroutine.goid,
            reason,
            fingerprint,
            nearest: match stack.own {
                Some(_) => None,
                None => self
                    .started(goroutine.gopc)
                    .map(|it| (LineKind::Started, it)),
            },
            stack,
            ..Waiter::default()
        })
    }

    /// A goroutine and its stack, if they are the same twice.
    fn stable(&self, address: u64) -> Option<(Goroutine, Option<stack::Stack>)> {
        let read = || {
            let goroutine = goroutine::read(&self.memory, &self.layout.g, address)?;
            let stack = goroutine.stack(&self.memory);
            Some((goroutine, stack))
        };
        let first = read()?;
        (read()? == first).then_some(first)
    }

    fn reason(&self, number: u8) -> String {
        let reason = self.layout.wait_reasons.get(usize::from(number));
        reason.map_or_else(|| format!("wait reason {number}"), |it| it.to_string())
    }

    /// Returns the line of the program's own that has started a goroutine, if it is one.
    fn started(&self, gopc: u64) -> Option<String> {
        let frames = self.frames(gopc).into_iter();
        let mut written = frames.filter(|frame| !frame.is_wrapper);
        let frame = written.next()?;
        let is_own = !is_of_the_library(&frame.function) && !frame.file.is_empty();
        is_own.then(|| format!("{}:{}", frame.file, frame.line))
    }

    /// Returns the frames of a call, by where it returns to.
    fn frames(&self, call: u64) -> Vec<Frame> {
        let Some((functions, bias)) = &self.functions else {
            return Vec::new();
        };
        // What it returns to may be another line's.
        let at = call.checked_sub(*bias).and_then(|it| it.checked_sub(1));
        at.map_or_else(Vec::new, |at| functions.frames(at))
    }

    /// Names the calls of a stack.
    fn calls(&self, calls: Vec<u64>) -> Arc<Stack> {
        if let Some(known) = self.stacks.borrow().get(&calls) {
            return known.clone();
        }
        let mut named = Vec::new();
        for call in &calls {
            let frames = self.frames(*call);
            if frames.is_empty() || named.len() >= MOST_FRAMES {
                break;
            }
            // Nobody wrote a wrapper, and runtime.Callers leaves them out too.
            let written = frames.into_iter().filter(|frame| !frame.is_wrapper);
            named.extend(written.map(|frame| Call {
                location: match frame.file.as_str() {
                    "" => String::new(),
                    file => format!("{file}:{}", frame.line),
                },
                function: frame.function,
            }));
        }
        let is_outermost = |it: &Call| it.function == "runtime.goexit";
        while named.last().is_some_and(is_outermost) {
            named.pop();
        }
        let own = named.iter().position(|it| !is_of_the_library(&it.function));
        let stack = Arc::new(Stack {
            own,
            calls: named,
            within: None,
        });
        let mut stacks = self.stacks.borrow_mut();
        if stacks.len() >= MOST_STACKS {
            stacks.clear();
        }
        stacks.insert(calls, stack.clone());
        stack
    }

    /// Counts all goroutines by what they do, in the runtime's words; the most frequent first.
    /// `known` are some that wait.
    pub(super) fn tasks(&mut self, known: &[u64]) -> Option<(Vec<(String, u64)>, bool)> {
        let counts = self
            .all
            .and_then(|at| all::count(&self.memory, &self.layout.g, at));
        let counts = match counts {
            Some(counts) => counts,
            None => {
                let known: HashSet<u64> = known.iter().copied().collect();
                self.all = all::find(&self.memory, &self.variables, &self.layout.g, &known);
                all::count(&self.memory, &self.layout.g, self.all?)?
            }
        };
        let waiting = counts
            .waiting
            .iter()
            .map(|(it, count)| (self.reason(*it), *count));
        let others = counts
            .others
            .iter()
            .map(|(it, count)| (status(*it), *count));
        let mut tasks: Vec<_> = waiting.chain(others).collect();
        tasks.sort_by(|(left, many), (right, more)| more.cmp(many).then_with(|| left.cmp(right)));
        Some((tasks, counts.is_cut))
    }

    /// Returns the addresses of the goroutines that wait for this row.
    pub(super) fn waiting(&self, fd: i32, data: u64) -> impl Iterator<Item = u64> {
        let row = self.poll_desc(fd, data);
        let sides = row.into_iter().flat_map(|it| [it.read, it.write]);
        sides.filter_map(|it| match it.waits {
            Waits::Goroutine(address) => Some(address),
            _ => None,
        })
    }
}

/// What a goroutine does that does not wait (`gStatusStrings` in `traceback.go`).
fn status(status: u32) -> String {
    match status {
        1 => "runnable".to_owned(),
        2 => "running".to_owned(),
        3 => "syscall".to_owned(),
        8 => "copystack".to_owned(),
        9 => "preempted".to_owned(),
        10 => "leaked".to_owned(),
        other => format!("status {other}"),
    }
}

/// Whether a function is the standard library's, or of what Go's authors keep beside it: the first
/// part of its package's path says so.
fn is_of_the_library(function: &str) -> bool {
    const LIBRARY: [&str; 47] = [
        "archive",
        "bufio",
        "bytes",
        "cmp",
        "compress",
        "container",
        "context",
        "crypto",
        "database",
        "debug",
        "embed",
        "encoding",
        "errors",
        "expvar",
        "flag",
        "fmt",
        "go",
        "hash",
        "html",
        "image",
        "index",
        "internal",
        "io",
        "iter",
        "log",
        "maps",
        "math",
        "mime",
        "net",
        "os",
        "path",
        "plugin",
        "reflect",
        "regexp",
        "runtime",
        "slices",
        "sort",
        "strconv",
        "strings",
        "sync",
        "syscall",
        "testing",
        "text",
        "time",
        "unicode",
        "unsafe",
        "vendor",
    ];
    if function.starts_with("golang.org/x/") {
        return true;
    }
    // The types of an instance are behind it.
    let name = function.split('[').next().unwrap_or_default();
    let first = match name.split_once('/') {
        Some((first, _)) => Some(first),
        None => name.split('.').next(),
    };
    first.is_some_and(|first| LIBRARY.contains(&first))
}

#[cfg(test)]
mod tests;
