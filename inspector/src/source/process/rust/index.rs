//! Where in a unit its functions are, and what is within what.

use gimli::{Dwarf, constants};

use super::super::units::{Slice, Work};
use super::unit::Unit;

/// What is remembered of one unit.
const MOST: usize = 1 << 20;
/// Scopes within one another.
const MOST_LEVELS: usize = 64;

/// Places of the section: of functions, and of whatever has a name and others within it.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the address at which they begin.
    functions: Vec<(u64, u32)>,
    /// In the order of the section.
    scopes: Vec<Scope>,
}

#[derive(Debug)]
struct Scope {
    start: u32,
    end: u32,
    /// The scope that it is in.
    outer: Option<u32>,
}

impl Index {
    /// Reads all of a unit. What is damaged ends it.
    pub(super) fn read<'a>(dwarf: &Dwarf<Slice<'a>>, unit: &Unit<'a>, work: &Work) -> Self {
        let mut index = Self::default();
        let mut open = Vec::new();
        let _ = index.fill(dwarf, unit, work, &mut open);
        for (_, scope) in open {
            index.end(scope, u32::MAX);
        }
        index.functions.sort_unstable();
        index
    }

    /// Reads on, with the scopes that are open and how deep they are.
    fn fill<'a>(
        &mut self,
        dwarf: &Dwarf<Slice<'a>>,
        unit: &Unit<'a>,
        work: &Work,
        open: &mut Vec<(isize, u32)>,
    ) -> Option<()> {
        let table = &unit.inner.abbreviations;
        let mut entries = unit.inner.header.entries_raw(table, None).ok()?;
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let place = unit.start.checked_add(entries.next_offset().0)?;
            let place = u32::try_from(place).ok()?;
            while let Some((_, scope)) = open.pop_if(|(it, _)| *it >= depth) {
                self.end(scope, place);
            }
            work.spend(1)?;
            let Some(entry) = entries.read_abbreviation().ok()? else {
                continue;
            };
            let attributes = entry.attributes();
            work.spend(attributes.len())?;
            match entry.tag() {
                constants::DW_TAG_subprogram => {
                    for attribute in attributes {
                        let attribute = entries.read_attribute(*attribute).ok()?;
                        if attribute.name() == constants::DW_AT_low_pc
                            && let Some(address) = unit.address(dwarf, attribute.value())
                            && self.functions.len() < MOST
                        {
                            self.functions.push((address, place));
                        }
                    }
                }
                constants::DW_TAG_namespace
                | constants::DW_TAG_structure_type
                | constants::DW_TAG_union_type
                | constants::DW_TAG_enumeration_type => {
                    entries.skip_attributes(attributes).ok()?;
                    let has_room = self.scopes.len() < MOST && open.len() < MOST_LEVELS;
                    if entry.has_children() && has_room {
                        let scope = u32::try_from(self.scopes.len()).ok()?;
                        self.scopes.push(Scope {
                            start: place,
                            end: u32::MAX,
                            outer: open.last().map(|(_, it)| *it),
                        });
                        open.push((depth, scope));
                    }
                }
                _ => entries.skip_attributes(attributes).ok()?,
            }
        }
        Some(())
    }

    fn end(&mut self, scope: u32, end: u32) {
        let scope = usize::try_from(scope).ok();
        if let Some(scope) = scope.and_then(|it| self.scopes.get_mut(it)) {
            scope.end = end;
        }
    }

    /// Returns how much it remembers.
    pub(super) fn len(&self) -> usize {
        self.functions.len().saturating_add(self.scopes.len())
    }

    /// Returns the functions that begin there.
    pub(super) fn at(&self, address: u64) -> impl Iterator<Item = usize> {
        let first = self.functions.partition_point(|(it, _)| *it < address);
        let these = self.functions.get(first..).unwrap_or_default().iter();
        let these = these.take_while(move |(it, _)| *it == address);
        these.filter_map(|(_, place)| usize::try_from(*place).ok())
    }

    /// Returns what an entry is in, the innermost first.
    pub(super) fn around(&self, place: usize) -> impl Iterator<Item = usize> {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let next = self.scopes.partition_point(|it| it.start < place);
        let mut scope = next.checked_sub(1).and_then(|it| self.scopes.get(it));
        std::iter::from_fn(move || {
            let outer = |it: &Scope| self.scopes.get(usize::try_from(it.outer?).ok()?);
            let mut this = scope?;
            while this.end <= place {
                this = outer(this)?;
            }
            scope = outer(this);
            usize::try_from(this.start).ok()
        })
    }
}
