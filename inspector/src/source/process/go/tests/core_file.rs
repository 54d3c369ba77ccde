//! The memory of a program for arm64 as a core file has it (core(5)).

use std::ops::Range;
use std::path::Path;

use object::LittleEndian;
use object::elf::{EM_AARCH64, ET_CORE, FileHeader64, NT_AUXV, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::source::process::auxv;
use crate::source::process::memory::Memory;

const LITTLE: LittleEndian = LittleEndian;

pub(super) struct Core {
    file: Vec<u8>,
    /// What it has, by address, and where in the file that begins.
    parts: Vec<(Range<u64>, u64)>,
    entry: u64,
}

impl Core {
    #[track_caller]
    pub(super) fn open(path: &Path) -> Self {
        let file = std::fs::read(path).expect("a core file");
        let header = FileHeader64::<LittleEndian>::parse(&*file).expect("a header");
        let (kind, machine) = (header.e_type.get(LITTLE), header.e_machine.get(LITTLE));
        assert_eq!((kind, machine), (ET_CORE, EM_AARCH64));
        let segments = header.program_headers(LITTLE, &*file).expect("segments");
        let loaded = segments.iter().filter(|it| it.p_type(LITTLE) == PT_LOAD);
        let parts = loaded.map(|it| {
            let (offset, size) = it.file_range(LITTLE);
            let start = it.p_vaddr(LITTLE);
            (start..start + size, offset)
        });
        let parts = parts.collect();
        let notes = segments
            .iter()
            .filter_map(|it| it.notes(LITTLE, &*file).expect("notes"));
        let entry = notes.flatten().find_map(|note| {
            let note = note.expect("a note");
            (note.n_type(LITTLE) == NT_AUXV).then(|| auxv::find(note.desc()))?
        });
        let entry = entry.expect("where the program began");
        Self { file, parts, entry }
    }

    /// Where the program began.
    pub(super) fn entry(&self) -> u64 {
        self.entry
    }
}

impl Memory for Core {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let (mut address, mut rest) = (address, buffer);
        // What lies side by side in memory may be several parts.
        while !rest.is_empty() {
            let Some((part, offset)) = self.parts.iter().find(|(it, _)| it.contains(&address))
            else {
                return false;
            };
            let size = usize::try_from(part.end - address)
                .expect("a size")
                .min(rest.len());
            let from = usize::try_from(offset + (address - part.start)).expect("a place");
            let Some(found) = self.file.get(from..from + size) else {
                return false;
            };
            let now;
            (now, rest) = rest.split_at_mut(size);
            now.copy_from_slice(found);
            address += size as u64;
        }
        true
    }
}
