//! Wakers that panic, which must not end whoever polls.

use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use netpoller::Poller;
use netpoller::driver::ThreadDriver;
use netpoller_tests::{Lane, new_poller, tcp_and_peer, until};

use crate::runtime::multi_thread;

/// Panics when it is woken.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics, as it should");
    }
}

/// Makes a descriptor ready whose waiter has a waker that panics, and waits until that was called.
fn wake_one_that_panics(poller: &Poller) {
    let (a, mut peer) = tcp_and_peer(poller);
    let mut readable = Box::pin(a.readable());
    let waker = Waker::from(Arc::new(Panics));
    let mut context = Context::from_waker(&waker);
    assert!(readable.as_mut().poll(&mut context).is_pending());
    let waiters = poller.waiters();
    peer.write_all(b"x").unwrap();
    until("it was woken", || poller.waiters() < waiters);
}

#[test]
fn a_waker_that_panics_does_not_end_the_driver_task() {
    let poller = new_poller();
    let (a, mut peer) = tcp_and_peer(&poller);
    let runtime = multi_thread();
    let reading = runtime.spawn(async move { a.read(&mut [0]).await });
    until("the task waits", || poller.waiters() == 1);
    for _ in 0..3 {
        wake_one_that_panics(&poller);
    }
    peer.write_all(b"x").unwrap();
    let woken = Lane::start(move || runtime.block_on(reading).unwrap().unwrap());
    assert_eq!(woken.join(), 1);
    until("nobody is counted as waiting", || poller.waiters() == 0);
}

#[test]
fn a_waker_that_panics_does_not_end_the_driver_thread() {
    let poller = new_poller();
    let driver = ThreadDriver::start(&poller).unwrap();
    let (a, mut peer) = tcp_and_peer(&poller);
    for _ in 0..3 {
        wake_one_that_panics(&poller);
    }
    let reading = Lane::start(move || futures_lite::future::block_on(a.read(&mut [0])));
    until("the task waits", || poller.waiters() == 1);
    peer.write_all(b"x").unwrap();
    assert_eq!(reading.join().unwrap(), 1);
    drop(driver);
}

#[test]
fn a_waker_that_panics_takes_along_the_thread_that_polls_and_another_one_polls() {
    let poller = new_poller();
    let (mut peers, lanes): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (stream, peer) = tcp_and_peer(&poller);
            let read = move || stream.blocking().read(&mut [0]);
            let lane = Lane::start(|| catch_unwind(AssertUnwindSafe(read)).map_err(drop));
            (peer, lane)
        })
        .unzip();
    until("both wait", || poller.waiters() == 2);
    wake_one_that_panics(&poller);
    for peer in &mut peers {
        peer.write_all(b"x").unwrap();
    }
    let read: Vec<_> = lanes.into_iter().map(Lane::join).collect();
    assert_eq!(read.iter().filter(|read| read.is_err()).count(), 1);
    assert!(
        read.iter()
            .flatten()
            .all(|read| *read.as_ref().unwrap() == 1)
    );
}
