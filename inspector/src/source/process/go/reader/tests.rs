//! A program that is made up, one that changes while it is read, and ones that lie.

use std::borrow::Cow;
use std::cell::Cell;

use proptest::prelude::*;

use super::super::layout::Module;
use super::super::made::{GOROUTINE, POLL_DESC};
use super::*;
use crate::source::process::memory::fake::Fake;

const MODULE: Module = Module {
    size: 0,
    minpc: 0,
    maxpc: 0,
    text: 0,
    etext: 0,
    gofunc: 0,
};

fn layout() -> Layout {
    let reasons = ["", "sleep", "IO wait"].map(Cow::Borrowed);
    Layout {
        poll_desc: POLL_DESC,
        g: GOROUTINE,
        module: MODULE,
        wait_reasons: reasons.to_vec().into(),
    }
}

const AT: u64 = 0x7f12_3456_7a00;
const DATA: u64 = AT << 15 | 5;
const WAITS: u64 = 0xc000_0040_0000;
const STACK: u64 = 0xc000_0000_0000;

fn filled(size: usize, words: &[(usize, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (at, word) in words {
        bytes[*at..*at + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Descriptor 7, to read which goroutine 21 waits for this reason.
fn program(reason: u64) -> Fake {
    let mut memory = Fake::default();
    let past = (-1_i64).cast_unsigned();
    let words = [
        (8, 7),
        (16, 5),
        (32, WAITS),
        (40, 1),
        (168, 1_000),
        (280, past),
    ];
    memory.put(AT, &filled(POLL_DESC.size, &words));
    memory.put(WAITS, &goroutine(21, reason));
    memory.put(STACK, &[0; 0x100]);
    memory
}

fn goroutine(goid: u64, reason: u64) -> Vec<u8> {
    let words = [
        (0, STACK),
        (8, STACK + 0x100),
        (56, STACK + 0x80),
        (64, 0x40_1000),
        (144, 4),
        (152, goid),
        (176, reason),
    ];
    filled(GOROUTINE.size, &words)
}

fn reader<M: Memory>(memory: M) -> Reader<M, Fake> {
    Reader::new(memory, layout(), None, Vec::new())
}

#[test]
fn who_waits_is_told_with_the_deadline() {
    let Some(Kept::Row(row)) = reader(program(2)).row(7, DATA) else {
        panic!("it is there");
    };
    assert_eq!(
        (row.kind, row.address, row.sequence),
        ("runtime.pollDesc", AT, Some(5))
    );
    assert_eq!(
        (row.read.state, row.read.deadline_ns),
        (State::Parked, 1_000)
    );
    assert_eq!((row.write.state, row.write.deadline_ns), (State::Ready, 1));
    let waiter = row.read.waiter.as_ref().expect("somebody waits");
    assert_eq!((&*waiter.task, waiter.task_id), ("G21", 21));
    assert_eq!(waiter.reason, "IO wait");
    assert_eq!(row.write.waiter, None);
}

/// A loop leaves the same on the stack each time that it waits.
#[test]
fn a_goroutine_that_has_run_meanwhile_is_known_by_how_often_it_has_ceased_to() {
    let parked = |stops: u64| {
        let mut memory = program(2);
        let mut bytes = goroutine(21, 2);
        bytes[GOROUTINE.tracking_seq] = stops.to_le_bytes()[0];
        memory.put(WAITS, &bytes);
        let Some(Kept::Row(row)) = reader(memory).row(7, DATA) else {
            panic!("it is there");
        };
        row.parked(netpoller_proto::Direction::Read)
    };
    assert!(parked(4).is_some());
    assert_eq!(parked(4), parked(4));
    assert_ne!(parked(4), parked(5));
}

#[test]
fn a_goroutine_that_waits_for_something_else_is_not_told() {
    assert_eq!(reader(program(1)).row(7, DATA), Some(Kept::Torn));
    assert_eq!(reader(program(77)).row(7, DATA), Some(Kept::Torn));
    assert_eq!(reader(Fake::default()).row(7, DATA), None);
}

/// A program whose goroutine is another one each time.
struct Changing(Fake, Cell<u64>);

impl Memory for Changing {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        if address != WAITS {
            return self.0.read(address, buffer);
        }
        self.1.set(self.1.get() + 1);
        buffer.copy_from_slice(&goroutine(self.1.get(), 2));
        true
    }
}

#[test]
fn a_row_that_is_never_the_same_twice_is_torn() {
    let memory = Changing(program(2), Cell::new(0));
    let reader = reader(memory);
    assert_eq!(reader.row(7, DATA), Some(Kept::Torn));
    assert_eq!(reader.memory.1.get(), 2 * TRIES as u64);
}

/// Memory with anything everywhere, which counts what is read of it.
struct Anything {
    seed: u64,
    read: Cell<u64>,
}

impl Memory for Anything {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        self.read.set(self.read.get() + buffer.len() as u64);
        for (at, byte) in (address..).zip(buffer.iter_mut()) {
            // Small values and addresses among it, as in what is meant to look right.
            let mixed = ((at / 8) ^ self.seed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
            let word = match mixed % 7 {
                0 => 0,
                1 => mixed >> 61,
                2 => 7,
                3 => 4,
                4 => at & !7,
                5 => (at & !0xff) + (mixed >> 57 << 3),
                _ => mixed,
            };
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_in_memory_it_ends_and_reads_no_more_than_is_bounded(
        seed: u64, data: u64, fd in 0..9_i32, shift in 0..3_u32,
    ) {
        let memory = Anything { seed, read: Cell::new(0) };
        let variables = (0..4).map(|it| (it << 14)..((it + 1) << 14)).collect();
        let mut reader = Reader::<_, Fake>::new(memory, layout(), None, variables);
        let data = [data, (data >> 16) << 16 | 7, 7][shift as usize];
        let _ = reader.row(fd, data);
        let _ = reader.tasks(&[data & !7, 8]);
        // Two stacks of 64 KiB twice in each try; the variables, and entries of eight bytes of what
        // looks like the list of all goroutines.
        let most = TRIES as u64 * 4 * (65 << 10) + (1 << 20) + (8 << 22);
        let (read, of_lists) = (reader.memory.read.get(), GOROUTINE.size as u64 * 200_000);
        prop_assert!(read < most + of_lists, "{read} bytes");
    }
}

#[test]
fn variables_at_the_end_of_all_addresses_are_passed_over() {
    let variables = vec![u64::MAX - 3..u64::MAX, u64::MAX - 16..u64::MAX - 8];
    let mut reader = Reader::<_, Fake>::new(program(2), layout(), None, variables);
    assert_eq!(reader.tasks(&[WAITS]), None);
}

#[test]
fn the_standard_librarys_functions_are_told_from_the_programs() {
    for function in [
        "net.(*conn).Read",
        "net/http.(*conn).serve",
        "runtime.gopark",
        "internal/poll.(*FD).Read",
        "go/ast.Walk",
        "slices.SortFunc[go.shape.[]github.com/a/b.T]",
        "vendor/golang.org/x/net/http2.read",
        "golang.org/x/net/netutil.(*limitListener).Accept",
    ] {
        assert!(is_of_the_library(function), "{function}");
    }
    for function in [
        "main.main.func1",
        "github.com/a/b.(*T).serve",
        "go.uber.org/zap.New",
        "netlib.Read",
        "example.com/runtime.Run",
        "main.F[github.com/a/b.T]",
    ] {
        assert!(!is_of_the_library(function), "{function}");
    }
}
