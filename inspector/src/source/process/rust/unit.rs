//! One unit of debug information, and its entries.

use std::sync::Arc;

use gimli::constants::{self, DwTag};
use gimli::{
    Abbreviations, AttributeValue, DebugLineOffset, DebugLocListsBase, DebugRngListsBase,
    DebugStrOffsetsBase, Dwarf, EntriesRaw, LittleEndian, UnitOffset,
};

use super::super::units::{Header, Slice, Work};

/// Bytes of a name.
const LONGEST: usize = 64 << 10;
/// Bytes of names that are as much work as an entry.
const OF_NAMES: usize = 16;

type Value<'a> = AttributeValue<Slice<'a>>;

/// A unit that can be read.
pub(super) struct Unit<'a> {
    pub(super) inner: gimli::Unit<Slice<'a>>,
    /// Where in the section it begins.
    pub(super) start: usize,
    /// The table of its lines.
    pub(super) lines: Option<DebugLineOffset>,
    /// The addresses of its functions.
    ranges: Option<Value<'a>>,
    end: Option<Value<'a>>,
}

/// What an entry says.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// Where in the section it is.
    pub(super) place: usize,
    /// How deep it is, counted from the entry at which reading began.
    pub(super) depth: isize,
    pub(super) tag: DwTag,
    pub(super) has_children: bool,
    pub(super) name: Option<&'a [u8]>,
    pub(super) size: Option<u64>,
    pub(super) alignment: Option<u64>,
    /// How far from its beginning a member is.
    pub(super) at: Option<u64>,
    pub(super) file: Option<u64>,
    pub(super) line: Option<u64>,
    /// The entry of which this one is an instance.
    pub(super) origin: Option<usize>,
    pub(super) kind: Option<usize>,
    pub(super) discriminant: Option<usize>,
    /// The discriminant of a variant.
    pub(super) value: Option<u64>,
    /// It says something of the discriminant that is not read here.
    pub(super) has_list: bool,
}

impl<'a> Unit<'a> {
    pub(super) fn open(
        dwarf: &Dwarf<Slice<'a>>,
        header: Header<'a>,
        abbreviations: Arc<Abbreviations>,
        work: &Work,
    ) -> Option<Self> {
        let (encoding, file) = (header.encoding(), dwarf.file_type);
        let mut unit = Self {
            start: header.debug_info_offset()?.0,
            inner: gimli::Unit {
                header,
                abbreviations,
                name: None,
                comp_dir: None,
                low_pc: 0,
                str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(
                    encoding, file,
                ),
                addr_base: gimli::DebugAddrBase(0),
                loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, file),
                rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, file),
                line_program: None,
                dwo_id: None,
            },
            lines: None,
            ranges: None,
            end: None,
        };
        let table = Arc::clone(&unit.inner.abbreviations);
        let mut entries = header.entries_raw(&table, None).ok()?;
        let root = entries.read_abbreviation().ok()??;
        work.spend(root.attributes().len().saturating_add(1))?;
        let (mut low, mut directory) = (None, None);
        for attribute in root.attributes() {
            let attribute = entries.read_attribute(*attribute).ok()?;
            match (attribute.name(), attribute.value()) {
                (constants::DW_AT_low_pc, value) => low = Some(value),
                (constants::DW_AT_high_pc, value) => unit.end = Some(value),
                (constants::DW_AT_ranges, value) => unit.ranges = Some(value),
                (constants::DW_AT_comp_dir, value) => directory = Some(value),
                (constants::DW_AT_stmt_list, AttributeValue::DebugLineRef(offset)) => {
                    unit.lines = Some(offset);
                }
                (constants::DW_AT_str_offsets_base, AttributeValue::DebugStrOffsetsBase(base)) => {
                    unit.inner.str_offsets_base = base
                }
                (constants::DW_AT_addr_base, AttributeValue::DebugAddrBase(base)) => {
                    unit.inner.addr_base = base;
                }
                (constants::DW_AT_rnglists_base, AttributeValue::DebugRngListsBase(base)) => {
                    unit.inner.rnglists_base = base;
                }
                _ => {}
            }
        }
        let low = low.and_then(|it| dwarf.attr_address(&unit.inner, it).ok()?);
        unit.inner.low_pc = low.unwrap_or_default();
        let directory = directory.and_then(|it| unit.text(dwarf, it, work));
        unit.inner.comp_dir = directory.map(|it| Slice::new(it, LittleEndian));
        Some(unit)
    }

    /// Calls `each` with where the functions of it are, until that is none.
    pub(super) fn ranges(
        &self,
        dwarf: &Dwarf<Slice<'a>>,
        work: &Work,
        mut each: impl FnMut(u64, u64) -> Option<()>,
    ) -> Option<()> {
        let Some(ranges) = self.ranges else {
            let low = self.inner.low_pc;
            let high = match self.end? {
                AttributeValue::Addr(address) => address,
                value => low.checked_add(value.udata_value()?)?,
            };
            return each(low, high);
        };
        let mut ranges = dwarf.attr_ranges(&self.inner, ranges).ok()??;
        while let Some(range) = ranges.next().ok()? {
            work.spend(1)?;
            each(range.begin, range.end)?;
        }
        Some(())
    }

    /// Begins to read entries at a place of the section.
    pub(super) fn entries(&self, place: usize) -> Option<EntriesRaw<'_, Slice<'a>>> {
        let offset = Some(UnitOffset(place.checked_sub(self.start)?));
        let table = &self.inner.abbreviations;
        self.inner.header.entries_raw(table, offset).ok()
    }

    /// Reads the next entry, which is none where the children of one end.
    pub(super) fn next(
        &self,
        dwarf: &Dwarf<Slice<'a>>,
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        work: &Work,
    ) -> Option<Option<Entry<'a>>> {
        let (depth, start) = (entries.next_depth(), entries.next_offset().0);
        work.spend(1)?;
        let Some(abbreviation) = entries.read_abbreviation().ok()? else {
            return Some(None);
        };
        let attributes = abbreviation.attributes();
        work.spend(attributes.len())?;
        let mut entry = Entry {
            place: self.start.checked_add(start)?,
            depth,
            tag: abbreviation.tag(),
            has_children: abbreviation.has_children(),
            name: None,
            size: None,
            alignment: None,
            at: None,
            file: None,
            line: None,
            origin: None,
            kind: None,
            discriminant: None,
            value: None,
            has_list: false,
        };
        for attribute in attributes {
            let attribute = entries.read_attribute(*attribute).ok()?;
            let value = attribute.value();
            match attribute.name() {
                constants::DW_AT_name => entry.name = self.text(dwarf, value, work),
                constants::DW_AT_byte_size => entry.size = value.udata_value(),
                constants::DW_AT_alignment => entry.alignment = value.udata_value(),
                constants::DW_AT_data_member_location => entry.at = value.udata_value(),
                constants::DW_AT_decl_file => entry.file = file(value),
                constants::DW_AT_decl_line => entry.line = value.udata_value(),
                constants::DW_AT_abstract_origin | constants::DW_AT_specification => {
                    entry.origin = self.reference(value);
                }
                constants::DW_AT_type => entry.kind = self.reference(value),
                constants::DW_AT_discr => entry.discriminant = self.reference(value),
                constants::DW_AT_discr_value => {
                    entry.value = number(value);
                    entry.has_list |= entry.value.is_none();
                }
                constants::DW_AT_discr_list => entry.has_list = true,
                _ => {}
            }
        }
        let read = entries.next_offset().0.saturating_sub(start);
        work.spend(read / OF_NAMES)?;
        Some(Some(entry))
    }

    /// Reads the address at which a function begins, where that is said so.
    pub(super) fn address(&self, dwarf: &Dwarf<Slice<'a>>, value: Value<'a>) -> Option<u64> {
        dwarf.attr_address(&self.inner, value).ok()?
    }

    /// Reads a string, wherever it is.
    pub(super) fn text(
        &self,
        dwarf: &Dwarf<Slice<'a>>,
        value: Value<'a>,
        work: &Work,
    ) -> Option<&'a [u8]> {
        let of_section = |section: Slice<'a>, offset: usize| section.slice().get(offset..);
        let bytes = match value {
            AttributeValue::String(text) => return (text.len() <= LONGEST).then(|| text.slice()),
            AttributeValue::DebugStrRef(offset) => {
                of_section(*gimli::Section::reader(&dwarf.debug_str), offset.0)
            }
            AttributeValue::DebugLineStrRef(offset) => {
                of_section(*gimli::Section::reader(&dwarf.debug_line_str), offset.0)
            }
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let offset = dwarf.string_offset(&self.inner, index).ok()?;
                of_section(*gimli::Section::reader(&dwarf.debug_str), offset.0)
            }
            _ => None,
        }?;
        let bytes = bytes.get(..bytes.len().min(LONGEST))?;
        let length = memchr::memchr(0, bytes);
        work.spend(length.unwrap_or(LONGEST) / OF_NAMES)?;
        bytes.get(..length?)
    }

    /// Where in the section an entry is that another one names.
    fn reference(&self, value: Value<'_>) -> Option<usize> {
        match value {
            AttributeValue::DebugInfoRef(offset) => Some(offset.0),
            AttributeValue::UnitRef(offset) => self.start.checked_add(offset.0),
            _ => None,
        }
    }
}

fn file(value: Value<'_>) -> Option<u64> {
    match value {
        AttributeValue::FileIndex(index) => Some(index),
        value => value.udata_value(),
    }
}

/// The bits of a number of any kind.
fn number(value: Value<'_>) -> Option<u64> {
    match value {
        AttributeValue::Sdata(number) => Some(number.cast_unsigned()),
        value => value.udata_value(),
    }
}
