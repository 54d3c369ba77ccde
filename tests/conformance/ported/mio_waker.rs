//! mio's tests/waker.rs: breaking a poll from the same thread and from others.

use netpoller::{Counter, Poller, ReadyList};
use netpoller_tests::{Lane, new_poller, until};

/// A poll that sleeps without a limit, and so ends by a break alone.
#[track_caller]
fn sleep(poller: &Poller) {
    let poller = poller.clone();
    let woken = Lane::start(move || poller.poll(None, &mut ReadyList::default()));
    assert_eq!(woken.join().unwrap(), 0);
}

fn drained(poller: &Poller) -> u64 {
    poller.stats().counter(Counter::BreaksDrained)
}

/// Whether a poll would sleep now: no break is left over.
#[track_caller]
fn assert_quiet(poller: &Poller) {
    let ours = poller.clone();
    let sleeper = Lane::start(move || ours.poll(None, &mut ReadyList::default()));
    let before = drained(poller);
    until("it sleeps", || poller.info().blocked);
    assert!(!sleeper.is_finished());
    assert_eq!(drained(poller), before);
    poller.wake().unwrap();
    sleeper.join().unwrap();
}

/// mio tests/waker.rs waker: a break that comes before the poll ends it.
#[test]
fn waker() {
    let poller = new_poller();
    poller.wake().unwrap();
    sleep(&poller);
    assert_quiet(&poller);
}

/// mio tests/waker.rs waker_multiple_wakeups_same_thread: three of them end one poll, and no second
/// one.
#[test]
fn waker_multiple_wakeups_same_thread() {
    let poller = new_poller();
    for _ in 0..3 {
        poller.wake().unwrap();
    }
    sleep(&poller);
    assert_quiet(&poller);
    assert_eq!(drained(&poller), 2);
}

/// mio tests/waker.rs waker_wakeup_different_thread: a break from another thread, before or during
/// the poll, ends it once.
#[test]
fn waker_wakeup_different_thread() {
    let poller = new_poller();
    for _ in 0..50 {
        let waking = Lane::start({
            let poller = poller.clone();
            move || poller.wake().unwrap()
        });
        sleep(&poller);
        waking.join();
    }
    assert_eq!(drained(&poller), 50);
    assert_quiet(&poller);
}

/// mio tests/waker.rs waker_multiple_wakeups_different_thread: breaks of two threads, one after the
/// other, are two; what came before the first poll does not stand for what comes after it.
#[test]
fn waker_multiple_wakeups_different_thread() {
    let poller = new_poller();
    let wake = || {
        Lane::start({
            let poller = poller.clone();
            move || poller.wake().unwrap()
        })
    };
    for _ in 0..50 {
        let first = wake();
        sleep(&poller);
        first.join();
        let second = wake();
        sleep(&poller);
        second.join();
    }
    assert_eq!(drained(&poller), 100);
    assert_quiet(&poller);
}
