mod program;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::made::{Function, GOFUNC, Made, TABLES, TEXT, sample};
use super::super::tables::Format;
use super::*;
use crate::source::process::memory::fake::Fake;

const FORMATS: [(Format, u8); 4] = [
    (Format::Go1_18, 1),
    (Format::Go1_18, 4),
    (Format::Go1_20, 1),
    (Format::Go1_20, 4),
];

fn open<M: Memory>(memory: M) -> Functions<M> {
    Functions::open(memory, TABLES, TEXT, Some(GOFUNC)).expect("these are tables")
}

fn shown(frames: &[Frame]) -> Vec<(&str, &str, u32)> {
    let mut shown = Vec::new();
    for frame in frames {
        shown.push((&*frame.function, &*frame.file, frame.line));
    }
    shown
}

/// Memory that has something everywhere, and counts what is read.
struct Everywhere {
    made: Fake,
    otherwise: [u8; 2],
    read: Cell<usize>,
}

impl Everywhere {
    fn new(made: Fake, otherwise: [u8; 2]) -> Self {
        let read = Cell::new(0);
        Self {
            made,
            otherwise,
            read,
        }
    }
}

impl Memory for Everywhere {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        self.read.set(self.read.get() + buffer.len());
        if !self.made.read(address, buffer) {
            for (at, byte) in buffer.iter_mut().enumerate() {
                *byte = self.otherwise[at % 2];
            }
        }
        true
    }
}

#[test]
fn an_instruction_is_of_a_function_a_file_and_a_line() {
    for (format, quantum) in FORMATS {
        let functions = open(sample(format, quantum).memory());
        let (file, serve) = ("/app/main.go", "main.(*Server[...]).Serve");
        for (pc, line) in [(0x40, 100), (0x47, 100), (0x48, 120), (0x60, 200)] {
            let frames = functions.frames(TEXT + pc);
            assert_eq!(shown(&frames), [(serve, file, line)], "{format:?} {pc:#x}");
        }
        // Behind the last one of whose line something is known.
        let frames = functions.frames(TEXT + 0xf0);
        assert_eq!(shown(&frames), [("main.main.gowrap1", "", 0)]);
        for pc in [0, TEXT, TEXT + 0xf, TEXT + 0x100, u64::MAX] {
            assert_eq!(functions.frames(pc), [], "{format:?} {pc:#x}");
        }
    }
}

#[test]
fn calls_that_were_inlined_come_first() {
    for (format, quantum) in FORMATS {
        let memory = sample(format, quantum).memory();
        let functions = open(&memory);
        let frames = functions.frames(TEXT + 0x58);
        let two = ("other.two", "/go/panic.go", 9);
        let one = ("other.one", "/app/other.go", 55);
        let serve = ("main.(*Server[...]).Serve", "/app/main.go", 120);
        assert_eq!(shown(&frames), [two, one, serve], "{format:?}");
        let marks = frames.iter().map(|frame| frame.is_wrapper);
        assert_eq!(marks.collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(shown(&functions.frames(TEXT + 0x50)), [one, serve]);

        let functions = Functions::open(&memory, TABLES, TEXT, None).expect("tables");
        let frames = functions.frames(TEXT + 0x58);
        assert_eq!(shown(&frames), [(serve.0, two.1, two.2)]);
    }
}

#[test]
fn wrappers_are_marked_as_this_version_of_go_marks_them() {
    for (format, quantum) in FORMATS {
        let functions = open(sample(format, quantum).memory());
        let is_wrapper = |pc: u64| functions.frames(TEXT + pc)[0].is_wrapper;
        assert!(is_wrapper(0x10));
        assert!(!is_wrapper(0x40));
        assert!(is_wrapper(0xa0));
    }
    // Where the one that is known is not there, none is.
    let functions = [Function {
        name: "main.main".into(),
        id: 22,
        ..Function::default()
    }];
    let made = Made::new(Format::Go1_20, 1, &[], &functions, 0x10);
    assert!(!open(made.memory()).frames(TEXT)[0].is_wrapper);
}

#[test]
fn a_function_has_so_much_on_the_stack_at_each_instruction() {
    for (format, quantum) in FORMATS {
        let functions = open(sample(format, quantum).memory());
        assert_eq!(functions.has_link_register(), quantum == 4);
        let room = |size| {
            let is_sigpanic = false;
            Some(Room { size, is_sigpanic })
        };
        for (pc, size) in [(0x40, 0), (0x48, 32), (0x97, 32), (0x98, 0)] {
            assert_eq!(functions.room(TEXT + pc), room(size), "{format:?} {pc:#x}");
        }
        // Of the others nothing is known, or there is none.
        for pc in [0, TEXT, TEXT + 0x10, TEXT + 0xa0, TEXT + 0x100, u64::MAX] {
            assert_eq!(functions.room(pc), None, "{format:?} {pc:#x}");
        }
    }
}

#[test]
fn two_functions_of_the_runtime_are_known_by_their_names() {
    let function = |start, name: &str| Function {
        start,
        name: name.into(),
        rooms: &[(0, 0x10)],
        ..Function::default()
    };
    let functions = [
        function(0, "runtime.goexit"),
        function(0x10, "runtime.sigpanic"),
        function(0x20, "runtime.sigpanic0"),
    ];
    let made = Made::new(Format::Go1_20, 4, &[], &functions, 0x30);
    let functions = open(made.memory());
    let of = |pc: u64| Some(functions.room(TEXT + pc)?.is_sigpanic);
    assert_eq!([0, 0x10, 0x20].map(of), [None, Some(true), Some(false)]);
}

#[test]
fn names_are_shown_as_go_shows_them() {
    for (name, expected) in [
        ("main.main", "main.main"),
        ("main.F[go.shape.int].func1", "main.F[...].func1"),
        ("main.F[...]", "main.F[...]"),
        ("main.F[main.T[int]]", "main.F[...]"),
        (
            "main.(*T[int]).M[go.shape.int].func2",
            "main.(*T[...]).M[...].func2",
        ),
        ("type:.eq.[2]string", "type:.eq.[...]string"),
        ("a]b", "a]b"),
        ("a[b", "a[b"),
        ("", ""),
    ] {
        assert_eq!(text::shown(name), expected);
    }
}

#[test]
fn a_name_that_is_too_long_is_cut_and_one_that_does_not_end_is_none() {
    let of = |name: String| {
        let function = Function {
            name,
            ..Function::default()
        };
        Made::new(Format::Go1_20, 1, &[], &[function], 0x10)
    };
    let frames = open(of("é".repeat(700)).memory()).frames(TEXT);
    assert_eq!(frames[0].function, "é".repeat(512));
    let frames = open(of(format!("a{}", "é".repeat(7000))).memory()).frames(TEXT);
    assert_eq!(frames[0].function, format!("a{}", "é".repeat(511)));

    let mut made = of("main.main".into());
    let units = u64::from_le_bytes(*made.tables[40..].first_chunk().expect("a field"));
    let units = usize::try_from(units).expect("a place");
    let after = made.tables[..units].iter().rposition(|byte| *byte == b'n');
    made.tables[after.expect("a name") + 1..units].fill(b'n');
    assert_eq!(open(made.memory()).frames(TEXT), []);
}

#[test]
fn calls_that_never_end_are_none() {
    for parent in [0, 4, u32::MAX] {
        let function = Function {
            name: "main.main".into(),
            files: &[(0, 0x10)],
            lines: &[(1, 0x10)],
            inlined: &[(0, 0x10)],
            calls: vec![(0, "main.f", parent)],
            ..Function::default()
        };
        let made = Made::new(Format::Go1_20, 1, &["main.go"], &[function], 0x10);
        let frames = open(made.memory()).frames(TEXT);
        // What is behind the function is of no call.
        let expected = match parent {
            u32::MAX => vec![("main.f", "main.go", 1), ("main.main", "", 0)],
            _ => vec![("main.main", "", 0)],
        };
        assert_eq!(shown(&frames), expected);
    }
}

#[test]
fn what_is_found_is_kept_but_not_without_end() {
    let memory = Everywhere::new(sample(Format::Go1_20, 1).memory(), [0; 2]);
    let functions = open(&memory);
    let first = functions.frames(TEXT + 0x58);
    let read = memory.read.get();
    assert_eq!(functions.frames(TEXT + 0x58), first);
    assert_eq!(memory.read.get(), read);
    for pc in 0..3 * MOST_KEPT as u64 {
        functions.frames(pc);
        functions.room(pc);
        let found = functions.found.borrow();
        assert!(found.frames.len() <= MOST_KEPT && found.rooms.len() <= MOST_KEPT);
    }
    assert_eq!(functions.frames(TEXT + 0x58), first);
    assert!(memory.read.get() > read);
}

#[test]
fn tables_that_end_early_do_no_harm() {
    for (format, quantum) in FORMATS {
        let made = sample(format, quantum);
        let whole = open(made.memory());
        for size in 0..made.tables.len() {
            let mut made = made.clone();
            made.tables.truncate(size);
            let Some(functions) = Functions::open(made.memory(), TABLES, TEXT, Some(GOFUNC)) else {
                continue;
            };
            for pc in (TEXT..TEXT + 0x110).step_by(8) {
                let names = |frames: Vec<Frame>| frames.last().map(|it| it.function.clone());
                let name = names(functions.frames(pc));
                assert!(name.is_none() || name == names(whole.frames(pc)));
            }
        }
    }
}

#[test]
fn values_that_never_end_are_read_no_further_than_the_limit() {
    let mut made = sample(Format::Go1_20, 1);
    let field = |tables: &[u8], at: usize| {
        let offset = u64::from_le_bytes(*tables[at..].first_chunk().expect("a field"));
        usize::try_from(offset).expect("a place")
    };
    let index = made.tables.split_off(field(&made.tables, 64));
    made.tables.truncate(field(&made.tables, 56));
    // Between them is a lot: each value is one more, and holds for no instruction.
    let far = 1 << 30;
    made.tables[64..72].copy_from_slice(&u64::to_le_bytes(far));
    let mut memory = made.memory();
    memory.put(TABLES + far, &index);
    let memory = Everywhere::new(memory, [2, 0]);
    let frames = open(&memory).frames(TEXT + 0x40);
    assert_eq!(shown(&frames), [("main.(*Server[...]).Serve", "", 0)]);
    let limit = LARGEST_VALUES..LARGEST_VALUES + (16 << 10);
    assert!(limit.contains(&memory.read.get()), "{}", memory.read.get());
}

proptest! {
    #[test]
    fn whatever_the_tables_say_reading_them_ends(
        kind in 0..FORMATS.len(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..24),
        otherwise in any::<[u8; 2]>(),
        text in prop_oneof![Just(TEXT), any::<u64>()],
        gofunc in prop_oneof![Just(Some(GOFUNC)), any::<Option<u64>>()],
        pcs in prop::collection::vec(prop_oneof![TEXT..TEXT + 0x120, any::<u64>()], 1..8),
    ) {
        let (format, quantum) = FORMATS[kind];
        let mut made = sample(format, quantum);
        let size = made.tables.len();
        for (at, byte) in changes {
            // What comes first says where all else is.
            match at.index(size + made.calls.len()) {
                at if at < size => made.tables[at] = byte,
                at => made.calls[at - size] = byte,
            }
        }
        let memory = Everywhere::new(made.memory(), otherwise);
        if let Some(functions) = Functions::open(&memory, TABLES, text, gofunc) {
            // 64 bytes for each function before the one by which wrappers are known.
            let opened = memory.read.get();
            prop_assert!(opened <= 80 * MOST_BEFORE_IT as usize + 4096);
            for pc in pcs {
                let before = memory.read.get();
                let (frames, _) = (functions.frames(pc), functions.room(pc));
                prop_assert!(memory.read.get() - before < 4 << 20);
                prop_assert!(frames.len() <= MOST_CALLS);
                for frame in frames {
                    prop_assert!(frame.function.len() <= 1024 && frame.file.len() <= 1024);
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_no_tables_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        is_header in any::<bool>(),
        pc in any::<u32>(),
    ) {
        let mut bytes = bytes;
        if is_header && bytes.len() >= 16 {
            bytes[..8].copy_from_slice(&[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
            for field in bytes[8..].chunks_exact_mut(8).take(8) {
                field[2..].fill(0);
            }
        }
        let mut memory = Fake::default();
        memory.put(TABLES, &bytes);
        if let Some(functions) = Functions::open(memory, TABLES, 0, Some(TABLES)) {
            functions.frames(pc.into());
            functions.room(pc.into());
        }
    }
}
