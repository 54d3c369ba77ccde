//! `netpoll(delay)`: fetches events, fires deadlines, and says who became runnable.

use std::io;
use std::time::Duration;

use super::ready_list::ASKED;
use super::role::Role;
use super::{Poller, ReadyList, Shared};
use crate::clock;
use crate::desc::{Before, Kind, PollDesc};
use crate::observe::{
    Counter, DescId, Direction, EventKind, Histogram, Local, MAX_ARGUMENT, RECORDS,
};
use crate::sync::atomic::Ordering;
use crate::sys::{self, EventBuf, Tag, Timeout};
use crate::timers::EMPTY;

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const RDHUP: u32 = libc::EPOLLRDHUP as u32;
const HUP: u32 = libc::EPOLLHUP as u32;
const ERR: u32 = libc::EPOLLERR as u32;

/// Bits that wake a reader, and bits that wake a writer (semantics 23): RDHUP alone leaves writers
/// alone.
const WAKES_READ: u32 = IN | RDHUP | HUP | ERR;
const WAKES_WRITE: u32 = OUT | HUP | ERR;

/// A poll that took no longer than this has not slept to speak of: its events were there already.
const SLEPT_NS: u64 = 20_000;

/// The time without a poll after which the kernel is asked how long its events
/// have waited: it tells in ticks, of up to ten milliseconds, and asking takes a microsecond.
const ASKED_NS: u64 = unless_model(20_000_000);

/// Where nobody has polled for so long, it is noted of each reader who is found.
const LONG_NS: u64 = unless_model(1_000_000);

/// What the machine's clock decides a model never does: it would be another one at each run.
const fn unless_model(ns: u64) -> u64 {
    if cfg!(loom) { u64::MAX } else { ns }
}

/// `poll_until` of a poller that sleeps without a limit.
const UNLIMITED: u64 = u64::MAX;

impl Poller {
    /// Fetches what became ready (Go's `netpoll(delay)`), and fires the deadlines that are due.
    ///
    /// | `delay` | Go | waits |
    /// |---|---|---|
    /// | `None` | negative | until an event, a deadline or a break |
    /// | `Some(ZERO)` | zero | not at all |
    /// | `Some(d)` | positive | at most `d` |
    ///
    /// It may return early and empty: after a break, a signal, or a deadline that was moved
    /// meanwhile. The waiters are not woken yet: call [`ReadyList::wake_all`] when no lock is held.
    /// Returns how many there are. At most [`Builder::batch`](super::Builder::batch) events are
    /// fetched in one call; what is left comes with the next.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] if it would have to wait while another thread is the
    /// blocking poller; that thread does the work; [`Error::Forked`](crate::Error::Forked) in a
    /// forked child. Other errors of `epoll_wait(2)` are not to be expected.
    #[doc(alias = "netpoll")]
    pub fn poll(&self, delay: Option<Duration>, ready: &mut ReadyList) -> io::Result<usize> {
        ready.begin(&self.shared);
        if delay == Some(Duration::ZERO) {
            self.shared.poll_now(ready)?;
        } else {
            let Some(role) = self.shared.take_role() else {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another thread is the blocking poller: poll with a zero delay, or wait for that thread",
                ));
            };
            let outcome = self.shared.poll_blocking(delay, ready, &role);
            drop(role);
            // A loop of the user's own may not poll again for a while.
            self.shared.role.promote();
            outcome?;
        }
        Ok(ready.len())
    }
}

impl Shared {
    pub(crate) fn poll_now(&self, ready: &mut ReadyList) -> io::Result<()> {
        self.check_process()?;
        let local = self.recorder.local();
        loop {
            local.count(Counter::PollsNonblock);
            match self.backend.poll(Timeout::Zero, &mut ready.events) {
                Ok(_) => break,
                Err(error) => self.poll_failed(error, &local)?,
            }
        }
        // Semantics 40: a poll that does not wait leaves the break to the one that does, unless
        // there is none.
        let alone = self.nested.get().is_some() && !self.role.is_held();
        self.finish(ready, alone, None, &local);
        if alone && self.role.is_held() {
            // Somebody has begun to poll meanwhile, and the break just taken may have been meant
            // for that one.
            self.wake()?;
        }
        Ok(())
    }

    /// A poll that may wait, by whoever has the role. [`ReadyList::begin`] comes first.
    pub(crate) fn poll_blocking(
        &self,
        delay: Option<Duration>,
        ready: &mut ReadyList,
        _role: &Role<'_>,
    ) -> io::Result<()> {
        self.check_process()?;
        let local = self.recorder.local();
        let limit = delay.map(|delay| {
            let delay = u64::try_from(delay.as_nanos()).unwrap_or(UNLIMITED);
            clock::now_ns().saturating_add(delay).min(UNLIMITED - 1)
        });
        loop {
            let (timeout, began) = self.publish_sleep(limit);
            local.count(if limit.is_some() {
                Counter::PollsTimed
            } else {
                Counter::PollsBlock
            });
            let outcome = self.backend.poll(timeout, &mut ready.events);
            self.poll_until.swap(0, Ordering::AcqRel);
            match outcome {
                Ok(_) => {
                    let now = self.finish(ready, true, Some(began), &local);
                    if timeout != Timeout::Zero {
                        local.record(Histogram::PollDuration, now.saturating_sub(began));
                    }
                    return Ok(());
                }
                Err(error) => {
                    self.poll_failed(error, &local)?;
                    // Semantics 44: with a limit the caller reckons anew; without one there is
                    // nothing to reckon.
                    if limit.is_some() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Says until when this poller sleeps, and for how long that is. Whoever sets an earlier
    /// deadline from here on breaks it (golang/go PROC:4017; tokio#3190).
    pub(super) fn publish_sleep(&self, limit: Option<u64>) -> (Timeout, u64) {
        let wanted = limit.unwrap_or(UNLIMITED);
        // Published before the deadlines are read: one set later sees it, one set before is seen
        // here.
        self.poll_until.swap(wanted, Ordering::AcqRel);
        let next = self.timers.next_ns();
        let until = wanted.min(if next == EMPTY { UNLIMITED } else { next });
        if until != wanted {
            // Only deadlines before `until` need to break the sleep.
            self.poll_until.swap(until.max(1), Ordering::AcqRel);
        }
        if until == UNLIMITED {
            return (Timeout::Never, self.recorder.local().stamp());
        }
        let now = clock::now_ns();
        let timeout = if until > now {
            Timeout::Nanos(until - now)
        } else {
            Timeout::Zero
        };
        (timeout, now)
    }

    fn poll_failed(&self, error: io::Error, local: &Local<'_>) -> io::Result<()> {
        if error.kind() == io::ErrorKind::Interrupted {
            local.count(Counter::PollsEintr);
            local.event(EventKind::PollEintr, DescId::NONE, 0);
            return Ok(());
        }
        local.count(Counter::PollsError);
        Err(error)
    }

    /// Turns the events of a poll, and the deadlines that are due, into wakers. `began` of a poll
    /// that may have waited. Returns the time of the poll's return.
    fn finish(
        &self,
        ready: &mut ReadyList,
        drain: bool,
        began: Option<u64>,
        local: &Local<'_>,
    ) -> u64 {
        let next = self.timers.peek_ns();
        let now = if next == EMPTY {
            local.stamp()
        } else {
            local.stamp_exactly()
        };
        ready.fetched_ns = now;
        let away = self.time_away(ready, now, began, local);
        // Before what it fetched, so that the recorder tells things in their order.
        if ready.events.len() > 0 {
            local.event(EventKind::Poll, DescId::NONE, ready.events.len() as u64);
        }
        // Those without a number of their own count with locked instructions: elsewhere, so that
        // nobody else asks at each event.
        let (fetched, timer_fired) = match local.has_number() {
            true => self.dispatch(ready, drain, local),
            false => self.dispatch_without_number(ready, drain, local),
        };
        if let Some(away) = away
            && fetched > 0
        {
            local.record(Histogram::KernelToPoller, away);
        }
        local.record(Histogram::EventsPerPoll, fetched as u64);
        if fetched == 0 {
            local.count(Counter::PollsEmpty);
        } else if ready.full {
            local.count(Counter::PollsFull);
        }
        if next <= now {
            self.fire_deadlines(now, ready, local);
        }
        if self.nested.get().is_some() {
            self.rearm_timer(timer_fired);
        }
        now
    }

    /// Records for how long nobody polled, and notes in `ready` how long its events may have waited
    /// in the kernel. `Some` with the time that they have, if it is known.
    ///
    /// Of a poll that has not slept, which returned at `now`, it is the longest that one can have
    /// waited; it is longer only if the poll before left some behind. Inside a runtime nobody polls
    /// while there is nothing, so the time between two polls says little. Where that time was long
    /// the kernel is asked.
    #[inline]
    fn time_away(
        &self,
        ready: &mut ReadyList,
        now: u64,
        began: Option<u64>,
        local: &Local<'_>,
    ) -> Option<u64> {
        if !RECORDS {
            return None;
        }
        let last = self.last_poll_ns.load(Ordering::Relaxed);
        self.last_poll_ns.store(now, Ordering::Relaxed);
        ready.told.clear();
        let nobody_since = if last == 0 { self.created_ns } else { last };
        // With two pollers at once this one may have begun before the other returned.
        let began_ns = began.unwrap_or(now).max(nobody_since);
        let (gap, took) = (began_ns - nobody_since, now.saturating_sub(began_ns));
        if gap >= ASKED_NS {
            self.ask(ready);
        }
        if began.is_none() && self.nested.get().is_some() {
            ready.before = Before::unless_idle(gap);
            return ready.told.first().map(|(_, told)| (*told).min(gap));
        }
        if last != 0 {
            local.record(Histogram::PollGap, gap);
        }
        if took <= SLEPT_NS {
            ready.before = Before::at_most(gap + took);
            return (last != 0).then_some(gap + took);
        }
        ready.before = if gap < LONG_NS {
            Before::NONE
        } else {
            after_absence(&ready.told, gap, took)
        };
        None
    }

    /// Asks the kernel how long the data of some events have been there: to its tick, and by the
    /// last that came, so at least so long. Of TCP streams that have received any.
    #[cold]
    fn ask(&self, ready: &mut ReadyList) {
        let readable = ready.events.iter().filter(|(mask, _)| mask & IN != 0);
        let told = readable.take(ASKED).filter_map(|(_, tag)| {
            let desc = self.cache.get(tag.slot)?;
            let is_stream = || desc.is_live(tag.generation) && desc.kind() == Kind::Tcp;
            let told = is_stream().then(|| sys::query::tcp_info(desc.fd()).ok())??;
            // Looked at again: the number may have been closed, and stand for another file.
            let ms = told.last_received_ms.filter(|_| is_stream())?;
            Some((tag.slot, u64::from(ms) * 1_000_000))
        });
        ready.told.extend(told);
    }

    /// Notes of the reader of `desc`, who was woken, for how long its event was there before.
    #[cold]
    fn note_wait(&self, desc: &PollDesc, ready: &ReadyList, local: &Local<'_>) {
        let told = ready.told.iter().find(|(slot, _)| *slot == desc.slot());
        if let Some((_, told)) = told {
            desc.note_told(Direction::Read, ready.fetched_ns, *told);
        }
        // Inside a runtime the bound is the time in which it had nothing to do, see `dispatch`.
        let waited = match told {
            Some((_, told)) if self.nested.get().is_some() => *told,
            None if self.nested.get().is_some() => return,
            _ => desc
                .last_wake(Direction::Read)
                .map_or(0, |wake| wake.before_ns),
        };
        if waited >= LONG_NS {
            let waited = waited.min(MAX_ARGUMENT);
            local.event_in(Direction::Read, EventKind::Waited, desc.id(), waited);
        }
    }

    /// [`Shared::dispatch`] by a thread that shares its number.
    #[cold]
    fn dispatch_without_number(
        &self,
        ready: &mut ReadyList,
        drain: bool,
        local: &Local<'_>,
    ) -> (usize, bool) {
        self.dispatch(ready, drain, local)
    }

    /// Gives each event to its descriptor. Returns how many there were, and whether the timerfd was
    /// among them.
    #[inline(always)]
    fn dispatch(&self, ready: &mut ReadyList, drain: bool, local: &Local<'_>) -> (usize, bool) {
        let mut own = 0;
        let mut timer_fired = false;
        // Whether there may be something to say of how long an event was there. Inside a runtime
        // only the kernel tells.
        let is_long = RECORDS && ready.before.most_ns() >= LONG_NS;
        let notes_waits = is_long && (self.nested.get().is_none() || !ready.told.is_empty());
        // The buffer is put back below; taking it out lets the wakers be pushed beside it.
        let events = std::mem::replace(&mut ready.events, EventBuf::none());
        for (mask, tag) in events.iter() {
            if let Some(desc) = self.cache.get(tag.slot) {
                self.dispatch_event(desc, mask, tag, notes_waits, ready, local);
                continue;
            }
            // Those of the poller's own are no slots.
            own += usize::from(matches!(tag, Tag::BREAK | Tag::TIMER));
            match tag {
                Tag::BREAK if drain => self.signal.drain(&self.backend, ready.fetched_ns, local),
                Tag::BREAK => {}
                Tag::TIMER => timer_fired = true,
                tag => count_stale(mask, tag, local),
            }
        }
        let fetched = events.len() - own;
        ready.full = events.len() >= events.capacity();
        ready.events = events;
        (fetched, timer_fired)
    }

    #[inline(always)]
    fn dispatch_event(
        &self,
        desc: &PollDesc,
        mask: u32,
        tag: Tag,
        notes_waits: bool,
        ready: &mut ReadyList,
        local: &Local<'_>,
    ) {
        // The generation tells events of a descriptor that is gone from those of its successor in
        // the slot (golang/go#59545).
        if !desc.is_live(tag.generation) {
            return count_stale(mask, tag, local);
        }
        let id = id_of(tag);
        local.event(EventKind::Event, id, mask.into());
        if mask & IN != 0 {
            local.count(Counter::EventsIn);
        }
        if mask & OUT != 0 {
            local.count(Counter::EventsOut);
        }
        // Nearly all events have no other bits.
        let rare = mask & !(IN | OUT);
        if rare != 0 {
            count_rare(rare, local);
        }
        if mask & (WAKES_READ | WAKES_WRITE) == 0 {
            return local.count(Counter::IgnoredEvents);
        }
        // Both before the words: whoever runs because of this event finds them.
        desc.set_last_events(mask);
        let only_error = rare != 0 && mask & (WAKES_READ | WAKES_WRITE) == ERR && !is_socket(desc);
        match desc.info().set_event_err(only_error, tag.generation) {
            Some(false) => {
                local.count(Counter::EventErrSet);
                local.event(EventKind::EventErrSet, id, 0);
            }
            Some(true) => {
                local.count(Counter::EventErrCleared);
                local.event(EventKind::EventErrCleared, id, 0);
            }
            None => {}
        }
        // The writer before the reader of the same descriptor (semantics 45).
        if mask & WAKES_WRITE != 0
            && let Some(waker) = desc.ready_after(Direction::Write, || ready.found(), local)
        {
            ready.push(desc, Direction::Write, waker);
        }
        if mask & WAKES_READ != 0
            && let Some(waker) = desc.ready_after(Direction::Read, || ready.found(), local)
        {
            if notes_waits {
                self.note_wait(desc, ready, local);
            }
            ready.push(desc, Direction::Read, waker);
        }
    }
}

/// Counts the bits that few events have.
#[cold]
fn count_rare(bits: u32, local: &Local<'_>) {
    for (bit, counter) in [
        (RDHUP, Counter::EventsRdhup),
        (HUP, Counter::EventsHup),
        (ERR, Counter::EventsErr),
    ] {
        if bits & bit != 0 {
            local.count(counter);
        }
    }
}

/// The descriptor of an event, as instrumentation names it.
fn id_of(tag: Tag) -> DescId {
    DescId {
        slot: tag.slot,
        generation: tag.generation,
    }
}

/// An event whose descriptor is gone.
#[cold]
fn count_stale(mask: u32, tag: Tag, local: &Local<'_>) {
    local.event(EventKind::StaleEvent, id_of(tag), mask.into());
    local.count(Counter::StaleEvents);
}

/// How long events were there before a poll that `took` so long began, after a time in which nobody
/// polled. It has slept until they came, or else it was kept from running while they were there.
#[cold]
fn after_absence(told: &[(u32, u64)], gap: u64, took: u64) -> Before {
    if told.iter().any(|(_, told)| *told > took) {
        Before::at_most(gap + took)
    } else if took >= ASKED_NS {
        Before::NONE
    } else {
        Before::at_most(gap)
    }
}

/// Whether the calls on `desc` tell what is wrong with it, so that an error alone is no reason to
/// read no more.
///
/// For a socket that is so: the error may be nothing but word from its error queue, of timestamps
/// or of buffers given back (SO_TIMESTAMPING, MSG_ZEROCOPY), while the sender has no room for now.
/// Only an event of an error alone asks.
#[cold]
fn is_socket(desc: &PollDesc) -> bool {
    match desc.kind() {
        Kind::Pipe | Kind::Timer => false,
        // Somebody else's descriptor: a wrong answer for a number that was closed meanwhile is
        // nobody's any more.
        Kind::Other => sys::query::file_id(desc.fd()).is_ok_and(|file| file.is_socket),
        _ => true,
    }
}
