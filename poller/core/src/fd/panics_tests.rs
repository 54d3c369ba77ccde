//! Wakers that panic in the queue of a descriptor's lock: the lock is never lost, and the
//! descriptor closes.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::descriptor::{Fd, Options};
use super::turn::Turn;
use crate::Poller;
use crate::desc::Kind;
use crate::desc::foreign::{Foreign, Part};
use crate::observe::{Counter, Direction};

const PARTS: [Part; 4] = [Part::Clone, Part::Wake, Part::WakeByRef, Part::Drop];
const READ: Direction = Direction::Read;

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Queued<'a> = Pin<Box<dyn Future<Output = std::io::Result<Turn<'a>>> + 'a>>;

fn queued(fd: &Fd) -> Queued<'_> {
    Box::pin(fd.turn(READ, std::panic::Location::caller()))
}

/// Runs `step`; whether it has panicked, which is a panic of a waker.
fn panics<R>(step: impl FnOnce() -> R) -> Result<R, ()> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|payload| {
        assert!(payload.is::<Part>(), "a panic of our own");
    })
}

fn each(body: impl Fn(&str, &Arc<Foreign>, &Poller, Fd)) {
    for part in PARTS {
        for times in [1, 2, u32::MAX] {
            let poller = Poller::builder().build().unwrap();
            let (ours, _peer) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let options = Options::new(Kind::Unix);
            let fd = Fd::new(&poller, OwnedFd::from(ours), options, Location::caller()).unwrap();
            let foreign = Foreign::new(part, times);
            body(&format!("{part:?} × {times}"), &foreign, &poller, fd);
            let count = |counter| poller.stats().counter(counter);
            assert_eq!(count(Counter::Closed), count(Counter::Opened));
            assert_eq!(poller.waiters(), 0);
        }
    }
}

/// Two operations of a foreign runtime in the queue, and one of our own behind them.
fn crowd<'a>(fd: &'a Fd, foreign: &Arc<Foreign>) -> (Vec<Queued<'a>>, Queued<'a>, Arc<Calls>) {
    let mut theirs = Vec::new();
    for _ in 0..2 {
        let mut lock = queued(fd);
        let waker = foreign.waker();
        // A future that has panicked is not polled again.
        if panics(|| {
            lock.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        })
        .is_ok()
        {
            theirs.push(lock);
        }
        let _ = panics(|| drop(waker));
    }
    let calls = Arc::new(Calls::default());
    let mut ours = queued(fd);
    let waker = Waker::from(calls.clone());
    assert!(
        ours.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    (theirs, ours, calls)
}

fn turn(fd: &Fd) -> Turn<'_> {
    fd.try_turn(READ).expect("it is free").expect("it is open")
}

#[test]
fn a_lock_is_left_whoever_of_the_queue_panics() {
    each(|name, foreign, _, fd| {
        let holder = turn(&fd);
        let (theirs, mut ours, calls) = crowd(&fd, foreign);
        let before = foreign.panics();
        let outcome = panics(|| drop(holder));
        assert_eq!(outcome.is_err(), foreign.panics() > before, "{name}");
        assert_eq!(calls.0.load(Ordering::Relaxed), 1, "{name}");
        for lock in theirs {
            let _ = panics(|| drop(lock));
        }
        let waker = Waker::noop();
        let poll = ours.as_mut().poll(&mut Context::from_waker(waker));
        assert!(matches!(poll, Poll::Ready(Ok(_))), "{name}");
        drop(poll);
        drop(ours);
        assert_eq!(foreign.alive(), 0, "{name}: a waker is left");
        drop(turn(&fd));
    });
}

#[test]
fn a_lock_is_not_lost_with_one_that_panics_as_it_gets_it() {
    each(|name, foreign, _, fd| {
        let holder = turn(&fd);
        let (mut theirs, ours, _) = crowd(&fd, foreign);
        let _ = panics(|| drop(holder));
        for lock in &mut theirs {
            let waker = foreign.waker();
            let poll = panics(|| {
                let poll = lock.as_mut().poll(&mut Context::from_waker(&waker));
                drop(poll);
            });
            let _ = panics(|| drop(waker));
            let _ = poll;
        }
        drop(ours);
        for lock in theirs {
            let _ = panics(|| drop(lock));
        }
        assert_eq!(foreign.alive(), 0, "{name}: a waker is left");
        drop(turn(&fd));
    });
}

#[test]
fn close_releases_the_parked_and_the_queue_and_closes_whoever_of_them_panics() {
    each(|name, foreign, poller, fd| {
        let holder = turn(&fd);
        let mut parked = Box::pin(fd.desc().wait(READ));
        let waker = foreign.waker();
        let waits = panics(|| {
            parked
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        });
        let _ = panics(|| drop(waker));
        let (theirs, mut ours, calls) = crowd(&fd, foreign);
        let before = (foreign.panics(), foreign.calls());
        let outcome = panics(|| fd.close().map(drop));
        assert_eq!(outcome.is_err(), foreign.panics() > before.0, "{name}");
        assert_eq!(calls.0.load(Ordering::Relaxed), 1, "{name}");
        let released = theirs.len() + usize::from(waits.is_ok());
        assert_eq!(foreign.calls() - before.1, released, "{name}");
        assert_eq!(poller.waiters(), 0, "{name}");
        let waker = Waker::noop();
        let poll = ours.as_mut().poll(&mut Context::from_waker(waker));
        assert!(matches!(poll, Poll::Ready(Err(_))), "{name}");
        drop((poll, ours));
        for lock in theirs {
            let _ = panics(|| drop(lock));
        }
        let _ = panics(|| drop(parked));
        drop(holder);
        assert_eq!(foreign.alive(), 0, "{name}: a waker is left");
        assert_eq!(poller.stats().counter(Counter::Closed), 1, "{name}");
    });
}

#[test]
fn the_last_operation_destroys_what_is_closed_though_those_who_wait_for_it_panic() {
    each(|name, foreign, poller, fd| {
        let holder = turn(&fd);
        let mut closing = Box::pin(fd.close().expect("it is open"));
        let waker = foreign.waker();
        let waits = panics(|| {
            closing
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        });
        let _ = panics(|| drop(waker));
        let before = (foreign.panics(), foreign.calls());
        let outcome = panics(|| drop(holder));
        assert_eq!(outcome.is_err(), foreign.panics() > before.0, "{name}");
        assert_eq!(
            foreign.calls() - before.1,
            usize::from(waits.is_ok()),
            "{name}"
        );
        assert_eq!(poller.stats().counter(Counter::Closed), 1, "{name}");
        let poll = closing
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_ready(), "{name}");
        assert_eq!(foreign.alive(), 0, "{name}: a waker is left");
    });
}
