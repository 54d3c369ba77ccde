//! Turns of a thread, and who takes the next one.

use std::future::poll_fn;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use super::*;
use crate::desc::Kind;
use crate::observe::Direction;

fn poller() -> Poller {
    Poller::builder().build().unwrap()
}

#[test]
fn a_future_that_is_always_ready_to_go_on_looks_at_io_once_in_so_many_turns() {
    let poller = poller();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    peer.write_all(b"x").unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    let mut turns = 0;
    block_on_poller(
        &poller,
        poll_fn(|cx| {
            assert!(turns < 1000, "nobody looks");
            turns += 1;
            cx.waker().wake_by_ref();
            wait.as_mut().poll(cx).map(Result::unwrap)
        }),
    );
    // In the last of these the edge was found, which this future saw in the next.
    assert_eq!(turns, TURNS_PER_POLL + 1);
}

#[test]
fn a_future_that_waits_is_polled_once_more_when_it_is_woken() {
    let poller = poller();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    let mut polls = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !poller.shared.role.is_held() {
                std::thread::yield_now();
            }
            peer.write_all(b"x").unwrap();
        });
        block_on_poller(
            &poller,
            poll_fn(|cx| {
                polls += 1;
                wait.as_mut().poll(cx).map(Result::unwrap)
            }),
        );
    });
    assert_eq!(polls, 2);
}

#[test]
fn a_thread_keeps_its_waker_for_the_next_call_and_a_nested_call_has_its_own() {
    let [one, another] = [poller(), poller()];
    let waker_in =
        |poller: &Poller| block_on_poller(poller, poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    let first = waker_in(&one);
    assert!(waker_in(&one).will_wake(&first), "or each call allocates");
    block_on_poller(
        &one,
        poll_fn(|cx| {
            assert!(cx.waker().will_wake(&first));
            assert!(
                !waker_in(&one).will_wake(&first),
                "it would take the outer one's wakes"
            );
            Poll::Ready(())
        }),
    );
    assert!(
        !waker_in(&another).will_wake(&waker_in(&one)),
        "it would break the wrong poller"
    );
}

#[test]
fn the_current_poller_is_that_of_the_innermost_call() {
    #[track_caller]
    fn expect(poller: &Poller) {
        let current = current::current().unwrap();
        assert!(Arc::ptr_eq(&current.shared, &poller.shared));
    }
    let (global, outer, inner) = (Poller::global(), poller(), poller());
    expect(global);
    block_on_poller(&outer, async {
        expect(&outer);
        block_on_poller(&inner, async { expect(&inner) });
        expect(&outer);
        block_on_poller(&outer, async { expect(&outer) });
        expect(&outer);
        block_on(async { expect(global) });
        expect(&outer);
    });
    block_on(async { expect(global) });
    expect(global);
}

#[test]
fn a_thread_that_is_woken_before_it_falls_asleep_does_not_and_is_not_told_twice() {
    let thread = ThreadParker::take(&poller());
    thread.waker.wake_by_ref();
    assert!(!thread.fall_asleep(PARKED));
    assert!(!thread.take_notice());
}

#[test]
fn a_follower_that_is_promoted_and_woken_at_once_passes_the_role_on() {
    let poller = poller();
    let shared = &poller.shared;
    let role = shared.take_role().unwrap();
    std::thread::scope(|scope| {
        let follower = || {
            let (sender, parker) = channel();
            let poller = &poller;
            let thread = scope.spawn(move || {
                let mut thread = ThreadParker::take(poller);
                let _ = sender.send(thread.parker.clone());
                thread.follow(shared)
            });
            let parker = parker.recv().unwrap();
            while parker.state.load(Ordering::Acquire) != PARKED {
                std::thread::yield_now();
            }
            (thread, parker)
        };
        let (first, parker) = follower();
        let (second, _) = follower();
        drop(role);
        // Its waker was called, and has not come to unpark it yet.
        parker.state.store(NOTIFIED, Ordering::Release);
        shared.role.promote();
        assert!(first.join().unwrap(), "it has a task to run");
        assert!(!second.join().unwrap(), "it is to lead");
    });
}
