//! Statements 23 to 28 and 43 to 48: what a poll does with what it fetched.

use std::sync::Mutex;

use super::*;

/// Which directions `mask` makes ready.
#[track_caller]
fn wakes(mask: i32) -> (bool, bool) {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    fixture.edge(5, mask);
    let ready = |direction| state(&desc, direction) == State::Ready;
    (ready(Read), ready(Write))
}

#[test]
fn semantics_23_which_bits_wake_whom() {
    assert_eq!(wakes(IN), (true, false));
    assert_eq!(
        wakes(RDHUP),
        (true, false),
        "half-close alone is no news for a writer"
    );
    assert_eq!(wakes(OUT), (false, true));
    assert_eq!(wakes(HUP), (true, true));
    assert_eq!(wakes(ERR), (true, true));
    assert_eq!(wakes(IN | OUT), (true, true));
    assert_eq!(wakes(0), (false, false));
    assert_eq!(wakes(libc::EPOLLPRI), (false, false));
}

#[test]
fn semantics_23_foreign_bits_alone_are_ignored_and_leave_the_error_state() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    fixture.edge(5, ERR);
    fixture.edge(5, libc::EPOLLPRI);
    fixture.edge(5, 0);
    assert_eq!(fixture.count(Counter::IgnoredEvents), 2);
    assert_eq!(desc.check(Read), Err(Error::NotPollable));
    assert_eq!(desc.last_events(), ERR as u32);
}

#[test]
fn semantics_24_the_error_state_is_set_by_err_alone_and_cleared_by_any_other_event() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    for mask in [ERR | OUT, ERR | IN, ERR | HUP, IN | OUT | ERR | HUP | RDHUP] {
        fixture.edge(5, mask);
        assert_eq!(desc.check(Read), Ok(()), "{mask:#x}");
    }
    fixture.edge(5, ERR);
    assert_eq!(desc.check(Read), Err(Error::NotPollable));
    fixture.edge(5, IN);
    assert_eq!(desc.check(Read), Ok(()));
    assert_eq!(fixture.count(Counter::EventErrSet), 1);
    assert_eq!(fixture.count(Counter::EventErrCleared), 1);
}

#[test]
fn semantics_24_an_error_alone_leaves_a_socket_readable_whatever_it_was_opened_as() {
    use std::os::fd::AsRawFd;

    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let (reader, _writer) = crate::sys::io::pipe().unwrap();
    let (socket, pipe) = (socket.as_raw_fd(), reader.as_raw_fd());
    for (fd, kind, readable) in [
        (socket, Kind::Tcp, true),
        (socket, Kind::Udp, true),
        (socket, Kind::UnixDatagram, true),
        (socket, Kind::Other, true),
        (pipe, Kind::Other, false),
        (pipe, Kind::Pipe, false),
    ] {
        let fixture = Fixture::new();
        let desc = fixture.open_kind(fd, kind);
        let mut reader = Waiting::parked(&desc, Read);
        fixture.edge(fd, ERR);
        assert_eq!(reader.poll(), OK, "woken by it, so it tries once more");
        assert_eq!(desc.check(Read).is_ok(), readable, "{kind:?}");
        assert_eq!(fixture.count(Counter::EventErrSet), u64::from(!readable));
    }
}

#[test]
fn semantics_25_the_error_state_is_for_readers_and_a_reset_does_not_clear_it() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut reader = Waiting::parked(&desc, Read);
    fixture.edge(5, ERR);
    assert_eq!(reader.poll(), OK, "woken by it, so it tries once more");
    for _ in 0..2 {
        assert_eq!(desc.reset(Read), Err(Error::NotPollable));
        assert_eq!(Waiting::new(&desc, Read).poll(), NOT_POLLABLE);
    }
    assert_eq!(
        desc.reset(Write),
        Ok(true),
        "a writer gets a precise errno from its call"
    );
    assert_eq!(Waiting::new(&desc, Write).poll(), Poll::Pending);
}

#[test]
fn semantics_26_a_stale_event_sets_neither_readiness_nor_error() {
    let fixture = Fixture::new();
    let old = fixture.open(5);
    let tag = tag(&old);
    old.close();
    let desc = fixture.open(5);
    assert_eq!(desc.slot.slot(), tag.slot, "the same slot");
    for mask in [ERR, IN | OUT] {
        fixture.kernel.late_event(tag, mask);
        poll_now(&fixture.poller);
    }
    assert_eq!(state(&desc, Read), State::Nil);
    assert_eq!(state(&desc, Write), State::Nil);
    assert_eq!(desc.check(Read), Ok(()));
    assert_eq!(desc.last_events(), 0);
    assert_eq!(fixture.count(Counter::StaleEvents), 2);
}

#[test]
fn semantics_26_an_event_of_a_slot_that_was_never_made_is_stale_too() {
    let fixture = Fixture::new();
    for slot in [0, 77, u32::MAX] {
        fixture.kernel.late_event(
            Tag {
                slot,
                generation: 1,
            },
            IN,
        );
    }
    assert_eq!(poll_now(&fixture.poller), 0);
    assert_eq!(fixture.count(Counter::StaleEvents), 3);
}

#[test]
fn semantics_28_an_event_between_evict_and_close_does_no_harm() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.unblock();
    fixture.edge(5, IN | OUT);
    assert_eq!(state(&desc, Read), State::Ready);
    desc.close();
    let recycled = Transition::Recycled.index();
    let totals = fixture.poller.shared.recorder.totals();
    assert_eq!(totals.transitions.map(|counts| counts[recycled]), [1, 1]);
    let next = fixture.open(5);
    assert_eq!(next.reset(Read), Ok(false));
}

#[test]
fn semantics_43_a_break_alone_is_an_empty_poll_that_wakes_nobody() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let waiting = Waiting::parked(&desc, Read);
    fixture.poller.wake().unwrap();
    let mut ready = ReadyList::default();
    assert_eq!(fixture.poller.poll(None, &mut ready).unwrap(), 0);
    assert!(ready.is_empty());
    ready.wake_all();
    assert_eq!(fixture.poller.waiters(), 1);
    assert_eq!(waiting.calls(), 0);
}

#[test]
fn semantics_44_a_signal_ends_a_limited_poll_empty_and_the_others_try_again() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut ready = ReadyList::default();
    for (delay, retries) in [
        (Some(Duration::from_secs(1)), false),
        (Some(Duration::ZERO), true),
        (None, true),
    ] {
        fixture.kernel.edge(5, IN);
        fixture.kernel.interrupt(2);
        fixture.poller.poll(delay, &mut ready).unwrap();
        assert_eq!(desc.reset(Read), Ok(retries), "{delay:?}");
        fixture.kernel.interrupt(0);
        poll_now(&fixture.poller);
        let _ = desc.reset(Read);
    }
    assert_eq!(fixture.count(Counter::PollsEintr), 1 + 2 + 2);
}

#[test]
fn semantics_45_waiters_are_woken_in_order_of_readiness_the_writer_before_the_reader() {
    let fixture = Fixture::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let descs: Vec<_> = [5, 6, 7].map(|fd| fixture.open(fd)).into();
    let mut waits = Vec::new();
    for desc in &descs {
        for direction in Direction::ALL {
            let (fd, order) = (desc.fd(), order.clone());
            let waker = waker(move || order.lock().unwrap().push((fd, direction)));
            let mut waiting = Waiting::new(desc, direction);
            assert_eq!(waiting.poll_with(&waker), Poll::Pending);
            waits.push(waiting);
        }
    }
    for fd in [7, 5, 6] {
        fixture.kernel.edge(fd, IN | OUT);
    }
    assert_eq!(poll_now(&fixture.poller), 6);
    let expected = [7, 5, 6].map(|fd| [(fd, Write), (fd, Read)]).concat();
    assert_eq!(*order.lock().unwrap(), expected);
}

#[test]
fn semantics_46_a_sleep_is_measured_in_nanoseconds() {
    let fixture = Fixture::new();
    let mut ready = ReadyList::default();
    let delay = Duration::from_micros(900);
    fixture.poller.poll(Some(delay), &mut ready).unwrap();
    match fixture.kernel.last_timeout() {
        Some(crate::sys::Timeout::Nanos(ns)) => assert!(ns <= 900_000, "{ns}"),
        // A machine so slow that the time was over before the sleep.
        other => assert_eq!(other, Some(crate::sys::Timeout::Zero)),
    }
    fixture.poller.poll(None, &mut ready).unwrap();
    assert_eq!(
        fixture.kernel.last_timeout(),
        Some(crate::sys::Timeout::Never)
    );
    fixture
        .poller
        .poll(Some(Duration::MAX), &mut ready)
        .unwrap();
    let endless = fixture.kernel.last_timeout();
    assert!(matches!(endless, Some(crate::sys::Timeout::Nanos(ns)) if ns > u64::MAX / 2));
}

#[test]
fn semantics_47_a_poll_fetches_one_batch_and_leaves_the_rest_to_the_next() {
    let fixture = Fixture::new();
    let descs: Vec<_> = (0..5).map(|fd| fixture.open(fd)).collect();
    let waits: Vec<_> = descs
        .iter()
        .map(|desc| Waiting::parked(desc, Read))
        .collect();
    for fd in 0..5 {
        fixture.kernel.edge(fd, IN);
    }
    let mut ready = ReadyList::with_capacity(2);
    let mut batches = Vec::new();
    for _ in 0..4 {
        let woken = fixture
            .poller
            .poll(Some(Duration::ZERO), &mut ready)
            .unwrap();
        batches.push((woken, ready.batch_was_full()));
    }
    ready.wake_all();
    assert_eq!(batches, [(2, true), (2, true), (1, false), (0, false)]);
    assert!(waits.iter().all(|waiting| waiting.calls() == 1));
}

#[test]
fn semantics_48_an_older_event_dispatched_later_does_not_hide_the_end_of_the_stream() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    fixture.edge(5, IN | OUT | RDHUP);
    fixture.kernel.late_event(tag(&desc), IN | OUT);
    poll_now(&fixture.poller);
    assert_ne!(
        desc.last_events() & RDHUP as u32,
        0,
        "a reader would take a short read for all there is"
    );
    desc.close();
    assert_eq!(
        fixture.open(5).last_events(),
        0,
        "but the next life knows nothing of it"
    );
}

#[test]
fn semantics_48_concurrent_polls_wake_every_waiter_once() {
    let fixture = Fixture::new();
    let descs: Vec<_> = (0..64).map(|fd| fixture.open(fd)).collect();
    let waits: Vec<_> = descs
        .iter()
        .map(|desc| Waiting::parked(desc, Read))
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for fd in 0..64 {
                    fixture.edge(fd, IN);
                }
            });
        }
    });
    assert!(waits.iter().all(|waiting| waiting.calls() == 1));
    assert_eq!(fixture.poller.waiters(), 0);
    descs.iter().for_each(|desc| check_laws(desc, Read));
}

#[test]
fn a_list_that_is_dropped_or_used_again_wakes_whom_it_holds() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    let mut ready = ReadyList::default();
    for drops in [false, true] {
        fixture.kernel.edge(5, IN);
        fixture
            .poller
            .poll(Some(Duration::ZERO), &mut ready)
            .unwrap();
        if drops {
            drop(std::mem::take(&mut ready));
        } else {
            fixture
                .poller
                .poll(Some(Duration::ZERO), &mut ready)
                .unwrap();
        }
        assert_eq!(waiting.calls(), 1 + usize::from(drops));
        assert_eq!(fixture.poller.waiters(), 0);
        assert_eq!(waiting.poll(), OK);
        waiting = Waiting {
            wait: Box::pin(desc.wait(Read)),
            ..waiting
        };
        assert_eq!(waiting.poll(), Poll::Pending);
    }
}

#[test]
fn a_waker_that_panics_takes_no_other_waiter_with_it() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.open(5), fixture.open(6));
    let mut panicking = Waiting::new(&first, Read);
    assert_eq!(
        panicking.poll_with(&waker(|| panic!("a waker"))),
        Poll::Pending
    );
    let waiting = Waiting::parked(&second, Read);
    fixture.kernel.edge(5, IN);
    fixture.kernel.edge(6, IN);
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_now(&fixture.poller)));
    assert!(outcome.is_err());
    assert_eq!(waiting.calls(), 1);
    assert_eq!(fixture.poller.waiters(), 0);
}
