//! Deadlines that are set, moved and fired at once: one that is to come is queued, one that has
//! expired is published.

use super::*;

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
fn loom_a_waiter_is_released_by_a_deadline_set_to_the_past() {
    explore_big("wait | past deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let waiter = spawn({
            let desc = desc.clone();
            move || block_on(desc.wait(Direction::Read))
        });
        desc.set_deadline(past(), Sides::Read);
        assert_eq!(waiter.join().unwrap(), Err(Error::DeadlineExceeded));
        assert_eq!(fixture.poller.waiters(), 0);
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_an_edge_beside_a_deadline_set_to_the_past_is_kept() {
    explore_big("edge | past deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, mut wait) = parked(&desc);
        let polling = fixture.edge();
        desc.set_deadline(past(), Sides::Read);
        polling.join().unwrap();
        assert_eq!((calls.count(), state(&desc)), (1, State::Ready));
        assert_eq!(poll_once(&mut wait).1, OK, "semantics 17");
        assert_eq!(fixture.poller.waiters(), 0);
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_of_two_pollers_that_fire_at_once_one_releases_the_waiter() {
    explore_big("fire | fire", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        let (calls, mut wait) = parked(&desc);
        let firing = [fire(&fixture, later(2)), fire(&fixture, later(3))];
        for firing in firing {
            firing.join().unwrap();
        }
        assert_eq!(calls.count(), 1);
        assert_eq!(fixture.count(Counter::DeadlinesFired), 1);
        assert_eq!(poll_once(&mut wait).1, TIMEOUT);
        assert_eq!(fixture.poller.waiters(), 0);
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_a_deadline_that_fires_beside_an_eviction_does_not_take_its_place() {
    explore_big("fire | close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        let (calls, mut wait) = parked(&desc);
        let firing = fire(&fixture, later(2));
        assert!(desc.unblock());
        firing.join().unwrap();
        assert_eq!((calls.count(), fixture.poller.waiters()), (1, 0));
        assert_eq!(poll_once(&mut wait).1, CLOSED, "semantics 15");
        assert_eq!(fixture.poller.shared.timers.len(), 0);
    });
}

#[test]
fn loom_the_last_waker_is_the_one_that_a_deadline_calls() {
    explore_big("another waker | fire", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        let (_, mut wait) = parked(&desc);
        let firing = fire(&fixture, later(2));
        let (last, again) = poll_once(&mut wait);
        firing.join().unwrap();
        if again.is_pending() {
            assert!(last.count() > 0, "pending with a waker that nobody calls");
            assert_eq!(poll_once(&mut wait).1, TIMEOUT);
        } else {
            assert_eq!(again, TIMEOUT);
        }
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_two_deadlines_set_at_once_on_one_descriptor_are_both_kept() {
    explore_big("set both | set one, clear it", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let other = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(2)), Sides::Both)
        });
        desc.set_deadline(Some(later(1)), Sides::Read);
        desc.set_deadline(None, Sides::Read);
        other.join().unwrap();
        assert!(desc.slot.deadline(Direction::Write) > EXPIRED);
        assert_eq!(fixture.poller.shared.timers.len(), 1);
        check_deadlines(&fixture, &desc);
    });
}

#[test]
fn loom_semantics_34_a_deadline_beside_an_eviction_leaves_nothing_behind() {
    explore_big("set | close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let setter = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(1)), Sides::Both)
        });
        assert!(desc.unblock());
        setter.join().unwrap();
        assert_eq!(fixture.poller.shared.timers.len(), 0);
        for direction in Direction::ALL {
            assert_eq!(desc.slot.deadline(direction), NO_DEADLINE);
            assert_eq!(desc.check(direction), Err(Error::Closed));
        }
    });
}

#[test]
fn loom_a_past_deadline_calls_the_last_waker() {
    explore_big("another waker | past deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (_, mut wait) = parked(&desc);
        let setter = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(past(), Sides::Read)
        });
        let (last, again) = poll_once(&mut wait);
        setter.join().unwrap();
        if again.is_pending() {
            assert!(last.count() > 0, "pending with a waker that nobody calls");
            assert_eq!(poll_once(&mut wait).1, TIMEOUT);
        } else {
            assert_eq!(again, TIMEOUT);
        }
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_a_future_dropped_beside_a_past_deadline_leaves_no_waiter_and_no_claim() {
    explore_big("drop | past deadline, cleared", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (calls, wait) = parked(&desc);
        let setter = spawn({
            let desc = desc.clone();
            move || {
                desc.set_deadline(past(), Sides::Read);
                desc.set_deadline(None, Sides::Read);
            }
        });
        drop(wait);
        setter.join().unwrap();
        assert!(calls.count() <= 1);
        assert_eq!((state(&desc), fixture.poller.waiters()), (State::Nil, 0));
        drop(parked(&desc));
        check_deadlines(&fixture, &desc);
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
        assert_eq!(refused, Err(Error::DeadlineExceeded));
        assert_eq!(waiter.join().unwrap(), Err(Error::DeadlineExceeded));
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
