//! Statements 29 to 38: deadlines.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn semantics_29_a_deadline_reaches_the_operation_that_is_blocked_already() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    desc.set_deadline(Some(hours(1)), Sides::Read);
    assert_eq!(waiting.calls(), 0);
    fixture.fire_at(hours(2));
    assert_eq!(waiting.calls(), 1);
    assert_eq!(waiting.poll(), TIMEOUT);
    assert_eq!(fixture.poller.waiters(), 0);
    check_laws(&desc, Read);
}

#[test]
fn semantics_29_a_past_deadline_wakes_at_once_and_clearing_or_extending_never_does() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    desc.set_deadline(Some(hours(1)), Sides::Both);
    desc.set_deadline(Some(hours(2)), Sides::Both);
    desc.set_deadline(None, Sides::Both);
    assert_eq!(waiting.calls(), 0);
    desc.set_deadline(past(), Sides::Both);
    assert_eq!(waiting.calls(), 1);
    assert_eq!(waiting.poll(), TIMEOUT);
}

#[test]
fn semantics_30_none_clears_now_expires_and_the_far_future_is_not_the_past() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(past(), Sides::Read);
    assert_eq!(desc.check(Read), Err(Error::DeadlineExceeded));
    desc.set_deadline(None, Sides::Read);
    assert_eq!(desc.check(Read), Ok(()));
    let millennia = Instant::now() + Duration::from_secs(400 * 365 * 86_400);
    desc.set_deadline(Some(millennia), Sides::Read);
    assert_eq!(desc.check(Read), Ok(()));
    assert_eq!(desc.slot.deadline(Read), clock::NEVER);
    fixture.fire_at(hours(1_000_000));
    assert_eq!(desc.check(Read), Ok(()));
}

#[test]
fn semantics_31_expiry_is_sticky_until_another_deadline_is_set() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(Some(hours(1)), Sides::Write);
    fixture.fire_at(hours(2));
    for _ in 0..3 {
        fixture.edge(5, OUT);
        assert_eq!(desc.reset(Write), Err(Error::DeadlineExceeded));
        assert_eq!(Waiting::new(&desc, Write).poll(), TIMEOUT);
    }
    assert_eq!(desc.check(Read), Ok(()), "the other direction is its own");
    desc.set_deadline(Some(hours(1)), Sides::Write);
    assert_eq!(desc.reset(Write), Ok(true));
}

#[test]
fn semantics_32_equal_deadlines_share_an_entry_and_each_can_be_changed_alone() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut reader = Waiting::parked(&desc, Read);
    let mut writer = Waiting::parked(&desc, Write);
    desc.set_deadline(Some(hours(10)), Sides::Both);
    assert_eq!(fixture.queued(), 1);
    desc.set_deadline(Some(hours(30)), Sides::Read);
    fixture.fire_at(hours(20));
    assert_eq!((reader.calls(), writer.calls()), (0, 1));
    assert_eq!(writer.poll(), TIMEOUT);
    assert_eq!(fixture.queued(), 1, "queued again for the reader");
    fixture.fire_at(hours(40));
    assert_eq!(reader.poll(), TIMEOUT);
    assert_eq!(fixture.queued(), 0);
    assert_eq!(fixture.count(Counter::DeadlinesFired), 2);
}

#[test]
fn semantics_33_an_entry_that_comes_up_after_the_deadline_was_changed_expires_nothing() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(Some(hours(1)), Sides::Read);
    desc.set_deadline(None, Sides::Read);
    fixture.fire_at(hours(2));
    assert_eq!(desc.check(Read), Ok(()));
    assert_eq!(fixture.count(Counter::DeadlinesStale), 1);
    desc.set_deadline(Some(hours(1)), Sides::Read);
    desc.set_deadline(Some(hours(5)), Sides::Read);
    fixture.fire_at(hours(2));
    assert_eq!(desc.check(Read), Ok(()));
    assert_eq!(fixture.count(Counter::DeadlinesExtended), 1);
    fixture.fire_at(hours(6));
    assert_eq!(desc.check(Read), Err(Error::DeadlineExceeded));
    assert_eq!(fixture.count(Counter::DeadlinesFired), 1);
}

#[test]
fn semantics_33_eviction_takes_the_deadline_with_it() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(Some(hours(1)), Sides::Both);
    desc.close();
    assert_eq!(fixture.queued(), 0);
    let next = fixture.open(5);
    fixture.fire_at(hours(2));
    assert_eq!(next.check(Read), Ok(()));
    assert_eq!(fixture.count(Counter::DeadlinesFired), 0);
}

#[test]
fn semantics_34_a_deadline_set_while_closing_is_ignored() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.unblock();
    desc.set_deadline(past(), Sides::Both);
    desc.set_deadline(Some(hours(1)), Sides::Both);
    assert_eq!(desc.check(Read), Err(Error::Closed));
    assert_eq!(fixture.queued(), 0);
    assert_eq!(fixture.count(Counter::DeadlinesSet), 0);
}

#[test]
fn semantics_35_whoever_is_woken_finds_the_reason_published() {
    let fixture = Fixture::new();
    let desc = Arc::new(fixture.open(5));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let waker = waker({
        let (desc, seen) = (desc.clone(), seen.clone());
        move || seen.lock().unwrap().push(desc.check(Read))
    });
    let mut waiting = Waiting::new(&desc, Read);
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    desc.set_deadline(past(), Sides::Read);
    desc.set_deadline(Some(hours(1)), Sides::Read);
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    fixture.fire_at(hours(2));
    desc.set_deadline(None, Sides::Read);
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    desc.unblock();
    let expired = Err(Error::DeadlineExceeded);
    assert_eq!(
        *seen.lock().unwrap(),
        [expired, expired, Err(Error::Closed)]
    );
}

#[test]
fn a_deadline_of_one_direction_leaves_the_other_alone() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_read_deadline(past());
    assert_eq!(desc.check(Read), Err(Error::DeadlineExceeded));
    assert_eq!(desc.check(Write), Ok(()));
    desc.set_read_deadline(None);
    desc.set_write_deadline(past());
    assert_eq!(desc.check(Read), Ok(()));
    assert_eq!(desc.check(Write), Err(Error::DeadlineExceeded));
}

#[test]
fn semantics_36_a_read_deadline_never_touches_a_blocked_writer() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut writer = Waiting::parked(&desc, Write);
    desc.set_deadline(past(), Sides::Read);
    desc.set_deadline(Some(hours(1)), Sides::Read);
    fixture.fire_at(hours(2));
    assert_eq!(writer.calls(), 0);
    assert_eq!(writer.poll(), Poll::Pending);
}

#[test]
fn semantics_38_a_timeout_never_fires_early() {
    let poller = Poller::builder().build().unwrap();
    let (a, _b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    poll_now(&poller);
    let mut ready = ReadyList::default();
    for micros in [50, 700, 1_000, 2_500] {
        let deadline = Instant::now() + Duration::from_micros(micros);
        desc.set_deadline(Some(deadline), Sides::Read);
        let mut waiting = Waiting::new(&desc, Read);
        while waiting.poll() == Poll::Pending {
            poller.poll(None, &mut ready).unwrap();
            ready.wake_all();
        }
        assert!(Instant::now() >= deadline);
        assert_eq!(desc.check(Read), Err(Error::DeadlineExceeded));
        desc.set_deadline(None, Sides::Read);
    }
    assert_eq!(poller.waiters(), 0);
}

#[test]
fn more_deadlines_than_a_batch_has_room_for_all_fire_in_one_poll() {
    let fixture = Fixture::new();
    let descs: Vec<_> = (0..200).map(|fd| fixture.open(fd)).collect();
    for desc in &descs {
        desc.set_deadline(Some(hours(1)), Sides::Both);
    }
    fixture.fire_at(hours(2));
    assert_eq!(fixture.count(Counter::DeadlinesFired), 400);
    assert_eq!(fixture.queued(), 0);
}

#[test]
fn a_nested_poller_becomes_readable_when_a_deadline_is_due_and_quiet_after_the_poll() {
    let poller = Poller::builder().build().unwrap();
    poller.nest().unwrap();
    let (a, _b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    poll_now(&poller);
    let outer = Poller::builder().build().unwrap();
    let watched = outer.open(poller.as_fd(), Kind::Other).unwrap();
    poll_now(&outer);
    let _ = watched.reset(Read);
    let mut ready = ReadyList::default();
    for _ in 0..2 {
        desc.set_deadline(Some(Instant::now() + Duration::from_millis(1)), Sides::Read);
        while state(&watched, Read) != State::Ready {
            outer.poll(None, &mut ready).unwrap();
        }
        poll_now(&poller);
        assert_eq!(desc.check(Read), Err(Error::DeadlineExceeded));
        let _ = watched.reset(Read);
        poll_now(&outer);
        assert_eq!(watched.reset(Read), Ok(false), "the timer is quiet again");
        desc.set_deadline(None, Sides::Both);
    }
}

#[test]
fn a_deadline_that_has_passed_holds_although_nobody_has_polled_since() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut writer = Waiting::parked(&desc, Write);
    let deadline = Instant::now() + Duration::from_millis(1);
    desc.set_deadline(Some(deadline), Sides::Both);
    while let Ok(edge) = desc.reset(Read) {
        assert!(!edge);
    }
    assert!(Instant::now() >= deadline, "early");
    assert_eq!(desc.check(Read), Err(Error::DeadlineExceeded));
    // It is that of the writer too, who waits.
    assert_eq!(writer.calls(), 1);
    assert_eq!(writer.poll(), TIMEOUT);
    assert_eq!(fixture.poller.waiters(), 0);
    assert_eq!(fixture.count(Counter::DeadlinesFired), 2);
    // Once is enough: the poll that comes at last finds nothing to expire.
    desc.set_deadline(None, Sides::Both);
    poll_now(&fixture.poller);
    assert_eq!(fixture.count(Counter::DeadlinesFired), 2);
    assert_eq!(desc.reset(Read), Ok(false));
}

#[test]
fn a_deadline_that_an_operation_fires_itself_leaves_the_later_one_of_the_other_direction_in_the_queue()
 {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(Some(hours(1)), Sides::Write);
    let deadline = Instant::now() + Duration::from_micros(100);
    desc.set_deadline(Some(deadline), Sides::Read);
    while desc.reset(Read).is_ok() {}
    assert_eq!(desc.check(Write), Ok(()));
    assert_eq!(fixture.queued(), 1);
    fixture.fire_at(hours(2));
    assert_eq!(desc.check(Write), Err(Error::DeadlineExceeded));
}
