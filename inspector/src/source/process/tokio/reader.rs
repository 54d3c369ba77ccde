//! What a program of tokio says of its descriptors, read in its memory.
//!
//! A task may run while it is read. So whatever is told of one row was read twice and was the same
//! both times: the `ScheduledIo` before and after the tasks, and each of them before and after what
//! it awaits.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use netpoller_proto::v1::{LineKind, State};

use super::code::Code;
use super::owned::{self, Scheduler};
use super::scheduled_io::{self, Found, ScheduledIo, Waits};
use super::task::{COMPLETE, Head, Kind, Task};
use super::waker::{Wakes, wakes};
use crate::source::process::kept::{Kept, Row, Side, Stack, Tasks, Waiter};
use crate::source::process::memory::{Copied, Memory};
use crate::source::process::rust::Place;

/// How often a row is read that changes meanwhile.
const TRIES: usize = 8;
/// So many of those who wait in one direction are told of.
const MOST_TOLD: usize = 64;
/// Wakers of one kind each, and kinds of tasks, that are remembered.
const MOST_KINDS: usize = 1_024;

/// Schedulers whose tasks are counted.
const MOST_SCHEDULERS: usize = 64;

/// Whoever is woken by a waker of which nothing is known.
const SOMEBODY: &str = "another waker";

/// How somebody waits, by the names that tokio has for it (`registration.rs`, `scheduled_io.rs`).
const POLLS_TO_READ: &str = "poll_read_ready";
const POLLS_TO_WRITE: &str = "poll_write_ready";
const IN_THE_LIST: &str = "readiness";

/// A program of tokio, with what is known of it once and for all.
pub(super) struct Reader<M, C> {
    pub(super) memory: M,
    pub(super) code: C,
    /// Where the stacks of its threads end.
    pub(super) stacks: Vec<u64>,
    /// Whom the wakers wake that have these functions.
    wakes: RefCell<HashMap<u64, Wakes>>,
    /// The kinds of tasks that have these tables of functions.
    kinds: RefCell<HashMap<u64, Kind>>,
    /// The schedulers of the tasks that were read since they were asked for.
    schedulers: RefCell<HashSet<Scheduler>>,
}

impl<M: Memory, C: Code> Reader<M, C> {
    pub(super) fn new(memory: M, code: C) -> Self {
        Self {
            memory,
            code,
            stacks: Vec::new(),
            wakes: RefCell::default(),
            kinds: RefCell::default(),
            schedulers: RefCell::default(),
        }
    }

    /// Counts all tasks of the schedulers whose tasks were read since the last call. `None` if
    /// their lists are not found, `false` if they could not be counted whole.
    pub(super) fn tasks(&self) -> Option<(Tasks, bool)> {
        let schedulers = self.schedulers.take();
        let mut counted = BTreeMap::<_, u64>::new();
        let (mut running, mut is_whole, mut is_known) = (Vec::new(), true, false);
        for scheduler in schedulers {
            let look = |at, head: Head| {
                *counted.entry(head.state()).or_default() += 1;
                if head.is_running() && running.len() < MOST_TOLD {
                    let task = self.task(at);
                    running.extend(task.map(|it| self.of_task(&it, Stack::default())));
                }
            };
            match owned::each(&self.memory, &self.code, scheduler, look) {
                Some(whole) => (is_known, is_whole) = (true, is_whole && whole),
                None => is_whole = false,
            }
        }
        let counted = counted.into_iter();
        let counted = counted.map(|(state, count)| (state.to_owned(), count));
        let tasks = Tasks {
            counted: counted.collect(),
            running,
        };
        is_known.then_some((tasks, is_whole))
    }

    /// Reads what is kept of a descriptor that was registered with this word; `None` if nothing is.
    pub(super) fn row(&self, data: u64) -> Option<Kept> {
        for _ in 0..TRIES {
            let before = match scheduled_io::read(&self.memory, data) {
                Found::Nothing => return None,
                Found::Changing => continue,
                Found::Whole(it) => it,
            };
            let read = self.side(&before, &before.read, POLLS_TO_READ);
            let write = self.side(&before, &before.write, POLLS_TO_WRITE);
            let is_same = || scheduled_io::read(&self.memory, data) == Found::Whole(before.clone());
            if let (Some(read), Some(write)) = (read, write)
                && is_same()
            {
                return Some(Kept::Row(Box::new(Row {
                    kind: "tokio::runtime::io::ScheduledIo",
                    address: before.address,
                    sequence: None,
                    events: Some(before.tick),
                    closing: before.is_shut_down,
                    event_err: before.has_error,
                    read,
                    write,
                })));
            }
        }
        Some(Kept::Torn)
    }

    /// Reads who waits in a direction; `None` if that has changed meanwhile.
    fn side(&self, io: &ScheduledIo, side: &scheduled_io::Side, polls: &str) -> Option<Side> {
        let told = side.waiters.iter().take(MOST_TOLD);
        let waiters = told.map(|waits| self.waiter(io, *waits, polls));
        let waiters: Vec<Waiter> = waiters.collect::<Option<_>>()?;
        // Its waker stays behind.
        let is_there = |it: &Waiter| it.task_state != COMPLETE;
        let mut waiters = waiters.into_iter().filter(is_there);
        let waiter = waiters.next();
        Some(Side {
            state: match (&waiter, side.is_ready) {
                (Some(_), _) => State::Parked,
                (None, true) => State::Ready,
                (None, false) => State::Nil,
            },
            deadline_ns: 0,
            waiter,
            others: waiters.collect(),
        })
    }

    fn waiter(&self, io: &ScheduledIo, waits: Waits, polls: &str) -> Option<Waiter> {
        let mut hasher = DefaultHasher::new();
        (waits.waker, waits.place, io.tick).hash(&mut hasher);
        let reason = match waits.place {
            None => polls,
            Some(_) => IN_THE_LIST,
        };
        let known = self.wakes.borrow().get(&waits.waker.vtable).cloned();
        let wakes = match known {
            Some(known) => known,
            None => {
                let wakes = wakes(&self.memory, &self.code, waits.waker)?;
                let mut known = self.wakes.borrow_mut();
                // Without names it may be a task that changed while it was looked at.
                if known.len() < MOST_KINDS && wakes != Wakes::Somebody {
                    known.insert(waits.waker.vtable, wakes.clone());
                }
                wakes
            }
        };
        let place = waits.place.map(|address| Place {
            address,
            of: io.address,
        });
        let mut waiter = match wakes {
            Wakes::Other(name) => Waiter {
                task: name.to_owned(),
                ..self.blocked(place)?
            },
            Wakes::Somebody => Waiter {
                task: SOMEBODY.to_owned(),
                ..Waiter::default()
            },
            Wakes::Task => {
                let (task, stack) = self.stable(waits.waker.data, place)?;
                task.fingerprint().hash(&mut hasher);
                self.of_task(&task, stack)
            }
        };
        waiter.reason = reason.to_owned();
        waiter.fingerprint = hasher.finish();
        Some(waiter)
    }

    /// What is told of a task.
    fn of_task(&self, task: &Task, stack: Stack) -> Waiter {
        let future = self.code.future(task.kind.poll);
        let future = future.as_deref();
        let spawned = || Some((LineKind::Started, task.spawned(&self.memory)?));
        let written = || Some((LineKind::Written, C::written(future?)?.to_owned()));
        Waiter {
            task: task.id.to_string(),
            task_id: task.id,
            task_state: task.head.state(),
            future: future
                .map_or("", |it| called(C::type_of(it), &stack))
                .to_owned(),
            nearest: nearest(&stack, || spawned().or_else(written)),
            stack: Arc::new(stack),
            ..Waiter::default()
        }
    }

    /// What is told of a thread in `block_on`, if that is the same twice.
    fn blocked(&self, place: Option<Place>) -> Option<Waiter> {
        let read = || {
            let (future, stack) = self.code.blocked(&self.memory, place?, &self.stacks)?;
            Some(Waiter {
                future: C::type_of(&future).to_owned(),
                nearest: nearest(&stack, || {
                    let written = C::written(&future)?.to_owned();
                    Some((LineKind::Written, written))
                }),
                stack: Arc::new(stack),
                ..Waiter::default()
            })
        };
        let first = read();
        (read() == first).then(|| first.unwrap_or_default())
    }

    /// A task and what it awaits, if they are the same twice.
    fn stable(&self, header: u64, place: Option<Place>) -> Option<(Task, Stack)> {
        let read = || {
            let task = self.task(header)?;
            let future = self.code.future(task.kind.poll);
            let memory = Copied {
                memory: &self.memory,
                start: header,
                bytes: &task.bytes,
            };
            let at = future.as_deref().and_then(|future| {
                let (size, alignment) = C::layout(future)?;
                Some((future, task.future(size, alignment)?))
            });
            let stack = at.map(|(future, at)| self.code.awaits(&memory, future, at, place));
            let stack = stack.unwrap_or_default();
            Some((task, stack))
        };
        let first = read()?;
        let scheduler = Scheduler {
            address: first.0.scheduler,
            owner: first.0.head.owner,
        };
        let mut schedulers = self.schedulers.borrow_mut();
        if schedulers.len() < MOST_SCHEDULERS {
            schedulers.insert(scheduler);
        }
        (read()? == first).then_some(first)
    }

    /// Reads the task whose header is there.
    fn task(&self, header: u64) -> Option<Task> {
        let Head { table, .. } = Head::read(&self.memory, header)?;
        let known = self.kinds.borrow().get(&table).copied();
        let kind = match known {
            Some(kind) => kind,
            None => {
                let kind = Kind::of(&self.memory, &self.code, header)?;
                let mut kinds = self.kinds.borrow_mut();
                if kinds.len() < MOST_KINDS {
                    kinds.insert(table, kind);
                }
                kind
            }
        };
        Task::read(&self.memory, kind, header, table)
    }
}

/// Returns the line of the program's own that stands for a stack without one.
fn nearest(
    stack: &Stack,
    otherwise: impl FnOnce() -> Option<(LineKind, String)>,
) -> Option<(LineKind, String)> {
    if stack.own.is_some() {
        return None;
    }
    let within = stack.within.as_ref();
    let within = within.map(|it| (LineKind::Suspended, it.location().to_owned()));
    within.or_else(otherwise)
}

/// Returns what a future of this type is called: of one in a box, by what is there.
fn called<'a>(name: &'a str, stack: &'a Stack) -> &'a str {
    match stack.calls.last() {
        Some(boxed) if name.contains("dyn ") => &boxed.function,
        _ => name,
    }
}

#[cfg(test)]
mod tests;
