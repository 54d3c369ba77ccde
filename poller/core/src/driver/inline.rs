//! The inline driver: a thread that blocks becomes the poller, if nobody is.
//!
//! A thread with nothing to do takes the role and sleeps in `epoll_wait`, on behalf of all. Those
//! that find the role taken follow: they sleep on their own, until their waker is called or they
//! are promoted. The leader wakes whom its events concern, and goes on leading; only when its own
//! turn comes does it hand the role to a follower and leave to run, so that I/O flows while its
//! task runs (tokio#4730).

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::current::{self, BlockOn, blocks_worker};
use super::guest::Guest;
use super::kind::Driver;
use crate::budget::{self, Limit};
use crate::poller::{Poller, ReadyList, Role, Shared};
use crate::sync::Panics;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::thread::{self, Thread};

/// The thread runs.
const EMPTY: u32 = 0;
/// Its waker was called since it last looked.
const NOTIFIED: u32 = 1;
/// It sleeps on its own.
const PARKED: u32 = 2;
/// It sleeps in `epoll_wait`.
const POLLING: u32 = 3;

/// A thread whose future is always ready to go on must look at I/O now and then: once in this many
/// turns.
const TURNS_PER_POLL: u32 = 16;

/// Where a thread sleeps, and how it is woken there.
#[derive(Debug)]
struct Parker {
    state: AtomicU32,
    thread: Thread,
    shared: Arc<Shared>,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A swap even if it is notified already: what the caller wrote before must be visible to
        // the thread that runs.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => self.thread.unpark(),
            // If the eventfd cannot be written, there is no way to reach the thread.
            POLLING => drop(self.shared.wake()),
            _ => {}
        }
    }
}

/// What a thread keeps between two calls of [`block_on`], so that a blocking read allocates
/// nothing.
struct ThreadParker {
    parker: Arc<Parker>,
    waker: Waker,
    ready: Option<ReadyList>,
    turns: u32,
}

crate::sync::thread_local! {
    static IDLE: Cell<Option<Box<ThreadParker>>> = const { Cell::new(None) };
}

impl ThreadParker {
    /// The one of this thread, or a new one if there is none, or it belongs to another poller, or
    /// is in use by a call further up the stack.
    fn take(poller: &Poller) -> Box<ThreadParker> {
        if let Ok(Some(thread)) = IDLE.try_with(Cell::take)
            && Arc::ptr_eq(&thread.parker.shared, &poller.shared)
        {
            thread.parker.state.store(EMPTY, Ordering::Release);
            return thread;
        }
        let parker = Arc::new(Parker {
            state: AtomicU32::new(EMPTY),
            thread: thread::current(),
            shared: poller.shared.clone(),
        });
        Box::new(ThreadParker {
            waker: Waker::from(parker.clone()),
            parker,
            ready: None,
            turns: 0,
        })
    }

    fn put_back(self: Box<Self>) {
        // While the thread ends there is no place any more; it is simply dropped then.
        let _ = IDLE.try_with(|cell| cell.set(Some(self)));
    }
}

/// Runs `future` on this thread and polls `poller` while it waits, for itself and for everybody
/// else. What is made inside of it, sleeps and timeouts of [`time`](crate::time) too, is
/// `poller`'s.
///
/// Any executor becomes an I/O driver when its idle loop runs inside this function. Nested calls
/// are allowed. What waits in here for a descriptor of another poller makes this thread poll that
/// one as well, until the call returns; it may be that of a tokio runtime that is gone, or that
/// stands still.
///
/// On a worker of a tokio runtime it polls as well, but keeps that worker from its tasks, and does
/// not end if it waits for one of them: use it in `spawn_blocking` or `block_in_place` there. The
/// first time that it waits on a worker it says so on stderr.
///
/// # Panics
///
/// If `future` does, or in a forked child of the process that `poller` belongs to.
#[track_caller]
pub fn block_on_poller<F: Future>(poller: &Poller, future: F) -> F::Output {
    if let Err(error) = poller.shared.check_process() {
        panic!(
            "netpoller: cannot block on the poller \"{}\": {error}",
            poller.name()
        );
    }
    let location = Location::caller();
    let warn = || {
        if is_worker() {
            warn_once(location);
        }
        Ok::<(), Infallible>(())
    };
    Driver::Inline.note(&poller.shared.drivers);
    let Ok(output) = run(poller, Limit::Polls, false, future, warn);
    output
}

/// [`block_on_poller`] for a thread that does nothing else, and is a driver of another name.
pub(super) fn poll_until<F: Future>(poller: &Poller, future: F) -> F::Output {
    let Ok(output) = run(poller, Limit::Polls, false, future, || {
        Ok::<(), Infallible>(())
    });
    output
}

/// [`block_on_poller`] for one operation of a handle whose calls block, beside which the thread has
/// nothing to do: it need not take breaks. An error where it would block a worker of a tokio
/// runtime, and with it the tasks there, of which one may be what it waits for.
pub(crate) fn block_on_operation<F: Future>(
    poller: &Poller,
    operation: F,
) -> io::Result<F::Output> {
    poller.shared.check_process()?;
    // Asked here, as the budget from which it is known is not to be seen inside.
    let worker = is_worker();
    let refuse = || if worker { Err(blocks_worker()) } else { Ok(()) };
    Driver::Inline.note(&poller.shared.drivers);
    run(poller, Limit::None, worker, operation, refuse)
}

#[cfg(feature = "tokio")]
use super::tokio::is_worker;
#[cfg(not(feature = "tokio"))]
fn is_worker() -> bool {
    false
}

#[cold]
fn warn_once(location: &Location<'_>) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        eprintln!(
            "netpoller: block_on at {location} waits on a worker of a tokio runtime, whose tasks stand still meanwhile; if it \
             waits for one of them, for ever: use .await, spawn_blocking or block_in_place"
        );
    });
}

/// Runs `future`. Asks `may_wait` before it waits for the first time. If it is `refused` operations
/// fail rather than wait.
fn run<F: Future, E>(
    poller: &Poller,
    limit: Limit,
    refused: bool,
    future: F,
    may_wait: impl Fn() -> Result<(), E>,
) -> Result<F::Output, E> {
    let scope = BlockOn::new(poller, refused);
    let _budget = budget::Scope::enter(limit);
    // A runtime of tokio around it does not see its future yield.
    #[cfg(feature = "tokio")]
    let future = ::tokio::task::coop::unconstrained(future);
    let mut thread = ThreadParker::take(poller);
    let mut guests: Vec<Hosting> = Vec::new();
    let mut future = pin!(future);
    let mut waits = false;
    let output = loop {
        budget::begin_poll();
        // The waker is borrowed from it for each poll alone, as parking needs the rest of it.
        let mut cx = Context::from_waker(&thread.waker);
        poll_guests(&mut guests, &scope, &mut cx);
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            break output;
        }
        if !waits {
            may_wait()?;
            waits = true;
        }
        let asked = scope.asked();
        if !asked.is_empty() {
            let mut asked = asked.into_iter().map(Hosting::new).collect();
            poll_guests(&mut asked, &scope, &mut cx);
            guests.append(&mut asked);
        }
        thread.park();
    };
    thread.put_back();
    Ok(output)
}

/// Runs `future` on this thread and polls the poller that was [entered](Poller::enter), or else the
/// global one, while it waits.
///
/// ```
/// use std::time::Duration;
/// netpoller::block_on(netpoller::time::sleep(Duration::from_millis(1)));
/// ```
///
/// # Panics
///
/// If `future` does, or if the global poller cannot be made (see [`Poller::global`]).
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match current::entered() {
        Some(poller) => block_on_poller(&poller, future),
        None => block_on_poller(Poller::global(), future),
    }
}

/// A guest that is being polled.
struct Hosting {
    id: u32,
    run: Pin<Box<dyn Future<Output = ()>>>,
}

impl Hosting {
    fn new(guest: Guest) -> Self {
        Self {
            id: guest.id(),
            run: Box::pin(guest.run()),
        }
    }
}

fn poll_guests(guests: &mut Vec<Hosting>, scope: &BlockOn, cx: &mut Context<'_>) {
    guests.retain_mut(|guest| {
        let goes_on = guest.run.as_mut().poll(cx).is_pending();
        if !goes_on {
            scope.forget(guest.id);
        }
        goes_on
    });
}

impl ThreadParker {
    /// Sleeps until the waker is called.
    fn park(&mut self) {
        if self.take_notice() {
            return self.poll_in_passing();
        }
        self.turns = 0;
        let shared = self.parker.shared.clone();
        loop {
            let done = match shared.take_role() {
                Some(role) => self.lead(&shared, role),
                None => self.follow(&shared),
            };
            if done {
                return;
            }
        }
    }

    /// Whether the waker was called; forgets it.
    fn take_notice(&self) -> bool {
        self.parker
            .state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Moves from running to `asleep`; `false` if the waker was called, in which case the thread
    /// must not sleep.
    fn fall_asleep(&self, asleep: u32) -> bool {
        let moved = self
            .parker
            .state
            .compare_exchange(EMPTY, asleep, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !moved {
            self.take_notice();
        }
        moved
    }

    /// Back to running; `true` if the waker was called.
    fn wake_up(&self) -> bool {
        self.parker.state.swap(EMPTY, Ordering::AcqRel) == NOTIFIED
    }

    fn ready(&mut self) -> &mut ReadyList {
        let batch = self.parker.shared.batch;
        self.ready
            .get_or_insert_with(|| ReadyList::with_capacity(batch))
    }

    /// The future goes on at once. Now and then I/O gets its turn.
    fn poll_in_passing(&mut self) {
        self.turns += 1;
        if self.turns < TURNS_PER_POLL && !budget::was_long() {
            return;
        }
        self.turns = 0;
        let mut panics = Panics::default();
        self.parker.shared.poll_in_passing(&mut panics);
        panics.resume();
    }

    /// Polls once as the leader. `true` if it is this thread's turn to run.
    fn lead(&mut self, shared: &Arc<Shared>, role: Role<'_>) -> bool {
        if !self.fall_asleep(POLLING) {
            drop(role);
            shared.role.promote();
            return true;
        }
        let ready = self.ready();
        ready.begin(shared);
        let outcome = shared.poll_blocking(None, ready, &role);
        let notified = self.wake_up();
        // Before the wakers run: one that blocks in here must find the role free.
        drop(role);
        // A waker that panics takes this thread out; somebody else must lead.
        let guard = PromoteOnDrop(shared);
        self.ready().wake_all();
        std::mem::forget(guard);
        if let Err(error) = outcome {
            // epoll_wait fails for a bad argument only. Going on would spin; sleeping would hang.
            // Say it once and slow down.
            report_once(&error);
            thread::sleep(std::time::Duration::from_millis(10));
        }
        if notified || self.take_notice() {
            shared.role.promote();
            return true;
        }
        false
    }

    /// Sleeps until the waker is called (`true`) or this thread is to lead (`false`).
    fn follow(&mut self, shared: &Arc<Shared>) -> bool {
        let ticket = shared.role.enqueue();
        // The leader may have left without seeing us.
        if !shared.role.is_held() {
            shared.role.dequeue(ticket);
            return false;
        }
        if self.fall_asleep(PARKED) {
            loop {
                thread::park();
                // Woken for three reasons: our waker, a promotion, or nothing at all.
                if self.parker.state.load(Ordering::Acquire) == NOTIFIED {
                    break;
                }
                if !shared.role.is_queued(ticket) {
                    let notified = self.wake_up();
                    if notified {
                        // Promoted and woken at the same time: somebody else must lead.
                        shared.role.promote();
                    }
                    return notified;
                }
            }
            self.wake_up();
        }
        if !shared.role.dequeue(ticket) {
            shared.role.promote();
        }
        true
    }
}

/// Lets a follower take the role.
struct PromoteOnDrop<'a>(&'a Shared);

impl Drop for PromoteOnDrop<'_> {
    fn drop(&mut self) {
        self.0.role.promote();
    }
}

#[cold]
fn report_once(error: &std::io::Error) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| eprintln!("netpoller: epoll_wait failed, I/O is at a standstill: {error}"));
}

#[cfg(all(test, not(loom)))]
mod tests;
