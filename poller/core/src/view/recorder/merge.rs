//! Many rings as one sequence by time, of which little is held at a time.
//!
//! A poller may have 255 rings, and a process many pollers: all that they hold can be hundreds of
//! megabytes. So a ring is read some events at a time, and what is overwritten before its turn
//! comes is lost, and counted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{Cursor, Event};
use crate::poller::Poller;

/// Events of one ring that are held at a time.
pub(super) const BLOCK: u64 = 64;

/// The events between two places of each poller, by time; those of one thread in the order in which
/// it recorded them.
#[derive(Debug)]
pub struct Merge<'a> {
    rings: Vec<Ring<'a>>,
    /// The time of the first event of each ring that has any, and the ring.
    first: BinaryHeap<Reverse<(u64, usize)>>,
    lost: u64,
}

/// One ring, and how far it was read.
#[derive(Debug)]
struct Ring<'a> {
    poller: &'a Poller,
    thread: usize,
    /// Number of the first event that was not taken yet. In the reader's cursor, so that it goes on
    /// from here.
    next: &'a mut u64,
    until: u64,
    /// The events from `next` on.
    block: VecDeque<Event>,
}

impl<'a> Merge<'a> {
    /// What each poller has recorded between a cursor, which is moved on, and another place.
    pub fn new(
        readers: impl IntoIterator<Item = (&'a Poller, &'a mut Cursor, &'a Cursor)>,
    ) -> Self {
        let mut merge = Self {
            rings: Vec::new(),
            first: BinaryHeap::new(),
            lost: 0,
        };
        for (poller, cursor, until) in readers {
            let threads = cursor.next.iter_mut().zip(&until.next).enumerate();
            for (thread, (next, until)) in threads.filter(|(_, (next, until))| **next < **until) {
                merge.rings.push(Ring {
                    poller,
                    thread,
                    next,
                    until: *until,
                    block: VecDeque::new(),
                });
                merge.refill(merge.rings.len() - 1);
            }
        }
        merge
    }

    /// The next event, with its poller.
    pub fn peek(&self) -> Option<(&'a Poller, &Event)> {
        let Reverse((_, index)) = self.first.peek()?;
        let ring = self.rings.get(*index)?;
        Some((ring.poller, ring.block.front()?))
    }

    /// Takes the next event: the cursor of its poller is behind it.
    pub fn take(&mut self) -> Option<Event> {
        let Reverse((_, index)) = self.first.pop()?;
        let ring = self.rings.get_mut(index)?;
        let event = ring.block.pop_front();
        *ring.next += u64::from(event.is_some());
        self.refill(index);
        event
    }

    /// Events that were overwritten before they were read.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Sees to it that a ring with events to come has one in its block, and is among those that
    /// have.
    fn refill(&mut self, index: usize) {
        let ring = &mut self.rings[index];
        if ring.block.is_empty() {
            self.lost += ring.fill();
        }
        if let Some(event) = ring.block.front() {
            self.first.push(Reverse((event.at_ns, index)));
        }
    }
}

impl Ring<'_> {
    /// Reads the next block. Returns how many events were lost.
    fn fill(&mut self) -> u64 {
        let mut lost = 0;
        while self.block.is_empty() && *self.next < self.until {
            let until = self.next.saturating_add(BLOCK).min(self.until);
            let (block, thread) = (&mut self.block, self.thread);
            let found = |raw| block.push_back(Event::new(raw, thread));
            let recorder = &self.poller.shared.recorder;
            let Some((after, missed)) = recorder.read_ring(thread, *self.next, until, found) else {
                break;
            };
            *self.next = after - self.block.len() as u64;
            lost += missed;
        }
        lost
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::view::recorder::recorded;
    use crate::{Kind, Sides};

    /// A poller on which some threads have recorded events, so many each, at about the same time.
    fn recorded_by(threads: usize, events: usize) -> Poller {
        loop {
            let poller = Poller::builder().flight_recorder(1 << 20).build().unwrap();
            let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
            let desc = poller.open(socket.as_fd(), Kind::Unix).unwrap();
            let barrier = std::sync::Barrier::new(threads);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        barrier.wait();
                        for _ in 0..events {
                            desc.set_deadline(None, Sides::Read);
                        }
                        // Nobody gets the number of another while it is needed.
                        barrier.wait();
                    });
                }
            });
            // Another test may have had so many threads that there was no ring for these.
            if poller.shared.recorder.totals().unrecorded == 0 {
                return poller;
            }
        }
    }

    #[test]
    fn the_events_of_many_rings_come_by_time_and_few_are_held_at_once() {
        let poller = recorded_by(4, 5000);
        let expected = recorded(&poller);
        assert!(expected.len() > 20_000);
        let mut cursor = Cursor::oldest(&poller);
        let until = Cursor::now(&poller);
        let mut merge = Merge::new([(&poller, &mut cursor, &until)]);
        let rings = merge.rings.len();
        assert!(rings >= 4);
        let mut events = Vec::new();
        loop {
            let held: usize = merge.rings.iter().map(|ring| ring.block.len()).sum();
            assert!(held <= rings * BLOCK as usize, "{held}");
            let peeked = merge.peek().map(|(_, event)| *event);
            let taken = merge.take();
            assert_eq!(peeked, taken);
            match taken {
                Some(event) => events.push(event),
                None => break,
            }
        }
        assert_eq!(merge.lost(), 0);
        assert!(events == expected, "the same events in the same order");
    }

    #[test]
    fn what_was_peeked_at_and_not_taken_comes_again_to_whoever_goes_on_with_the_cursor() {
        let poller = recorded_by(2, 1000);
        let expected = recorded(&poller);
        let mut cursor = Cursor::oldest(&poller);
        let until = Cursor::now(&poller);
        let mut events = Vec::new();
        for take in [1, BLOCK as usize, 700, usize::MAX] {
            let mut merge = Merge::new([(&poller, &mut cursor, &until)]);
            events.extend(std::iter::from_fn(|| merge.take()).take(take));
            merge.peek();
        }
        assert!(events == expected, "nothing twice and nothing left out");
    }

    #[test]
    fn what_is_overwritten_before_its_turn_is_counted_as_lost() {
        let poller = Poller::builder().flight_recorder(256 * 24).build().unwrap();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let desc = poller.open(socket.as_fd(), Kind::Unix).unwrap();
        let record = |events| (0..events).for_each(|_| desc.set_deadline(None, Sides::Read));
        record(200);
        let mut cursor = Cursor::oldest(&poller);
        let until = Cursor::now(&poller);
        let mut merge = Merge::new([(&poller, &mut cursor, &until)]);
        let mut taken = u64::from(merge.take().is_some());
        record(200);
        taken += std::iter::from_fn(|| merge.take()).count() as u64;
        assert!(merge.lost() > 0);
        let lost = merge.lost();
        // Whatever was overwritten beyond the end is not told again.
        let (mut rest, end) = (Vec::new(), Cursor::now(&poller));
        let again = cursor.read(&poller, &mut rest);
        let end = *end.next.iter().max().unwrap();
        assert_eq!(taken + lost + rest.len() as u64 + again, end);
    }
}
