//! Breaks: every one is seen by a look after the drain, or still stands.

use loom::sync::atomic::AtomicUsize;

use super::*;
use crate::observe::Histogram;
use crate::poller::break_signal::BreakSignal;

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
fn loom_a_break_is_never_taken_back_with_the_time_of_an_earlier_one() {
    explore_big("break and drain, break | drain", || {
        let backend = Arc::new(Backend::Fake(Arc::new(FakeKernel::new())));
        let signal = Arc::new(BreakSignal::new());
        let recorder = Arc::new(Recorder::new(0));
        let local = recorder.local();
        signal.request(&backend, &local).unwrap();
        let first = local.last_ns();
        signal.drain(&backend, first, &local);
        let mut between = local.stamp();
        while between <= first {
            between = local.stamp();
        }
        // A second poller that has fetched the first break too, as it may, since the eventfd is
        // level-triggered.
        let late = spawn({
            let (backend, signal, recorder) = (backend.clone(), signal.clone(), recorder.clone());
            move || signal.drain(&backend, between, &recorder.local())
        });
        signal.request(&backend, &local).unwrap();
        late.join().unwrap();
        let latency = &recorder.totals().histograms[Histogram::BreakLatency.index()];
        assert_eq!(
            latency.sum(),
            0,
            "no break waited at the time it was drained"
        );
    });
}

#[test]
fn loom_a_nested_poll_does_not_eat_the_break_of_a_thread_that_sleeps() {
    explore_big("break for the sleeper | nested poll | role, sleep", || {
        let fixture = Fixture::new();
        fixture.poller.nest().unwrap();
        // As a thread in `block_on` does: it takes the role, then says that it can be woken by a
        // break, then sleeps.
        let role = fixture.poller.shared.take_role().unwrap();
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
        // A break that was for nobody: the sleeper's own will be coalesced into it, if it still
        // stands.
        fixture.poller.wake().unwrap();
        let nested = spawn({
            let poller = fixture.poller.clone();
            move || {
                let mut ready = ReadyList::with_capacity(4);
                poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            }
        });
        let role = fixture.poller.shared.take_role().unwrap();
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
fn loom_a_wait_that_parks_beside_a_break_is_woken_by_the_edge_of_the_same_poll() {
    explore_big("wait | break and edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let polling = fixture.edge_and_break();
        assert_eq!(block_on(desc.wait(Direction::Read)), Ok(()));
        polling.join().unwrap();
        fixture.check_break_taken();
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_a_break_hides_no_edge_and_an_edge_no_break() {
    explore_big("edge | break | poll", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, mut wait) = parked(&desc);
        let kernel = fixture.kernel.clone();
        let arriving = spawn(move || kernel.edge(100, libc::EPOLLIN));
        let poller = fixture.poller.clone();
        let breaking = spawn(move || poller.wake().unwrap());
        poll(&fixture.poller, None);
        arriving.join().unwrap();
        breaking.join().unwrap();
        poll(&fixture.poller, None);
        assert_eq!(calls.count(), 1);
        assert_eq!(poll_once(&mut wait).1, OK);
        fixture.check_break_taken();
    });
}

#[test]
fn loom_a_break_is_shared_with_a_deadline_that_fires_and_is_queued_again() {
    explore_big("fire, queue again | break", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        // Extended lazily: firing looks at it at 1 h and queues it again, which breaks the sleep of
        // a poller.
        desc.set_deadline(Some(later(3)), Sides::Read);
        let firing = fire(&fixture, later(2));
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        fixture.poller.wake().unwrap();
        firing.join().unwrap();
        assert_ne!(timeout, Timeout::Zero);
        assert!(
            fixture.is_signalled(),
            "the user's break stands in any case"
        );
        assert_eq!(fixture.kernel.break_writes(), 1);
        fixture.check_breaks();
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_a_break_beside_a_deadline_that_breaks_too_is_written_once() {
    explore_big("deadline | break | asleep", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        fixture.poller.shared.publish_sleep(None);
        let setter = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(1)), Sides::Read)
        });
        fixture.poller.wake().unwrap();
        setter.join().unwrap();
        assert!(fixture.is_signalled());
        assert_eq!(fixture.count(Counter::BreaksRequested), 2);
        assert_eq!(fixture.kernel.break_writes(), 1);
        fixture.check_breaks();
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_a_waiter_is_released_by_a_close_beside_a_break() {
    explore_big("close | break and edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, mut wait) = parked(&desc);
        let polling = fixture.edge_and_break();
        assert!(desc.unblock());
        polling.join().unwrap();
        fixture.check_break_taken();
        assert_eq!((calls.count(), fixture.poller.waiters()), (1, 0));
        // The edge wins if it was there before the waiter ran (semantics 17).
        assert_eq!(poll_once(&mut wait).1, OK);
        assert_eq!(desc.check(Direction::Read), Err(Error::Closed));
    });
}

#[test]
fn loom_a_break_is_never_taken_for_an_event_of_a_slot_that_is_reused() {
    explore_big("close, open | break and edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let polling = fixture.edge_and_break();
        Arc::into_inner(desc).unwrap().close();
        let next = fixture.open();
        let mut wait = Box::pin(next.wait(Direction::Read));
        let (calls, poll) = poll_once(&mut wait);
        polling.join().unwrap();
        fixture.check_break_taken();
        // An edge of the new life, or at most a spurious one of the old; none that nobody is told
        // of.
        assert_eq!(
            poll.is_pending() && state(&next) == State::Ready,
            calls.count() == 1
        );
        let of_events = fixture.count(Counter::EventsIn) + fixture.count(Counter::StaleEvents);
        assert!(of_events <= 1, "the break counts as no event");
    });
}

#[test]
fn loom_the_last_waker_is_called_although_a_break_comes_with_the_edge() {
    explore_big("another waker | break and edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (_, mut wait) = parked(&desc);
        let polling = fixture.edge_and_break();
        let (last, again) = poll_once(&mut wait);
        polling.join().unwrap();
        fixture.check_break_taken();
        if again.is_pending() {
            assert!(last.count() > 0, "pending with a waker that nobody calls");
            assert_eq!(poll_once(&mut wait).1, OK);
        } else {
            assert_eq!(again, OK);
        }
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_readiness_outlives_a_future_dropped_beside_a_break() {
    explore_big("drop | break and edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (_, wait) = parked(&desc);
        let polling = fixture.edge_and_break();
        drop(wait);
        polling.join().unwrap();
        fixture.check_break_taken();
        assert_eq!(state(&desc), State::Ready);
        assert_eq!(fixture.poller.waiters(), 0);
    });
}
