//! Executables for tests, and what is in them.

pub(super) const ADDRESS: u64 = 0x40_0000;
pub(super) const HEADER: usize = 64;

pub(super) const PROGBITS: u32 = 1;
pub(super) const STRTAB: u32 = 3;
pub(super) const WRITE: u64 = 1;
pub(super) const ALLOC: u64 = 2;

/// An executable: a segment of constants, one of variables, and a section for each of these.
pub(super) struct Built {
    bytes: Vec<u8>,
    sections: Vec<(&'static str, u32, u64, usize, usize)>,
}

impl Built {
    pub(super) fn new() -> Self {
        let bytes = vec![0; HEADER + 2 * 56];
        let sections = vec![("", 0, 0, 0, 0)];
        Self { bytes, sections }
    }

    pub(super) fn address(&self) -> u64 {
        ADDRESS + self.bytes.len().next_multiple_of(16) as u64
    }

    pub(super) fn with(mut self, name: &'static str, kind: u32, flags: u64, text: &[u8]) -> Self {
        let start = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(text);
        self.sections.push((name, kind, flags, start, text.len()));
        self
    }

    pub(super) fn constants(self, text: &[u8]) -> Self {
        self.with(".rodata", PROGBITS, ALLOC, text)
    }

    pub(super) fn variables(self, name: &'static str, text: &[u8]) -> Self {
        self.with(name, PROGBITS, ALLOC | WRITE, text)
    }

    pub(super) fn names(self, text: &[u8]) -> Self {
        self.with(".dynstr", STRTAB, ALLOC, text)
    }

    /// Writes the tables. Constants are before variables.
    pub(super) fn done(mut self, has_sections: bool) -> Vec<u8> {
        let mut names = vec![0];
        for (name, ..) in &self.sections {
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        names.extend_from_slice(b".shstrtab\0");
        if has_sections {
            self = self.with(".shstrtab", STRTAB, 0, &names);
        }
        let end = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(end, 0);
        let mut name = 1;
        for (text, kind, flags, start, size) in self.sections.iter().filter(|_| has_sections) {
            let mut header = [0; 64];
            put(&mut header, 0, &u32::to_le_bytes(name));
            put(&mut header, 4, &kind.to_le_bytes());
            put(&mut header, 8, &flags.to_le_bytes());
            put(&mut header, 24, &(*start as u64).to_le_bytes());
            put(&mut header, 32, &(*size as u64).to_le_bytes());
            self.bytes.extend_from_slice(&header);
            name += text.len() as u32 + 1;
        }
        let is_variable = |flags: u64| flags & WRITE != 0;
        let variables = self.sections.iter().find(|it| is_variable(it.2));
        let middle = variables.map_or(end, |section| section.3);
        let segments = [(4, 0, middle), (6, middle, end)];
        for (index, (flags, start, end)) in segments.into_iter().enumerate() {
            let at = HEADER + index * 56;
            put(&mut self.bytes, at, &1_u32.to_le_bytes());
            put(&mut self.bytes, at + 4, &u32::to_le_bytes(flags));
            put(&mut self.bytes, at + 8, &(start as u64).to_le_bytes());
            let address = ADDRESS + start as u64;
            put(&mut self.bytes, at + 16, &address.to_le_bytes());
            put(
                &mut self.bytes,
                at + 32,
                &((end - start) as u64).to_le_bytes(),
            );
        }
        put(&mut self.bytes, 0, b"\x7fELF\x02\x01\x01");
        put(&mut self.bytes, 32, &(HEADER as u64).to_le_bytes());
        put(&mut self.bytes, 54, &56_u16.to_le_bytes());
        put(&mut self.bytes, 56, &2_u16.to_le_bytes());
        if has_sections {
            let count = self.sections.len() as u16;
            put(&mut self.bytes, 40, &(end as u64).to_le_bytes());
            put(&mut self.bytes, 58, &64_u16.to_le_bytes());
            put(&mut self.bytes, 60, &count.to_le_bytes());
            put(&mut self.bytes, 62, &(count - 1).to_le_bytes());
        }
        self.bytes
    }
}

pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// A structure: its name, its size, and its members with where they are.
pub(super) type Structure = (&'static str, u64, &'static [(&'static str, u64)]);

/// Debug information of a version of DWARF: abbreviations, and a unit with these structures and
/// variables (with their addresses and sizes), after one that has nothing.
pub(super) fn dwarf(
    version: u16,
    structures: &[Structure],
    variables: &[(&str, u64, u64)],
) -> (Vec<u8>, Vec<u8>) {
    // Codes and tags with whether they have children, then attributes and their forms.
    let abbreviations: [&[u8]; 5] = [
        &[1, 0x11, 1],
        &[2, 0x13, 1, 0x03, 0x08, 0x0b, 0x0f],
        &[3, 0x0d, 0, 0x03, 0x08, 0x38, 0x0f],
        &[4, 0x34, 0, 0x03, 0x08, 0x02, 0x18, 0x49, 0x10],
        &[5, 0x01, 0, 0x0b, 0x0f],
    ];
    let abbreviations = abbreviations.map(|one| [one, &[0, 0]].concat()).concat();
    let mut info = Vec::new();
    unit(&mut info, version, |_| {});
    unit(&mut info, version, |info| {
        for (name, size, members) in structures {
            info.push(2);
            text(info, name);
            number(info, *size);
            for (name, offset) in *members {
                info.push(3);
                text(info, name);
                number(info, *offset);
            }
            info.push(0);
        }
        for (name, address, size) in variables {
            info.push(5);
            let kind = info.len() - 1;
            number(info, *size);
            info.push(4);
            text(info, name);
            info.extend([9, 3]);
            info.extend(address.to_le_bytes());
            info.extend((kind as u32).to_le_bytes());
        }
    });
    ([abbreviations, vec![0]].concat(), info)
}

fn unit(info: &mut Vec<u8>, version: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = info.len();
    info.extend([0; 4]);
    info.extend(version.to_le_bytes());
    match version {
        5.. => info.extend([1, 8, 0, 0, 0, 0]),
        _ => info.extend([0, 0, 0, 0, 8]),
    }
    info.push(1);
    fill(info);
    info.push(0);
    let length = (info.len() - start - 4) as u32;
    put(info, start, &length.to_le_bytes());
}

fn text(info: &mut Vec<u8>, text: &str) {
    info.extend(text.as_bytes());
    info.push(0);
}

/// In seven bits each, the low ones first.
fn number(info: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        info.push(number as u8 | 0x80);
        number >>= 7;
    }
    info.push(number as u8);
}
