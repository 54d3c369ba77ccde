//! Statements 12 to 22, 49 and 50: the waiter's side.

use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn semantics_12_reset_drops_pending_readiness_and_says_so() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    fixture.edge(5, IN);
    assert_eq!(desc.reset(Read), Ok(true));
    assert_eq!(desc.reset(Read), Ok(false));
    assert_eq!(Waiting::new(&desc, Read).poll(), Poll::Pending);
}

#[test]
fn semantics_13_a_wait_without_an_eagain_before_it_never_learns_of_buffered_bytes() {
    let poller = Poller::builder().build().unwrap();
    let (a, mut b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    b.write_all(b"x").unwrap();
    poll_now(&poller);
    assert_eq!(desc.reset(Read), Ok(true));
    // No read here, so the edge is gone and the byte is not.
    let mut waiting = Waiting::parked(&desc, Read);
    assert_eq!(poll_now(&poller), 0);
    assert_eq!(waiting.poll(), Poll::Pending);
    b.write_all(b"y").unwrap();
    assert_eq!(poll_now(&poller), 1, "the next edge is another matter");
    assert_eq!(waiting.poll(), OK);
}

#[test]
fn semantics_14_readiness_beats_a_close_that_came_after_the_first_check() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    assert_eq!(fixture.edge(5, IN), 1);
    desc.unblock();
    assert_eq!(waiting.poll(), OK);
    assert_eq!(
        Waiting::new(&desc, Read).poll(),
        CLOSED,
        "a wait that begins now"
    );
}

#[test]
fn semantics_15_closing_beats_timeout_and_timeout_beats_the_error_state() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    fixture.edge(5, ERR);
    assert_eq!(Waiting::new(&desc, Read).poll(), NOT_POLLABLE);
    desc.set_deadline(past(), Sides::Read);
    assert_eq!(Waiting::new(&desc, Read).poll(), TIMEOUT);
    desc.unblock();
    assert_eq!(Waiting::new(&desc, Read).poll(), CLOSED);
    assert_eq!(desc.reset(Read), Err(Error::Closed));
}

#[test]
fn semantics_16_an_expired_deadline_beats_readiness_that_was_there_before() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    fixture.edge(5, IN);
    desc.set_deadline(past(), Sides::Read);
    assert_eq!(desc.reset(Read), Err(Error::DeadlineExceeded));
    assert_eq!(Waiting::new(&desc, Read).poll(), TIMEOUT);
    assert_eq!(state(&desc, Read), State::Ready, "and does not consume it");
    desc.set_deadline(None, Sides::Read);
    assert_eq!(Waiting::new(&desc, Read).poll(), OK);
}

#[test]
fn semantics_17_readiness_that_arrives_after_the_timeout_woke_the_waiter_wins() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    desc.set_deadline(past(), Sides::Read);
    assert_eq!(waiting.calls(), 1);
    fixture.edge(5, IN);
    assert_eq!(waiting.poll(), OK);
    assert_eq!(state(&desc, Read), State::Nil);
    check_laws(&desc, Read);
}

#[test]
fn semantics_20_a_timeout_stores_nothing_in_a_nil_slot_and_leaves_readiness() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(past(), Sides::Both);
    assert_eq!(state(&desc, Read), State::Nil);
    fixture.edge(5, IN);
    desc.set_deadline(past(), Sides::Both);
    assert_eq!(state(&desc, Read), State::Ready);
    desc.unblock();
    assert_eq!(state(&desc, Read), State::Ready);
    check_laws(&desc, Read);
}

#[test]
fn semantics_21_a_deadline_moved_before_the_waiter_runs_is_as_if_it_had_not_fired() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    desc.set_deadline(past(), Sides::Read);
    assert_eq!(waiting.calls(), 1);
    desc.set_deadline(Some(hours(1)), Sides::Read);
    assert_eq!(waiting.poll(), Poll::Pending);
    assert_eq!(state(&desc, Read), State::Parked);
    assert_eq!(fixture.poller.waiters(), 1);
    fixture.edge(5, IN);
    assert_eq!(waiting.calls(), 2);
    assert_eq!(waiting.poll(), OK);
}

#[test]
fn semantics_22_a_second_waiter_in_a_direction_is_busy_until_the_first_has_ended() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut first = Waiting::parked(&desc, Read);
    let mut writer = Waiting::parked(&desc, Write);
    assert_eq!(Waiting::new(&desc, Read).poll(), BUSY);
    assert_eq!(desc.reset(Read), Err(Error::Busy));
    fixture.edge(5, IN);
    assert_eq!(
        Waiting::new(&desc, Read).poll(),
        BUSY,
        "the first was woken for it, though it has not run yet"
    );
    assert_eq!(first.poll(), OK);
    assert_eq!(Waiting::new(&desc, Read).poll(), Poll::Pending);
    assert_eq!(writer.calls(), 0, "the other direction is its own");
    assert_eq!(writer.poll(), Poll::Pending);
}

#[test]
fn semantics_22_a_refused_waiter_leaves_the_first_in_place() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut first = Waiting::parked(&desc, Read);
    let mut second = Waiting::new(&desc, Read);
    assert_eq!(second.poll(), BUSY);
    drop(second);
    fixture.edge(5, IN);
    assert_eq!(first.calls(), 1);
    assert_eq!(first.poll(), OK);
}

#[test]
fn a_dropped_future_hands_its_readiness_to_the_next_waiter() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let woken = Waiting::parked(&desc, Read);
    fixture.edge(5, IN);
    assert_eq!(woken.calls(), 1);
    drop(woken);
    assert_eq!(Waiting::new(&desc, Read).poll(), OK);
    let parked = Waiting::parked(&desc, Read);
    drop(parked);
    assert_eq!(fixture.poller.waiters(), 0);
    assert_eq!(state(&desc, Read), State::Nil);
    check_laws(&desc, Read);
}

#[test]
fn wait_canceled_minds_neither_deadline_nor_close() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(past(), Sides::Write);
    let (calls, waker) = Calls::new();
    let mut cx = Context::from_waker(&waker);
    let mut wait = Box::pin(desc.wait_canceled(Write));
    assert_eq!(wait.as_mut().poll(&mut cx), Poll::Pending);
    desc.unblock();
    assert_eq!(calls.count(), 1);
    assert_eq!(wait.as_mut().poll(&mut cx), Poll::Pending);
    fixture.edge(5, OUT);
    assert_eq!(wait.as_mut().poll(&mut cx), OK);
}

#[test]
fn semantics_49_waiters_are_counted_from_the_park_until_after_the_wake() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let reader = Waiting::parked(&desc, Read);
    let writer = Waiting::parked(&desc, Write);
    assert_eq!(fixture.poller.waiters(), 2, "one descriptor, two waiters");
    fixture.kernel.edge(5, IN | OUT);
    let mut ready = ReadyList::default();
    assert_eq!(
        fixture
            .poller
            .poll(Some(Duration::ZERO), &mut ready)
            .unwrap(),
        2
    );
    assert_eq!(fixture.poller.waiters(), 2, "not yet woken");
    ready.wake_all();
    assert_eq!((reader.calls(), writer.calls()), (1, 1));
    assert_eq!(fixture.poller.waiters(), 0);
}

#[test]
fn semantics_49_a_waiter_is_still_counted_while_its_waker_runs() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let seen = Arc::new(AtomicUsize::new(0));
    let waker = waker({
        let (poller, seen) = (fixture.poller.clone(), seen.clone());
        move || seen.store(poller.waiters() as usize, Ordering::Relaxed)
    });
    let mut waiting = Waiting::new(&desc, Read);
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    fixture.edge(5, IN);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert_eq!(waiting.poll_with(&waker), OK);
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    seen.store(0, Ordering::Relaxed);
    desc.set_deadline(past(), Sides::Read);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert_eq!(fixture.poller.waiters(), 0);
}

#[test]
fn semantics_50_a_waker_may_use_the_descriptor_because_no_lock_is_held() {
    let fixture = Fixture::new();
    let desc = Arc::new(fixture.open(5));
    let ran = Arc::new(AtomicUsize::new(0));
    let waker = waker({
        let (desc, ran) = (desc.clone(), ran.clone());
        move || {
            // Would deadlock under the descriptor's or the queue's lock.
            desc.set_deadline(Some(hours(1)), Sides::Both);
            ran.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut waiting = Waiting::new(&desc, Read);
    for expire in [true, false] {
        assert_eq!(waiting.poll_with(&waker), Poll::Pending);
        if expire {
            desc.set_deadline(past(), Sides::Both);
        } else {
            fixture.fire_at(hours(2));
        }
    }
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    desc.unblock();
    assert_eq!(ran.load(Ordering::Relaxed), 3);
}

#[test]
fn semantics_50_a_waker_dropped_by_its_replacement_may_use_the_descriptor() {
    struct OnDrop(Arc<Desc>);
    impl Wake for OnDrop {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set_deadline(None, Sides::Both);
            assert_ne!(state(&self.0, Read), State::Wait);
        }
    }
    let fixture = Fixture::new();
    let desc = Arc::new(fixture.open(5));
    let mut waiting = Waiting::new(&desc, Read);
    let waker = Waker::from(Arc::new(OnDrop(desc.clone())));
    assert_eq!(waiting.poll_with(&waker), Poll::Pending);
    drop(waker);
    assert_eq!(waiting.poll(), Poll::Pending);
    assert_eq!(Arc::strong_count(&desc), 1, "the old waker is gone");
}
