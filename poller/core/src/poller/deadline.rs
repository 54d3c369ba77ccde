//! Deadlines: setting them, and firing those that are due.

use std::time::Instant;

use super::{Desc, ReadyList, Shared};
use crate::clock;
use crate::desc::{Before, EXPIRED, Kind, NO_DEADLINE, PollDesc};
use crate::error::Error;
use crate::observe::{
    Cause, Counter, DescId, Direction, EventKind, Histogram, Local, MAX_ARGUMENT, RECORDS,
};
use crate::sync::Panics;
use crate::sync::atomic::Ordering;

/// Which directions a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sides {
    /// Reading alone.
    Read,
    /// Writing alone.
    Write,
    /// Both, at the same time.
    Both,
}

impl Sides {
    fn each(self) -> &'static [Direction] {
        match self {
            Sides::Read => &Direction::ALL[..1],
            Sides::Write => &Direction::ALL[1..],
            Sides::Both => &Direction::ALL,
        }
    }
}

impl From<Direction> for Sides {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Read => Sides::Read,
            Direction::Write => Sides::Write,
        }
    }
}

impl Desc {
    /// Sets the deadline of `sides`, `None` to clear it. It holds for the operation that is already
    /// blocked as well as for those to come (semantics 29), and once expired it stays expired until
    /// another one is set (semantics 31).
    ///
    /// A deadline that is not in the future, this very moment included, expires at once. One too
    /// far away to be expressed (the year 2500) is the far future. On a descriptor that is being
    /// closed nothing happens (semantics 34).
    #[doc(alias = "pollSetDeadline")]
    #[doc(alias = "poll_runtime_pollSetDeadline")]
    pub fn set_deadline(&self, deadline: Option<Instant>, sides: Sides) {
        let at = match deadline {
            None => NO_DEADLINE,
            // Compared as instants: this very moment is past, to the nanosecond (semantics 30).
            Some(instant) if instant <= clock::now() => EXPIRED,
            Some(instant) => clock::instant_ns(instant),
        };
        self.shared.set_deadline(self, at, sides);
    }

    /// Sets the deadline of reading, as [`set_deadline`](Self::set_deadline) does.
    pub fn set_read_deadline(&self, deadline: Option<Instant>) {
        self.set_deadline(deadline, Sides::Read);
    }

    /// Sets the deadline of writing, as [`set_deadline`](Self::set_deadline) does.
    pub fn set_write_deadline(&self, deadline: Option<Instant>) {
        self.set_deadline(deadline, Sides::Write);
    }

    /// Refuses an operation whose deadline has passed, though no poll has fired it yet. A thread
    /// that always finds something to do, as a reader whose peer writes without end, never polls,
    /// and perhaps nobody else does: in Go the scheduler runs timers in between. Costs a look at
    /// the clock, and that only with a deadline.
    #[inline]
    pub(super) fn check_deadline(&self, direction: Direction) -> Result<(), Error> {
        let at = self.slot.deadline(direction);
        if at <= EXPIRED {
            return Ok(());
        }
        let local = self.shared.recorder.local();
        let now = if RECORDS {
            local.stamp()
        } else {
            clock::now_ns()
        };
        if now < at {
            return Ok(());
        }
        // By the clock that deadlines are set with: the quick one may be ahead by nanoseconds, and
        // a timeout is never early.
        self.fire_overdue(direction, local.stamp_exactly(), &local)
    }

    #[cold]
    pub(super) fn fire_overdue(
        &self,
        direction: Direction,
        now: u64,
        local: &Local<'_>,
    ) -> Result<(), Error> {
        let mut ready = ReadyList::with_capacity(1);
        ready.begin(&self.shared);
        ready.fetched_ns = now;
        // Those of others are left to whoever wakes them: a waker is called here only if the other
        // direction waits.
        let (slot, generation) = (self.slot.slot(), self.generation);
        let moved_earlier = self
            .shared
            .fire_one(slot, generation, now, &mut ready, local);
        if let Some(at) = moved_earlier {
            self.shared.deadline_moved_earlier(at);
        }
        ready.wake_all();
        Ok(self.slot.info().check(direction)?)
    }
}

impl Shared {
    fn set_deadline(&self, desc: &Desc, at: u64, sides: Sides) {
        let local = self.recorder.local();
        local.stamp();
        let mut moved_earlier = None;
        let mut wakers = [None, None];
        {
            let _guard = desc.slot.lock();
            if desc.slot.info().closing() {
                return;
            }
            let mut expiry_changed = false;
            for direction in sides.each() {
                let before = desc.slot.deadline(*direction);
                expiry_changed |= (before == EXPIRED) != (at == EXPIRED);
                desc.slot.store_deadline(*direction, at);
                count_set(&desc.slot, *direction, at, &local);
            }
            if expiry_changed {
                desc.slot.publish(false);
            }
            // An entry that comes up earlier than needed does no harm; only one that comes up too
            // late, or none, has to be changed.
            let queued = desc.slot.queued_ns.load(Ordering::Relaxed);
            if let Some(next) = desc.slot.next_deadline()
                && (queued == 0 || next < queued)
                && self.timers.schedule(&desc.slot, desc.generation, next)
            {
                moved_earlier = Some(next);
            }
            if at == EXPIRED {
                for (waker, direction) in wakers.iter_mut().zip(sides.each()) {
                    *waker = self.release_waiter(desc, *direction, Cause::Deadline, &local);
                }
            }
        }
        if let Some(next) = moved_earlier {
            self.deadline_moved_earlier(next);
        }
        if at == EXPIRED {
            let mut panics = Panics::default();
            self.wake_released(wakers, &mut panics);
            panics.resume();
        }
    }

    /// Takes the parked waiter of one direction out, to be woken when no lock is held.
    pub(super) fn release_waiter(
        &self,
        desc: &Desc,
        direction: Direction,
        cause: Cause,
        local: &Local<'_>,
    ) -> Option<std::task::Waker> {
        let now = local.stamp();
        let waker = desc
            .slot
            .unblock(direction, cause, now, Before::NONE, local);
        if waker.is_some() {
            // It is called as soon as the lock is let go.
            desc.slot.side(direction).stamp_call(now, now);
            local.count(unpark_counter(desc.slot.kind(), direction, cause));
        }
        waker
    }

    /// Wakes released waiters and takes them off the count, in this order (semantics 49, 50).
    pub(super) fn wake_released(&self, wakers: [Option<std::task::Waker>; 2], panics: &mut Panics) {
        for waker in wakers.into_iter().flatten() {
            panics.catch(|| waker.wake());
            self.waiters.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Tells a sleeping poller of a deadline that comes before it wakes up.
    fn deadline_moved_earlier(&self, at: u64) {
        if self.nested.get().is_some() {
            self.rearm_timer(false);
        }
        // Read by read-modify-write, see `DeadlineQueue::next_ns`.
        let until = self.poll_until.fetch_or(0, Ordering::AcqRel);
        if until != 0 && at < until {
            // If the eventfd cannot be written, there is nobody to tell.
            let _ = self.wake();
        }
    }

    /// Expires what is due at `now`. Each descriptor is looked at under its lock, so an entry that
    /// is late or belongs to an earlier life finds nothing to expire (semantics 33).
    pub(super) fn fire_deadlines(&self, now: u64, ready: &mut ReadyList, local: &Local<'_>) {
        loop {
            ready.due.clear();
            self.timers.pop_due(now, &self.cache, &mut ready.due);
            if ready.due.is_empty() {
                return;
            }
            let mut moved_earlier = None;
            for index in 0..ready.due.len() {
                let (slot, generation) = ready.due[index];
                let first = self.fire_one(slot, generation, now, ready, local);
                moved_earlier = first.or(moved_earlier);
            }
            // Taking the entries out hid these deadlines from a poller that went to sleep
            // meanwhile.
            if let Some(at) = moved_earlier {
                self.deadline_moved_earlier(at);
            }
        }
    }

    fn fire_one(
        &self,
        slot: u32,
        generation: u32,
        now: u64,
        ready: &mut ReadyList,
        local: &Local<'_>,
    ) -> Option<u64> {
        let desc = self.cache.get(slot)?;
        let _guard = desc.lock();
        let id = DescId { slot, generation };
        if !desc.is_live(generation) || desc.info().closing() {
            local.count(Counter::DeadlinesStale);
            local.event(EventKind::DeadlineStale, id, 0);
            return None;
        }
        let mut expired = [None; 2];
        for direction in Direction::ALL {
            let at = desc.deadline(direction);
            if at > EXPIRED && at <= now {
                desc.store_deadline(direction, EXPIRED);
                expired[direction.index()] = Some(Before::exactly(now - at));
                local.count(Counter::DeadlinesFired);
                local.record_for(id, Histogram::DeadlineLag, now - at);
                local.event_in(direction, EventKind::DeadlineFired, id, micros(now - at));
            }
        }
        let next = desc.next_deadline();
        let first = next.filter(|next| self.timers.schedule(desc, generation, *next));
        if expired == [None; 2] {
            let (counter, kind) = match next {
                Some(_) => (Counter::DeadlinesExtended, EventKind::DeadlineExtended),
                None => (Counter::DeadlinesStale, EventKind::DeadlineStale),
            };
            local.count(counter);
            local.event(kind, id, 0);
            return first;
        }
        // First the word that a waiter checks, then the waiter (semantics 35).
        desc.publish(false);
        for direction in Direction::ALL {
            if let Some(late) = expired[direction.index()] {
                let waker = desc.unblock(direction, Cause::Deadline, now, late, local);
                if let Some(waker) = waker {
                    local.count(unpark_counter(desc.kind(), direction, Cause::Deadline));
                    ready.push(desc, direction, waker);
                }
            }
        }
        first
    }
}

/// Counts and records a deadline that was set for one direction.
fn count_set(desc: &PollDesc, direction: Direction, at: u64, local: &Local<'_>) {
    let (counter, kind, argument) = match at {
        NO_DEADLINE => (Counter::DeadlinesCleared, EventKind::DeadlineCleared, 0),
        EXPIRED => (Counter::DeadlinesPast, EventKind::DeadlinePast, 0),
        at => {
            let argument = micros(at.saturating_sub(local.last_ns()));
            (Counter::DeadlinesSet, EventKind::DeadlineSet, argument)
        }
    };
    local.count(counter);
    local.event_in(direction, kind, desc.id(), argument);
}

fn micros(ns: u64) -> u64 {
    (ns / 1000).min(MAX_ARGUMENT)
}

fn unpark_counter(kind: Kind, direction: Direction, cause: Cause) -> Counter {
    match (direction, cause) {
        (_, Cause::Close) if kind == Kind::Timer => Counter::UnparkTimerClose,
        _ if kind == Kind::Timer => Counter::UnparkTimerDeadline,
        (Direction::Read, Cause::Close) => Counter::UnparkReadClose,
        (Direction::Read, _) => Counter::UnparkReadDeadline,
        (Direction::Write, Cause::Close) => Counter::UnparkWriteClose,
        (Direction::Write, _) => Counter::UnparkWriteDeadline,
    }
}
