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
#[cfg(test)]
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
use super::facts::Registered;
use super::kept::Reading;
use super::memory::Process;

/// Bytes of memory that one look may read.
const LARGEST_LOOK: u64 = 1 << 30;

/// A program of tokio that runs.
pub(super) struct Tokio {
    reader: Reader<Process, Code>,
}

impl Tokio {
    /// Finds out where everything is. The error says why that cannot be known.
    pub(super) fn open(pid: u32) -> Result<Self, String> {
        let refused = |error| format!("its tasks: {}", super::access::memory(pid, &error));
        let memory = Process::open(pid).map_err(refused)?;
        let gone = || "its tasks: its executable cannot be read".to_owned();
        let file = File::open(format!("/proc/{pid}/exe")).map_err(|_| gone())?;
        let entry = auxv::entry(pid);
        let entry =
            entry.ok_or_else(|| "its tasks: where it was loaded is not known".to_owned())?;
        let code = Code::open(file, |image| entry.wrapping_sub(image.entry()));
        Ok(Self {
            reader: Reader::new(memory, code.ok_or_else(gone)?),
        })
    }

    /// Reads what is kept of these registrations.
    pub(super) fn read(&mut self, sets: &HashMap<i32, Vec<Registered>>) -> Reading {
        self.reader.memory.allow(LARGEST_LOOK);
        let mut reading = Reading::default();
        for (set, registered) in sets {
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
        self.reader.code.rest();
        if self.reader.memory.is_spent() {
            let spent = format!("its memory beyond {} MiB a look", LARGEST_LOOK >> 20);
            reading.missing.push(spent);
        }
        reading
    }
}
