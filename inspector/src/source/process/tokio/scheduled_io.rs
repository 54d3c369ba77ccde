//! One descriptor of tokio's network driver: `tokio::runtime::io::ScheduledIo`.
//!
//! The kernel gives back, with each event, the word with which a descriptor was registered: in a
//! program of tokio the address of its `ScheduledIo`. Where in that everything is, is the
//! compiler's choice; but it is made of pointers nearly alone, which all releases declare in the
//! same order (`scheduled_io.rs`, 1.40 to 1.54), and pointers are not reordered. Whether it is so
//! here is seen by what stands there: what no `ScheduledIo` can hold is none.

use super::waker::Waker;
use crate::source::process::memory::Memory;

/// The words that tell of it: the links of the list of all, readiness, the lock, the ends of the
/// list of those who wait, and the wakers of whoever polls to read and to write.
const WORDS: usize = 10;
/// It begins at such an address, on all that tokio runs on under Linux.
const ALIGNMENT: u64 = 64;
/// Those that stand for the driver's own descriptors (`TOKEN_WAKEUP` and `TOKEN_SIGNAL`).
const TOKENS: u64 = 2;
/// The list is followed so far.
const MOST_WAITERS: usize = 1_024;

/// Bits of readiness (`ready.rs`), the number of the last event behind them, and what ends it.
const READABLE: u64 = 0b0001;
const WRITABLE: u64 = 0b0010;
const READ_CLOSED: u64 = 0b0100;
const WRITE_CLOSED: u64 = 0b1000;
const ERROR: u64 = 0b10_0000;
const READINESS_BITS: u32 = 16;
const SHUTDOWN: u64 = 1 << 31;

/// Bits of an interest (`interest.rs`).
const TO_WRITE: u64 = 0b0010;
const INTERESTS: u64 = 0b11_1111;

/// It, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScheduledIo {
    pub(super) address: u64,
    pub(super) is_shut_down: bool,
    pub(super) has_error: bool,
    /// Events so far, as far as fifteen bits count them.
    pub(super) tick: u64,
    pub(super) read: Side,
    pub(super) write: Side,
}

/// One direction of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Side {
    pub(super) is_ready: bool,
    /// Who is woken when that changes: who polls first, and then those of the list, who has come
    /// first before the others.
    pub(super) waiters: Vec<Waits>,
}

/// Somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) waker: Waker,
    /// Where its place in the list is; `None` for who polls.
    pub(super) place: Option<u64>,
}

/// What was found behind the word of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or no `ScheduledIo`.
    Nothing,
    /// One that is being changed.
    Changing,
    Whole(ScheduledIo),
}

/// Reads what a descriptor was registered with.
pub(super) fn read(memory: &impl Memory, data: u64) -> Found {
    if data < TOKENS || !data.is_multiple_of(ALIGNMENT) {
        return Found::Nothing;
    }
    let Some(words) = memory.words::<WORDS>(data) else {
        return Found::Nothing;
    };
    let [previous, next, readiness, lock, head, tail, wakers @ ..] = words;
    let [read_vtable, read_data, write_vtable, write_data] = wakers;
    let links = [previous, next, head, tail, read_vtable, write_vtable];
    // The lock is one byte of parking_lot's or one word of std's, beside bytes that say nothing.
    let lock = lock & 0xff;
    let is_it = links.into_iter().all(is_pointer_or_null) && readiness >> 32 == 0 && lock <= 3;
    if !is_it {
        return Found::Nothing;
    }
    let side = |ready, vtable, data| {
        let is_ready = readiness & ready != 0;
        // Whoever has left a waker and then seen that it is ready waits no more: `poll_readiness`
        // looks once more after it has, and leaves the waker behind.
        let waker = Waker::of(vtable, data).filter(|_| !is_ready);
        let poll = waker.map(|waker| Waits { waker, place: None });
        Side {
            is_ready,
            waiters: poll.into_iter().collect(),
        }
    };
    let mut read = side(READABLE | READ_CLOSED, read_vtable, read_data);
    let mut write = side(WRITABLE | WRITE_CLOSED, write_vtable, write_data);
    let Some(list) = list(memory, head, tail) else {
        return Found::Changing;
    };
    for (interest, waits) in list {
        // Of one that waits for both, the one is enough.
        match interest & TO_WRITE {
            0 => read.waiters.push(waits),
            _ if interest & !TO_WRITE == 0 => write.waiters.push(waits),
            _ => {
                read.waiters.push(waits);
                write.waiters.push(waits);
            }
        }
    }
    if lock != 0 {
        return Found::Changing;
    }
    Found::Whole(ScheduledIo {
        address: data,
        is_shut_down: readiness & SHUTDOWN != 0,
        has_error: readiness & ERROR != 0,
        tick: (readiness & (SHUTDOWN - 1)) >> READINESS_BITS,
        read,
        write,
    })
}

/// Reads the list of those who wait, who came first before the others, and what for: each has the
/// one that came later before it and the one that came earlier behind it. `None` if it is changed
/// meanwhile.
fn list(memory: &impl Memory, head: u64, tail: u64) -> Option<Vec<(u64, Waits)>> {
    let mut list = Vec::new();
    let (mut at, mut later) = (head, 0);
    while at != 0 {
        let [previous, next, vtable, data, interest] = memory.words::<5>(at)?;
        let is_linked = previous == later && list.len() < MOST_WAITERS;
        if !is_linked || !is_pointer_or_null(next) || interest & !INTERESTS != 0 || interest == 0 {
            return None;
        }
        let waker = Waker::of(vtable, data)?;
        let place = Some(at);
        list.push((interest, Waits { waker, place }));
        (at, later) = (next, at);
    }
    list.reverse();
    (later == tail).then_some(list)
}

/// Whether it can be the address of something that begins at a word.
fn is_pointer_or_null(word: u64) -> bool {
    word.is_multiple_of(8) && word >> 56 == 0 && (word == 0 || word >= 4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::process::memory::fake::Fake;

    const AT: u64 = 0x7f00_0000_1000;
    const VTABLE: u64 = 0x5555_0000_2000;

    fn memory(words: [u64; WORDS], nodes: &[(u64, [u64; 5])]) -> Fake {
        let mut memory = Fake::default();
        memory.put(AT, &words.map(u64::to_le_bytes).concat());
        for (at, node) in nodes {
            memory.put(*at, &node.map(u64::to_le_bytes).concat());
        }
        memory
    }

    fn whole(found: Found) -> ScheduledIo {
        match found {
            Found::Whole(it) => it,
            other => panic!("{other:?}"),
        }
    }

    fn data(side: &Side) -> Vec<u64> {
        side.waiters.iter().map(|it| it.waker.data).collect()
    }

    #[test]
    fn who_polls_and_who_is_in_the_list_are_told_in_their_order() {
        let (one, two) = (0x7f00_0000_2000, 0x7f00_0000_3000);
        let words = [
            0,
            0,
            7 << 16 | WRITABLE,
            0,
            two,
            one,
            VTABLE,
            11,
            VTABLE,
            12,
        ];
        let nodes = [
            (two, [0, one, VTABLE, 22, 0b11]),
            (one, [two, 0, VTABLE, 21, 0b01]),
        ];
        let it = whole(read(&memory(words, &nodes), AT));
        assert_eq!(
            (data(&it.read), data(&it.write)),
            (vec![11, 21, 22], vec![22]),
            "whoever has left its waker where it is ready waits no more"
        );
        assert_eq!(
            (it.tick, it.read.is_ready, it.write.is_ready),
            (7, false, true)
        );
        let places: Vec<_> = it.read.waiters.iter().map(|it| it.place).collect();
        assert_eq!(places, [None, Some(one), Some(two)]);
        let closed = SHUTDOWN | ERROR | READ_CLOSED;
        let it = whole(read(&memory([0, 0, closed, 0, 0, 0, 0, 0, 0, 0], &[]), AT));
        assert!(it.is_shut_down && it.has_error && it.read.is_ready && !it.write.is_ready);
        assert_eq!((it.tick, data(&it.read)), (0, vec![]));
    }

    #[test]
    fn what_no_scheduled_io_can_hold_is_none() {
        let sound = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(read(&memory(sound, &[]), AT), Found::Whole(_)));
        let wrong = [
            (0, 7),
            (1, 8),
            (2, 1 << 32),
            (3, 4),
            (4, 9),
            (5, 9),
            (6, 1 << 60),
            (8, 0x1001),
        ];
        for (at, word) in wrong {
            let mut words = sound;
            words[at] = word;
            assert_eq!(read(&memory(words, &[]), AT), Found::Nothing, "{at}");
        }
        let memory = memory(sound, &[]);
        for data in [0, 1, 2, AT + 8, AT + 64, u64::MAX] {
            assert_eq!(read(&memory, data), Found::Nothing, "{data:#x}");
        }
    }

    #[test]
    fn a_list_that_is_changed_meanwhile_is_not_followed() {
        let (one, two) = (0x7f00_0000_2000, 0x7f00_0000_3000);
        let words = [0, 0, 0, 0, two, one, 0, 0, 0, 0];
        let sound = [
            (two, [0, one, VTABLE, 22, 1]),
            (one, [two, 0, VTABLE, 21, 1]),
        ];
        let is_whole = |words, nodes: &[_]| match read(&memory(words, nodes), AT) {
            Found::Nothing => panic!("it is one"),
            Found::Changing => false,
            Found::Whole(_) => true,
        };
        assert!(is_whole(words, &sound));
        assert!(!is_whole(words, &sound[..1]), "a place that is gone");
        for (place, word) in [(0, 0x1000), (1, two), (1, 9), (2, 0), (4, 0), (4, 1 << 9)] {
            let mut nodes = sound;
            nodes[1].1[place] = word;
            assert!(!is_whole(words, &nodes), "{place}: {word:#x}");
        }
        let locked = [0, 0, 0, 1, two, one, 0, 0, 0, 0];
        assert!(!is_whole(locked, &sound));
        let elsewhere = [0, 0, 0, 0, two, two, 0, 0, 0, 0];
        assert!(!is_whole(elsewhere, &sound));
    }
}
