//! Files of programs that are damaged.

use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use object::{Object, ObjectSection, ObjectSymbol};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Files that are damaged, and the part of a section that is.
const CASES: u32 = 64;
const LARGEST_PART: usize = 64 << 10;

fn program(bytes: &[u8]) -> Program {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("write");
    Program::open(Image::open(file, 1 << 20).expect("an executable"))
}

/// Where the functions of tokio's are that poll a task.
fn polls(bytes: &[u8]) -> Vec<u64> {
    let file = object::File::parse(bytes).expect("an executable");
    let symbols = file.symbols();
    let is_poll = |it: &object::Symbol<'_, '_>| {
        let name = it.name().unwrap_or_default();
        name.contains("4task3raw4poll")
    };
    symbols.filter(is_poll).map(|it| it.address()).collect()
}

/// Where the sections of debug information are, and how large.
fn sections(bytes: &[u8]) -> Vec<(usize, usize)> {
    let file = object::File::parse(bytes).expect("an executable");
    let is_one = |it: &object::Section<'_, '_>| {
        let name = it.name().unwrap_or_default();
        [".debug_", ".symtab", ".strtab"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let sections = file.sections().filter(is_one);
    let ranges = sections.filter_map(|it| it.file_range());
    let ranges = ranges.filter(|(_, size)| *size > 0);
    ranges
        .map(|(start, size)| (start as usize, size as usize))
        .collect()
}

/// Asks all that there is to ask of a program, in which whatever may be.
fn ask(program: &mut Program, polls: &[u64]) {
    for poll in polls {
        let future = program.task(*poll);
        for state in 0..5 {
            let memory = Same(state);
            let stack = future
                .as_ref()
                .map(|it| program.awaits(&memory, 0, it, 0x1000, None));
            let stack = stack.flatten().unwrap_or_default();
            assert!(stack.calls.len() <= 64);
        }
    }
}

/// Memory that has the same byte everywhere.
struct Same(u8);

impl Memory for Same {
    fn read(&self, _: u64, buffer: &mut [u8]) -> bool {
        buffer.fill(self.0);
        true
    }
}

/// A program to be damaged: where its tasks are polled, and where its debug information is.
struct Whole {
    bytes: Vec<u8>,
    polls: Vec<u64>,
    sections: Vec<(usize, usize)>,
}

fn whole(version: &str) -> Whole {
    let bytes = built(&["-Cdebuginfo=2", "-Cstrip=none", version]);
    let (polls, sections) = (polls(&bytes), sections(&bytes));
    assert!(polls.len() > 10, "{polls:?}");
    Whole {
        bytes,
        polls,
        sections,
    }
}

static WHOLE: [LazyLock<Whole>; 2] = [
    LazyLock::new(|| whole("-Cdwarf-version=4")),
    LazyLock::new(|| whole("-Cdwarf-version=5")),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Whatever is in a file, asking ends, and does not panic.
    #[test]
    fn damaged_debug_information_is_read_as_far_as_it_goes(
        version in 0..2_usize,
        section in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..100),
    ) {
        let whole = &*WHOLE[version];
        let mut bytes = whole.bytes.clone();
        let (start, size) = whole.sections[section.index(whole.sections.len())];
        for (at, byte) in changes {
            // What the program itself has to say is at the beginning.
            bytes[start + at.index(size.min(LARGEST_PART))] = byte;
        }
        ask(&mut program(&bytes), &whole.polls);
    }
}
