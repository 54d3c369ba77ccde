//! The units of a program's debug information, the tables of abbreviations that they use, and how
//! much of it all is looked at.
//!
//! Whoever runs a program chooses what is in its file. So nothing here takes longer, or more room,
//! than a file of an honest size: sections that are larger are not read, and all that is looked at
//! is counted.

use std::cell::Cell;
use std::sync::Arc;

use gimli::{Abbreviations, DebugAbbrev, DebugAbbrevOffset, EndianSlice, LittleEndian};

/// Bytes of a section, decompressed; the programs of Kubernetes have some tens of millions.
pub(super) const LARGEST_SECTION: usize = 256 << 20;
/// Entries and their attributes that are looked at.
pub(super) const MOST_WORK: u64 = 1 << 28;
/// Bytes of the abbreviations that one unit uses.
const LARGEST_TABLE: usize = 1 << 20;
/// Units that are looked at.
const MOST_UNITS: usize = 1 << 18;

pub(super) type Slice<'a> = EndianSlice<'a, LittleEndian>;
pub(super) type Header<'a> = gimli::UnitHeader<Slice<'a>>;

/// What may still be looked at.
#[derive(Debug)]
pub(super) struct Work(Cell<u64>);

impl Work {
    pub(super) fn of(most: u64) -> Self {
        Self(Cell::new(most))
    }

    /// Looks at so much more; `None` if that was too much.
    pub(super) fn spend(&self, work: usize) -> Option<()> {
        let left = self.0.get().saturating_sub(work as u64);
        self.0.set(left);
        (left > 0).then_some(())
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// All of them.
pub(super) struct Units<'a> {
    /// In the order of the section.
    headers: Vec<Header<'a>>,
    tables: Tables<'a>,
}

impl<'a> Units<'a> {
    /// Reads where the units are. What cannot be read ends it.
    pub(super) fn read(info: &'a [u8], abbreviations: &'a [u8]) -> Self {
        let (mut headers, mut starts) = (Vec::new(), Vec::new());
        let mut units = gimli::DebugInfo::new(info, LittleEndian).units();
        while let Ok(Some(header)) = units.next() {
            if headers.len() == MOST_UNITS {
                break;
            }
            starts.push(table_of(&header));
            headers.push(header);
        }
        starts.sort_unstable();
        starts.dedup();
        let section = abbreviations;
        let tables = Tables { section, starts };
        Self { headers, tables }
    }

    /// Looks at all units with their tables until one is the last: those that share a table one
    /// after another, so that it is read once.
    pub(super) fn each(&self, mut is_last: impl FnMut(&Header<'a>, &Arc<Abbreviations>) -> bool) {
        let mut order: Vec<&Header<'a>> = self.headers.iter().collect();
        order.sort_by_key(|header| table_of(header));
        let mut table: Option<(usize, Arc<Abbreviations>)> = None;
        for header in order {
            let start = table_of(header);
            if table.as_ref().is_none_or(|(known, _)| *known != start) {
                let read = self.tables.read(start);
                table = read.map(|it| (start, Arc::new(it)));
            }
            if let Some((_, abbreviations)) = &table
                && is_last(header, abbreviations)
            {
                return;
            }
        }
    }

    /// Returns the unit in which this place of the section is.
    pub(super) fn holding(&self, place: usize) -> Option<&Header<'a>> {
        let is_before = |header: &Header<'a>| {
            let start = header.debug_info_offset();
            start.is_some_and(|start| start.0 <= place)
        };
        let index = self.headers.partition_point(is_before).checked_sub(1)?;
        self.headers.get(index)
    }

    /// Reads the table of one unit.
    pub(super) fn table(&self, header: &Header<'a>, work: &Work) -> Option<Abbreviations> {
        let start = table_of(header);
        work.spend(self.tables.bytes(start)?.len())?;
        self.tables.read(start)
    }
}

fn table_of(header: &Header<'_>) -> usize {
    header.debug_abbrev_offset().0
}

/// The tables of abbreviations, none of which reaches into the next one: so to read them all is to
/// read the section once, wherever a file says that they begin.
struct Tables<'a> {
    section: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Tables<'a> {
    fn bytes(&self, start: usize) -> Option<&'a [u8]> {
        let next = self.starts.partition_point(|other| *other <= start);
        let end = self.starts.get(next).copied().unwrap_or(usize::MAX);
        let end = end.min(start.saturating_add(LARGEST_TABLE));
        self.section.get(start..end.min(self.section.len()))
    }

    fn read(&self, start: usize) -> Option<Abbreviations> {
        let table = DebugAbbrev::new(self.bytes(start)?, LittleEndian);
        table.abbreviations(DebugAbbrevOffset(0)).ok()
    }
}
