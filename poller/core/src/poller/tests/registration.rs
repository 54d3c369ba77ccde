//! Statements 1 to 11 and 57: opening and closing.

use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn semantics_1_a_poll_of_nothing_returns_empty_at_once() {
    let poller = Poller::builder().build().unwrap();
    assert_eq!(poll_now(&poller), 0);
    assert_eq!(poller.next_deadline(), None);
    assert!(!poller.any_waiters());
}

#[test]
fn semantics_2_a_connected_socket_yields_one_edge_for_writing_right_after_open() {
    let poller = Poller::builder().build().unwrap();
    let (a, _b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    poll_now(&poller);
    assert_eq!(state(&desc, Write), State::Ready);
    assert_eq!(state(&desc, Read), State::Nil);
    assert_eq!(desc.reset(Write), Ok(true));
    poll_now(&poller);
    assert_eq!(desc.reset(Write), Ok(false), "edge-triggered: once");
    let totals = count(&poller, Counter::EventsOut);
    assert_eq!(totals, 1);
}

#[test]
fn semantics_3_a_refused_registration_gives_the_slot_back_with_another_generation() {
    let fixture = Fixture::new();
    fixture.kernel.fail_next_open(libc::ENOSPC);
    let error = fixture
        .poller
        .open_at(5, Kind::Tcp, Location::caller())
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(error.fd(), 5);
    assert!(error.to_string().contains("max_user_watches"), "{error}");
    assert_eq!(fixture.count(Counter::RegisterEnospc), 1);
    assert_eq!(fixture.count(Counter::Opened), 0);
    assert_eq!(fixture.poller.shared.cache.free_count(), 1);
    assert_eq!(fixture.open(5).id().to_string(), "0.2");
}

#[test]
fn semantics_4_an_event_fetched_before_the_free_is_rejected_even_before_reuse() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let tag = tag(&desc);
    desc.close();
    fixture.kernel.late_event(tag, IN);
    assert_eq!(poll_now(&fixture.poller), 0);
    assert_eq!(fixture.count(Counter::StaleEvents), 1);
}

#[test]
fn semantics_9_a_slot_is_reused_at_once_under_another_name() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.open(5), fixture.open(6));
    assert_eq!(
        [first.id(), second.id()].map(|id| id.to_string()),
        ["0.1", "1.1"]
    );
    first.close();
    second.close();
    assert_eq!(
        fixture.open(7).id().to_string(),
        "1.2",
        "last in, first out"
    );
}

#[test]
fn semantics_10_deregistering_comes_first_and_its_error_is_ignored() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    assert_eq!(fixture.kernel.registered(), 1);
    // Closed behind the poller's back: the kernel has forgotten it.
    fixture.kernel.close(5).unwrap();
    desc.close();
    assert_eq!(fixture.count(Counter::Closed), 1);
    let again = fixture.open(5);
    drop(again);
    assert_eq!(fixture.kernel.registered(), 0, "a drop deregisters as well");
    assert_eq!(
        fixture.count(Counter::Opened),
        fixture.count(Counter::Closed)
    );
}

#[test]
fn semantics_10_deregistering_takes_back_an_event_that_is_queued_in_the_kernel() {
    let poller = Poller::builder().build().unwrap();
    let (a, mut b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    b.write_all(b"x").unwrap();
    desc.close();
    poll_now(&poller);
    let stale = count(&poller, Counter::StaleEvents);
    assert_eq!((stale, count(&poller, Counter::EventsIn)), (0, 0));
}

#[test]
fn semantics_11_close_without_unblock_evicts_and_a_second_unblock_says_so() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let waiting = Waiting::parked(&desc, Read);
    assert!(desc.unblock());
    assert_eq!(waiting.calls(), 1);
    assert!(!desc.unblock(), "Go throws");
    drop(waiting);
    desc.close();
    assert_eq!(fixture.count(Counter::Evicted), 1);

    let desc = fixture.open(5);
    let (calls, waker) = Calls::new();
    let mut cx = Context::from_waker(&waker);
    let poll = desc.poll_wait(Write, Location::caller(), false, &mut cx);
    assert_eq!(poll, Poll::Pending);
    desc.close();
    assert_eq!(calls.count(), 1, "close has evicted");
    assert_eq!(fixture.count(Counter::Evicted), 2);
    assert_eq!(fixture.poller.waiters(), 0);
}

#[test]
fn semantics_57_the_pollers_own_descriptors_are_known_and_refused() {
    let poller = Poller::builder().build().unwrap();
    poller.nest().unwrap();
    let epoll = poller.as_fd().as_raw_fd();
    assert!(poller.is_poll_descriptor(epoll));
    let error = poller.open(poller.as_fd(), Kind::Other).unwrap_err();
    assert_eq!(error.raw_os_error(), None);
    let (a, _b) = UnixStream::pair().unwrap();
    assert!(!poller.is_poll_descriptor(a.as_raw_fd()));
    assert_eq!(poller.shared.cache.made(), 0, "no slot was spent");
}

#[test]
fn a_descriptor_registered_twice_is_refused_and_the_first_registration_stays() {
    let poller = Poller::builder().build().unwrap();
    let (a, mut b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    let error = poller.open(a.as_fd(), Kind::Unix).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    b.write_all(b"x").unwrap();
    poll_now(&poller);
    assert_eq!(state(&desc, Read), State::Ready);
}
