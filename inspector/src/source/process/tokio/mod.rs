//! The network driver of tokio, read in the memory of a program that uses it.
//!
//! The word with which tokio registers a descriptor is the address of its `ScheduledIo`, which has
//! the wakers of those who wait; nearly all of these are tasks, which say what they do and which
//! future they poll.
//!
//! | file | holds |
//! |---|---|
//! | `scheduled_io` | one descriptor |
//! | `waker` | whom a waker wakes |
//! | `task`, `owned` | one task, and all tasks of a scheduler |
//! | `code`, `program` | what the executable tells of its functions and futures |
//! | `reader` | what is told of a row, read until it is the same twice |

mod code;
#[cfg(any(test, fuzzing))]
pub(super) mod lies;
#[cfg(any(test, fuzzing))]
mod made;
mod owned;
mod program;
mod reader;
mod scheduled_io;
mod task;
mod waker;

use std::collections::HashMap;
use std::fs::File;

use self::program::Code;
use self::reader::Reader;
use super::auxv;
use super::facts::Facts;
use super::kept::{Kept, Reading, Registration};
use super::memory::Process;

/// The oldest release whose structures are known.
const OLDEST: (u32, u32) = (1, 40);

/// What cannot be told of the tasks of a program that was built so.
const NO_FUTURES: &str = "the futures of its tasks and the lines at which they wait: it was built without the debug \
                          information that tells them (`debug = 2` in its profile of Cargo)";
const NO_LINES: &str = "the lines at which its tasks wait: they take all debug information (`debug = 2` in its profile \
                        of Cargo)";

/// Bytes of memory that one look may read.
const LARGEST_LOOK: u64 = 1 << 30;

/// A program of tokio that runs.
pub(super) struct Tokio {
    reader: Reader<Process, Code>,
}

/// Whether it is a version of which it is not known what it keeps.
fn is_older(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|it| it.parse::<u32>().ok());
    let version = numbers.next().zip(numbers.next());
    version.is_some_and(|it| it < OLDEST)
}

/// Returns what is not known of any of the tasks that wait, though there are some.
fn unknown(rows: &HashMap<Registration, Kept>) -> Option<&'static str> {
    let rows = rows.values().filter_map(|kept| match kept {
        Kept::Row(row) => Some(row),
        Kept::Torn => None,
    });
    let waiters = rows.flat_map(|row| [&row.read.waiter, &row.write.waiter]);
    let tasks: Vec<_> = waiters.flatten().filter(|it| it.task_id != 0).collect();
    if tasks.is_empty() {
        return None;
    }
    if tasks.iter().all(|it| it.future.is_empty()) {
        return Some(NO_FUTURES);
    }
    let is_lineless = tasks.iter().all(|it| it.stack.calls.is_empty());
    is_lineless.then_some(NO_LINES)
}

impl Tokio {
    /// Finds out where everything is. The error says why that cannot be known.
    pub(super) fn open(pid: u32, version: &str) -> Result<Self, String> {
        if is_older(version) {
            let (major, minor) = OLDEST;
            return Err(format!(
                "its tasks: what tokio {version} keeps of them is not known here, {major}.{minor} is the oldest that is"
            ));
        }
        let refused = |error| format!("its tasks: {}", super::access::memory(pid, &error));
        let memory = Process::open(pid).map_err(refused)?;
        let gone = || "its tasks: its executable cannot be read".to_owned();
        let file = File::open(format!("/proc/{pid}/exe")).map_err(|_| gone())?;
        let entry = auxv::entry(pid);
        let entry =
            entry.ok_or_else(|| "its tasks: where it was loaded is not known".to_owned())?;
        let code = Code::open(pid, file, |image| entry.wrapping_sub(image.entry()));
        Ok(Self {
            reader: Reader::new(memory, code.ok_or_else(gone)?),
        })
    }

    /// Reads what is kept of what is registered.
    pub(super) fn read(&mut self, facts: &Facts) -> Reading {
        self.reader.memory.allow(LARGEST_LOOK);
        let stacks = facts.threads.iter().filter_map(|it| it.stack);
        self.reader.stacks = stacks.collect();
        let mut reading = Reading::default();
        for (set, registered) in &facts.sets {
            for it in registered {
                if let Some(kept) = self.reader.row(it.data) {
                    reading.rows.insert((*set, it.fd, it.data), kept);
                }
            }
            if let Some((tasks, is_whole)) = self.reader.tasks() {
                reading.tasks.insert(*set, tasks);
                if !is_whole {
                    let cut = "some tasks, which could not be counted";
                    reading.missing.push(cut.to_owned());
                }
            }
        }
        reading
            .missing
            .extend(unknown(&reading.rows).map(str::to_owned));
        self.reader.code.rest();
        if self.reader.memory.is_spent() {
            let spent = format!("its memory beyond {} MiB a look", LARGEST_LOOK >> 20);
            reading.missing.push(spent);
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_proto::v1::State;

    use super::super::kept::{Call, Stack, Waiter, made};
    use super::*;

    #[test]
    fn releases_before_the_oldest_that_is_known_are_refused() {
        for version in ["1.39.9", "1.24.2", "0.2.25", "1.4.0"] {
            assert!(is_older(version), "{version}");
            let refused = Tokio::open(std::process::id(), version).err();
            assert!(refused.is_some_and(|it| it.contains(version) && it.contains("1.40")));
        }
        for version in ["1.40.0", "1.54.1", "1.100.0", "2.0.0", "", "1.x"] {
            assert!(!is_older(version), "{version}");
        }
    }

    #[test]
    fn what_a_program_was_built_without_is_told_once_if_tasks_wait() {
        let told = |waiter: Option<Waiter>| {
            let read = waiter.map_or_else(|| made::side(State::Nil), made::waits);
            let row = made::row(0, read);
            let row = Kept::Row(Box::new(row));
            unknown(&HashMap::from([((3, 6, 7), row), ((3, 7, 8), Kept::Torn)]))
        };
        let task = |future: &str, calls| Waiter {
            task_id: 7,
            future: future.to_owned(),
            stack: Arc::new(Stack {
                calls,
                ..Stack::default()
            }),
            ..Waiter::default()
        };
        let call = || Call {
            function: "serve".to_owned(),
            location: "src/serve.rs:3".to_owned(),
        };
        assert_eq!(told(Some(task("", Vec::new()))), Some(NO_FUTURES));
        assert_eq!(told(Some(task("serve", Vec::new()))), Some(NO_LINES));
        assert_eq!(told(Some(task("serve", vec![call()]))), None);
        assert_eq!(told(Some(Waiter::default())), None, "it is no task");
        assert_eq!(told(None), None);
    }
}
