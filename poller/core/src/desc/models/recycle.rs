//! A slot that goes to its next life while a poller still holds an event of the last one.

use std::panic::Location;

use super::*;
use crate::desc::{Before, Kind, PollDesc, WaitContext};
use crate::observe::{Cause, Recorder};

/// Ends a life as close does: evict, let the waiter see it, empty the word; then begins the next.
fn recycle(side: &Side, token: &mut Token) {
    side.evict();
    let outcome = side.wait(token);
    assert!(outcome == Ok(()) || outcome == CLOSED, "{outcome:?}");
    side.info.free(2);
    side.word
        .recycle(|transition| side.counts.count(transition));
    side.info.open(2);
}

#[test]
fn loom_an_old_event_in_flight_gives_the_next_life_a_spurious_edge_at_most() {
    explore_three("close, next life reads | old event | edge", || {
        let side = Side::new();
        let (_, waker) = Calls::new();
        let mut token = Token::default();
        assert!(side.poll(&mut token, false, &waker).is_pending());
        let late = spawn(&side, Side::ready);
        recycle(&side, &mut token);
        let poller = spawn(&side, Side::edge);
        assert_eq!(side.read(), Ok(()));
        poller.join().unwrap();
        late.join().unwrap();
        side.check_idle();
    });
}

#[test]
fn loom_a_slot_is_not_reused_while_a_poller_takes_a_waker_out() {
    explore("drop, next life parks | old event", || {
        let side = Side::new();
        let (_, waker) = Calls::new();
        let mut token = Token::default();
        assert!(side.poll(&mut token, false, &waker).is_pending());
        let late = spawn(&side, Side::ready);
        side.cancel(&mut token);
        side.evict();
        side.info.free(2);
        side.word
            .recycle(|transition| side.counts.count(transition));
        side.info.open(2);
        let (calls, waker) = Calls::new();
        let mut token = Token::default();
        let poll = side.poll(&mut token, false, &waker);
        late.join().unwrap();
        if poll.is_pending() {
            assert_eq!(side.word.state() == State::Ready, calls.count() == 1);
            side.cancel(&mut token);
        }
        side.check_idle();
    });
}

/// What tables show is not explored by loom, and counted by nobody else: one recorder does for all
/// executions.
fn recorder() -> &'static Recorder {
    static RECORDER: std::sync::LazyLock<Recorder> = std::sync::LazyLock::new(|| Recorder::new(0));
    &RECORDER
}

#[test]
fn loom_issue_go_59545_a_stale_error_never_reaches_the_next_life() {
    explore("free, open | old event with an error", || {
        recorder().local();
        let desc = Arc::new(PollDesc::new(0));
        let generation = desc.open(3, Kind::Tcp, Location::caller());
        let late = {
            let desc = desc.clone();
            thread::spawn(move || {
                // What `dispatch_event` does with it.
                if desc.is_live(generation) {
                    desc.info().set_event_err(true, generation);
                    assert!(
                        desc.ready(Direction::Read, 0, &recorder().local())
                            .is_none()
                    );
                }
            })
        };
        desc.free(&recorder().local());
        let next = desc.open(3, Kind::Tcp, Location::caller());
        assert_ne!(next, generation);
        assert_eq!(desc.info().check(Direction::Read), Ok(()));
        late.join().unwrap();
        assert_eq!(
            desc.info().check(Direction::Read),
            Ok(()),
            "the error of the last life"
        );
        assert!(desc.is_live(next));
    });
}

#[test]
fn loom_both_directions_are_released_and_counted_off() {
    explore_three("reader | writer | edge for both and close", || {
        recorder().local();
        let desc = Arc::new(PollDesc::new(0));
        let waiters = Arc::new(loom::sync::atomic::AtomicI64::new(0));
        desc.open(3, Kind::Tcp, Location::caller());
        let waiter = |direction| {
            let (desc, waiters) = (desc.clone(), waiters.clone());
            thread::spawn(move || {
                let local = recorder().local();
                let context = WaitContext {
                    desc: &desc,
                    direction,
                    local,
                    waiters: &waiters,
                    location: Location::caller(),
                    unconditional: false,
                };
                let (parker, mut token) = (Parker::new(), Token::default());
                let waker = parker.clone().into();
                loop {
                    match context.poll(&mut token, false, &waker) {
                        Poll::Ready(outcome) => break outcome,
                        Poll::Pending => parker.park(),
                    }
                }
            })
        };
        let (reader, writer) = (waiter(Direction::Read), waiter(Direction::Write));
        let local = recorder().local();
        let wake = |waker: Option<Waker>| {
            if let Some(waker) = waker {
                waker.wake();
                waiters.fetch_sub(1, Ordering::AcqRel);
            }
        };
        wake(desc.ready(Direction::Write, 0, &local));
        let released = {
            let _guard = desc.lock();
            desc.publish(true);
            Direction::ALL
                .map(|direction| desc.unblock(direction, Cause::Close, 0, Before::NONE, &local))
        };
        released.into_iter().for_each(wake);
        assert_eq!(reader.join().unwrap(), CLOSED);
        let outcome = writer.join().unwrap();
        assert!(outcome == Ok(()) || outcome == CLOSED, "{outcome:?}");
        assert_eq!(waiters.load(Ordering::Acquire), 0);
        desc.free(&local);
    });
}
