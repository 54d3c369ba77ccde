//! Entries of debug information, wherever they are, with their names and the lines of which they
//! tell.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gimli::constants::{self, DwTag};
use gimli::{Dwarf, SectionId};

use super::super::image::Image;
use super::super::units::{MOST_WORK, Slice, Units, Work};
use super::index::Index;
use super::sections::Sections;
use super::symbols::Symbols;
use super::text;
use super::unit::{Entry, Unit};

/// What one entry is an instance of, which may be one of another one.
const MOST_ORIGINS: usize = 8;
/// Entries within one that are looked at.
const MOST_CHILDREN: usize = 1 << 14;
/// Bytes of a whole name, and letters of the path of a file.
const LONGEST_NAME: usize = 64 << 10;
const LONGEST_PATH: usize = 4 << 10;
/// What is remembered of units while they are read, units that are open, and where functions are.
const MOST_REMEMBERED: usize = 1 << 22;
const MOST_OPEN: usize = 64;
const MOST_RANGES: usize = 1 << 21;
/// Functions that are found by their names.
const MOST_FOUND: usize = 1 << 16;

/// What was read of a file, and may be read again.
#[derive(Debug)]
pub(super) struct Loaded {
    sections: Sections,
    pub(super) symbols: Symbols,
    work: Work,
    indexes: RefCell<HashMap<usize, Arc<Index>>>,
}

impl Loaded {
    pub(super) fn read(image: &Image) -> Self {
        Self {
            sections: Sections::read(image),
            symbols: Symbols::read(image).unwrap_or_default(),
            work: Work::of(MOST_WORK),
            indexes: RefCell::default(),
        }
    }

    /// Whether that was more than an honest file has.
    pub(super) fn is_spent(&self) -> bool {
        self.work.is_spent()
    }
}

/// Where functions are, by their first addresses, and in which unit.
pub(super) type Ranges = Vec<(u64, u64, usize)>;

/// Debug information while it is read.
pub(super) struct Reader<'a> {
    loaded: &'a Loaded,
    dwarf: Dwarf<Slice<'a>>,
    units: Units<'a>,
    open: RefCell<HashMap<usize, Rc<Unit<'a>>>>,
    /// The files of units, by their numbers there.
    files: RefCell<HashMap<(usize, u64), Option<String>>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(loaded: &'a Loaded) -> Self {
        let bytes = |section| loaded.sections.bytes(section);
        Self {
            loaded,
            dwarf: loaded.sections.dwarf(),
            units: Units::read(bytes(SectionId::DebugInfo), bytes(SectionId::DebugAbbrev)),
            open: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Reads where the functions of all units are.
    pub(super) fn ranges(&self) -> Ranges {
        let (mut ranges, work) = (Ranges::new(), &self.loaded.work);
        self.units.each(|header, table| {
            let unit = Unit::open(&self.dwarf, *header, Arc::clone(table), work);
            if let Some(unit) = unit {
                let _ = unit.ranges(&self.dwarf, work, |start, end| {
                    if start < end {
                        ranges.push((start, end, unit.start));
                    }
                    (ranges.len() < MOST_RANGES).then_some(())
                });
            }
            ranges.len() == MOST_RANGES || work.is_spent()
        });
        ranges.sort_unstable();
        ranges
    }

    /// Returns the functions of a unit that begin at an address.
    pub(super) fn functions_at(&self, unit: usize, address: u64) -> Vec<usize> {
        let index = self.unit(unit).map(|unit| self.index(&unit));
        index.map_or_else(Vec::new, |index| index.at(address).collect())
    }

    /// Finds all functions whose own names begin like this.
    pub(super) fn functions_called(&self, start: &str) -> Vec<usize> {
        let (mut found, work) = (Vec::new(), &self.loaded.work);
        self.units.each(|header, table| {
            let unit = Unit::open(&self.dwarf, *header, Arc::clone(table), work);
            let _ = unit.and_then(|unit| self.of_unit(&unit, start, &mut found));
            found.len() >= MOST_FOUND || work.is_spent()
        });
        found
    }

    fn of_unit(&self, unit: &Unit<'a>, start: &str, found: &mut Vec<usize>) -> Option<()> {
        let table = &unit.inner.abbreviations;
        let mut entries = unit.inner.header.entries_raw(table, None).ok()?;
        while !entries.is_empty() && found.len() < MOST_FOUND {
            let entry = unit.next(&self.dwarf, &mut entries, &self.loaded.work)?;
            let Some(entry) = entry.filter(|it| it.tag == constants::DW_TAG_subprogram) else {
                continue;
            };
            if entry
                .name
                .is_some_and(|it| it.starts_with(start.as_bytes()))
            {
                found.push(entry.place);
            }
        }
        Some(())
    }

    /// Whether the own name of a function begins like this.
    pub(super) fn begins(&self, function: usize, start: &str) -> bool {
        let named = self.origin(function, |it| it.name.is_some());
        let name = named.and_then(|(_, entry)| entry.name);
        name.is_some_and(|it| it.starts_with(start.as_bytes()))
    }

    /// Returns a function and those that were made part of it.
    pub(super) fn itself_and_inlined(&self, function: usize, levels: isize) -> Vec<usize> {
        let tags = [constants::DW_TAG_inlined_subroutine];
        let inlined = self.tree(function, &tags, levels).map(|(_, inside)| inside);
        let inlined = inlined.into_iter().flatten().filter_map(|it| it.origin);
        std::iter::once(function).chain(inlined).collect()
    }

    /// Finds the one of these functions that has this name.
    pub(super) fn called(&self, name: &str, functions: &[usize]) -> Option<usize> {
        let mut functions = functions.iter().copied();
        functions.find(|place| {
            let own = self.entry(*place).and_then(|it| it.name);
            let is_last = |own: &[u8]| name.as_bytes().ends_with(own);
            own.is_some_and(is_last) && self.name(*place).as_deref() == Some(name)
        })
    }

    fn unit(&self, place: usize) -> Option<Rc<Unit<'a>>> {
        let header = self.units.holding(place)?;
        let start = header.debug_info_offset()?.0;
        let mut open = self.open.borrow_mut();
        if let Some(unit) = open.get(&start) {
            return Some(Rc::clone(unit));
        }
        let work = &self.loaded.work;
        let table = Arc::new(self.units.table(header, work)?);
        let unit = Rc::new(Unit::open(&self.dwarf, *header, table, work)?);
        if open.len() == MOST_OPEN {
            open.clear();
        }
        open.insert(start, Rc::clone(&unit));
        Some(unit)
    }

    fn index(&self, unit: &Unit<'a>) -> Arc<Index> {
        let mut indexes = self.loaded.indexes.borrow_mut();
        if let Some(index) = indexes.get(&unit.start) {
            return Arc::clone(index);
        }
        let index = Arc::new(Index::read(&self.dwarf, unit, &self.loaded.work));
        let size: usize = indexes.values().map(|it| it.len()).sum();
        if size > MOST_REMEMBERED {
            indexes.clear();
        }
        indexes.insert(unit.start, Arc::clone(&index));
        index
    }

    /// Reads one entry.
    pub(super) fn entry(&self, place: usize) -> Option<Entry<'a>> {
        let unit = self.unit(place)?;
        unit.next(&self.dwarf, &mut unit.entries(place)?, &self.loaded.work)?
    }

    /// Reads one entry, and those of `tags` within it, no deeper than `levels`.
    pub(super) fn tree(
        &self,
        place: usize,
        tags: &[DwTag],
        levels: isize,
    ) -> Option<(Entry<'a>, Vec<Entry<'a>>)> {
        let unit = self.unit(place)?;
        let mut entries = unit.entries(place)?;
        let work = &self.loaded.work;
        let root = unit.next(&self.dwarf, &mut entries, work)??;
        let mut inside = Vec::new();
        while root.has_children && entries.next_depth() > 0 {
            let Some(entry) = unit.next(&self.dwarf, &mut entries, work)? else {
                continue;
            };
            if entry.depth <= levels && tags.contains(&entry.tag) {
                inside.push(entry);
                if inside.len() == MOST_CHILDREN {
                    return None;
                }
            }
        }
        Some((root, inside))
    }

    /// Reads an entry, or that of which it is an instance, until there is one that is wanted.
    pub(super) fn origin(
        &self,
        mut place: usize,
        is_wanted: impl Fn(&Entry<'a>) -> bool,
    ) -> Option<(usize, Entry<'a>)> {
        for _ in 0..MOST_ORIGINS {
            let entry = self.entry(place)?;
            if is_wanted(&entry) {
                return Some((place, entry));
            }
            place = entry.origin?;
        }
        None
    }

    /// Returns the whole name of a function or a type.
    pub(super) fn name(&self, place: usize) -> Option<String> {
        let (place, entry) = self.origin(place, |it| it.name.is_some())?;
        let index = self.index(&*self.unit(place)?);
        let mut names = vec![str::from_utf8(entry.name?).ok()?];
        // A type that is no structure has its whole name already.
        for outer in index.around(place) {
            names.push(str::from_utf8(self.entry(outer)?.name?).ok()?);
        }
        names.reverse();
        let name = names.join("::");
        (name.len() <= LONGEST_NAME).then_some(name)
    }

    /// Returns "file:line" of what an entry says where it is.
    pub(super) fn location(&self, entry: &Entry<'a>) -> Option<String> {
        let (file, line) = (entry.file?, entry.line?);
        let unit = self.unit(entry.place)?;
        let mut files = self.files.borrow_mut();
        let path = files.entry((unit.start, file));
        let path = path.or_insert_with(|| self.path(&unit, file));
        Some(format!("{}:{line}", path.as_ref()?))
    }

    fn path(&self, unit: &Unit<'a>, file: u64) -> Option<String> {
        let directory = unit.inner.comp_dir;
        let lines = &self.dwarf.debug_line;
        let program = lines.program(unit.lines?, unit.inner.address_size(), directory, None);
        let program = program.ok()?;
        let header = program.header();
        self.loaded.work.spend(header.header_length())?;
        let file = header.file(file)?;
        let said = |value| {
            let text = unit.text(&self.dwarf, value, &self.loaded.work)?;
            str::from_utf8(text).ok()
        };
        let mut path = said(file.path_name())?.to_owned();
        let outer = [
            file.directory(header).map(said),
            directory.map(|it| str::from_utf8(it.slice()).ok()),
        ];
        for outer in outer.into_iter().flatten() {
            if path.starts_with('/') {
                break;
            }
            path = format!("{}/{path}", outer?);
        }
        Some(text::plain(&path, LONGEST_PATH))
    }

    /// Returns the type for which a function was made, by what that is called there.
    pub(super) fn made_for(&self, function: usize, parameter: &str) -> Option<usize> {
        let tags = [constants::DW_TAG_template_type_parameter];
        let is_it = |entry: &Entry<'a>| entry.name == Some(parameter.as_bytes());
        self.within(function, &tags, is_it)?.kind
    }

    /// Returns the type of the first thing that is given to a function.
    pub(super) fn given(&self, function: usize) -> Option<usize> {
        let tags = [constants::DW_TAG_formal_parameter];
        let given = self.within(function, &tags, |_| true)?;
        self.origin(given.place, |it| it.kind.is_some())?.1.kind
    }

    /// Returns the `T` of a type that is `Pin<&mut T>`.
    pub(super) fn pinned(&self, place: usize) -> Option<usize> {
        let (pin, members) = self.tree(place, &[constants::DW_TAG_member], 1)?;
        let [pointer] = members.as_slice() else {
            return None;
        };
        let pointer = self.entry(pointer.kind?)?;
        let is_pin = pin.name?.starts_with(b"Pin<&mut ");
        let is_pointer = pointer.tag == constants::DW_TAG_pointer_type;
        (is_pin && is_pointer).then_some(pointer.kind?)
    }

    /// The first such entry within one, or within that of which it is an instance.
    fn within(
        &self,
        mut place: usize,
        tags: &[DwTag],
        is_it: impl Fn(&Entry<'a>) -> bool,
    ) -> Option<Entry<'a>> {
        for _ in 0..MOST_ORIGINS {
            let (entry, inside) = self.tree(place, tags, 1)?;
            if let Some(found) = inside.into_iter().find(&is_it) {
                return Some(found);
            }
            place = entry.origin?;
        }
        None
    }
}
