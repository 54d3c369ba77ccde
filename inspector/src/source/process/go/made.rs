//! Layouts and tables of functions that are made by hand, for tests.

use super::layout::{G, PollDesc};
use super::tables::Format;
use crate::source::process::memory::fake::Fake;

/// As in Go 1.27.
pub(super) const POLL_DESC: PollDesc = PollDesc {
    size: 296,
    fd: 8,
    fdseq: Some(16),
    atomic_info: 24,
    rg: 32,
    wg: 40,
    closing: 56,
    rd: 168,
    wd: 280,
};
/// Made up.
pub(super) const GOROUTINE: G = G {
    size: 200,
    stack_lo: 0,
    stack_hi: 8,
    sched_sp: 56,
    sched_pc: 64,
    atomicstatus: 144,
    goid: 152,
    waitreason: 176,
    gopc: 184,
    tracking_seq: 192,
};

/// Where a program has its parts.
pub(super) const TABLES: u64 = 0x50_0000;
pub(super) const TEXT: u64 = 0x40_1000;
pub(super) const GOFUNC: u64 = 0x60_0000;

/// Values, and the bytes of instructions for which each holds.
type Values = &'static [(i32, u32)];

#[derive(Debug, Clone, Default)]
pub(super) struct Function {
    pub(super) start: u32,
    pub(super) name: String,
    pub(super) id: u8,
    pub(super) rooms: Values,
    pub(super) files: Values,
    pub(super) lines: Values,
    pub(super) inlined: Values,
    /// The mark, the name, and where it was made.
    pub(super) calls: Vec<(u8, &'static str, u32)>,
}

/// A program's tables, and the calls that were inlined in it.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) tables: Vec<u8>,
    pub(super) calls: Vec<u8>,
}

impl Made {
    pub(super) fn new(
        format: Format,
        quantum: u8,
        files: &[&str],
        functions: &[Function],
        end: u32,
    ) -> Self {
        let (mut names, mut values, mut calls) = (vec![0], vec![0], Vec::new());
        let mut index: Vec<u8> = Vec::new();
        let mut records: Vec<u8> = Vec::new();
        let first_record = (functions.len() * 8 + 8).next_multiple_of(8);
        let put = |table: &mut Vec<u8>, bytes: &[u8]| {
            let start = table.len() as u32;
            table.extend_from_slice(bytes);
            start
        };
        for function in functions {
            let name = put(&mut names, function.name.as_bytes());
            names.push(0);
            let mut table = |of: Values| match of {
                [] => 0,
                of => put(&mut values, &encoded(of, quantum.into())),
            };
            let (file, line) = (table(function.files), table(function.lines));
            let (inlined, room) = (table(function.inlined), table(function.rooms));
            let mut tree = u32::MAX;
            for (number, (id, name, parent)) in function.calls.iter().enumerate() {
                let name = put(&mut names, format!("{name}\0").as_bytes());
                let start = match format {
                    Format::Go1_18 => {
                        let words = [u32::from(*id) << 16, 0, 0, name, *parent];
                        put(&mut calls, &bytes(&words))
                    }
                    Format::Go1_20 => put(&mut calls, &bytes(&[u32::from(*id), name, *parent, 0])),
                };
                if number == 0 {
                    tree = start;
                }
            }
            let mut record = vec![function.start, name, 0, 0, room, file, line, 3, 0];
            if format == Format::Go1_20 {
                record.push(0);
            }
            record.extend([u32::from(function.id) | 4 << 24, 0, 0, inlined]);
            record.extend([u32::MAX, u32::MAX, u32::MAX, tree]);
            let place = first_record + records.len();
            records.extend(bytes(&record));
            index.extend(bytes(&[function.start, place as u32]));
        }
        index.extend(bytes(&[end]));
        index.resize(first_record, 0);
        index.extend(records);
        let (mut names_of_files, mut units) = (Vec::new(), Vec::new());
        for file in files {
            let start = put(&mut names_of_files, format!("{file}\0").as_bytes());
            units.extend(bytes(&[start]));
        }
        let magic = match format {
            Format::Go1_18 => 0xffff_fff0_u32,
            Format::Go1_20 => 0xffff_fff1,
        };
        let mut tables = magic.to_le_bytes().to_vec();
        tables.extend([0, 0, quantum, 8]);
        tables.extend((functions.len() as u64).to_le_bytes());
        tables.extend((files.len() as u64).to_le_bytes());
        tables.extend([0; 48]);
        for (field, table) in [names, units, names_of_files, values, index]
            .iter()
            .enumerate()
        {
            let start = tables.len().next_multiple_of(8);
            tables.resize(start, 0);
            tables[32 + field * 8..][..8].copy_from_slice(&(start as u64).to_le_bytes());
            tables.extend(table);
        }
        Self { tables, calls }
    }

    /// Puts it where it belongs.
    pub(super) fn memory(&self) -> Fake {
        let mut memory = Fake::default();
        memory.put(TABLES, &self.tables);
        memory.put(GOFUNC, &self.calls);
        memory
    }
}

/// Two functions, and the one that all programs have.
pub(super) fn sample(format: Format, quantum: u8) -> Made {
    let functions = [
        Function {
            start: 0x10,
            name: "runtime.deferreturn".into(),
            id: 22,
            files: &[(0, 0x30)],
            lines: &[(7, 0x30)],
            ..Function::default()
        },
        Function {
            start: 0x40,
            name: "main.(*Server[go.shape.int]).Serve".into(),
            rooms: &[(0, 0x8), (32, 0x50), (0, 0x8)],
            // The call of `one` was at 0x8, and in it, that of `two` at 0x10.
            files: &[(1, 0x10), (2, 0x8), (0, 0x8), (1, 0x40)],
            lines: &[(100, 0x8), (120, 0x8), (55, 0x8), (9, 0x8), (200, 0x40)],
            inlined: &[(-1, 0x10), (0, 0x8), (1, 0x8), (-1, 0x40)],
            calls: vec![(0, "other.one", 0x8), (22, "other.two", 0x10)],
            ..Function::default()
        },
        Function {
            start: 0xa0,
            name: "main.main.gowrap1".into(),
            id: 22,
            files: &[(1, 0x20)],
            lines: &[(31, 0x20)],
            ..Function::default()
        },
    ];
    let files = ["/go/panic.go", "/app/main.go", "/app/other.go"];
    Made::new(format, quantum, &files, &functions, 0x100)
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn encoded(values: Values, quantum: u32) -> Vec<u8> {
    let (mut before, mut bytes) = (-1, Vec::new());
    for (value, size) in values {
        let change = value - before;
        number(&mut bytes, ((change << 1) ^ (change >> 31)).cast_unsigned());
        number(&mut bytes, size / quantum);
        before = *value;
    }
    bytes.push(0);
    bytes
}

fn number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
