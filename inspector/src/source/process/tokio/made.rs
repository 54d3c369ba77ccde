//! A program of tokio that is made up, for tests and fuzzers.

use std::sync::Arc;

use super::task::{Head, Kind, Task};
use crate::source::process::kept::{Call, Stack};
use crate::source::process::memory::Memory;
use crate::source::process::memory::fake::Fake;
use crate::source::process::rust::Place;

/// Where its code is, and where the functions begin of which the names are known.
pub(in super::super) const CODE: std::ops::Range<u64> = 0x40_0000..0x50_0000;
pub(super) const OF_A_TASK: u64 = 0x40_1000;
pub(super) const OF_A_THREAD: u64 = 0x40_2000;
pub(super) const NAMELESS: u64 = 0x40_3000;
pub(super) const POLL: u64 = 0x40_4000;

/// Tables of functions: of a task's waker, of a thread's, of one whose functions have no names, and
/// of a task.
pub(super) const TASK_WAKER: u64 = 0x60_0000;
pub(super) const THREAD_WAKER: u64 = 0x60_0100;
pub(super) const NAMELESS_WAKER: u64 = 0x60_0200;
const TABLE: u64 = 0x60_0300;
const LINE: u64 = 0x60_0400;
const PATH: u64 = 0x60_0500;

/// Where the number of a task is, and its trailer.
const ID: u64 = 40;
const TRAILER: u64 = 256;

/// What is known of the code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    /// Functions have names.
    pub(super) has_names: bool,
}

impl super::code::Code for Code {
    type Future = &'static str;

    fn has(&self, address: u64) -> bool {
        CODE.contains(&address)
    }

    fn name(&self, address: u64) -> Option<String> {
        let name = match address {
            OF_A_TASK => "tokio::runtime::task::waker::wake_by_ref",
            OF_A_THREAD => "tokio::runtime::park::wake_by_ref",
            _ => return None,
        };
        self.has_names.then(|| name.to_owned())
    }

    fn future(&self, poll: u64) -> Option<Arc<&'static str>> {
        (self.has_names && poll == POLL).then(|| Arc::new("serve::{async fn}"))
    }

    fn type_of<'a>(future: &'a &'static str) -> &'a str {
        future
    }

    fn written<'a>(_: &'a &'static str) -> Option<&'a str> {
        Some("src/serve.rs:3")
    }

    fn layout(_: &&'static str) -> Option<(u64, u64)> {
        Some((200, 8))
    }

    /// What the first word of the future says.
    fn awaits(
        &self,
        memory: &impl Memory,
        _: &&'static str,
        address: u64,
        _: Option<Place>,
    ) -> Stack {
        let line = memory.words::<1>(address).map_or(0, |[it]| it);
        let call = Call {
            function: "serve".to_owned(),
            location: format!("src/serve.rs:{line}"),
        };
        match line {
            0 => Stack::default(),
            _ => Stack {
                calls: vec![call],
                own: Some(0),
                within: None,
            },
        }
    }

    /// One that is in front of its place.
    fn blocked(
        &self,
        memory: &impl Memory,
        place: Place,
        _: &[u64],
    ) -> Option<(Arc<&'static str>, Stack)> {
        let stack = self.awaits(memory, &"", place.address.checked_sub(8)?, None);
        stack.own.map(|_| (Arc::new("main::{async block}"), stack))
    }
}

/// Reads the task whose header is there.
pub(super) fn read(memory: &impl Memory, code: Code, header: u64) -> Option<Task> {
    let table = Head::read(memory, header)?.table;
    Task::read(memory, Kind::of(memory, &code, header)?, header, table)
}

/// Puts words there.
pub(super) fn put(memory: &mut Fake, at: u64, words: &[u64]) {
    let bytes: Vec<u8> = words.iter().flat_map(|it| it.to_le_bytes()).collect();
    memory.put(at, &bytes);
}

/// The tables of functions; tasks say which line has spawned them, or not.
pub(super) fn program(has_spawned: bool) -> Fake {
    let mut memory = Fake::default();
    put(&mut memory, TASK_WAKER, &[OF_A_TASK; 4]);
    put(&mut memory, THREAD_WAKER, &[OF_A_THREAD; 4]);
    put(&mut memory, NAMELESS_WAKER, &[NAMELESS; 4]);
    let behind = match has_spawned {
        true => ID + 8,
        false => 0x40_0000,
    };
    let table = [
        POLL, 0x40_5000, 0x40_5000, 0x40_5000, 0x40_5000, 0x40_5000, 0x40_5000,
    ];
    let offsets = [TRAILER, 32, ID, behind];
    put(&mut memory, TABLE, &[&table[..], &offsets].concat());
    let path = b"src/main.rs\0";
    memory.put(PATH, path);
    put(&mut memory, LINE, &[PATH, path.len() as u64, 42 | 5 << 32]);
    memory
}

/// The words of a task: its number, its state, which stage it is in and what its future begins
/// with.
pub(super) fn task(id: u64, state: u64, stage: u64, future: u64) -> Vec<u64> {
    let mut words = vec![0; 40];
    (words[0], words[2], words[5], words[6]) = (state | 2 << 6, TABLE, id, stage);
    words[7] = future;
    words
}

/// The same of one that says which line has spawned it.
pub(super) fn spawned(id: u64, state: u64, stage: u64, future: u64) -> Vec<u64> {
    let mut words = task(id, state, LINE, stage);
    words[8] = future;
    words
}
