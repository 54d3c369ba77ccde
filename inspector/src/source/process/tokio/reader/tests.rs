//! A program that is made up, one that changes while it is read, and ones that lie.

use std::cell::Cell;

use proptest::prelude::*;

use super::super::made::{self, Code, TASK_WAKER, THREAD_WAKER, program, put, task};
use super::*;
use crate::source::process::memory::fake::Fake;

const IO: u64 = 0x7f00_0000_1000;
const ONE: u64 = 0x7f00_0000_2000;
const OTHER: u64 = 0x7f00_0000_3000;
const PLACE: u64 = 0x7f00_0000_4000;
/// `RUNNING` of a task's state.
const RUNNING: u64 = 1;

/// A descriptor that can be written to, and to read which a task polls; a second task and a thread
/// are in the list.
fn service() -> Fake {
    let mut memory = program(false);
    let (first, second) = (PLACE, PLACE + 0x100);
    let ends = [second, first];
    let wakers = [TASK_WAKER, ONE, 0, 0];
    put(
        &mut memory,
        IO,
        &[&[0, 0, 3 << 16 | 2, 0], &ends[..], &wakers].concat(),
    );
    put(&mut memory, first, &[second, 0, TASK_WAKER, OTHER, 1, 0]);
    put(&mut memory, second, &[0, first, THREAD_WAKER, 0x7000, 1, 0]);
    // What is in front of a place is where the future of a thread is.
    put(&mut memory, second - 8, &[21]);
    put(&mut memory, ONE, &task(17, 0, 0, 0));
    put(&mut memory, OTHER, &task(18, RUNNING, 0, 0));
    memory
}

fn reader<M: Memory>(memory: M) -> Reader<M, Code> {
    Reader::new(memory, Code { has_names: true })
}

fn row(memory: &impl Memory) -> Row {
    match reader(memory).row(IO) {
        Some(Kept::Row(row)) => *row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_waits_is_told_with_all_that_is_known() {
    let row = row(&service());
    assert_eq!(
        (row.address, row.closing, row.event_err),
        (IO, false, false)
    );
    assert_eq!(
        (row.read.state, row.write.state),
        (State::Parked, State::Ready)
    );
    let waiter = row.read.waiter.as_ref().expect("a task");
    assert_eq!(
        (&*waiter.task, waiter.task_id, waiter.task_state),
        ("17", 17, "idle")
    );
    assert_eq!(
        (&*waiter.future, &*waiter.reason),
        ("serve::{async fn}", "poll_read_ready")
    );
    // It is in no line that is known.
    let written = (LineKind::Written, "src/serve.rs:3".to_owned());
    assert_eq!(waiter.nearest, Some(written));
    let others: Vec<_> = row
        .read
        .others
        .iter()
        .map(|it| (&*it.task, it.task_state))
        .collect();
    assert_eq!(others, [("18", "running"), ("block_on", "")]);
    let blocked = &row.read.others[1];
    assert_eq!(
        (&*blocked.future, blocked.stack.location()),
        ("main::{async block}", "src/serve.rs:21")
    );
    assert!(row.read.others.iter().all(|it| it.reason == "readiness"));
    assert_eq!(reader(service()).row(1), None);
}

#[test]
fn the_line_that_it_awaits_is_told_if_nobody_polls_it() {
    let at = |state| {
        let mut memory = service();
        put(&mut memory, ONE, &task(17, state, 0, 12));
        let waiter = row(&memory).read.waiter.expect("a task");
        (waiter.stack.location().to_owned(), waiter.nearest.is_some())
    };
    assert_eq!(at(0), ("src/serve.rs:12".to_owned(), false));
    assert_eq!(at(RUNNING), (String::new(), true));
}

#[test]
fn a_task_that_has_ended_waits_no_more_though_its_waker_is_there() {
    let mut memory = service();
    put(&mut memory, ONE, &task(17, 2, 1, 0));
    let read = row(&memory).read;
    assert_eq!(read.waiter.map(|it| it.task), Some("18".to_owned()));
    put(
        &mut memory,
        IO,
        &[0, 0, 3 << 16 | 2, 0, 0, 0, TASK_WAKER, ONE, 0, 0],
    );
    let read = row(&memory).read;
    assert_eq!((read.state, read.waiter), (State::Nil, None));
}

#[test]
fn a_future_in_a_box_is_called_by_what_is_there() {
    let call = |function: &str| crate::source::process::kept::Call {
        function: function.to_owned(),
        location: String::new(),
    };
    let stack = Stack {
        calls: vec![call("read"), call("serve::{async fn}")],
        ..Stack::default()
    };
    let boxed = "core::pin::Pin<alloc::boxed::Box<dyn core::future::future::Future>>";
    assert_eq!(called(boxed, &stack), "serve::{async fn}");
    assert_eq!(called(boxed, &Stack::default()), boxed);
    assert_eq!(called("main::{async block}", &stack), "main::{async block}");
}

#[test]
fn who_has_been_woken_meanwhile_is_another_wait() {
    let fingerprint = |memory: &Fake| row(memory).read.waiter.map(|it| it.fingerprint);
    let (first, mut event, mut ran) = (service(), service(), service());
    put(
        &mut event,
        IO,
        &[0, 0, 4 << 16 | 2, 0, 0, 0, TASK_WAKER, ONE, 0, 0],
    );
    put(&mut ran, ONE, &task(17, 0, 0, 13));
    assert_eq!(fingerprint(&first), fingerprint(&service()));
    assert_ne!(fingerprint(&first), fingerprint(&event));
    assert_ne!(fingerprint(&first), fingerprint(&ran));
}

/// Memory in which what is at `at` is another one each time that it is read, `changes` times.
struct Changing {
    memory: Fake,
    at: u64,
    changes: Cell<u64>,
}

impl Memory for Changing {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let is_there = self.memory.read(address, buffer);
        if address == self.at && self.changes.get() > 0 {
            self.changes.set(self.changes.get() - 1);
            // The number of the last event, or of those who refer to a task.
            let place = if address == IO { 18 } else { 1 };
            if let Some(byte) = buffer.get_mut(place) {
                *byte = byte.wrapping_add(self.changes.get() as u8 | 1);
            }
        }
        is_there
    }
}

#[test]
fn a_row_that_changes_is_read_again_and_told_as_torn_if_it_never_stays() {
    for at in [IO, ONE] {
        let read = |changes| {
            let memory = Changing {
                memory: service(),
                at,
                changes: Cell::new(changes),
            };
            let kept = reader(&memory).row(IO);
            matches!(kept, Some(Kept::Row(_)))
        };
        assert!(read(1) && read(3), "{at:#x}");
        assert!(!read(u64::MAX), "{at:#x}");
    }
}

#[test]
fn a_waker_of_nobody_makes_no_row() {
    let mut memory = service();
    put(&mut memory, ONE, &[0; 40]);
    assert_eq!(reader(&memory).row(IO), Some(Kept::Torn));
}

proptest! {
    /// Whatever is behind the word of a registration, reading it ends, and it is followed no
    /// further than what is there.
    #[test]
    fn memory_that_lies_is_read_to_an_end(
        words in prop::collection::vec(
            prop_oneof![
                Just(0), Just(1), Just(IO), Just(ONE), Just(PLACE), Just(PLACE + 0x100), Just(TASK_WAKER),
                Just(THREAD_WAKER), Just(made::NAMELESS_WAKER), any::<u64>(),
            ],
            60,
        ),
        whole in any::<bool>(),
    ) {
        let mut memory = match whole {
            true => service(),
            false => program(true),
        };
        let (io, rest) = words.split_at(10);
        let (places, task) = rest.split_at(10);
        let mut io = io.to_vec();
        if whole {
            io[2] &= 0xffff_ffff;
            io[3] = 0;
        }
        put(&mut memory, IO, &io);
        put(&mut memory, PLACE, &places[..5]);
        put(&mut memory, PLACE + 0x100, &places[5..]);
        put(&mut memory, ONE, task);
        let _ = reader(&memory).row(IO);
    }
}
