//! Models of the poller: breaks, sleeps and deadlines. How to run them stands in `desc/loom_tests`.
//!
//! The kernel is the one in memory, which never blocks. So instead of waiting for a wake that might be lost, a model asks at
//! the end whether the sleeper would be woken: its sleep has an end in time, or the break signal stands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::break_signal::BreakSignal;
use super::*;
use crate::desc::loom_tests::{Parker, explore};
use crate::desc::{EXPIRED, Kind};
use crate::observe::{Counter, Direction};
use crate::sys::fake::FakeKernel;
use crate::sys::{EventBuf, Timeout};

/// A poller is too big for the stacks that loom gives.
const STACK: usize = 1 << 16;

fn explore_big(name: &str, body: fn()) {
    explore(name, move || {
        let thread = thread::Builder::new().stack_size(STACK).spawn(body);
        thread.unwrap().join().unwrap();
    });
}

fn spawn<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    thread::Builder::new().stack_size(STACK).spawn(f).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let (parker, mut future) = (Parker::new(), std::pin::pin!(future));
    let waker = parker.clone().into();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => parker.park(),
        }
    }
}

struct Fixture {
    kernel: Arc<FakeKernel>,
    poller: Poller,
}

impl Fixture {
    fn new() -> Self {
        let kernel = Arc::new(FakeKernel::new());
        let poller = Poller::builder()
            .batch(4)
            .build_on(Backend::Fake(kernel.clone()));
        Self { kernel, poller }
    }

    fn open(&self) -> Arc<Desc> {
        Arc::new(
            self.poller
                .open_at(100, Kind::Tcp, std::panic::Location::caller())
                .unwrap(),
        )
    }

    fn count(&self, counter: Counter) -> u64 {
        self.poller.shared.recorder.totals().counters[counter.index()]
    }

    /// Whether a poller that blocks now is woken at once by the break signal.
    fn is_signalled(&self) -> bool {
        let mut events = EventBuf::with_capacity(4);
        self.kernel.poll(Timeout::Zero, &mut events).unwrap();
        events.iter().any(|(_, tag)| tag == crate::sys::Tag::BREAK)
    }
}

/// Far enough that no run of a model gets there.
fn later(hours: u64) -> Instant {
    Instant::now() + Duration::from_secs(3600 * hours)
}

#[test]
fn loom_semantics_41_every_break_is_seen_by_a_look_after_the_drain_or_still_stands() {
    explore_big("break | break | poll, look", || {
        let kernel = Arc::new(FakeKernel::new());
        let backend = Arc::new(Backend::Fake(kernel.clone()));
        let signal = Arc::new(BreakSignal::new());
        let recorder = Arc::new(Recorder::new(0));
        let work = Arc::new(AtomicUsize::new(0));
        let requester = || {
            let (backend, signal) = (backend.clone(), signal.clone());
            let (recorder, work) = (recorder.clone(), work.clone());
            spawn(move || {
                // Plain, for all order must come from the signal.
                work.fetch_add(1, Ordering::Relaxed);
                signal.request(&backend, &recorder.local()).unwrap();
            })
        };
        let requesters = [requester(), requester()];
        let mut events = EventBuf::with_capacity(4);
        let woken = backend.poll(Timeout::Never, &mut events).unwrap() > 0;
        if woken {
            signal.drain(&backend, 0, &recorder.local());
        }
        let seen = work.load(Ordering::Relaxed);
        for requester in requesters {
            requester.join().unwrap();
        }
        let stands = backend.poll(Timeout::Never, &mut events).unwrap() > 0;
        assert!(
            seen == 2 || stands,
            "a break was swallowed with its work unseen"
        );
        assert!(
            kernel.break_writes() <= 1 + usize::from(woken),
            "semantics 39: one write until it is drained"
        );
        // The flag and the eventfd agree, or no later break would be written.
        signal.drain(&backend, 0, &recorder.local());
        signal.request(&backend, &recorder.local()).unwrap();
        let stands = backend.poll(Timeout::Never, &mut events).unwrap() > 0;
        assert!(stands, "a break after all is quiet");
        let totals = recorder.totals();
        let of = |counter: Counter| totals.counters[counter.index()];
        assert_eq!(
            of(Counter::BreaksRequested),
            of(Counter::BreaksWritten) + of(Counter::BreaksCoalesced)
        );
    });
}

#[test]
fn loom_issue_tokio_3190_a_deadline_beside_a_poller_that_goes_to_sleep_is_seen_by_one_of_them() {
    explore_big("go to sleep | deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let setter = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(1)), Sides::Read)
        });
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        setter.join().unwrap();
        assert!(
            timeout != Timeout::Never || fixture.is_signalled(),
            "it sleeps for ever, and nobody wakes it"
        );
    });
}

#[test]
fn loom_the_earlier_of_two_deadlines_bounds_the_sleep() {
    explore_big("go to sleep | late deadline | early deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let other = Arc::new(
            fixture
                .poller
                .open_at(101, Kind::Tcp, std::panic::Location::caller())
                .unwrap(),
        );
        let late = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(200)), Sides::Both)
        });
        let early = spawn({
            let other = other.clone();
            move || other.set_deadline(Some(later(1)), Sides::Write)
        });
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        late.join().unwrap();
        early.join().unwrap();
        let hour = Duration::from_secs(3600).as_nanos() as u64;
        let in_time = matches!(timeout, Timeout::Nanos(ns) if ns <= hour);
        assert!(
            in_time || fixture.is_signalled(),
            "it sleeps beyond the early deadline"
        );
    });
}

/// Nothing is forgotten: a deadline to come has an entry that comes up in time, and an expired one is published.
#[track_caller]
fn check_deadlines(fixture: &Fixture, desc: &Desc) {
    let queue = &fixture.poller.shared.timers;
    match desc.slot.next_deadline() {
        Some(at) => assert!(queue.next_ns() <= at, "a deadline that nobody will look at"),
        None => assert!(queue.len() <= 1),
    }
    for direction in Direction::ALL {
        let expired = desc.slot.deadline(direction) == EXPIRED;
        assert_eq!(desc.check(direction).is_err(), expired, "{direction:?}");
    }
}

fn fire(fixture: &Fixture, at: Instant) -> thread::JoinHandle<()> {
    let poller = fixture.poller.clone();
    spawn(move || {
        let mut ready = ReadyList::with_capacity(1);
        ready.begin(&poller.shared);
        let local = poller.shared.recorder.local();
        poller
            .shared
            .fire_deadlines(clock::instant_ns(at), &mut ready, &local);
        ready.wake_all();
    })
}

#[test]
fn loom_a_deadline_moved_while_it_fires_is_expired_or_queued_again() {
    explore_big("fire | move later", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Both);
        let firing = fire(&fixture, later(2));
        desc.set_deadline(Some(later(3)), Sides::Read);
        firing.join().unwrap();
        assert!(
            desc.slot.deadline(Direction::Read) > EXPIRED,
            "set last, so not expired"
        );
        assert_eq!(desc.slot.deadline(Direction::Write), EXPIRED);
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_a_deadline_cleared_and_set_while_it_fires_is_not_forgotten() {
    explore_big("fire | clear, set earlier | set the other", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(4)), Sides::Read);
        let firing = fire(&fixture, later(5));
        let other = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(9)), Sides::Write)
        });
        desc.set_deadline(None, Sides::Read);
        desc.set_deadline(Some(later(6)), Sides::Read);
        firing.join().unwrap();
        other.join().unwrap();
        assert!(desc.slot.next_deadline().is_some());
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_semantics_33_a_deadline_that_fires_late_does_not_reach_the_next_life() {
    explore_big("fire | close, open, set", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Both);
        let firing = fire(&fixture, later(2));
        Arc::into_inner(desc).unwrap().close();
        let next = fixture.open();
        next.set_deadline(Some(later(3)), Sides::Read);
        firing.join().unwrap();
        assert_eq!(next.check(Direction::Read), Ok(()));
        check_deadlines(&fixture, &next);
        next.unblock();
        assert_eq!(fixture.poller.shared.timers.len(), 0);
    });
}

#[test]
fn loom_a_deadline_that_an_operation_and_a_poll_fire_at_once_fires_once() {
    explore_big("fire | operation fires its own | writer waits", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Both);
        let waiter = spawn({
            let desc = desc.clone();
            move || block_on(desc.wait(Direction::Write))
        });
        let firing = fire(&fixture, later(2));
        let now = clock::instant_ns(later(2));
        let local = fixture.poller.shared.recorder.local();
        let refused = desc.fire_overdue(Direction::Read, now, &local);
        assert_eq!(refused, Err(crate::Error::DeadlineExceeded));
        assert_eq!(waiter.join().unwrap(), Err(crate::Error::DeadlineExceeded));
        firing.join().unwrap();
        assert_eq!(fixture.count(Counter::DeadlinesFired), 2, "one each way");
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_a_deadline_that_is_moved_while_an_operation_fires_it_is_expired_or_queued_again() {
    explore_big("operation fires its own | set later", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        let moving = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(3)), Sides::Read)
        });
        let now = clock::instant_ns(later(2));
        let local = fixture.poller.shared.recorder.local();
        let _ = desc.fire_overdue(Direction::Read, now, &local);
        moving.join().unwrap();
        // Whichever came first, the one that stands is the later one, and it is not forgotten.
        assert_eq!(desc.check(Direction::Read), Ok(()));
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_a_wait_is_released_once_by_edge_deadline_or_close_and_counted_off() {
    explore_big("wait | poll | deadline and close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let waiter = spawn({
            let desc = desc.clone();
            move || block_on(desc.wait(Direction::Read))
        });
        let polling = spawn({
            let (poller, kernel) = (fixture.poller.clone(), fixture.kernel.clone());
            move || {
                kernel.edge(100, libc::EPOLLIN);
                let mut ready = ReadyList::with_capacity(4);
                poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
                ready.wake_all();
            }
        });
        desc.unblock();
        let outcome = waiter.join().unwrap();
        polling.join().unwrap();
        assert!(
            matches!(outcome, Ok(()) | Err(crate::Error::Closed)),
            "{outcome:?}"
        );
        assert_eq!(fixture.poller.waiters(), 0);
        assert_eq!(fixture.count(Counter::StaleEvents), 0);
    });
}

#[test]
fn loom_a_nested_poll_does_not_eat_the_break_of_a_thread_that_sleeps() {
    explore_big("break for the sleeper | nested poll | role, sleep", || {
        let fixture = Fixture::new();
        fixture.poller.nest().unwrap();
        // As a thread in `block_on` does: it takes the role, then says that it can be woken by a break, then sleeps.
        let role = Role::take(&fixture.poller.shared).unwrap();
        let nested = spawn({
            let poller = fixture.poller.clone();
            move || {
                let mut ready = ReadyList::with_capacity(4);
                poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            }
        });
        fixture.poller.wake().unwrap();
        nested.join().unwrap();
        assert!(
            fixture.is_signalled(),
            "its break was taken by a poll that does not wait"
        );
        drop(role);
    });
}

#[test]
fn loom_a_break_taken_by_a_nested_poll_is_given_to_the_thread_that_begins_to_sleep() {
    explore_big("nested poll | role, break for the sleeper", || {
        let fixture = Fixture::new();
        fixture.poller.nest().unwrap();
        // A break that was for nobody: the sleeper's own will be coalesced into it, if it still stands.
        fixture.poller.wake().unwrap();
        let nested = spawn({
            let poller = fixture.poller.clone();
            move || {
                let mut ready = ReadyList::with_capacity(4);
                poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            }
        });
        let role = Role::take(&fixture.poller.shared).unwrap();
        fixture.poller.wake().unwrap();
        nested.join().unwrap();
        assert!(
            fixture.is_signalled(),
            "its break was taken by a poll that does not wait"
        );
        drop(role);
    });
}

#[test]
fn loom_a_deadline_that_is_queued_again_is_seen_by_a_poller_that_goes_to_sleep() {
    explore_big("fire, requeue | sleep", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        // Extended lazily: the entry stays at 1 h.
        desc.set_deadline(Some(later(3)), Sides::Read);
        let firing = fire(&fixture, later(2));
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        firing.join().unwrap();
        assert!(
            timeout != Timeout::Never || fixture.is_signalled(),
            "it sleeps for ever, the deadline in 3 h unseen"
        );
        drop(desc);
    });
}
