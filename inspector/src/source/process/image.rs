//! An executable in the format of 64-bit little-endian ELF, read by pieces.
//!
//! Whoever runs a program chooses what is in its file, which may be damaged, huge or made to harm.
//! So nothing is mapped, and nothing read whole: tables are read as far as a limit, what is
//! searched goes through one buffer, and all that is ever read of a file has a limit too.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::LittleEndian;
use object::elf::{
    self, CompressionHeader64, FileHeader64, ProgramHeader64, SectionFlags, SectionHeader64,
    SectionType,
};
use object::pod::{self, Pod};
use object::read::elf::FileHeader;
use object::read::{CompressedData, CompressionFormat};

use super::memory::Memory;

const LITTLE: LittleEndian = LittleEndian;

/// The bytes read of one file, at most.
pub(super) const LARGEST_READ: u64 = 256 << 20;
/// The largest piece that `read_part` gives.
pub(super) const LARGEST_PIECE: usize = 4 << 10;
/// As many headers of segments, of sections, and bytes of the names of sections are looked at.
const MOST_SEGMENTS: usize = 256;
const MOST_SECTIONS: usize = 4096;
const LARGEST_NAMES: usize = 64 << 10;
/// What is searched at a time.
const WINDOW: usize = 1 << 20;
/// What is seen on both sides of each place that is searched, but at the ends of a part.
pub(super) const MARGIN: usize = 512;

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// A part of the file that is searched: what is found in `inside` is found in no other window.
pub(super) struct Window<'a> {
    /// Where in the file `bytes` begins.
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
    pub(super) inside: Range<usize>,
}

#[derive(Debug)]
struct Section {
    /// Where its name begins, in the names.
    name: usize,
    kind: SectionType,
    flags: SectionFlags,
    address: u64,
    /// The section that it needs: a table of symbols, that of their names.
    link: usize,
    part: Part,
}

#[derive(Debug)]
struct Segment {
    is_writable: bool,
    is_code: bool,
    address: u64,
    /// In memory; what the file does not have of it begins as zeros.
    size: u64,
    part: Part,
}

/// The file, and where its parts are.
#[derive(Debug)]
pub(super) struct Image {
    file: File,
    /// What may still be read.
    budget: Cell<u64>,
    /// Where the program begins.
    entry: u64,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    names: Vec<u8>,
}

impl Image {
    /// Reads the tables of an executable, if it is one, of which as much as `budget` may be read.
    pub(super) fn open(file: File, budget: u64) -> Option<Self> {
        let mut image = Self {
            file,
            budget: Cell::new(budget),
            entry: 0,
            segments: Vec::new(),
            sections: Vec::new(),
            names: Vec::new(),
        };
        let header = image.piece(0, size_of::<FileHeader64<LittleEndian>>())?;
        let header = FileHeader64::<LittleEndian>::parse(&*header).ok()?;
        header.endian().ok()?;
        image.entry = header.e_entry.get(LITTLE);
        let segments: Vec<ProgramHeader64<LittleEndian>> = image.table(
            header.e_phoff.get(LITTLE),
            header.e_phentsize.get(LITTLE),
            usize::from(header.e_phnum.get(LITTLE)).min(MOST_SEGMENTS),
        );
        let loaded = segments
            .iter()
            .filter(|segment| segment.p_type.get(LITTLE) == elf::PT_LOAD);
        image.segments = loaded.map(Segment::of).collect();
        let sections: Vec<SectionHeader64<LittleEndian>> = image.table(
            header.e_shoff.get(LITTLE),
            header.e_shentsize.get(LITTLE),
            usize::from(header.e_shnum.get(LITTLE)).min(MOST_SECTIONS),
        );
        image.sections = sections.iter().map(Section::of).collect();
        let names = header.e_shstrndx.get(LITTLE).index();
        let names = names.and_then(|index| image.sections.get(usize::from(index)));
        if let Some(Part { offset, size }) = names.map(|section| section.part) {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let size = size.min(LARGEST_NAMES);
            image.names = image.piece(offset, size).unwrap_or_default();
        }
        Some(image)
    }

    /// Returns whether the file says what its parts are: some are stripped of that too.
    pub(super) fn has_sections(&self) -> bool {
        !self.sections.is_empty()
    }

    /// Returns the section of this name that holds something of the program.
    pub(super) fn section(&self, name: &str) -> Option<Part> {
        self.called(name).map(|section| section.part)
    }

    /// Returns the address of that section.
    pub(super) fn section_address(&self, name: &str) -> Option<u64> {
        self.called(name).map(|section| section.address)
    }

    fn called(&self, name: &str) -> Option<&Section> {
        let mut sections = self.sections.iter().filter(|it| it.is_of_the_program());
        sections.find(|section| self.is_called(section, name))
    }

    /// Reads the whole section of this name that tells of the program, decompressed; `None` if it
    /// is larger than `most`.
    pub(super) fn debug_section(&self, name: &str, most: usize) -> Option<Vec<u8>> {
        let mut sections = self.sections.iter().filter(|it| it.is_of_no_program());
        let section = sections.find(|section| self.is_called(section, name))?;
        let bytes = self.whole(section.part, most)?;
        if !section.is_compressed() {
            return Some(bytes);
        }
        let (header, data) = pod::from_bytes::<CompressionHeader64<LittleEndian>>(&bytes).ok()?;
        let compressed = CompressedData {
            format: match header.ch_type.get(LITTLE) {
                elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
                elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
                _ => return None,
            },
            data,
            uncompressed_size: header.ch_size.get(LITTLE),
        };
        let is_small = compressed.uncompressed_size <= u64::try_from(most).ok()?;
        is_small
            .then(|| compressed.decompress().ok())?
            .map(Cow::into_owned)
    }

    /// Returns whether there is any debug information in it.
    pub(super) fn has_debug_info(&self) -> bool {
        let mut sections = self.sections.iter().filter(|it| it.is_of_no_program());
        sections.any(|it| self.is_called(it, ".debug_info"))
    }

    /// Returns the checksum of the whole file as `.gnu_debuglink` has it, if it is no larger than
    /// `most`.
    pub(super) fn checksum(&self, most: u64) -> Option<u32> {
        let size = self.file.metadata().ok()?.len();
        if size > most {
            return None;
        }
        let budget = self.budget.replace(size);
        let mut sum = crc32fast::Hasher::new();
        let (mut buffer, mut read) = (vec![0; WINDOW], 0);
        while read < size {
            let filled = self.fill(read, &mut buffer);
            sum.update(buffer.get(..filled)?);
            read = read.saturating_add(filled as u64);
            if filled == 0 {
                break;
            }
        }
        self.budget.set(budget);
        (read == size).then(|| sum.finalize())
    }

    /// Reads the table of symbols and that of their names, each no larger than `most`; those for
    /// the dynamic linker if there are no others.
    pub(super) fn symbols(&self, most: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let tables = [elf::SHT_SYMTAB, elf::SHT_DYNSYM].into_iter();
        let mut tables = tables.filter_map(|kind| self.sections.iter().find(|it| it.kind == kind));
        let table = tables.next()?;
        let names = self.sections.get(table.link)?;
        Some((self.whole(table.part, most)?, self.whole(names.part, most)?))
    }

    /// Reads all of a part, if that is no larger than `most`.
    fn whole(&self, part: Part, most: usize) -> Option<Vec<u8>> {
        let size = usize::try_from(part.size).ok()?;
        self.piece(part.offset, (size <= most).then_some(size)?)
    }

    fn is_called(&self, section: &Section, name: &str) -> bool {
        let rest = self.names.get(section.name..);
        let rest = rest.and_then(|rest| rest.strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Returns the parts that hold constants: those that are neither written nor run; without
    /// sections, those that are not written.
    pub(super) fn constants(&self) -> Vec<Part> {
        let of_segments = self.segments.iter().filter(|it| !it.is_writable);
        let of_sections = self.sections.iter().filter(|it| it.is_constant());
        match self.has_sections() {
            true => of_sections.map(|section| section.part).collect(),
            false => of_segments.map(|segment| segment.part).collect(),
        }
    }

    /// Returns the segments that are written.
    pub(super) fn variables(&self) -> Vec<Part> {
        let written = self.segments.iter().filter(|it| it.is_writable);
        written.map(|segment| segment.part).collect()
    }

    /// Returns all parts that the program has in its memory, and the address of each.
    pub(super) fn loaded(&self) -> Vec<(u64, Part)> {
        let segments = self.segments.iter();
        segments.map(|it| (it.address, it.part)).collect()
    }

    /// Lets so many bytes be read from here on.
    pub(super) fn allow(&self, bytes: u64) {
        self.budget.set(bytes);
    }

    /// Returns the address at which the program begins, before it is moved to where it runs.
    pub(super) fn entry(&self) -> u64 {
        self.entry
    }

    /// Returns the addresses of all that is written in memory, whether the file has it or not.
    pub(super) fn variables_in_memory(&self) -> Vec<Range<u64>> {
        self.in_memory(|it| it.is_writable)
    }

    /// Returns the addresses of all that is run.
    pub(super) fn code_in_memory(&self) -> Vec<Range<u64>> {
        self.in_memory(|it| it.is_code)
    }

    fn in_memory(&self, is_wanted: impl Fn(&Segment) -> bool) -> Vec<Range<u64>> {
        let wanted = self.segments.iter().filter(|it| is_wanted(it));
        let addresses = wanted.map(|it| it.address..it.address.saturating_add(it.size));
        addresses.collect()
    }

    /// Returns the parts that hold names: of symbols, and of the libraries that are loaded.
    pub(super) fn names(&self) -> Vec<Part> {
        let tables = self.sections.iter();
        let tables = tables.filter(|section| section.kind == elf::SHT_STRTAB);
        tables.map(|section| section.part).collect()
    }

    /// Reads the first bytes of a part: as many as `size`, `LARGEST_PIECE` and the part allow.
    pub(super) fn read_part(&self, part: Part, size: usize) -> Option<Vec<u8>> {
        let of_part = usize::try_from(part.size).unwrap_or(usize::MAX);
        self.piece(part.offset, size.min(of_part).min(LARGEST_PIECE))
    }

    /// Searches a part, one window after another, until `is_enough`.
    pub(super) fn search(&self, part: Part, mut is_enough: impl FnMut(Window<'_>) -> bool) {
        let mut buffer = vec![0; WINDOW];
        let (mut kept, mut offset, mut left) = (0, part.offset, part.size);
        loop {
            let size = usize::try_from(left).unwrap_or(usize::MAX);
            let size = size.min(WINDOW - kept);
            let read = self.fill(offset, &mut buffer[kept..kept + size]);
            offset = offset.saturating_add(read as u64);
            left = left.saturating_sub(read as u64);
            let end = kept + read;
            let is_last = read < size || left == 0;
            let window = Window {
                offset: offset.saturating_sub(end as u64),
                bytes: &buffer[..end],
                inside: kept.min(MARGIN)..end - if is_last { 0 } else { MARGIN },
            };
            if is_enough(window) || is_last {
                return;
            }
            // It is full, or it would be the last.
            kept = 2 * MARGIN;
            buffer.copy_within(end - kept..end, 0);
        }
    }

    /// Reads a table of `count` entries; none if it is not there or its entries have another size.
    fn table<T: Pod>(&self, offset: u64, entry: u16, count: usize) -> Vec<T> {
        if offset == 0 || usize::from(entry) != size_of::<T>() {
            return Vec::new();
        }
        let bytes = self.piece(offset, count * size_of::<T>());
        let entries =
            bytes.and_then(|bytes| Some(pod::slice_from_bytes(&bytes, count).ok()?.0.to_vec()));
        entries.unwrap_or_default()
    }

    /// Reads so many bytes, or none.
    fn piece(&self, offset: u64, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; size];
        (self.fill(offset, &mut bytes) == size).then_some(bytes)
    }

    /// Reads as much as there is and may be read, and returns how much that is.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let budget = usize::try_from(self.budget.get()).unwrap_or(usize::MAX);
        let most = buffer.len().min(budget);
        let mut filled = 0;
        while filled < most {
            let from = offset.saturating_add(filled as u64);
            match self.file.read_at(&mut buffer[filled..most], from) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let left = self.budget.get().saturating_sub(filled as u64);
        self.budget.set(left);
        filled
    }
}

/// What the program has in its memory when it starts, at the addresses of the file: before the
/// program is moved to where it runs.
impl Memory for Image {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let size = buffer.len() as u64;
        let offset = self.segments.iter().find_map(|segment| {
            let before = address.checked_sub(segment.address)?;
            let left = segment.part.size.checked_sub(before)?;
            (left >= size).then(|| segment.part.offset.checked_add(before))?
        });
        offset.is_some_and(|offset| self.fill(offset, buffer) == buffer.len())
    }
}

impl Section {
    fn of(header: &SectionHeader64<LittleEndian>) -> Self {
        Self {
            name: usize::try_from(header.sh_name.get(LITTLE)).unwrap_or(usize::MAX),
            kind: header.sh_type.get(LITTLE),
            flags: header.sh_flags.get(LITTLE),
            address: header.sh_addr.get(LITTLE),
            link: usize::try_from(header.sh_link.get(LITTLE)).unwrap_or(usize::MAX),
            part: Part {
                offset: header.sh_offset.get(LITTLE),
                size: header.sh_size.get(LITTLE),
            },
        }
    }

    fn is_of_the_program(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && self.flags.contains(elf::SHF_ALLOC)
    }

    fn is_of_no_program(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && !self.flags.contains(elf::SHF_ALLOC)
    }

    fn is_compressed(&self) -> bool {
        self.flags.contains(elf::SHF_COMPRESSED)
    }

    fn is_constant(&self) -> bool {
        let changes_or_runs = [elf::SHF_WRITE, elf::SHF_EXECINSTR, elf::SHF_COMPRESSED];
        self.is_of_the_program()
            && !changes_or_runs
                .iter()
                .any(|flag| self.flags.contains(*flag))
    }
}

impl Segment {
    fn of(header: &ProgramHeader64<LittleEndian>) -> Self {
        Self {
            is_writable: header.p_flags.get(LITTLE).contains(elf::PF_W),
            is_code: header.p_flags.get(LITTLE).contains(elf::PF_X),
            address: header.p_vaddr.get(LITTLE),
            size: header.p_memsz.get(LITTLE),
            part: Part {
                offset: header.p_offset.get(LITTLE),
                size: header.p_filesz.get(LITTLE),
            },
        }
    }
}
