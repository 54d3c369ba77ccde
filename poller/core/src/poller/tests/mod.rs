//! The poller's semantics, statement by statement: `semantics_17_…` tests statement 17. Tests named
//! `issue_…` reproduce bugs of other pollers.
//!
//! Most run on the kernel in memory, so that they decide what becomes ready and when; `masks` and
//! others that ask what the real one does say so. What needs two threads at once is modelled in
//! `models`.

mod breaks;
mod deadlines;
mod events;
mod masks;
mod panics;
mod property;
mod registration;
mod regressions;
mod sites;
mod wait;

use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::desc::{Kind, State};
use crate::error::Error;
use crate::observe::{Counter, Direction, Transition};
use crate::sys::Tag;
use crate::sys::fake::FakeKernel;
use Direction::{Read, Write};

/// A poller on the kernel in memory.
struct Fixture {
    kernel: Arc<FakeKernel>,
    poller: Poller,
}

impl Fixture {
    fn new() -> Self {
        let kernel = Arc::new(FakeKernel::new());
        let poller = Poller::builder().build_on(Backend::Fake(kernel.clone()));
        Self { kernel, poller }
    }

    #[track_caller]
    fn open(&self, fd: i32) -> Desc {
        self.open_kind(fd, Kind::Pipe)
    }

    #[track_caller]
    fn open_kind(&self, fd: i32, kind: Kind) -> Desc {
        self.poller.open_at(fd, kind, Location::caller()).unwrap()
    }

    /// An edge, fetched, dispatched, and its waiters woken. Returns how many there were.
    #[track_caller]
    fn edge(&self, fd: i32, mask: i32) -> usize {
        self.kernel.edge(fd, mask);
        poll_now(&self.poller)
    }

    /// Fires what is due at `at`, as a poll at that time would.
    fn fire_at(&self, at: Instant) {
        let mut ready = ReadyList::default();
        ready.begin(&self.poller.shared);
        let local = self.poller.shared.recorder.local();
        self.poller
            .shared
            .fire_deadlines(clock::instant_ns(at), &mut ready, &local);
        ready.wake_all();
    }

    fn queued(&self) -> usize {
        self.poller.shared.timers.len()
    }

    fn count(&self, counter: Counter) -> u64 {
        count(&self.poller, counter)
    }

    /// Whether the break signal stands, so that a poll that blocks would return at once.
    fn is_signalled(&self) -> bool {
        let mut events = crate::sys::EventBuf::with_capacity(64);
        self.kernel
            .poll(crate::sys::Timeout::Zero, &mut events)
            .unwrap();
        events.iter().any(|(_, tag)| tag == Tag::BREAK)
    }
}

fn count(poller: &Poller, counter: Counter) -> u64 {
    poller.shared.recorder.totals().counters[counter.index()]
}

/// One poll without waiting; wakes whom it found.
#[track_caller]
fn poll_now(poller: &Poller) -> usize {
    let mut ready = ReadyList::default();
    let woken = poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
    woken
}

fn tag(desc: &Desc) -> Tag {
    Tag {
        slot: desc.slot.slot(),
        generation: desc.generation,
    }
}

fn state(desc: &Desc, direction: Direction) -> State {
    desc.slot.side(direction).state()
}

/// Counts its calls.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Calls {
    fn new() -> (Arc<Self>, Waker) {
        let calls = Arc::new(Self::default());
        (calls.clone(), calls.into())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a function when it is called.
struct Run<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Run<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Arc::new(Run(f)).into()
}

/// A wait, and how often it was woken.
struct Waiting<'a> {
    wait: Pin<Box<Wait<'a>>>,
    calls: Arc<Calls>,
    waker: Waker,
}

impl<'a> Waiting<'a> {
    fn new(desc: &'a Desc, direction: Direction) -> Self {
        let (calls, waker) = Calls::new();
        let wait = Box::pin(desc.wait(direction));
        Self { wait, calls, waker }
    }

    /// A wait that has parked.
    #[track_caller]
    fn parked(desc: &'a Desc, direction: Direction) -> Self {
        let mut waiting = Self::new(desc, direction);
        assert_eq!(waiting.poll(), Poll::Pending);
        assert_eq!(state(desc, direction), State::Parked);
        waiting
    }

    fn poll(&mut self) -> Poll<Result<(), Error>> {
        let waker = self.waker.clone();
        self.poll_with(&waker)
    }

    fn poll_with(&mut self, waker: &Waker) -> Poll<Result<(), Error>> {
        self.wait.as_mut().poll(&mut Context::from_waker(waker))
    }

    fn calls(&self) -> usize {
        self.calls.count()
    }
}

const IN: i32 = libc::EPOLLIN;
const OUT: i32 = libc::EPOLLOUT;
const RDHUP: i32 = libc::EPOLLRDHUP;
const HUP: i32 = libc::EPOLLHUP;
const ERR: i32 = libc::EPOLLERR;

const OK: Poll<Result<(), Error>> = Poll::Ready(Ok(()));
const CLOSED: Poll<Result<(), Error>> = Poll::Ready(Err(Error::Closed));
const TIMEOUT: Poll<Result<(), Error>> = Poll::Ready(Err(Error::DeadlineExceeded));
const NOT_POLLABLE: Poll<Result<(), Error>> = Poll::Ready(Err(Error::NotPollable));
const BUSY: Poll<Result<(), Error>> = Poll::Ready(Err(Error::Busy));

/// A time that is past.
fn past() -> Option<Instant> {
    Some(Instant::now())
}

/// A time that no test lives to see.
fn hours(hours: u64) -> Instant {
    Instant::now() + Duration::from_secs(3600 * hours)
}

/// The laws of one direction, exact because nothing moves.
#[track_caller]
fn check_laws(desc: &Desc, direction: Direction) {
    let counts = desc.slot.side(direction).transitions();
    check_counts(counts, state(desc, direction));
}

/// The laws of what was counted for a word that is in this state now.
#[track_caller]
fn check_counts(counts: [u64; Transition::COUNT], state: State) {
    let count = |transition: Transition| counts[transition.index()];
    for entered in [State::Wait, State::Parked, State::Ready] {
        let into: u64 = Transition::into_state(entered).map(count).sum();
        let out: u64 = Transition::out_of(entered).map(count).sum();
        assert_eq!(into, out + u64::from(state == entered), "{entered}");
    }
}
