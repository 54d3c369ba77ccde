//! All slots of a poller: type-stable memory, never freed, recycled last in first out (semantics
//! 9).
//!
//! An event that the kernel delivers late names a slot by its index. So the memory behind an index
//! must stay a slot for as long as the poller lives, whatever became of the descriptor.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::poll_desc::PollDesc;
use crate::sync::Mutex;
use crate::sys::OnceBox;

/// Slots in a chunk: small enough that an idle program spends little, and a chunk is one
/// allocation. A model makes every slot anew for each execution, so there it has few.
const CHUNK: usize = if cfg!(loom) { 2 } else { 64 };
/// Chunks in a group, and groups in the table: 67 million slots at most.
const GROUP: usize = if cfg!(loom) { 2 } else { 1024 };
const GROUPS: usize = if cfg!(loom) { 2 } else { 1024 };

/// Most slots of a poller.
pub(crate) const MAX_SLOTS: u32 = (CHUNK * GROUP * GROUPS) as u32;

type Chunk = OnceBox<[PollDesc; CHUNK]>;
type Group = OnceBox<[Chunk; GROUP]>;

/// An array that is never on the stack, which it may be too large for.
fn boxed<T, const N: usize>(make: impl FnMut(usize) -> T) -> Box<[T; N]> {
    let items: Box<[T]> = (0..N).map(make).collect();
    match items.try_into() {
        Ok(items) => items,
        Err(_) => unreachable!("there are as many as it takes"),
    }
}

/// The table.
pub(crate) struct PollCache {
    groups: Box<[Group; GROUPS]>,
    free: Mutex<Vec<u32>>,
    /// Slots made so far; those below have a chunk.
    made: AtomicU32,
}

impl PollCache {
    pub(crate) fn new() -> Self {
        Self {
            groups: boxed(|_| OnceBox::new()),
            free: Mutex::new(Vec::new()),
            made: AtomicU32::new(0),
        }
    }

    /// Takes a slot: the one that was freed last, or a new one. `None` when all of them are live.
    pub(crate) fn alloc(self: &Arc<Self>) -> Option<Slot> {
        let mut free = self.free.lock();
        let index = match free.pop() {
            Some(index) => index,
            None => {
                let next = self.made.load(Ordering::Relaxed);
                if next >= MAX_SLOTS {
                    return None;
                }
                self.chunk(next).get_or_init(|| {
                    let first = next / CHUNK as u32 * CHUNK as u32;
                    boxed(|index| PollDesc::new(first + index as u32))
                });
                // After the chunk is there: a reader that sees the count finds the slots.
                self.made.store(next + 1, Ordering::Release);
                next
            }
        };
        drop(free);
        let desc = self.get(index)?;
        Some(Slot {
            desc: NonNull::from(desc),
            cache: self.clone(),
        })
    }

    /// Gives a slot back. Its life must have ended.
    pub(crate) fn release(&self, slot: u32) {
        self.free.lock().push(slot);
    }

    fn chunk(&self, index: u32) -> &Chunk {
        let chunk = index as usize / CHUNK;
        let group = self.groups[chunk / GROUP].get_or_init(|| boxed(|_| OnceBox::new()));
        &group[chunk % GROUP]
    }

    /// The slot with this index, if it was made.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&PollDesc> {
        let chunk = index as usize / CHUNK;
        let group = self.groups.get(chunk / GROUP)?.get()?;
        Some(&group[chunk % GROUP].get()?[index as usize % CHUNK])
    }

    /// A handle to the slot with this index, if it was made: for whoever does not own what lives
    /// there, and has to look under its lock whether it still does.
    pub(crate) fn slot(self: &Arc<Self>, index: u32) -> Option<Slot> {
        let desc = NonNull::from(self.get(index)?);
        Some(Slot {
            desc,
            cache: self.clone(),
        })
    }

    /// Slots made so far, live or free.
    pub(crate) fn made(&self) -> u32 {
        self.made.load(Ordering::Acquire)
    }

    /// Slots waiting for reuse.
    pub(crate) fn free_count(&self) -> usize {
        self.free.lock().len()
    }

    /// All slots from index `from` on.
    pub(crate) fn iter_from(&self, from: u32) -> impl Iterator<Item = &PollDesc> {
        (from..self.made()).filter_map(|index| self.get(index))
    }
}

impl std::fmt::Debug for PollCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollCache")
            .field("made", &self.made())
            .finish_non_exhaustive()
    }
}

/// A slot together with the cache that keeps it valid.
#[derive(Debug)]
pub(crate) struct Slot {
    desc: NonNull<PollDesc>,
    cache: Arc<PollCache>,
}

// SAFETY: a `Slot` is a shared reference to a `PollDesc`, which is `Sync`, plus an `Arc`.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<PollDesc>();
    shared_between_threads::<PollCache>();
};

impl Deref for Slot {
    type Target = PollDesc;

    #[inline]
    fn deref(&self) -> &PollDesc {
        // SAFETY: the slot lies in a chunk of `cache`; chunks are never moved or freed before the
        // cache is dropped, and we hold the cache.
        unsafe { self.desc.as_ref() }
    }
}

impl Slot {
    /// Gives the slot back. The caller does not use it again.
    pub(crate) fn release(&self) {
        self.cache.release(self.slot());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn semantics_9_slots_are_recycled_last_in_first_out_at_the_same_address() {
        let cache = Arc::new(PollCache::new());
        let slots: Vec<_> = (0..3).map(|_| cache.alloc().unwrap()).collect();
        let address = std::ptr::from_ref::<PollDesc>(&slots[1]) as usize;
        slots[0].release();
        slots[1].release();
        let again = cache.alloc().unwrap();
        assert_eq!(again.slot(), 1);
        assert_eq!(std::ptr::from_ref::<PollDesc>(&again) as usize, address);
        assert_eq!(cache.alloc().unwrap().slot(), 0);
        assert_eq!(cache.made(), 3);
    }

    #[test]
    fn every_slot_is_found_by_its_index() {
        let cache = Arc::new(PollCache::new());
        let slots: Vec<_> = (0..CHUNK as u32 * 3 + 1)
            .map(|_| cache.alloc().unwrap())
            .collect();
        for (index, slot) in slots.iter().enumerate() {
            assert_eq!(slot.slot(), index as u32);
            assert!(std::ptr::eq(cache.get(index as u32).unwrap(), &**slot));
        }
        assert!(cache.get(u32::MAX).is_none());
        assert_eq!(cache.iter_from(10).count(), slots.len() - 10);
    }

    #[test]
    fn slots_on_either_side_of_a_group_are_found_by_their_index() {
        let cache = Arc::new(PollCache::new());
        let next_group = (CHUNK * GROUP) as u32;
        cache.made.store(next_group - 1, Ordering::Relaxed);
        for index in [next_group - 1, next_group] {
            let slot = cache.alloc().unwrap();
            assert_eq!(slot.slot(), index);
            assert!(std::ptr::eq(cache.get(index).unwrap(), &*slot));
        }
    }

    #[test]
    fn the_last_slot_is_the_end_of_the_table_and_after_it_there_is_none() {
        let cache = Arc::new(PollCache::new());
        cache.made.store(MAX_SLOTS - 1, Ordering::Relaxed);
        let last = cache.alloc().unwrap();
        assert_eq!(last.slot(), MAX_SLOTS - 1);
        let end = || cache.groups.last()?.get()?.last()?.get()?.last();
        assert!(std::ptr::eq(end().unwrap(), &*last));
        assert!(cache.alloc().is_none());
        assert!(cache.get(MAX_SLOTS).is_none());

        last.release();
        assert_eq!(cache.free_count(), 1);
        assert_eq!(cache.alloc().unwrap().slot(), MAX_SLOTS - 1);
        assert_eq!(cache.free_count(), 0);
    }
}
