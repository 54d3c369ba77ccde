//! The deadline queue: one entry a descriptor, at a time no later than its earliest deadline.
//!
//! The entry only says when to look. Moving a deadline later, or clearing it, leaves the entry
//! where it is: when it comes up, the descriptor is looked at, and queued again if there is still
//! something to come. So the program that sets a deadline before every read pays a store, not a
//! heap operation (golang/go#25729). And a late look is harmless by construction, for it expires
//! only what is overdue.
#![forbid(unsafe_code)]

use crate::desc::{PollCache, PollDesc};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// `next_ns` of an empty queue.
pub(crate) const EMPTY: u64 = u64::MAX;

/// Children of a heap node: four make the heap half as deep, and they lie in one cache line.
const ARITY: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    at_ns: u64,
    slot: u32,
    generation: u32,
}

/// An indexed heap: it knows where each slot's entry is, so that one can be moved or removed.
#[derive(Debug, Default)]
struct Heap {
    entries: Vec<Entry>,
    /// By slot: index of its entry plus 1, 0 for none.
    places: Vec<u32>,
}

impl Heap {
    fn place(&self, slot: u32) -> Option<usize> {
        self.places
            .get(slot as usize)
            .and_then(|place| (*place as usize).checked_sub(1))
    }

    fn put(&mut self, index: usize, entry: Entry) {
        self.entries[index] = entry;
        self.places[entry.slot as usize] = index as u32 + 1;
    }

    fn insert(&mut self, entry: Entry) {
        if self.places.len() <= entry.slot as usize {
            self.places
                .resize((entry.slot as usize + 1).next_power_of_two(), 0);
        }
        self.entries.push(entry);
        self.up(self.entries.len() - 1, entry);
    }

    fn up(&mut self, mut index: usize, entry: Entry) {
        while index > 0 {
            let parent = (index - 1) / ARITY;
            if self.entries[parent].at_ns <= entry.at_ns {
                break;
            }
            self.put(index, self.entries[parent]);
            index = parent;
        }
        self.put(index, entry);
    }

    fn down(&mut self, mut index: usize, entry: Entry) {
        loop {
            let first = index * ARITY + 1;
            let last = (first + ARITY).min(self.entries.len());
            let Some(child) = (first..last).min_by_key(|child| self.entries[*child].at_ns) else {
                break;
            };
            if self.entries[child].at_ns >= entry.at_ns {
                break;
            }
            self.put(index, self.entries[child]);
            index = child;
        }
        self.put(index, entry);
    }

    fn remove(&mut self, index: usize) -> Entry {
        let removed = self.entries.swap_remove(index);
        self.places[removed.slot as usize] = 0;
        if let Some(moved) = self.entries.get(index).copied() {
            if index > 0 && self.entries[(index - 1) / ARITY].at_ns > moved.at_ns {
                self.up(index, moved);
            } else {
                self.down(index, moved);
            }
        }
        removed
    }

    fn next_ns(&self) -> u64 {
        self.entries.first().map_or(EMPTY, |entry| entry.at_ns)
    }
}

/// The queue of one poller.
#[derive(Debug)]
pub(crate) struct DeadlineQueue {
    heap: Mutex<Heap>,
    /// Time of the first entry, [`EMPTY`] without one. Written with the lock held, by
    /// read-modify-write: see [`DeadlineQueue::next_ns`].
    next_ns: AtomicU64,
}

impl DeadlineQueue {
    pub(crate) fn new() -> Self {
        Self {
            heap: Mutex::new(Heap::default()),
            next_ns: AtomicU64::new(EMPTY),
        }
    }

    /// Time of the first entry, [`EMPTY`] without one. Reads by a read-modify-write: a poller
    /// stores until when it sleeps and then reads this, a deadline stores this and then reads until
    /// when the poller sleeps, and one of the two must see the other (tokio#3190).
    pub(crate) fn next_ns(&self) -> u64 {
        self.next_ns.fetch_or(0, Ordering::AcqRel)
    }

    /// The same, as a hint: cheap, and possibly a moment old.
    #[inline]
    pub(crate) fn peek_ns(&self) -> u64 {
        self.next_ns.load(Ordering::Acquire)
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.heap.lock().entries.len()
    }

    fn publish_next(&self, heap: &Heap) {
        let next = heap.next_ns();
        if self.next_ns.load(Ordering::Relaxed) != next {
            self.next_ns.swap(next, Ordering::AcqRel);
        }
    }

    /// Makes sure that `desc` is looked at by `at_ns`. `true` if that made it the first of the
    /// queue. To be called with the descriptor's lock held.
    pub(crate) fn schedule(&self, desc: &PollDesc, generation: u32, at_ns: u64) -> bool {
        let mut heap = self.heap.lock();
        let entry = Entry {
            at_ns,
            slot: desc.slot(),
            generation,
        };
        match heap.place(desc.slot()) {
            Some(index) if heap.entries[index].at_ns <= at_ns => return false,
            Some(index) => heap.up(index, entry),
            None => heap.insert(entry),
        }
        desc.queued_ns.store(at_ns, Ordering::Relaxed);
        let first = heap.entries[0] == entry;
        self.publish_next(&heap);
        first
    }

    /// Takes the entry of `desc` out, if it has one.
    pub(crate) fn remove(&self, desc: &PollDesc) {
        let mut heap = self.heap.lock();
        if let Some(index) = heap.place(desc.slot()) {
            heap.remove(index);
            desc.queued_ns.store(0, Ordering::Relaxed);
            self.publish_next(&heap);
        }
    }

    /// Takes out what is due at `now_ns`, as slots and generations, at most as many as `due` has
    /// room for.
    pub(crate) fn pop_due(&self, now_ns: u64, cache: &PollCache, due: &mut Vec<(u32, u32)>) {
        let mut heap = self.heap.lock();
        while due.len() < due.capacity() && heap.next_ns() <= now_ns {
            let entry = heap.remove(0);
            if let Some(desc) = cache.get(entry.slot) {
                desc.queued_ns.store(0, Ordering::Relaxed);
            }
            due.push((entry.slot, entry.generation));
        }
        self.publish_next(&heap);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::desc::{Kind, Slot};
    use std::collections::BTreeMap;
    use std::panic::Location;
    use std::sync::Arc;

    struct Fixture {
        cache: Arc<PollCache>,
        slots: Vec<Slot>,
        queue: DeadlineQueue,
    }

    impl Fixture {
        fn new(slots: usize) -> Self {
            let cache = Arc::new(PollCache::new());
            let slots: Vec<_> = (0..slots).map(|_| cache.alloc().unwrap()).collect();
            for slot in &slots {
                slot.open(-1, Kind::Timer, Location::caller());
            }
            Self {
                cache,
                slots,
                queue: DeadlineQueue::new(),
            }
        }

        fn due(&self, now_ns: u64) -> Vec<u32> {
            let mut due = Vec::with_capacity(1000);
            self.queue.pop_due(now_ns, &self.cache, &mut due);
            due.into_iter().map(|(slot, _)| slot).collect()
        }
    }

    #[test]
    fn entries_come_up_in_the_order_of_time_and_never_early() {
        let fixture = Fixture::new(3);
        for (slot, at) in [(0, 300), (1, 100), (2, 200)] {
            fixture.queue.schedule(&fixture.slots[slot], 1, at);
        }
        assert_eq!(fixture.due(99), []);
        assert_eq!(fixture.due(250), [1, 2]);
        assert_eq!(fixture.queue.next_ns(), 300);
        assert_eq!(fixture.due(300), [0]);
        assert_eq!(fixture.queue.next_ns(), EMPTY);
    }

    #[test]
    fn a_descriptor_has_one_entry_at_its_earliest_time() {
        let fixture = Fixture::new(2);
        assert!(fixture.queue.schedule(&fixture.slots[0], 1, 500));
        assert!(
            !fixture.queue.schedule(&fixture.slots[0], 1, 900),
            "later: the entry stays"
        );
        assert!(fixture.queue.schedule(&fixture.slots[0], 1, 100));
        assert!(!fixture.queue.schedule(&fixture.slots[1], 1, 200));
        assert_eq!(fixture.queue.len(), 2);
        assert_eq!(fixture.slots[0].queued_ns.load(Ordering::Relaxed), 100);
        fixture.queue.remove(&fixture.slots[0]);
        fixture.queue.remove(&fixture.slots[0]);
        assert_eq!(fixture.due(1000), [1]);
    }

    #[test]
    fn a_batch_is_bounded_by_its_room() {
        let fixture = Fixture::new(5);
        for slot in &fixture.slots {
            fixture.queue.schedule(slot, 1, 10);
        }
        let mut due = Vec::with_capacity(2);
        let room = due.capacity();
        fixture.queue.pop_due(10, &fixture.cache, &mut due);
        assert_eq!(due.len(), room);
        assert_eq!(fixture.queue.len(), 5 - room);
    }

    #[test]
    fn agrees_with_a_sorted_map_over_random_operations() {
        let fixture = Fixture::new(64);
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        // A small linear congruential generator keeps the run the same every time.
        let mut state = 1u64;
        let mut random = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for _ in 0..20_000 {
            let slot = random(64) as u32;
            match random(4) {
                0 => {
                    fixture.queue.remove(&fixture.slots[slot as usize]);
                    model.remove(&slot);
                }
                1 => {
                    let now = random(1000);
                    let mut due = fixture.due(now);
                    due.sort_unstable();
                    let expected: Vec<_> = model
                        .iter()
                        .filter(|(_, at)| **at <= now)
                        .map(|(slot, _)| *slot)
                        .collect();
                    assert_eq!(due, expected);
                    model.retain(|_, at| *at > now);
                }
                _ => {
                    let at = random(1000) + 1;
                    fixture.queue.schedule(&fixture.slots[slot as usize], 1, at);
                    let entry = model.entry(slot).or_insert(at);
                    *entry = at.min(*entry);
                }
            }
            assert_eq!(
                fixture.queue.next_ns(),
                model.values().min().copied().unwrap_or(EMPTY)
            );
            assert_eq!(fixture.queue.len(), model.len());
        }
    }
}
