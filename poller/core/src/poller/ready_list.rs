//! What a poll made runnable.

use std::sync::Arc;
use std::task::Waker;
use std::vec::Drain;

use super::Shared;
use crate::desc::{Before, PollCache, PollDesc};
use crate::observe::{DescId, Direction, Histogram, RECORDS};
use crate::sync::Panics;
use crate::sync::atomic::Ordering;
use crate::sys::EventBuf;

/// Room for one poll: its events and the wakers they lead to. Made once, used for every poll, so
/// that polling allocates nothing.
///
/// [`Poller::poll`](super::Poller::poll) fills it, [`ReadyList::wake_all`] empties it. Dropping it,
/// or polling again, wakes what is left: a waiter is never lost.
#[derive(Debug)]
pub struct ReadyList {
    pub(super) events: EventBuf,
    wakers: Vec<Woken>,
    pub(super) due: Vec<(u32, u32)>,
    /// When the events were fetched.
    pub(super) fetched_ns: u64,
    /// For how long they had been there.
    pub(super) before: Before,
    /// How old the data of some of them are, by slot, as the kernel tells it.
    pub(super) told: Vec<(u32, u64)>,
    pub(super) full: bool,
    pub(super) shared: Option<Arc<Shared>>,
    /// When the clock was last read before a waker, 0 before the first.
    called_ns: u64,
    /// When it was before the first.
    first_ns: u64,
    /// Wakers before each of which the clock is read, because others were slow.
    careful: u32,
}

/// A waiter to be woken, and where it waited.
#[derive(Debug)]
pub(super) struct Woken {
    waker: Waker,
    slot: u32,
    direction: Direction,
}

/// How many descriptors of a poll the kernel is asked about.
pub(super) const ASKED: usize = 4;

/// Wakers that are called between two readings of the clock.
const CALLS: usize = 8;
/// If those take longer, they do more than to put a task into a queue, and what follows them waits
/// for that: it is not to be taken for the scheduler's share.
const SLOW_NS: u64 = 100_000;
/// Wakers that are timed one by one after that.
const CAREFUL: u32 = 1024;

/// How many wakers are to be timed one by one after those that were called from `called_ns` to
/// `now_ns`.
fn careful_after(called_ns: u64, now_ns: u64) -> u32 {
    let slow = called_ns != 0 && now_ns.saturating_sub(called_ns) > SLOW_NS;
    if slow { CAREFUL } else { 0 }
}

impl ReadyList {
    /// Makes room for polls of at most `events` events.
    pub fn with_capacity(events: usize) -> Self {
        Self {
            events: EventBuf::with_capacity(events),
            // An event can wake both directions.
            wakers: Vec::with_capacity(events.min(1024) * 2),
            due: Vec::with_capacity(64),
            fetched_ns: 0,
            before: Before::NONE,
            told: Vec::with_capacity(ASKED),
            full: false,
            shared: None,
            called_ns: 0,
            first_ns: 0,
            careful: 0,
        }
    }

    /// Events that one poll can fetch.
    pub(super) fn capacity(&self) -> usize {
        self.events.capacity()
    }

    /// Returns how many waiters are to be woken.
    pub fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Returns whether nobody is to be woken.
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Wakes all waiters, in the order in which their descriptors became ready, then lowers the
    /// count of waiters: never before, or somebody could take the process for idle while a task is
    /// on its way (golang/go#61454). To be called with no lock held, for a waker may run any code.
    ///
    /// # Panics
    ///
    /// If a waker does, once all the others were called: with the first panic, if there are
    /// several.
    pub fn wake_all(&mut self) {
        let mut panics = Panics::default();
        self.wake_and_keep(&mut panics);
        panics.resume();
    }

    fn wake_and_keep(&mut self, panics: &mut Panics) {
        if self.is_empty() {
            return;
        }
        // What to take off the count of waiters once they were called (Go's delta).
        let delta = self.len() as i64;
        let mut wakers = std::mem::take(&mut self.wakers);
        let mut left = wakers.drain(..);
        while left.len() > 0 {
            panics.catch(|| self.call_wakers(&mut left));
        }
        drop(left);
        self.wakers = wakers;
        self.account(delta);
    }

    /// Takes them out one by one, so that a waker that panics takes nobody with it.
    #[inline]
    fn call_wakers(&mut self, left: &mut Drain<'_, Woken>) {
        while let Some(first) = left.as_slice().first() {
            let group = match RECORDS {
                true => self.next_group(first.slot, left.len()),
                false => left.len(),
            };
            let calls = self.calls();
            for woken in left.by_ref().take(group) {
                if let Some(calls) = &calls {
                    calls.stamp(&woken);
                }
                woken.waker.wake();
            }
        }
    }

    /// Reads the clock for the wakers that are called next, of so many that are left, from that of
    /// slot `first` on. Returns how many.
    #[inline(never)]
    fn next_group(&mut self, first: u32, left: usize) -> usize {
        let Some(shared) = &self.shared else {
            return left;
        };
        let local = shared.recorder.local();
        let now_ns = local.stamp();
        self.careful = self.careful.max(careful_after(self.called_ns, now_ns));
        if self.called_ns == 0 {
            self.first_ns = now_ns;
        }
        self.called_ns = now_ns;
        let calls = if self.careful > 0 {
            self.careful -= 1;
            1
        } else {
            CALLS.min(left)
        };
        let desc = shared.cache.get(first);
        let desc = desc.map_or(DescId::NONE, PollDesc::id);
        let waited = now_ns.saturating_sub(self.fetched_ns);
        local.record_many(desc, Histogram::PollerToWaker, waited, calls as u64);
        calls
    }

    /// Lowers the count of waiters by those that were called, so many.
    #[inline]
    fn account(&mut self, delta: i64) {
        if let Some(shared) = &self.shared {
            shared.waiters.fetch_sub(delta, Ordering::AcqRel);
            if RECORDS {
                let local = shared.recorder.local();
                let now_ns = local.stamp();
                let called_ns = std::mem::take(&mut self.called_ns);
                self.careful = self.careful.max(careful_after(called_ns, now_ns));
                local.record(Histogram::Dispatch, now_ns.saturating_sub(self.fetched_ns));
            }
        }
    }

    /// Returns whether the last poll fetched as many events as there is room for, so that more may
    /// wait in the kernel.
    pub fn batch_was_full(&self) -> bool {
        self.full
    }

    #[inline]
    pub(super) fn push(&mut self, desc: &PollDesc, direction: Direction, waker: Waker) {
        self.wakers.push(Woken {
            waker,
            slot: desc.slot(),
            direction,
        });
    }

    /// When the events were fetched, and for how long they had been there.
    #[inline]
    pub(super) fn found(&self) -> (u64, Before) {
        (self.fetched_ns, self.before)
    }

    /// The calls that are made next. `None` if they are not stamped.
    #[inline]
    fn calls(&self) -> Option<Calls<'_>> {
        let shared = self.shared.as_ref().filter(|_| RECORDS)?;
        Some(Calls {
            cache: &shared.cache,
            fetched_ns: self.fetched_ns,
            called_ns: self.called_ns,
            wakers_ns: self.called_ns - self.first_ns,
        })
    }

    /// Wakes all waiters, keeps what panics in `panics`, and lets go of the poller of the last
    /// poll: for a list that must not keep it until the next.
    pub(crate) fn release(&mut self, panics: &mut Panics) {
        self.wake_and_keep(panics);
        self.shared = None;
    }

    /// Makes it ready for a poll of `shared`.
    pub(crate) fn begin(&mut self, shared: &Arc<Shared>) {
        self.wake_all();
        self.events.clear();
        self.due.clear();
        if self
            .shared
            .as_ref()
            .is_none_or(|mine| !Arc::ptr_eq(mine, shared))
        {
            self.shared = Some(shared.clone());
        }
    }
}

/// Calls of wakers that are made at one time.
struct Calls<'a> {
    cache: &'a PollCache,
    /// When the events were fetched.
    fetched_ns: u64,
    called_ns: u64,
    /// How long the wakers before these took.
    wakers_ns: u64,
}

impl Calls<'_> {
    /// Before the call: whoever runs because of it finds when it was made.
    #[inline]
    fn stamp(&self, woken: &Woken) {
        let Some(desc) = self.cache.get(woken.slot) else {
            return;
        };
        desc.side(woken.direction)
            .stamp_call(self.fetched_ns, self.called_ns);
        if self.wakers_ns > SLOW_NS {
            desc.note_wakers(woken.direction, self.fetched_ns, self.wakers_ns);
        }
    }
}

impl Default for ReadyList {
    fn default() -> Self {
        Self::with_capacity(128)
    }
}

impl Drop for ReadyList {
    fn drop(&mut self) {
        // Whoever polls next has nothing to do with these; the panic hook has reported it.
        self.wake_and_keep(&mut Panics::default());
    }
}
