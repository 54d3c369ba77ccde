//! The network poller of Go's own runtime, read in the memory of a program.
//!
//! The word with which Go registers a descriptor says where its `runtime.pollDesc` is, and that who
//! waits for it: a goroutine, whose stack says at which line. Where all of this is, differs from
//! release to release, and is known of each (`layouts`).
//!
//! | file | holds |
//! |---|---|
//! | `layout`, `layouts`, `release`, `debug_info` | where each release, or the program itself, keeps what is read |
//! | `poll_desc` | one descriptor |
//! | `goroutine`, `stack` | one goroutine that waits, and its stack |
//! | `all` | all goroutines, counted |
//! | `functions`, `tables`, `module` | the names and lines of calls |
//! | `reader` | what is told of a row, read until it is the same twice |

mod all;
mod debug_info;
mod functions;
mod goroutine;
mod layout;
mod layouts;
#[cfg(any(test, fuzzing))]
pub(super) mod lies;
#[cfg(test)]
mod made;
mod module;
mod poll_desc;
mod reader;
mod release;
mod stack;
mod tables;

use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;

use self::functions::Functions;
use self::layout::Layout;
use self::reader::Reader;
use super::auxv;
use super::facts::Registered;
use super::image::{Image, LARGEST_READ};
use super::kept::{Kept, Reading, Tasks};
use super::memory::{Memory, Process};

/// Bytes of memory that one look may read, and bytes of the executable.
const LARGEST_LOOK: u64 = 1 << 30;
/// Goroutines that are remembered, by which the list of all is found.
const MOST_KNOWN: usize = 64;

/// A program of Go that runs.
pub(super) struct Go {
    reader: Reader<Process, Image>,
    /// Its clock is another one than ours (time_namespaces(7)), by which its deadlines go.
    has_other_clock: bool,
}

impl Go {
    /// Finds out where everything is. The error says why that cannot be known.
    pub(super) fn open(pid: u32, version: &str) -> Result<Self, String> {
        let executable = || File::open(format!("/proc/{pid}/exe")).ok();
        // What the table does not have, the program may tell itself; to read that takes longer.
        let layout = Layout::of(version).cloned();
        let layout = layout.or_else(|| Layout::of_debug_info(executable()?));
        let layout = layout.ok_or_else(|| match version {
            "" => "its goroutines: it does not tell of which version of Go it is".to_owned(),
            version => format!(
                "its goroutines: where Go {version} keeps them is not known here, and the program \
                 has no debug information that tells"
            ),
        })?;
        let refused = |error| format!("its goroutines: {}", super::access::memory(pid, &error));
        let memory = Process::open(pid).map_err(refused)?;
        let gone = || "its goroutines: its executable cannot be read".to_owned();
        let file = executable().ok_or_else(gone)?;
        let image = Image::open(file, LARGEST_READ).ok_or_else(gone)?;
        let bias = auxv::entry(pid).map(|entry| entry.wrapping_sub(image.entry()));
        let bias =
            bias.ok_or_else(|| "its goroutines: where it was loaded is not known".to_owned())?;
        memory.allow(LARGEST_LOOK);
        let clock = |whose: &str| fs::read_link(format!("/proc/{whose}/ns/time")).ok();
        let clocks = clock("self").zip(clock(&pid.to_string()));
        Ok(Self {
            reader: open(memory, image, layout, bias),
            has_other_clock: clocks.is_some_and(|(ours, its)| ours != its),
        })
    }

    /// Reads what is kept of these registrations.
    pub(super) fn read(&mut self, sets: &HashMap<i32, Vec<Registered>>) -> Reading {
        self.reader.memory.allow(LARGEST_LOOK);
        let program = self.reader.program();
        program.inspect(|it| it.allow(LARGEST_READ));
        let mut reading = Reading::default();
        let (mut known, mut own_set) = (Vec::new(), None);
        for (set, registered) in sets {
            for it in registered {
                let Some(mut kept) = self.reader.row(it.fd, it.data) else {
                    continue;
                };
                if let Kept::Row(row) = &mut kept {
                    own_set = Some(*set);
                    if self.has_other_clock {
                        (row.read.deadline_ns, row.write.deadline_ns) = (0, 0);
                    }
                }
                if known.len() < MOST_KNOWN {
                    known.extend(self.reader.waiting(it.fd, it.data));
                }
                reading.rows.insert((*set, it.fd, it.data), kept);
            }
        }
        let tasks = own_set.and_then(|set| Some((set, self.reader.tasks(&known)?)));
        if let Some((set, (tasks, is_cut))) = tasks {
            let tasks = Tasks {
                counted: tasks,
                running: Vec::new(),
            };
            reading.tasks.insert(set, tasks);
            if is_cut {
                let cut = "some goroutines, which could not be counted";
                reading.missing.push(cut.to_owned());
            }
        }
        if self.has_other_clock {
            let deadlines = "its deadlines: it is in another time namespace";
            reading.missing.push(deadlines.to_owned());
        }
        if self.reader.program().is_none() {
            let lines =
                "the lines of its goroutines: it has no tables of functions that are known here";
            reading.missing.push(lines.to_owned());
        }
        if self.reader.memory.is_spent() {
            let spent = format!("its memory beyond {} MiB a look", LARGEST_LOOK >> 20);
            reading.missing.push(spent);
        }
        reading
    }
}

/// Finds out where everything is in the memory of a program that was moved by `bias`.
fn open<M: Memory>(memory: M, image: Image, layout: Layout, bias: u64) -> Reader<M, Image> {
    let variables = image.variables_in_memory();
    // Some programs carry the tables of another one.
    let known = tables::find(&image).into_iter().find_map(|tables| {
        let module = module::find(&memory, &variables, tables, bias, &layout.module)?;
        Some((tables, module))
    });
    let functions = known.and_then(|(tables, module)| {
        let functions = Functions::open(image, tables, module.text, Some(module.gofunc))?;
        Some((functions, bias))
    });
    let moved = |range: Range<u64>| range.start.wrapping_add(bias)..range.end.wrapping_add(bias);
    let variables = variables.into_iter().map(moved).collect();
    Reader::new(memory, layout, functions, variables)
}

#[cfg(test)]
mod tests;
