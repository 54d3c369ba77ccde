//! One thread's part of the flight recorder: a ring that the thread overwrites and anybody may
//! read.
//!
//! The writer neither waits nor locks: three stores and the new head. A reader copies, then looks
//! at the head once more, and throws away what may have been overwritten while it copied. Two
//! fences make that sound: a reader that has seen a part of a new entry also sees the head from
//! which that entry was begun.

use super::event::RawEvent;
use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// Words, and bytes, of one entry.
const WORDS: usize = 3;
pub(crate) const EVENT_BYTES: usize = WORDS * 8;

type Entry = [AtomicU64; WORDS];

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// Entries ever written. The next one goes to `head % capacity`.
    head: AtomicU64,
    /// A power of two of them, or none.
    entries: Box<[Entry]>,
}

/// Where entry `number` is.
#[inline(always)]
fn place(entries: &[Entry], number: u64) -> usize {
    number as usize & entries.len().wrapping_sub(1)
}

impl Ring {
    /// Room for `events`, rounded down to a power of two; none for 0.
    pub(super) fn new(events: usize) -> Self {
        let capacity = events.checked_ilog2().map_or(0, |bits| 1 << bits);
        Self {
            head: AtomicU64::new(0),
            entries: (0..capacity)
                .map(|_| std::array::from_fn(|_| AtomicU64::new(0)))
                .collect(),
        }
    }

    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        !self.entries.is_empty()
    }

    fn capacity(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.len() * EVENT_BYTES
    }

    /// Entries ever written.
    pub(super) fn written(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Puts events into it, in their order. Returns whether there is room at all. To be called by
    /// one thread at a time.
    #[inline(always)]
    pub(super) fn push<const N: usize>(&self, events: [RawEvent; N]) -> bool {
        let entries = &*self.entries;
        if entries.is_empty() {
            return false;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        for event in events {
            // Whoever sees one of the stores below sees this head too, and knows that the entry is
            // being overwritten.
            fence(Ordering::Release);
            let Some(entry) = entries.get(place(entries, head)) else {
                return false;
            };
            for (word, value) in entry.iter().zip(event.pack()) {
                word.store(value, Ordering::Relaxed);
            }
            head += 1;
            self.head.store(head, Ordering::Release);
        }
        true
    }

    /// Number of the oldest entry that can be read: the one before may be in the making.
    pub(super) fn oldest(&self) -> u64 {
        let head = self.head.load(Ordering::Acquire);
        (head + 1).saturating_sub(self.capacity()).min(head)
    }

    /// Hands the entries from number `from` on, and before number `until`, to `found`, the oldest
    /// first. Returns the number of the next one, and how many were overwritten before they could
    /// be read; `until` is passed if they were, too.
    pub(super) fn read(
        &self,
        from: u64,
        until: u64,
        mut found: impl FnMut(RawEvent),
    ) -> (u64, u64) {
        let capacity = self.capacity();
        let head = self.head.load(Ordering::Acquire);
        let start = from.clamp(head.saturating_sub(capacity), head);
        let end = until.clamp(start, head);
        let copies: Vec<[u64; WORDS]> = (start..end)
            .map(|number| {
                let entry = &self.entries[place(&self.entries, number)];
                std::array::from_fn(|word| entry[word].load(Ordering::Relaxed))
            })
            .collect();
        fence(Ordering::Acquire);
        // The entry that is being written now has this number, and takes the place of the one a
        // capacity before.
        let writing = self.head.load(Ordering::Relaxed);
        let whole = (writing + 1).saturating_sub(capacity).clamp(start, end);
        for copy in &copies[(whole - start) as usize..] {
            found(RawEvent::unpack(*copy));
        }
        (end, whole.saturating_sub(from))
    }
}

#[cfg(all(test, not(shuttle)))]
mod made {
    use super::super::DescId;
    use super::RawEvent;
    use crate::observe::EventKind;

    pub(super) fn numbered(number: u64) -> RawEvent {
        RawEvent {
            at_ns: number,
            desc: DescId {
                slot: number as u32,
                generation: number as u32 + 1,
            },
            direction: None,
            kind: EventKind::Poll,
            argument: number + 2,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::made::numbered;
    use super::*;

    fn read(ring: &Ring, from: u64) -> (Vec<u64>, u64, u64) {
        let mut events = Vec::new();
        let (next, lost) = ring.read(from, u64::MAX, |event| {
            assert_eq!(
                event,
                numbered(event.at_ns),
                "the parts of an entry belong together"
            );
            events.push(event.at_ns);
        });
        (events, next, lost)
    }

    #[test]
    fn a_reader_that_keeps_up_sees_each_event_once_and_a_late_one_is_told_what_it_lost() {
        let ring = Ring::new(8);
        (0..5).for_each(|n| assert!(ring.push([numbered(n)])));
        assert_eq!(read(&ring, 0), (vec![0, 1, 2, 3, 4], 5, 0));
        assert_eq!(read(&ring, 5), (vec![], 5, 0));
        (5..20).for_each(|n| assert!(ring.push([numbered(n)])));
        // Of the eight places one may be in the making.
        assert_eq!(read(&ring, 5), ((13..20).collect(), 20, 8));
    }

    #[test]
    fn a_reader_that_takes_some_at_a_time_sees_each_event_once() {
        let ring = Ring::new(8);
        (0..20).for_each(|n| assert!(ring.push([numbered(n)])));
        let some = |from, until| {
            let mut events = Vec::new();
            let (next, lost) = ring.read(from, until, |event| events.push(event.at_ns));
            (events, next, lost)
        };
        assert_eq!(ring.oldest(), 13);
        assert_eq!(some(13, 16), (vec![13, 14, 15], 16, 0));
        assert_eq!(some(16, 99), (vec![16, 17, 18, 19], 20, 0));
        // All that was asked for is gone: the next one is the oldest there may be.
        assert_eq!(some(2, 5), (vec![], 12, 10));
        assert_eq!((Ring::new(8).oldest(), some(20, 30)), (0, (vec![], 20, 0)));
    }

    #[test]
    fn a_ring_holds_no_more_bytes_than_asked_for() {
        assert_eq!(Ring::new(1000).bytes(), 512 * EVENT_BYTES);
        assert_eq!(Ring::new(1).bytes(), EVENT_BYTES);
        assert_eq!(Ring::new(0).bytes(), 0);
        assert!(!Ring::new(0).push([numbered(0)]));
    }

    #[test]
    fn entries_are_never_torn_whatever_the_writer_does_meanwhile() {
        let ring = Ring::new(16);
        let most = 200_000;
        std::thread::scope(|scope| {
            scope.spawn(|| (0..most).for_each(|n| assert!(ring.push([numbered(n)]))));
            let (mut next, mut seen, mut lost) = (0, 0, 0);
            while next < most {
                let (events, after, missed) = read(&ring, next);
                assert!(events.is_sorted());
                assert_eq!(after - next, events.len() as u64 + missed);
                (next, seen, lost) = (after, seen + events.len() as u64, lost + missed);
            }
            assert_eq!(seen + lost, most, "every event is read or counted as lost");
        });
    }
}

#[cfg(all(test, loom, not(shuttle)))]
mod loom_tests {
    use super::made::numbered;
    use super::*;

    #[test]
    fn loom_a_reader_never_sees_half_an_entry() {
        loom::model(|| {
            let ring = loom::sync::Arc::new(Ring::new(2));
            assert!(ring.push([numbered(0)]));
            let writer = {
                let ring = ring.clone();
                loom::thread::spawn(move || (1..4).for_each(|n| assert!(ring.push([numbered(n)]))))
            };
            let (mut seen, mut lost) = (0, 0);
            let (next, missed) = ring.read(0, u64::MAX, |event| {
                assert_eq!(event, numbered(event.at_ns));
                seen += 1;
            });
            lost += missed;
            assert_eq!(seen + lost, next);
            writer.join().unwrap();
        });
    }
}
