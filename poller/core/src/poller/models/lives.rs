//! Lives of a slot: eviction, close, and the next life, beside whoever still holds on to the last.

use super::*;

#[test]
fn loom_of_two_evictions_one_is_the_first_and_the_waiter_is_woken_once() {
    explore_big("close | close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, mut wait) = parked(&desc);
        let other = spawn({
            let desc = desc.clone();
            move || desc.unblock()
        });
        let mine = desc.unblock();
        assert!(
            mine != other.join().unwrap(),
            "semantics 11: one of the two"
        );
        assert_eq!((calls.count(), fixture.poller.waiters()), (1, 0));
        assert_eq!(poll_once(&mut wait).1, CLOSED);
        assert_eq!(fixture.count(Counter::Evicted), 1);
    });
}

#[test]
fn loom_an_eviction_from_outside_does_not_reach_the_next_life() {
    explore_big("evict from outside | close, open", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let id = desc.id();
        let poller = fixture.poller.clone();
        let outside = spawn(move || poller.evict(id));
        Arc::into_inner(desc).unwrap().close();
        let next = fixture.open();
        let (calls, mut wait) = parked(&next);
        outside.join().unwrap();
        assert_eq!(calls.count(), 0);
        assert_eq!(next.check(Direction::Read), Ok(()));
        assert_eq!(
            fixture.count(Counter::Evicted),
            1,
            "the owner's or the other"
        );
        fixture.edge().join().unwrap();
        assert_eq!(poll_once(&mut wait).1, OK);
    });
}

#[test]
fn loom_a_close_calls_the_last_waker() {
    explore_big("another waker | close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (_, mut wait) = parked(&desc);
        let closing = spawn({
            let desc = desc.clone();
            move || desc.unblock()
        });
        let (last, again) = poll_once(&mut wait);
        assert!(closing.join().unwrap());
        if again.is_pending() {
            assert!(last.count() > 0, "pending with a waker that nobody calls");
            assert_eq!(poll_once(&mut wait).1, CLOSED);
        } else {
            assert_eq!(again, CLOSED);
        }
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_a_future_dropped_beside_a_close_is_counted_off_once() {
    explore_big("drop | close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, wait) = parked(&desc);
        let closing = spawn({
            let desc = desc.clone();
            move || desc.unblock()
        });
        drop(wait);
        assert!(closing.join().unwrap());
        assert!(calls.count() <= 1);
        assert_eq!((state(&desc), fixture.poller.waiters()), (State::Nil, 0));
        let mut wait = Box::pin(desc.wait(Direction::Read));
        assert_eq!(poll_once(&mut wait).1, CLOSED);
    });
}

#[test]
fn loom_an_edge_beside_a_close_is_kept_and_wakes_once() {
    explore_big("edge | close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, mut wait) = parked(&desc);
        let polling = fixture.edge();
        assert!(desc.unblock());
        polling.join().unwrap();
        assert_eq!((calls.count(), state(&desc)), (1, State::Ready));
        assert_eq!(poll_once(&mut wait).1, OK, "semantics 17 and 28");
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_two_slots_that_are_reused_at_once_stay_two() {
    explore_big("close, open | close, open", || {
        let fixture = Fixture::new();
        let mine = fixture.open_fd(100);
        let theirs = fixture.open_fd(101);
        let poller = fixture.poller.clone();
        let other = spawn(move || {
            Arc::into_inner(theirs).unwrap().close();
            poller.open_at(101, Kind::Tcp, Location::caller()).unwrap()
        });
        Arc::into_inner(mine).unwrap().close();
        let mine = fixture.open_fd(100);
        let theirs = other.join().unwrap();
        assert_ne!(mine.slot.slot(), theirs.slot.slot());
        for (desc, fd) in [(&*mine, 100), (&theirs, 101)] {
            assert!(desc.slot.is_live(desc.generation));
            assert_eq!(desc.fd(), fd);
        }
        assert_eq!(fixture.kernel.registered(), 2);
        assert_eq!(fixture.poller.shared.cache.made(), 2);
        assert_eq!(fixture.poller.shared.cache.free_count(), 0);
    });
}

#[test]
fn loom_a_deadline_in_the_queue_outlives_the_reuse_of_another_slot() {
    explore_big("close, open, set | set", || {
        let fixture = Fixture::new();
        let (desc, stays) = (fixture.open_fd(100), fixture.open_fd(101));
        desc.set_deadline(Some(later(1)), Sides::Read);
        let setter = spawn({
            let stays = stays.clone();
            move || stays.set_deadline(Some(later(2)), Sides::Write)
        });
        Arc::into_inner(desc).unwrap().close();
        let next = fixture.open_fd(100);
        next.set_deadline(Some(later(3)), Sides::Read);
        setter.join().unwrap();
        let queue = &fixture.poller.shared.timers;
        assert_eq!(queue.len(), 2);
        let at = stays.slot.deadline(Direction::Write);
        assert_eq!(
            queue.next_ns(),
            at,
            "the earlier one, and not that of the last life"
        );
        next.unblock();
        check_deadlines(&fixture, &stays);
    });
}

#[test]
fn loom_a_wait_left_behind_with_another_waker_does_not_reach_into_the_next_life() {
    explore_big("another waker, close, next life parks | old event", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let polled = |desc: &Desc, resumed| {
            let (calls, waker) = Calls::new();
            let mut cx = Context::from_waker(&waker);
            let poll = desc.poll_wait(Direction::Read, Location::caller(), resumed, &mut cx);
            (calls, poll)
        };
        assert!(polled(&desc, false).1.is_pending());
        let polling = fixture.edge();
        let (old, again) = polled(&desc, true);
        Arc::into_inner(desc).unwrap().close();
        assert!(
            again.is_ready() || old.count() > 0,
            "released by the close at the latest"
        );
        let called = old.count();
        let next = fixture.open();
        let (calls, poll) = polled(&next, false);
        polling.join().unwrap();
        assert_eq!(old.count(), called, "nobody calls a waker of the last life");
        let woken = poll.is_pending() && state(&next) == State::Ready;
        assert_eq!(calls.count() == 1, woken);
        let waits = i64::from(poll.is_pending() && !woken);
        assert_eq!(fixture.poller.waiters(), waits);
        drop(next);
        assert_eq!(fixture.poller.waiters(), 0);
    });
}
