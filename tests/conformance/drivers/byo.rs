//! A loop of the user's own around poll(2), with the poller nested in it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use netpoller::{Poller, ReadyList};
use netpoller_tests::{Lane, assert_timeout, new_poller, tcp_pair, unix_pair};

use crate::{echo, talk};

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The loop: sleeps in poll(2) on the poller's descriptor without a limit of time, so that
/// deadlines must make it readable.
fn drive<T>(poller: &Poller, future: impl Future<Output = T>) -> T {
    poller.nest().unwrap();
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let mut future = pin!(future);
    let mut ready = ReadyList::default();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !flag.0.swap(false, Ordering::SeqCst) {
            netpoller_tests::poll2::readable(poller);
            poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            ready.wake_all();
        }
    }
}

#[test]
fn a_nested_poller_carries_an_echo() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, b) = tcp_pair(&poller);
        drive(&poller, futures_lite::future::zip(talk(a, 30), echo(b)));
        assert_eq!(poller.waiters(), 0);
    })
    .join();
}

#[test]
fn deadlines_make_a_nested_poller_readable_and_never_early() {
    Lane::start(|| {
        let poller = new_poller();
        let (a, b) = unix_pair(&poller);
        drive(&poller, async {
            for step in 0..12 {
                let deadline = Instant::now() + Duration::from_micros(10 << step);
                a.set_read_deadline(Some(deadline)).unwrap();
                assert_timeout(a.read(&mut [0]).await);
                assert!(Instant::now() >= deadline, "early");
            }
            // Extended while it waits, then data: nothing fires.
            a.set_read_deadline(Some(Instant::now() + Duration::from_millis(5)))
                .unwrap();
            let mut buf = [0];
            let mut read = pin!(a.read(&mut buf));
            assert!(netpoller_tests::is_parked(&mut read).await);
            a.set_read_deadline(Some(Instant::now() + Duration::from_secs(3600)))
                .unwrap();
            netpoller_tests::pause(&poller, Duration::from_millis(10)).await;
            b.write_all(b"x").await.unwrap();
            assert_eq!(read.await.unwrap(), 1);
        });
    })
    .join();
}

#[test]
fn a_break_makes_a_nested_poller_readable_and_a_poll_takes_it_back() {
    let poller = new_poller();
    poller.nest().unwrap();
    poller.nest().unwrap();
    assert!(!netpoller_tests::poll2::readable_now(&poller));
    for _ in 0..5 {
        poller.wake().unwrap();
    }
    assert!(netpoller_tests::poll2::readable_now(&poller));
    let mut ready = ReadyList::default();
    assert_eq!(poller.poll(Some(Duration::ZERO), &mut ready).unwrap(), 0);
    assert!(!netpoller_tests::poll2::readable_now(&poller));
}

#[test]
fn a_loop_with_a_limit_returns_when_nothing_happens_and_counts_only_those_it_woke() {
    let poller = new_poller();
    let mut ready = ReadyList::default();
    let began = Instant::now();
    assert_eq!(
        poller
            .poll(Some(Duration::from_millis(5)), &mut ready)
            .unwrap(),
        0
    );
    assert!(began.elapsed() >= Duration::from_millis(5));
    let (a, b) = unix_pair(&poller);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let mut buf = [0];
    let mut read = pin!(a.read(&mut buf));
    assert!(
        read.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(b.write_all(b"x")).poll(&mut cx).is_ready());
    let mut woken = 0;
    while woken == 0 {
        woken = poller.poll(None, &mut ready).unwrap();
    }
    assert_eq!(
        (woken, poller.waiters()),
        (1, 1),
        "counted until it is woken"
    );
    assert!(!flag.0.load(Ordering::SeqCst));
    ready.wake_all();
    assert_eq!(poller.waiters(), 0);
    assert!(flag.0.load(Ordering::SeqCst));
    assert!(read.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_second_thread_that_would_block_is_told_who_polls() {
    let poller = new_poller();
    let blocked = Lane::start({
        let poller = poller.clone();
        // Until it has the role: the other one may just have it.
        move || while poller.poll(None, &mut ReadyList::default()).is_err() {}
    });
    let mut ready = ReadyList::default();
    netpoller_tests::until("the other one has the role", || {
        let result = poller.poll(Some(Duration::from_nanos(1)), &mut ReadyList::default());
        result.is_err_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy)
    });
    assert!(!blocked.is_finished());
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    poller.wake().unwrap();
    blocked.join();
}
