//! What the models are made of: one direction of a descriptor, the kernel behind it, and threads
//! that sleep until woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Instant;

use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::thread;

use crate::desc::State;
use crate::desc::info::{Blocker, Info};
use crate::desc::word::{Busy, Refused, Token, Waiter, Word};
use crate::observe::{Direction, Transition};

/// Explores `body`, and says how much there was to explore. Two preemptions unless the environment
/// says otherwise: almost all bugs of this kind need no more, and without a bound three threads
/// take hours.
pub(crate) fn explore(name: &str, body: impl Fn() + Send + Sync + 'static) {
    explore_to(
        loom::model::Builder::new().preemption_bound.unwrap_or(2),
        name,
        body,
    );
}

/// Explores `body` with at least three preemptions, whatever the environment says: what three
/// threads do to one word may take as many.
pub(crate) fn explore_three(name: &str, body: impl Fn() + Send + Sync + 'static) {
    let bound = loom::model::Builder::new().preemption_bound.unwrap_or(3);
    explore_to(bound.max(3), name, body);
}

fn explore_to(bound: usize, name: &str, body: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = builder.max_branches.max(10_000);
    let began = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        body();
    });
    println!(
        "{name}: {} executions at bound {bound} in {:.2?}",
        executions.load(Ordering::Relaxed),
        began.elapsed()
    );
}

/// Wakes a thread of the model.
pub(crate) struct Parker {
    thread: thread::Thread,
    /// Loom forgets a token that a thread gives itself right after it has yielded.
    by_itself: std::sync::atomic::AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        if thread::current().id() == self.thread.id() {
            self.by_itself.store(true, Ordering::Relaxed);
        } else {
            self.thread.unpark();
        }
    }
}

impl Parker {
    /// A parker of the calling thread.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            by_itself: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// Sleeps until it is woken.
    pub(crate) fn park(&self) {
        if !self.by_itself.swap(false, Ordering::Relaxed) {
            thread::park();
        }
    }
}

/// Counts its calls, and wakes nobody.
#[derive(Default)]
pub(crate) struct Calls(AtomicUsize);

impl Calls {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let calls = Arc::new(Self::default());
        (calls.clone(), calls.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How often each transition was taken.
///
/// The real counts of transitions that are made while their maker is alone are not locked
/// (`Side::count`). So here those are cells in which loom allows no two users at a time; the others
/// are ordinary atomics, which loom does not explore.
pub(super) struct Counts {
    alone: [UnsafeCell<()>; Transition::COUNT],
    counts: [AtomicU64; Transition::COUNT],
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            alone: std::array::from_fn(|_| UnsafeCell::new(())),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(super) fn count(&self, transition: Transition) {
        use Transition::{Arm, CancelParked, Park, ReadyParked, Rearm, UnblockParked};
        if matches!(
            transition,
            Arm | Park | Rearm | ReadyParked | UnblockParked | CancelParked
        ) {
            self.alone[transition.index()].with_mut(|_| ());
        }
        self.counts[transition.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn of(&self, transitions: impl IntoIterator<Item = Transition>) -> u64 {
        transitions
            .into_iter()
            .map(|transition| self.counts[transition.index()].load(Ordering::Relaxed))
            .sum()
    }
}

/// One direction of a descriptor, its info word, the kernel behind it, and what is counted.
pub(super) struct Side {
    pub(super) word: Word,
    pub(super) info: Info,
    /// The descriptor's lock: deadlines and close hold it from the info word to the rg/wg word.
    pub(super) lock: Mutex<()>,
    /// Bytes in the kernel's buffer. Its lock is the kernel's own, which orders an EAGAIN before
    /// the edge that follows.
    pub(super) kernel: Mutex<u32>,
    pub(super) counts: Counts,
    pub(super) waiters: AtomicI64,
}

pub(super) type Outcome = Result<(), Refused<Blocker>>;

pub(super) const TIMEOUT: Outcome = Err(Refused::Check(Blocker::Timeout));
pub(super) const CLOSED: Outcome = Err(Refused::Check(Blocker::Closing));
pub(super) const BUSY: Outcome = Err(Refused::Busy);

impl Side {
    #[allow(
        clippy::arc_with_non_send_sync,
        reason = "loom's threads are one thread, and its cells watch who uses them"
    )]
    pub(super) fn new() -> Arc<Self> {
        let side = Self {
            word: Word::new(),
            info: Info::new(),
            lock: Mutex::new(()),
            kernel: Mutex::new(0),
            counts: Counts::new(),
            waiters: AtomicI64::new(0),
        };
        side.info.open(1);
        Arc::new(side)
    }

    // ---- the waiter's side

    pub(super) fn poll(&self, token: &mut Token, polled: bool, waker: &Waker) -> Poll<Outcome> {
        self.word.poll_wait(token, polled, waker, self)
    }

    /// Waits as a thread does that polls the future until it is done.
    pub(super) fn wait(&self, token: &mut Token) -> Outcome {
        let parker = Parker::new();
        let waker = parker.clone().into();
        loop {
            match self.poll(token, false, &waker) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => parker.park(),
            }
        }
    }

    /// Reads one byte, as the fd layer does: reset, try, wait, try again.
    pub(super) fn read(&self) -> Outcome {
        loop {
            self.info.check(Direction::Read).map_err(Refused::Check)?;
            self.word
                .reset(|transition| self.counts.count(transition))
                .map_err(|Busy| Refused::Busy)?;
            if self.take_byte() {
                return Ok(());
            }
            self.wait(&mut Token::default())?;
        }
    }

    pub(super) fn take_byte(&self) -> bool {
        let mut bytes = self.kernel.lock().unwrap();
        let some = *bytes > 0;
        *bytes -= u32::from(some);
        some
    }

    pub(super) fn cancel(&self, token: &mut Token) {
        let waker = self
            .word
            .cancel(token, |transition| self.counts.count(transition));
        if waker.is_some() {
            self.waiters.fetch_sub(1, Ordering::Relaxed);
        }
    }

    // ---- the waking side

    /// A byte arrives, and a poller dispatches its edge.
    pub(super) fn edge(&self) {
        *self.kernel.lock().unwrap() += 1;
        self.ready();
    }

    /// A poller dispatches an event. `true` if that woke somebody.
    pub(super) fn ready(&self) -> bool {
        self.woken(
            self.word
                .ready(|| (), |transition| self.counts.count(transition)),
        )
    }

    /// Publishes what keeps operations from waiting, and releases the waiter if there is something.
    pub(super) fn publish(&self, closing: bool, expired: bool) {
        let guard = self.lock.lock().unwrap();
        self.info.publish(closing, expired, false);
        let waker = if closing || expired {
            self.word
                .unblock(|| (), |transition| self.counts.count(transition))
        } else {
            None
        };
        drop(guard);
        self.woken(waker);
    }

    pub(super) fn expire(&self) {
        self.publish(false, true);
    }

    pub(super) fn evict(&self) {
        self.publish(true, false);
    }

    pub(super) fn woken(&self, waker: Option<Waker>) -> bool {
        let Some(waker) = waker else { return false };
        waker.wake();
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        true
    }

    // ---- what holds at the end

    /// The laws, exact because nothing moves any more.
    #[track_caller]
    pub(super) fn check_laws(&self) {
        let state = self.word.state();
        for entered in [State::Wait, State::Parked, State::Ready] {
            let into = self.counts.of(Transition::into_state(entered));
            let out = self.counts.of(Transition::out_of(entered));
            assert_eq!(into, out + u64::from(state == entered), "{entered}");
        }
        assert_eq!(
            self.waiters.load(Ordering::Relaxed),
            i64::from(state == State::Parked),
            "waiters"
        );
    }

    /// The laws, and that the next wait is let in.
    #[track_caller]
    pub(super) fn check_idle(&self) {
        self.check_laws();
        assert_ne!(self.word.state(), State::Parked);
        self.word
            .reset(|transition| self.counts.count(transition))
            .expect("the claim was given back");
        let (_, waker) = Calls::new();
        let mut token = Token::default();
        self.info.publish(false, false, false);
        assert!(self.poll(&mut token, false, &waker).is_pending());
        self.cancel(&mut token);
        self.check_laws();
    }
}

impl Waiter for Side {
    type Error = Blocker;

    fn check(&self) -> Result<(), Blocker> {
        self.info.check(Direction::Read)
    }

    fn armed(&self) {}

    fn publish(&self, _rearmed: bool) {}

    fn parked(&self) {
        self.waiters.fetch_add(1, Ordering::Relaxed);
    }

    fn unparked(&self) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }

    fn consumed(&self, _parked: bool) {
        self.count([Transition::Consume]);
    }

    fn count<const N: usize>(&self, transitions: [Transition; N]) {
        transitions.map(|transition| self.counts.count(transition));
    }
}

/// Runs `f` on a thread of the model.
pub(super) fn spawn<R: 'static>(
    side: &Arc<Side>,
    f: impl FnOnce(&Side) -> R + 'static,
) -> thread::JoinHandle<R> {
    let side = side.clone();
    thread::spawn(move || f(&side))
}
