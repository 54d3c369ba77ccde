//! A wait in progress.

use std::panic::Location;
use std::task::{Poll, Waker};

use super::info::Blocker;
use super::poll_desc::PollDesc;
use super::side::Before;
use super::word::{Refused, Token, Waiter};
use super::{Kind, State};
use crate::observe::{
    Cause, DescId, Direction, EventKind, Histogram, Label, Latencies, Line, Local, MAX_ARGUMENT,
    Owner, RECORDS, RawEvent, Resumed, Task, Transition, current_task, has_resumed, is_watched,
};
use crate::sync::Panics;
use crate::sync::atomic::{AtomicI64, Ordering};

/// A wait in progress: what the word asks of a waiter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitContext<'a> {
    pub(crate) desc: &'a PollDesc,
    pub(crate) direction: Direction,
    pub(crate) local: Local<'a>,
    /// The poller's count of parked waiters.
    pub(crate) waiters: &'a AtomicI64,
    /// The call that waits.
    pub(crate) location: &'static Location<'static>,
    /// Wait for readiness whatever the deadline and close say (Go's pollWaitCanceled).
    pub(crate) unconditional: bool,
}

impl Waiter for WaitContext<'_> {
    type Error = Blocker;

    #[inline(always)]
    fn check(&self) -> Result<(), Blocker> {
        if self.unconditional {
            Ok(())
        } else {
            self.desc.info.check(self.direction)
        }
    }

    #[inline(always)]
    fn armed(&self) {
        self.local.stamp();
    }

    #[inline(always)]
    fn publish(&self, rearmed: bool) {
        if !RECORDS {
            return;
        }
        let side = self.desc.side(self.direction);
        // Asked here and not before: most polls of a wait find it done.
        let task = current_task();
        side.location.store(self.location);
        side.thread
            .store(self.local.thread() as u16, Ordering::Relaxed);
        side.task.store(task.name.0, Ordering::Relaxed);
        side.task_id.store(task.id, Ordering::Relaxed);
        if !rearmed {
            // The clock was read when the wait armed, a few instructions ago.
            side.since_ns.store(self.local.last_ns(), Ordering::Release);
        }
    }

    #[inline]
    fn parked(&self) {
        // Only now that the park is committed (semantics 49).
        self.waiters.fetch_add(1, Ordering::AcqRel);
    }

    #[cold]
    fn unparked(&self) {
        self.waiters.fetch_sub(1, Ordering::AcqRel);
        if !RECORDS {
            return;
        }
        // Whoever released it found nobody parked, and has stamped no wake. Without one the whole
        // time since it parked would pass for the latency of a wake.
        let cause = if self.desc.side(self.direction).state() == State::Ready {
            self.desc.cause_of_edge()
        } else if self.desc.info.closing() {
            Cause::Close
        } else {
            Cause::Deadline
        };
        let now = self.local.stamp();
        let side = self.desc.side(self.direction);
        side.stamp_wake(now, Before::NONE, cause);
        side.stamp_call(now, now);
    }

    #[inline(always)]
    fn consumed(&self, parked: bool) {
        let now = self.local.stamp();
        if !RECORDS {
            return;
        }
        let [consumed] = self.note(now, [Transition::Consume]);
        if parked {
            self.record_wake(now, Some(consumed));
        } else {
            self.local.record_events([consumed]);
        }
    }

    #[inline(always)]
    fn count<const N: usize>(&self, transitions: [Transition; N]) {
        if RECORDS {
            let noted = self.note(self.local.last_ns(), transitions);
            self.local.record_events(noted);
        }
    }
}

impl WaitContext<'_> {
    /// [`PollDesc::note`] of what the waiter has done.
    #[inline(always)]
    fn note<const N: usize>(&self, at_ns: u64, transitions: [Transition; N]) -> [RawEvent; N] {
        let (desc, local) = (self.desc, &self.local);
        desc.note(
            desc.id(),
            at_ns,
            local,
            self.direction,
            transitions,
            Cause::Io,
        )
    }

    /// One poll of a wait. When it ends after a park, the time parked and the latency of the wake
    /// are recorded.
    #[inline(never)]
    pub(crate) fn poll(
        &self,
        token: &mut Token,
        polled: bool,
        waker: &Waker,
    ) -> Poll<Result<(), Refused<Blocker>>> {
        let word = &self.desc.side(self.direction).word;
        let poll = word.poll_wait(token, polled, waker, self);
        if let Poll::Ready(Err(_)) = poll {
            self.refused(token);
        }
        poll
    }

    /// [`WaitContext::poll`] for a future, if it comes to what nearly all polls come to: readiness,
    /// or a park. `None` if not, and then [`WaitContext::poll`] goes on.
    #[inline(always)]
    pub(crate) fn poll_once(
        self,
        token: &mut Token,
        waker: &Waker,
    ) -> Option<Poll<Result<(), Refused<Blocker>>>> {
        let word = &self.desc.side(self.direction).word;
        let poll = word.poll_wait_once(token, false, waker, &self)?;
        if let Poll::Ready(Err(_)) = poll {
            self.refused(token);
        }
        Some(poll)
    }

    /// It has ended without readiness. If it had parked it was woken all the same.
    #[cold]
    fn refused(self, token: &Token) {
        if token.has_parked() && RECORDS {
            self.record_wake(self.local.stamp(), None);
        }
    }

    /// Ends a wait whose future is dropped before it was done.
    pub(crate) fn cancel(&self, token: &mut Token) {
        let side = self.desc.side(self.direction);
        let waker = side.word.cancel(token, |transition| {
            self.local.stamp();
            self.desc
                .count(&self.local, self.direction, transition, Cause::Io);
        });
        if waker.is_some() {
            self.waiters.fetch_sub(1, Ordering::AcqRel);
            // It may panic, and the future be dropped because something else has.
            let mut panics = Panics::default();
            panics.catch(|| drop(waker));
            panics.resume();
        }
    }

    /// It runs at `now`, after a wake. What it has `consumed` goes to the flight recorder before
    /// that.
    #[inline(always)]
    fn record_wake(self, now: u64, consumed: Option<RawEvent>) {
        let side = self.desc.side(self.direction);
        let (woken, ran) = side.stamp_run(now);
        // Apart, so that nearly all waits have nothing to choose from.
        match ran {
            Some(ran) if side.cause() == Cause::Io as u8 => {
                let histograms = match self.direction {
                    Direction::Read => (Histogram::TimeParkedReadIo, Histogram::WakeLatencyRead),
                    Direction::Write => (Histogram::TimeParkedWriteIo, Histogram::WakeLatencyWrite),
                };
                let runner = Runner {
                    desc: self.desc,
                    direction: self.direction,
                    local: self.local,
                    location: self.location,
                };
                runner.record(now, woken, Some(ran), histograms, consumed);
            }
            _ => {
                if let Some(consumed) = consumed {
                    self.local.record_events([consumed]);
                }
                let Self {
                    desc,
                    direction,
                    local,
                    location,
                    ..
                } = self;
                record_released(desc, direction, local, location, now, woken, ran);
            }
        }
    }
}

/// Whoever has waited, and runs.
///
/// What few of them come to is told the parts of it: so it does not lie in memory for the others.
#[derive(Clone, Copy, Debug)]
struct Runner<'a> {
    desc: &'a PollDesc,
    direction: Direction,
    local: Local<'a>,
    location: &'static Location<'static>,
}

impl Runner<'_> {
    /// Records that it runs at `now`, was woken at `woken`, and `ran` so long after its waker was
    /// called.
    #[inline(always)]
    fn record(
        self,
        now: u64,
        woken: u64,
        ran: Option<u64>,
        (parked, latency): (Histogram, Histogram),
        consumed: Option<RawEvent>,
    ) {
        let side = self.desc.side(self.direction);
        let since = side.since_ns.load(Ordering::Relaxed);
        let parked_ns = woken.saturating_sub(since);
        let wake_ns = now.saturating_sub(woken.max(since));
        // Read in any case: how long it took, and with it whose the exemplars are, is not to change
        // what a model finds.
        let id = self.desc.id();
        let record = |histogram, ns| self.local.record_at(now, || self.owner(id), histogram, ns);
        record(parked, parked_ns);
        record(latency, wake_ns);
        if let Some(ran) = ran {
            record(Histogram::WakerToRun, ran);
        }
        let run = RawEvent {
            at_ns: now,
            desc: id,
            direction: Some(self.direction),
            kind: EventKind::Run,
            argument: wake_ns.min(MAX_ARGUMENT),
        };
        match consumed {
            Some(consumed) => self.local.record_events([consumed, run]),
            None => self.local.record_events([run]),
        }
        side.since_ns.store(now, Ordering::Relaxed);
        let Self {
            desc,
            direction,
            local,
            location,
        } = self;
        if local.is_grouped() {
            let latencies = Latencies {
                parked_ns,
                wake_ns,
                run_ns: ran,
            };
            add_to_group(desc, direction, local, location, latencies);
        }
        if is_watched() {
            let called = now - ran.unwrap_or(0).min(now);
            tell_measured(desc, direction, woken, called);
        }
    }

    /// Whose a sample of its wait is.
    #[inline(always)]
    fn owner(self, id: DescId) -> Owner {
        let side = self.desc.side(self.direction);
        Owner {
            desc: id,
            location: Some(self.location),
            task: Task {
                name: Label(side.task.load(Ordering::Relaxed)),
                id: side.task_id.load(Ordering::Relaxed),
            },
        }
    }
}

/// [`Runner::record`] of one that was not woken by an event, or whose waker was not called.
#[cold]
fn record_released(
    desc: &PollDesc,
    direction: Direction,
    local: Local<'_>,
    location: &'static Location<'static>,
    now: u64,
    woken: u64,
    ran: Option<u64>,
) {
    let histograms = released(direction, desc.side(direction).cause(), desc.kind());
    let runner = Runner {
        desc,
        direction,
        local,
        location,
    };
    runner.record(now, woken, ran, histograms, None);
}

/// Somebody has the waits grouped.
#[cold]
fn add_to_group(
    desc: &PollDesc,
    direction: Direction,
    local: Local<'_>,
    location: &'static Location<'static>,
    latencies: Latencies,
) {
    let runner = Runner {
        desc,
        direction,
        local,
        location,
    };
    let opened = desc.opened_location().map(|location| Line {
        location,
        kind: desc.origin(),
    });
    local.add_to_group(&runner.owner(desc.id()), opened, latencies);
}

/// A future that is measured is told what it has waited for.
#[cold]
fn tell_measured(desc: &PollDesc, direction: Direction, woken_ns: u64, called_ns: u64) {
    let wake = desc.side(direction).last_wake();
    let known = wake.filter(|wake| !wake.is_bound);
    has_resumed(Resumed {
        awaited: desc.awaited(direction),
        due_ns: woken_ns.saturating_sub(known.map_or(0, |wake| wake.before_ns)),
        woken_ns,
        called_ns,
    });
}

/// Where the time parked, and the latency, of a waiter go that was not woken by an event.
fn released(direction: Direction, cause: u8, kind: Kind) -> (Histogram, Histogram) {
    let cause = Cause::from_index(cause.into());
    match (direction, cause) {
        _ if kind == Kind::Timer => (Histogram::TimeParkedTimer, Histogram::WakeLatencyTimer),
        (Direction::Read, Some(Cause::Close)) => {
            (Histogram::TimeParkedReadClose, Histogram::WakeLatencyRead)
        }
        (Direction::Write, Some(Cause::Close)) => {
            (Histogram::TimeParkedWriteClose, Histogram::WakeLatencyWrite)
        }
        (Direction::Read, _) => (
            Histogram::TimeParkedReadDeadline,
            Histogram::WakeLatencyRead,
        ),
        (Direction::Write, _) => (
            Histogram::TimeParkedWriteDeadline,
            Histogram::WakeLatencyWrite,
        ),
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use super::*;
    use crate::clock;
    use crate::desc::EXPIRED;
    use crate::observe::Recorder;

    #[test]
    fn a_waiter_released_while_it_changes_its_waker_was_parked_until_then_and_ran_at_once() {
        const SECOND: u64 = 1_000_000_000;
        let recorder = Recorder::new(0);
        let local = recorder.local();
        let waiters = AtomicI64::new(1);
        let desc = PollDesc::new(0);
        desc.open(3, Kind::Tcp, Location::caller());
        let side = desc.side(Direction::Read);
        side.stamp_wake(1, Before::NONE, Cause::Close);
        let parked_at = clock::now_ns().saturating_sub(SECOND);
        side.since_ns.store(parked_at, Ordering::Relaxed);
        let context = WaitContext {
            desc: &desc,
            direction: Direction::Read,
            local,
            waiters: &waiters,
            location: Location::caller(),
            unconditional: false,
        };
        // The edge meets a word that is `wait`, or, as here, `nil`: in neither it wakes anybody.
        assert!(desc.ready(Direction::Read, 0, &local).is_none());
        context.unparked();
        context.record_wake(clock::now_ns(), None);

        let totals = recorder.totals();
        let of = |which: Histogram| &totals.histograms[which.index()];
        let parked = of(Histogram::TimeParkedReadIo);
        assert_eq!((parked.count(), waiters.load(Ordering::Relaxed)), (1, 0));
        assert!(parked.sum() >= SECOND, "{parked:?}");
        assert_eq!(of(Histogram::TimeParkedReadClose).count(), 0);
        let latency = of(Histogram::WakeLatencyRead);
        assert!(
            latency.count() == 1 && latency.sum() < SECOND,
            "{latency:?}"
        );
    }

    /// In 32 bits the one was 213 503 days, and the other 1.7 s.
    #[test]
    fn a_park_of_75_s_and_a_wake_that_runs_6_s_late_are_told_as_long_as_they_were() {
        const SECOND: u64 = 1_000_000_000;
        let recorder = Recorder::new(4096);
        let local = recorder.local();
        let waiters = AtomicI64::new(0);
        let desc = PollDesc::new(0);
        desc.open(3, Kind::Tcp, Location::caller());
        let context = WaitContext {
            desc: &desc,
            direction: Direction::Read,
            local,
            waiters: &waiters,
            location: Location::caller(),
            unconditional: false,
        };
        let now = local.stamp();
        let woken = now - 6 * SECOND;
        let side = desc.side(Direction::Read);
        side.since_ns.store(woken - 75 * SECOND, Ordering::Relaxed);
        side.stamp_wake(woken, Before::NONE, Cause::Io);
        side.stamp_call(woken, woken + SECOND);
        context.record_wake(now, None);

        let totals = recorder.totals();
        let told = |which: Histogram| {
            let histogram = &totals.histograms[which.index()];
            let quantiles = [0.5, 0.999].map(|share| histogram.quantile(share));
            assert_eq!(quantiles, [Some(histogram.max()); 2], "{which:?}");
            (histogram.count(), histogram.sum(), histogram.max())
        };
        let (park, late) = (75 * SECOND, 6 * SECOND);
        assert_eq!(told(Histogram::TimeParkedReadIo), (1, park, park));
        assert_eq!(told(Histogram::WakeLatencyRead), (1, late, late));
        let (_, ran, _) = told(Histogram::WakerToRun);
        assert!(ran.abs_diff(5 * SECOND) < 50_000, "{ran}");
        let wake = side.last_wake().unwrap();
        let shares = wake.called_after_ns.unwrap() + wake.ran_after_ns.unwrap();
        assert!(shares.abs_diff(late) < 50_000, "{wake:?}");
        let mut arguments = Vec::new();
        for thread in recorder.threads() {
            recorder.read_ring(thread, 0, u64::MAX, |event| {
                arguments.extend((event.kind == EventKind::Run).then_some(event.argument));
            });
        }
        assert_eq!(arguments, [late]);
    }

    #[test]
    fn a_poll_function_that_meets_a_deadline_before_it_is_released_by_it_records_no_wake() {
        let recorder = Recorder::new(0);
        let local = recorder.local();
        let waiters = AtomicI64::new(0);
        let desc = PollDesc::new(0);
        desc.open(3, Kind::Tcp, Location::caller());
        let context = WaitContext {
            desc: &desc,
            direction: Direction::Read,
            local,
            waiters: &waiters,
            location: Location::caller(),
            unconditional: false,
        };
        let latencies = || recorder.totals().histograms[Histogram::WakeLatencyRead.index()].count();
        let timeout = Poll::Ready(Err(Refused::Check(Blocker::Timeout)));
        let poll = |mut token| context.poll(&mut token, true, Waker::noop());
        assert!(poll(Token::default()).is_pending());

        // What firing a deadline does first; the word is still parked.
        desc.store_deadline(Direction::Read, EXPIRED);
        desc.publish(false);
        assert_eq!(poll(Token::resumed()), timeout);
        assert_eq!(latencies(), 0, "nobody has woken it");

        // And what it does then: of a wait that was released, the wake is known.
        let waker = desc.unblock(
            Direction::Read,
            Cause::Deadline,
            local.stamp(),
            Before::NONE,
            &local,
        );
        assert!(waker.is_some());
        assert_eq!(poll(Token::resumed()), timeout);
        assert_eq!(latencies(), 1);
    }

    #[test]
    fn a_poll_function_whose_place_was_taken_records_no_wake() {
        let recorder = Recorder::new(0);
        let waiters = AtomicI64::new(0);
        let desc = PollDesc::new(0);
        desc.open(3, Kind::Tcp, Location::caller());
        let context = WaitContext {
            desc: &desc,
            direction: Direction::Write,
            local: recorder.local(),
            waiters: &waiters,
            location: Location::caller(),
            unconditional: false,
        };
        let poll = |token: &mut Token, polled| context.poll(token, polled, Waker::noop());
        assert!(poll(&mut Token::default(), true).is_pending());
        let mut future = Token::default();
        assert!(poll(&mut future, false).is_pending());
        assert_eq!(
            poll(&mut Token::resumed(), true),
            Poll::Ready(Err(Refused::Busy))
        );
        let latency = &recorder.totals().histograms[Histogram::WakeLatencyWrite.index()];
        assert_eq!(latency.count(), 0);
        context.cancel(&mut future);
    }
}
