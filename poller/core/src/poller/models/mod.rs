//! Models of a whole poller. The matrix of pairs, what the models catch and how to run them stand
//! in `desc/models`.
//!
//! The kernel is the one in memory, which never blocks. So instead of waiting for a wake that might
//! be lost, a model asks at the end whether the sleeper would be woken: its sleep has an end in
//! time, or the break signal stands.

mod breaks;
mod deadlines;
mod lives;
mod sleeps;
mod three;
mod waits;

use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loom::thread;

use super::*;
use crate::desc::models::{Calls, Parker, explore, explore_three};
use crate::desc::{EXPIRED, Kind, NO_DEADLINE, State};
use crate::error::Error;
use crate::observe::{Counter, Direction};
use crate::sys::fake::FakeKernel;
use crate::sys::{EventBuf, Timeout};

/// A poller is too big for the stacks that loom gives.
const STACK: usize = 1 << 16;

fn explore_big(name: &str, body: fn()) {
    explore(name, move || spawn(body).join().unwrap());
}

/// [`explore_three`] for a whole poller.
fn explore_three_big(name: &str, body: fn()) {
    explore_three(name, move || spawn(body).join().unwrap());
}

fn spawn<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    thread::Builder::new().stack_size(STACK).spawn(f).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let (parker, mut future) = (Parker::new(), std::pin::pin!(future));
    let waker = parker.clone().into();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => parker.park(),
        }
    }
}

struct Fixture {
    kernel: Arc<FakeKernel>,
    poller: Poller,
}

impl Fixture {
    fn new() -> Self {
        let kernel = Arc::new(FakeKernel::new());
        let poller = Poller::builder()
            .batch(4)
            .build_on(Backend::Fake(kernel.clone()));
        Self { kernel, poller }
    }

    fn open(&self) -> Arc<Desc> {
        self.open_fd(100)
    }

    fn open_fd(&self, fd: RawFd) -> Arc<Desc> {
        let location = Location::caller();
        Arc::new(self.poller.open_at(fd, Kind::Tcp, location).unwrap())
    }

    /// A poller thread: an edge on descriptor 100, fetched, dispatched and its waiters woken.
    fn edge(&self) -> thread::JoinHandle<()> {
        let (poller, kernel) = (self.poller.clone(), self.kernel.clone());
        spawn(move || {
            kernel.edge(100, libc::EPOLLIN);
            poll(&poller, Some(Duration::ZERO));
        })
    }

    /// A thread that breaks the poll and then blocks in it, which takes the break back and fetches
    /// an edge on descriptor 100 as well.
    fn edge_and_break(&self) -> thread::JoinHandle<()> {
        let (poller, kernel) = (self.poller.clone(), self.kernel.clone());
        spawn(move || {
            kernel.edge(100, libc::EPOLLIN);
            poller.wake().unwrap();
            poll(&poller, None);
        })
    }

    /// The break was taken back once, and for good.
    #[track_caller]
    fn check_break_taken(&self) {
        assert_eq!(self.count(Counter::BreaksDrained), 1);
        assert!(!self.is_signalled());
        self.check_breaks();
    }

    #[track_caller]
    fn check_breaks(&self) {
        assert_eq!(
            self.count(Counter::BreaksRequested),
            self.count(Counter::BreaksWritten) + self.count(Counter::BreaksCoalesced)
        );
    }

    fn count(&self, counter: Counter) -> u64 {
        self.poller.shared.recorder.totals().counters[counter.index()]
    }

    /// Whether a poller that blocks now is woken at once by the break signal.
    fn is_signalled(&self) -> bool {
        let mut events = EventBuf::with_capacity(4);
        self.kernel.poll(Timeout::Zero, &mut events).unwrap();
        events.iter().any(|(_, tag)| tag == crate::sys::Tag::BREAK)
    }
}

/// One poll; wakes whom it found.
fn poll(poller: &Poller, delay: Option<Duration>) {
    let mut ready = ReadyList::with_capacity(4);
    poller.poll(delay, &mut ready).unwrap();
    ready.wake_all();
}

/// Polls a wait once, with a waker that only counts.
fn poll_once(wait: &mut Pin<Box<Wait<'_>>>) -> (Arc<Calls>, Poll<Result<(), Error>>) {
    let (calls, waker) = Calls::new();
    let poll = wait.as_mut().poll(&mut Context::from_waker(&waker));
    (calls, poll)
}

/// A wait of a reader that has parked.
fn parked(desc: &Desc) -> (Arc<Calls>, Pin<Box<Wait<'_>>>) {
    let mut wait = Box::pin(desc.wait(Direction::Read));
    let (calls, poll) = poll_once(&mut wait);
    assert!(poll.is_pending());
    (calls, wait)
}

fn state(desc: &Desc) -> State {
    desc.slot.side(Direction::Read).state()
}

/// A deadline that is past.
fn past() -> Option<Instant> {
    Some(Instant::now())
}

const OK: Poll<Result<(), Error>> = Poll::Ready(Ok(()));
const TIMEOUT: Poll<Result<(), Error>> = Poll::Ready(Err(Error::DeadlineExceeded));
const CLOSED: Poll<Result<(), Error>> = Poll::Ready(Err(Error::Closed));

/// Far enough that no run of a model gets there.
fn later(hours: u64) -> Instant {
    Instant::now() + Duration::from_secs(3600 * hours)
}

/// Nothing is forgotten: a deadline to come has an entry that comes up in time, and an expired one
/// is published.
#[track_caller]
fn check_deadlines(fixture: &Fixture, desc: &Desc) {
    let queue = &fixture.poller.shared.timers;
    match desc.slot.next_deadline() {
        Some(at) => assert!(queue.next_ns() <= at, "a deadline that nobody will look at"),
        None => assert!(queue.len() <= 1),
    }
    for direction in Direction::ALL {
        let expired = desc.slot.deadline(direction) == EXPIRED;
        assert_eq!(desc.check(direction).is_err(), expired, "{direction:?}");
    }
}

fn fire(fixture: &Fixture, at: Instant) -> thread::JoinHandle<()> {
    let poller = fixture.poller.clone();
    spawn(move || {
        let mut ready = ReadyList::with_capacity(1);
        ready.begin(&poller.shared);
        let local = poller.shared.recorder.local();
        poller
            .shared
            .fire_deadlines(clock::instant_ns(at), &mut ready, &local);
        ready.wake_all();
    })
}
