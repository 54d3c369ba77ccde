//! The functions of a Go program: which one an instruction is of, and which line.
//!
//! All is read as Go's own `runtime.CallersFrames` reads it, so the answer is what the program
//! itself would say. Each piece is read when it is asked for; what has been found is kept.
//!
//! | file | holds |
//! |---|---|
//! | `bytes` | bytes one after another, a little of them read ahead |
//! | `text` | names, and how Go shows them |
//! | `values` | a value by instruction: its line, its file, the call that was inlined there |
//! | `record` | what is known of one function |

mod bytes;
mod record;
#[cfg(test)]
mod tests;
mod text;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;

use super::tables::Tables;
use crate::source::process::memory::Memory;
use record::{Call, Record};

/// The calls that were inlined one into another, at most.
const MOST_CALLS: usize = 64;
/// What is read of values for one instruction.
const LARGEST_VALUES: usize = 1 << 20;
/// The frames that are kept.
const MOST_KEPT: usize = 4096;
/// This function has the mark of wrappers, and no program is without it. It is of the package
/// `runtime`, which is among the first that are linked.
const A_WRAPPER: &str = "runtime.deferreturn";
const MOST_BEFORE_IT: u64 = 16 << 10;
/// The function that signals seem to call where they interrupt a program, and that to which the
/// first function of a goroutine returns.
const SIGPANIC: &str = "runtime.sigpanic";
const OUTERMOST: &str = "runtime.goexit";

/// One call, on a stack of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) function: String,
    /// Empty if it is not known.
    pub(super) file: String,
    /// 0 if it is not known.
    pub(super) line: u32,
    /// Whether the compiler made it, to call another one: Go leaves these out of a stack that it
    /// shows, unless they panic.
    pub(super) is_wrapper: bool,
}

/// What a function has on the stack while it calls another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// In bytes, without where it returns to if the processor itself puts that there.
    pub(super) size: u32,
    /// It is the one that signals seem to call.
    pub(super) is_sigpanic: bool,
}

/// The functions of a Go program: which one an address is in, and at which line.
#[derive(Debug)]
pub(super) struct Functions<M> {
    memory: M,
    tables: Tables,
    text: u64,
    gofunc: Option<u64>,
    /// The mark of wrappers: each version of Go has another one.
    wrapper: Option<u8>,
    found: RefCell<Found>,
}

/// What has been found, by instruction.
#[derive(Debug, Default)]
struct Found {
    frames: HashMap<u64, Vec<Frame>>,
    count: usize,
    rooms: HashMap<u64, Option<Room>>,
}

impl<M: Memory> Functions<M> {
    /// Opens the tables at the address `tables`.
    ///
    /// `memory` has the program where its file says, before it is moved to where it runs, and so
    /// are all addresses here. Functions count from `text`, and what belongs to them from `gofunc`;
    /// without that, calls that were inlined are not told apart.
    pub(super) fn open(memory: M, tables: u64, text: u64, gofunc: Option<u64>) -> Option<Self> {
        let tables = Tables::read(&memory, tables)?;
        Some(Self {
            wrapper: mark_of_wrappers(&memory, &tables),
            memory,
            tables,
            text,
            gofunc,
            found: RefCell::default(),
        })
    }

    /// Returns what has the program.
    pub(super) fn memory(&self) -> &M {
        &self.memory
    }

    /// Returns the frames at an instruction, innermost first: the calls that were inlined there,
    /// and then the function itself. There is none if no function is there.
    ///
    /// Where a function returns to is the instruction behind the call, which may be of another
    /// line: whoever asks has gone back by one.
    pub(super) fn frames(&self, pc: u64) -> Vec<Frame> {
        if let Some(frames) = self.found.borrow().frames.get(&pc) {
            return frames.clone();
        }
        let frames = self.read(pc).unwrap_or_default();
        self.found.borrow_mut().keep(pc, &frames);
        frames
    }

    /// Whether the processor puts where a function returns to in a register, and the function puts
    /// it on the stack: all do that have no instructions of fewer than four bytes.
    pub(super) fn has_link_register(&self) -> bool {
        self.tables.quantum == 4
    }

    /// Returns what a function has on the stack that goes on at this instruction, or was
    /// interrupted there; `None` if that is not known, and for the one that nobody has called.
    pub(super) fn room(&self, pc: u64) -> Option<Room> {
        if let Some(room) = self.found.borrow().rooms.get(&pc) {
            return *room;
        }
        let room = self.record(pc).and_then(|record| {
            let is_called = |name| record.is_called(&self.memory, &self.tables, name);
            let before = pc.checked_sub(self.text)?;
            let at = before.checked_sub(record.start.into())?;
            let mut left = LARGEST_VALUES;
            let size = record.room(&self.memory, &self.tables, at, &mut left)?;
            let is_sigpanic = is_called(SIGPANIC);
            (!is_called(OUTERMOST)).then_some(Room { size, is_sigpanic })
        });
        let rooms = &mut self.found.borrow_mut().rooms;
        if rooms.len() >= MOST_KEPT {
            rooms.clear();
        }
        rooms.insert(pc, room);
        room
    }

    fn read(&self, pc: u64) -> Option<Vec<Frame>> {
        let record = self.record(pc)?;
        let name = record.name(&self.memory, &self.tables)?;
        let frame = |name: String, id: u8, (file, line): (String, u32)| Frame {
            function: name,
            file,
            line,
            is_wrapper: self.wrapper == Some(id),
        };
        let mut left = LARGEST_VALUES;
        let mut frames = Vec::new();
        // Where the call was, from the start of the function.
        let mut at = pc
            .checked_sub(self.text)?
            .checked_sub(record.start.into())?;
        while frames.len() < MOST_CALLS {
            let position = record.position(&self.memory, &self.tables, at, &mut left);
            match self.inlined(&record, at, &mut left) {
                Some(call) => {
                    frames.push(frame(call.name, call.id, position));
                    at = call.parent.into();
                }
                None => {
                    frames.push(frame(name, record.id, position));
                    return Some(frames);
                }
            }
        }
        // It does not end: these were no calls.
        Some(vec![frame(name, record.id, Default::default())])
    }

    /// Finds the function: the last one in the index that begins no later.
    fn record(&self, pc: u64) -> Option<Record> {
        let offset = u32::try_from(pc.checked_sub(self.text)?).ok()?;
        if offset >= self.tables.end(&self.memory)? {
            return None;
        }
        let (mut low, mut high) = (0, self.tables.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.tables.entry(&self.memory, middle)?.start <= offset {
                true => low = middle.checked_add(1)?,
                false => high = middle,
            }
        }
        let entry = self.tables.entry(&self.memory, low.checked_sub(1)?)?;
        let record = Record::read(&self.memory, &self.tables, entry)?;
        (record.start == entry.start).then_some(record)
    }

    fn inlined(&self, record: &Record, at: u64, left: &mut usize) -> Option<Call> {
        record.inlined(&self.memory, &self.tables, self.gofunc?, at, left)
    }
}

impl Found {
    fn keep(&mut self, pc: u64, frames: &[Frame]) {
        let count = frames.len().max(1);
        if self.count + count > MOST_KEPT {
            *self = Self::default();
        }
        self.count += count;
        self.frames.insert(pc, frames.to_vec());
    }
}

/// Finds how wrappers are marked in this program.
fn mark_of_wrappers(memory: &impl Memory, tables: &Tables) -> Option<u8> {
    (0..tables.count.min(MOST_BEFORE_IT)).find_map(|number| {
        let entry = tables.entry(memory, number)?;
        let record = Record::read(memory, tables, entry)?;
        let is_it = record.id != 0 && record.is_called(memory, tables, A_WRAPPER);
        is_it.then_some(record.id)
    })
}
