//! What the debug information of a program says of its structures and variables: DWARF, as
//! compilers write it into the program's own file.
//!
//! Whoever runs a program chooses what is in its file. So all that is looked at is counted
//! (`units`), and what is larger than an honest program has it is not taken.

use std::collections::BTreeMap;

use gimli::constants;
use gimli::{Abbreviations, AttributeValue, EntriesRaw, Operation, UnitOffset};

use super::image::Image;
use super::units::{LARGEST_SECTION, MOST_WORK, Slice, Units, Work};

/// Members of a structure, and bytes of the name of one.
const MOST_MEMBERS: usize = 1024;
const LONGEST_NAME: usize = 256;
/// Bytes of a structure, and of a variable.
const LARGEST_SIZE: u64 = 64 << 10;

type Unit<'a> = super::units::Header<'a>;
type Value<'a> = AttributeValue<Slice<'a>>;

/// A structure: how large it is, and where its members are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) size: usize,
    members: BTreeMap<Vec<u8>, usize>,
}

impl Structure {
    /// Returns how many bytes from its beginning a member is. That lies within the structure.
    pub(super) fn offset(&self, member: &str) -> Option<usize> {
        let offset = self.members.get(member.as_bytes()).copied()?;
        (offset < self.size).then_some(offset)
    }
}

/// A variable that is at one place as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable {
    /// The address of the file, before the program is moved to where it runs.
    pub(super) address: u64,
    pub(super) size: usize,
}

/// Finds these structures and variables, by their names at the top of a unit; `None` if one of them
/// is not there.
pub(super) fn find<const S: usize, const V: usize>(
    image: &Image,
    structures: [&str; S],
    variables: [&str; V],
) -> Option<([Structure; S], [Variable; V])> {
    find_within(image, structures, variables, MOST_WORK)
}

fn find_within<const S: usize, const V: usize>(
    image: &Image,
    structures: [&str; S],
    variables: [&str; V],
    work: u64,
) -> Option<([Structure; S], [Variable; V])> {
    let abbreviations = image.debug_section(".debug_abbrev", LARGEST_SECTION)?;
    let info = image.debug_section(".debug_info", LARGEST_SECTION)?;
    let units = Units::read(&info, &abbreviations);
    let mut search = Search {
        work: Work::of(work),
        structures: structures.map(|name| (name, None)),
        variables: variables.map(|name| (name, None)),
    };
    units.each(|unit, abbreviations| {
        // What is damaged ends the unit.
        let _ = search.read_unit(unit, abbreviations);
        search.is_done()
    });
    let found = search.variables.map(|(_, found)| found);
    let found = found.map(|found| search.variable(&units, found?));
    Some((
        all(search.structures.map(|(_, structure)| structure))?,
        all(found)?,
    ))
}

/// All of them, or none.
fn all<T, const N: usize>(these: [Option<T>; N]) -> Option<[T; N]> {
    let these: Option<Vec<T>> = these.into_iter().collect();
    these?.try_into().ok()
}

/// A variable whose type is not looked at yet.
#[derive(Debug, Clone, Copy)]
struct Found {
    address: u64,
    /// Where in the section its type is.
    kind: usize,
}

/// A search that goes on.
struct Search<'n, const S: usize, const V: usize> {
    work: Work,
    structures: [(&'n str, Option<Structure>); S],
    variables: [(&'n str, Option<Found>); V],
}

impl<const S: usize, const V: usize> Search<'_, S, V> {
    fn is_done(&self) -> bool {
        let has_structures = self.structures.iter().all(|(_, it)| it.is_some());
        has_structures && self.variables.iter().all(|(_, it)| it.is_some()) || self.work.is_spent()
    }

    fn read_unit(&mut self, unit: &Unit<'_>, abbreviations: &Abbreviations) -> Option<()> {
        let mut entries = unit.entries_raw(abbreviations, None).ok()?;
        while !entries.is_empty() && !self.is_done() {
            let is_at_the_top = entries.next_depth() == 1;
            self.work.spend(1);
            let Some(entry) = entries.read_abbreviation().ok()? else {
                continue;
            };
            let attributes = entry.attributes();
            self.work.spend(attributes.len());
            match entry.tag() {
                constants::DW_TAG_structure_type if is_at_the_top => {
                    let said = Said::read(&mut entries, unit, attributes)?;
                    let wanted = wanted(&mut self.structures, &said);
                    if let (Some(wanted), Some(size), true) =
                        (wanted, said.size, entry.has_children())
                    {
                        let members = members(&mut entries, unit, &self.work)?;
                        *wanted = Some(Structure { size, members });
                    }
                }
                constants::DW_TAG_variable if is_at_the_top => {
                    let said = Said::read(&mut entries, unit, attributes)?;
                    let wanted = wanted(&mut self.variables, &said);
                    if let (Some(wanted), Some(address), Some(kind)) =
                        (wanted, said.address, said.kind)
                    {
                        *wanted = Some(Found { address, kind });
                    }
                }
                _ => entries.skip_attributes(attributes).ok()?,
            }
        }
        Some(())
    }

    /// Reads how large a variable is, by its type.
    fn variable(&self, units: &Units<'_>, found: Found) -> Option<Variable> {
        let unit = units.holding(found.kind)?;
        let offset = found.kind.checked_sub(unit.debug_info_offset()?.0)?;
        let abbreviations = units.table(unit, &self.work)?;
        let offset = Some(UnitOffset(offset));
        let mut entries = unit.entries_raw(&abbreviations, offset).ok()?;
        let entry = entries.read_abbreviation().ok()??;
        let said = Said::read(&mut entries, unit, entry.attributes())?;
        Some(Variable {
            address: found.address,
            size: said.size?,
        })
    }
}

/// The place for what has this name, if that is wanted and not known yet.
fn wanted<'w, T>(these: &'w mut [(&str, Option<T>)], said: &Said<'_>) -> Option<&'w mut Option<T>> {
    let name = said.name?;
    let mut these = these.iter_mut();
    let (_, place) = these.find(|(wanted, _)| wanted.as_bytes() == name)?;
    place.is_none().then_some(place)
}

/// Reads the members of a structure that has begun.
fn members<'a>(
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    unit: &Unit<'a>,
    work: &Work,
) -> Option<BTreeMap<Vec<u8>, usize>> {
    let mut members = BTreeMap::new();
    let depth = entries.next_depth();
    while entries.next_depth() >= depth && !work.is_spent() {
        let is_member = entries.next_depth() == depth;
        work.spend(1);
        let Some(entry) = entries.read_abbreviation().ok()? else {
            continue;
        };
        let attributes = entry.attributes();
        work.spend(attributes.len());
        if entry.tag() != constants::DW_TAG_member || !is_member {
            entries.skip_attributes(attributes).ok()?;
            continue;
        }
        let said = Said::read(entries, unit, attributes)?;
        if let (Some(name), Some(offset)) = (said.name, said.offset)
            && members.len() < MOST_MEMBERS
        {
            members.entry(name.to_vec()).or_insert(offset);
        }
    }
    Some(members)
}

/// What the attributes of an entry say.
#[derive(Debug, Default)]
struct Said<'a> {
    name: Option<&'a [u8]>,
    size: Option<usize>,
    offset: Option<usize>,
    address: Option<u64>,
    kind: Option<usize>,
}

impl<'a> Said<'a> {
    fn read(
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        unit: &Unit<'a>,
        attributes: &[gimli::AttributeSpecification],
    ) -> Option<Self> {
        let mut said = Self::default();
        for attribute in attributes {
            let attribute = entries.read_attribute(*attribute).ok()?;
            let value = attribute.value();
            match attribute.name() {
                constants::DW_AT_name => said.name = name(value),
                constants::DW_AT_byte_size => said.size = number(value),
                constants::DW_AT_data_member_location => said.offset = number(value),
                constants::DW_AT_location => said.address = address(unit, value),
                constants::DW_AT_type => said.kind = reference(unit, value),
                _ => {}
            }
        }
        Some(said)
    }
}

/// A name that stands in the entry itself, as all of Go's do.
fn name<'a>(value: Value<'a>) -> Option<&'a [u8]> {
    match value {
        AttributeValue::String(name) if name.len() <= LONGEST_NAME => Some(name.slice()),
        _ => None,
    }
}

fn number(value: Value<'_>) -> Option<usize> {
    let number = value.udata_value()?;
    (number <= LARGEST_SIZE).then(|| usize::try_from(number).ok())?
}

/// The address of what never moves.
fn address(unit: &Unit<'_>, value: Value<'_>) -> Option<u64> {
    let mut operations = value.exprloc_value()?.operations(unit.encoding());
    match operations.next().ok()?? {
        Operation::Address { address } if operations.next().ok()?.is_none() => Some(address),
        _ => None,
    }
}

/// Where in the section an entry is that another one names.
fn reference(unit: &Unit<'_>, value: Value<'_>) -> Option<usize> {
    match value {
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        AttributeValue::UnitRef(offset) => unit.debug_info_offset()?.0.checked_add(offset.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
