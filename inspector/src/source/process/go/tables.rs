//! The tables of functions that are in every Go program (`.gopclntab`): where they are, and what
//! each of them holds.
//!
//! Nothing says in which version they are written but their first word. Up to Go 1.17 they were
//! made in other ways, which are not read.

use std::ops::Range;

use memchr::memmem;

use crate::source::process::image::{Image, Window};
use crate::source::process::memory::{Memory, half, word};

/// Their section, and how it is called in programs that are moved, up to Go 1.25.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;
/// What follows the first byte of either.
const MAGIC: &[u8] = b"\xff\xff\xff\0\0";
const ALIGNMENT: u64 = 8;
const HEADER: usize = 72;
/// As many places are tried, where no section says which, and as many of them told.
const MOST_TRIED: usize = 256;
const MOST_PLACES: usize = 8;
/// The bytes of an entry in the index: where a function begins, and where its record is.
const ENTRY: u64 = 8;
/// The tables count in words of 32 bits.
const LARGEST: u64 = 1 << 32;

/// How they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    Go1_18,
    Go1_20,
}

/// Which tables there are, by their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) format: Format,
    /// The smallest size of an instruction.
    pub(super) quantum: u32,
    /// The number of functions.
    pub(super) count: u64,
    /// The names of functions, each ended by a zero.
    pub(super) names: Range<u64>,
    /// Where the names of files are, by number, for each unit that was compiled.
    pub(super) units: Range<u64>,
    /// The names of files.
    pub(super) files: Range<u64>,
    /// Values by instruction.
    pub(super) values: Range<u64>,
    /// The index, and then the records of functions.
    pub(super) index: u64,
}

/// An entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where the function begins, from where all of the program's text does.
    pub(super) start: u32,
    /// Where its record is, from the index.
    pub(super) record: u32,
}

impl Tables {
    /// Reads what is at an address: `None` if these are no such tables.
    pub(super) fn read(memory: &impl Memory, address: u64) -> Option<Self> {
        let header = memory.bytes(address, HEADER)?;
        let format = match half(&header, 0)? {
            GO_1_18 => Format::Go1_18,
            GO_1_20 => Format::Go1_20,
            _ => return None,
        };
        let [0, 0, quantum @ (1 | 4), 8] = *header.get(4..8)? else {
            return None;
        };
        let place = |field: usize| {
            let offset = word(&header, field)?;
            (offset < LARGEST).then(|| address.checked_add(offset))?
        };
        let (names, units, files) = (place(32)?, place(40)?, place(48)?);
        let (values, index) = (place(56)?, place(64)?);
        let count = word(&header, 8)?;
        let tables = Self {
            format,
            quantum: quantum.into(),
            count,
            names: names..units,
            units: units..files,
            files: files..values,
            values: values..index,
            index,
        };
        let after_header = address.checked_add(HEADER as u64)?;
        let order = [after_header, names, units, files, values, index];
        let is_plausible = order.is_sorted() && (1..LARGEST / ENTRY).contains(&count);
        (is_plausible && tables.is_consistent(memory)?).then_some(tables)
    }

    /// Whether the records of the first function and the last one say what the index says.
    fn is_consistent(&self, memory: &impl Memory) -> Option<bool> {
        let end_of_index = self.place(self.count)?.checked_add(4)?;
        for number in [0, self.count.checked_sub(1)?] {
            let entry = self.entry(memory, number)?;
            let record = self.record(entry)?;
            let start = half(&memory.bytes(record, 4)?, 0)?;
            if record < end_of_index || start != entry.start || start >= self.end(memory)? {
                return Some(false);
            }
        }
        Some(true)
    }

    pub(super) fn entry(&self, memory: &impl Memory, number: u64) -> Option<Entry> {
        let bytes = memory.bytes(self.place(number)?, 8)?;
        Some(Entry {
            start: half(&bytes, 0)?,
            record: half(&bytes, 4)?,
        })
    }

    /// Returns where the last function ends.
    pub(super) fn end(&self, memory: &impl Memory) -> Option<u32> {
        half(&memory.bytes(self.place(self.count)?, 4)?, 0)
    }

    /// Returns the address of a function's record.
    pub(super) fn record(&self, entry: Entry) -> Option<u64> {
        self.index.checked_add(entry.record.into())
    }

    fn place(&self, number: u64) -> Option<u64> {
        self.index.checked_add(number.checked_mul(ENTRY)?)
    }
}

/// Returns where the tables of a program may be, before it is moved to where it runs.
///
/// There are several such places only where no section says which it is, in a program that carries
/// another one. `module::find` tells which is its own.
pub(super) fn find(image: &Image) -> Vec<u64> {
    let mut named = SECTIONS.iter().filter_map(|it| image.section_address(it));
    if let Some(address) = named.find(|it| Tables::read(image, *it).is_some()) {
        return vec![address];
    }
    let (mut tried, mut found) = (0, Vec::new());
    for (address, part) in image.loaded() {
        image.search(part, |window| {
            for offset in places(&window) {
                let behind = offset.saturating_sub(part.offset);
                let Some(place) = address.checked_add(behind) else {
                    continue;
                };
                if !place.is_multiple_of(ALIGNMENT) {
                    continue;
                }
                tried += 1;
                if Tables::read(image, place).is_some() {
                    found.push(place);
                }
                if tried == MOST_TRIED || found.len() == MOST_PLACES {
                    return true;
                }
            }
            false
        });
        if tried == MOST_TRIED || found.len() == MOST_PLACES {
            break;
        }
    }
    found
}

/// Where in the file there is what such tables begin with.
fn places(window: &Window<'_>) -> impl Iterator<Item = u64> {
    let found = memmem::find_iter(window.bytes, MAGIC);
    found.filter_map(|second| {
        let first = second.checked_sub(1)?;
        let header = window.bytes.get(first..)?;
        let is_header = matches!(header, [0xf0 | 0xf1, _, _, _, _, _, 1 | 4, 8, ..]);
        (is_header && window.inside.contains(&first))
            .then(|| window.offset.checked_add(first as u64))?
    })
}

#[cfg(test)]
mod tests;
