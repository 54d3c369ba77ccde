//! What is known of one function (`_func`), and of the calls that were inlined into it
//! (`inlinedCall`).
//!
//! | bytes, up to Go 1.19 | since 1.20 | hold |
//! |---|---|---|
//! | 0 | 0 | where it begins |
//! | 4 | 4 | its name |
//! | 16, 20, 24 | 16, 20, 24 | values by instruction: what is on the stack, the file, the line |
//! | 28 | 28 | the number of further such tables, which follow the record |
//! | 32 | 32 | the first file of its unit |
//! | 36, 39 | 40, 43 | its mark, and the number of further data |
//! | 40 | 44 | in all |
//!
//! | bytes, up to Go 1.19 | since 1.20 | hold |
//! |---|---|---|
//! | 2 | 0 | the mark of the function that is called |
//! | 12 | 4 | its name |
//! | 16 | 8 | an instruction that is at the line of the call |
//! | 20 | 16 | in all |

use super::super::tables::{Entry, Format, Tables};
use super::{text, values};
use crate::source::process::memory::{Memory, half};

/// Which of the further tables and data are about calls that were inlined.
const INLINED: u32 = 2;
const CALLS: u8 = 3;
/// Where there is no such thing.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Record {
    /// Where it begins, from where all text does.
    pub(super) start: u32,
    pub(super) id: u8,
    name: u32,
    room: u32,
    file: u32,
    line: u32,
    unit: u32,
    tables: u32,
    data: u8,
    /// Where its tables and data are.
    rest: u64,
}

/// A call that was inlined.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) id: u8,
    /// Where it was made, from the start of the function it was inlined into.
    pub(super) parent: u32,
}

impl Record {
    pub(super) fn read(memory: &impl Memory, tables: &Tables, entry: Entry) -> Option<Self> {
        let (size, id, data) = match tables.format {
            Format::Go1_18 => (40, 36, 39),
            Format::Go1_20 => (44, 40, 43),
        };
        let address = tables.record(entry)?;
        let bytes = memory.bytes(address, size)?;
        Some(Self {
            start: half(&bytes, 0)?,
            id: *bytes.get(id)?,
            name: half(&bytes, 4)?,
            room: half(&bytes, 16)?,
            file: half(&bytes, 20)?,
            line: half(&bytes, 24)?,
            unit: half(&bytes, 32)?,
            tables: half(&bytes, 28)?,
            data: *bytes.get(data)?,
            rest: address.checked_add(size as u64)?,
        })
    }

    pub(super) fn name(&self, memory: &impl Memory, tables: &Tables) -> Option<String> {
        name(memory, tables, self.name)
    }

    pub(super) fn is_called(&self, memory: &impl Memory, tables: &Tables, name: &str) -> bool {
        text::is(memory, &tables.names, self.name, name)
    }

    /// Returns how many bytes it has on the stack at the instruction at `at`.
    pub(super) fn room(
        &self,
        memory: &impl Memory,
        tables: &Tables,
        at: u64,
        left: &mut usize,
    ) -> Option<u32> {
        values::find(memory, &tables.values, self.room, tables.quantum, at, left)
    }

    /// Returns the file and the line of the instruction at `at`, as far as they are known.
    pub(super) fn position(
        &self,
        memory: &impl Memory,
        tables: &Tables,
        at: u64,
        left: &mut usize,
    ) -> (String, u32) {
        let mut value =
            |start| values::find(memory, &tables.values, start, tables.quantum, at, left);
        let (file, line) = (value(self.file), value(self.line));
        let file = file.and_then(|number| {
            let number = u64::from(self.unit).checked_add(number.into())?;
            let place = tables.units.start.checked_add(number.checked_mul(4)?)?;
            let name = match tables.units.contains(&place) {
                true => half(&memory.bytes(place, 4)?, 0)?,
                false => NONE,
            };
            (name != NONE).then(|| text::read(memory, &tables.files, name))?
        });
        match (file, line) {
            (Some(file), Some(line)) => (text::cut(file), line),
            _ => Default::default(),
        }
    }

    /// Returns the innermost call that was inlined at `at`; the data of calls count from `gofunc`.
    pub(super) fn inlined(
        &self,
        memory: &impl Memory,
        tables: &Tables,
        gofunc: u64,
        at: u64,
        left: &mut usize,
    ) -> Option<Call> {
        if self.tables <= INLINED || self.data <= CALLS {
            return None;
        }
        let further = |number: u64| {
            let place = self.rest.checked_add(number.checked_mul(4)?)?;
            half(&memory.bytes(place, 4)?, 0)
        };
        let calls = further(u64::from(self.tables).checked_add(CALLS.into())?)?;
        if calls == NONE {
            return None;
        }
        let start = further(INLINED.into())?;
        let number = values::find(memory, &tables.values, start, tables.quantum, at, left)?;
        let (size, id, callee, parent) = match tables.format {
            Format::Go1_18 => (20, 2, 12, 16),
            Format::Go1_20 => (16, 0, 4, 8),
        };
        let calls = gofunc.checked_add(calls.into())?;
        let call = calls.checked_add(u64::from(number).checked_mul(size)?)?;
        let bytes = memory.bytes(call, usize::try_from(size).ok()?)?;
        Some(Call {
            name: name(memory, tables, half(&bytes, callee)?)?,
            id: *bytes.get(id)?,
            parent: half(&bytes, parent)?,
        })
    }
}

fn name(memory: &impl Memory, tables: &Tables, offset: u32) -> Option<String> {
    let name = text::read(memory, &tables.names, offset)?;
    Some(text::cut(text::shown(&name)))
}
