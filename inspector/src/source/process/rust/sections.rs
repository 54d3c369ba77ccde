//! All of a program's debug information that is read here, in memory.

use std::collections::BTreeMap;

use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

use super::super::image::Image;
use super::super::units::{LARGEST_SECTION, Slice};

/// Bytes of all of them, decompressed.
const LARGEST: usize = 512 << 20;

/// Those without which nothing can be read come first.
const WANTED: [SectionId; 9] = [
    SectionId::DebugAbbrev,
    SectionId::DebugInfo,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugAddr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugLineStr,
    SectionId::DebugLine,
];

/// The bytes of each.
#[derive(Debug, Default)]
pub(super) struct Sections(BTreeMap<&'static str, Vec<u8>>);

impl Sections {
    /// Reads those that are there, as far as there is room.
    pub(super) fn read(image: &Image) -> Self {
        let (mut sections, mut left) = (BTreeMap::new(), LARGEST);
        for wanted in WANTED {
            let most = left.min(LARGEST_SECTION);
            if let Some(bytes) = image.debug_section(wanted.name(), most) {
                left = left.saturating_sub(bytes.len());
                sections.insert(wanted.name(), bytes);
            }
        }
        Self(sections)
    }

    /// Returns the bytes of one, which are none if it is not there.
    pub(super) fn bytes(&self, section: SectionId) -> &[u8] {
        self.0.get(section.name()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn dwarf(&self) -> Dwarf<Slice<'_>> {
        let section = |it| EndianSlice::new(self.bytes(it), LittleEndian);
        let Ok(dwarf) = Dwarf::load(|it| Ok::<_, std::convert::Infallible>(section(it)));
        dwarf
    }
}
