//! The inline driver: a thread that blocks becomes the poller, if nobody is.
//!
//! A thread with nothing to do takes the role and sleeps in `epoll_wait`, on behalf of all. Those that find the role taken
//! follow: they sleep on their own, until their waker is called or they are promoted. The leader wakes whom its events
//! concern, and goes on leading; only when its own turn comes does it hand the role to a follower and leave to run, so that
//! I/O flows while its task runs (tokio#4730).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::Driver;
use crate::poller::{Poller, ReadyList, Role, Shared};
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

/// A thread whose future is always ready to go on must look at I/O now and then: once in this many turns.
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
        // A swap even if it is notified already: what the caller wrote before must be visible to the thread that runs.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => self.thread.unpark(),
            // If the eventfd cannot be written, there is no way to reach the thread.
            POLLING => drop(self.shared.wake()),
            _ => {}
        }
    }
}

/// What a thread keeps between two calls of [`block_on`], so that a blocking read allocates nothing.
struct Kit {
    parker: Arc<Parker>,
    waker: Waker,
    ready: Option<ReadyList>,
    turns: u32,
}

crate::sync::thread_local! {
    /// The poller of the innermost [`block_on_poller`] of this thread, `None` for the global one.
    static CURRENT: RefCell<Option<Poller>> = const { RefCell::new(None) };
    static KIT: Cell<Option<Box<Kit>>> = const { Cell::new(None) };
}

impl Kit {
    /// The kit of this thread, or a new one if there is none, or it belongs to another poller, or is in use by a call
    /// further up the stack.
    fn take(poller: &Poller) -> Box<Kit> {
        if let Ok(Some(kit)) = KIT.try_with(Cell::take)
            && Arc::ptr_eq(&kit.parker.shared, &poller.shared)
        {
            kit.parker.state.store(EMPTY, Ordering::Release);
            return kit;
        }
        let parker = Arc::new(Parker {
            state: AtomicU32::new(EMPTY),
            thread: thread::current(),
            shared: poller.shared.clone(),
        });
        Box::new(Kit {
            waker: Waker::from(parker.clone()),
            parker,
            ready: None,
            turns: 0,
        })
    }

    fn put_back(self: Box<Self>) {
        // While the thread ends there is no place any more; the kit is simply dropped then.
        let _ = KIT.try_with(|cell| cell.set(Some(self)));
    }
}

/// The poller that this thread polls when it waits: what sleeps and timeouts use.
pub(crate) fn current() -> std::io::Result<Poller> {
    match CURRENT.try_with(|current| current.borrow().clone()) {
        Ok(Some(poller)) => Ok(poller),
        _ => Poller::try_global().cloned(),
    }
}

/// Puts the outer poller back.
struct Scope(Option<Option<Poller>>);

impl Scope {
    /// Makes `poller` the current one. Costs nothing but a look if it is that already, as in most programs.
    fn enter(poller: &Poller) -> Self {
        let inner = (!poller.is_global()).then_some(poller);
        let before = CURRENT.try_with(|current| {
            let mut current = current.borrow_mut();
            let same = match (&*current, inner) {
                (Some(before), Some(inner)) => Arc::ptr_eq(&before.shared, &inner.shared),
                (None, None) => true,
                _ => false,
            };
            (!same).then(|| std::mem::replace(&mut *current, inner.cloned()))
        });
        Scope(before.ok().flatten())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let inner =
                CURRENT.try_with(|current| std::mem::replace(&mut *current.borrow_mut(), before));
            // Outside of the borrow: it may be the last handle of its poller.
            drop(inner);
        }
    }
}

/// Runs `future` on this thread and polls `poller` while it waits, for itself and for everybody else. Sleeps and timeouts of
/// [`time`](crate::time) inside of it are deadlines of `poller`.
///
/// Any executor becomes an I/O driver when its idle loop runs inside this function. Nested calls are allowed.
///
/// # Panics
///
/// Only if `future` does.
pub fn block_on_poller<F: Future>(poller: &Poller, future: F) -> F::Output {
    Driver::Inline.note(&poller.shared.drivers);
    let _scope = Scope::enter(poller);
    let mut kit = Kit::take(poller);
    let mut future = pin!(future);
    let output = loop {
        // The waker is borrowed from the kit for each poll alone, as parking needs the rest of it.
        match future.as_mut().poll(&mut Context::from_waker(&kit.waker)) {
            Poll::Ready(output) => break output,
            Poll::Pending => kit.park(),
        }
    };
    kit.put_back();
    output
}

/// Runs `future` on this thread and polls the global poller while it waits.
///
/// ```
/// use std::time::Duration;
/// netpoller::block_on(netpoller::time::sleep(Duration::from_millis(1)));
/// ```
///
/// # Panics
///
/// If `future` does, or if the global poller cannot be made (see [`Poller::global`]).
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_poller(Poller::global(), future)
}

impl Kit {
    /// Sleeps until the waker is called.
    fn park(&mut self) {
        if self.take_notice() {
            return self.poll_in_passing();
        }
        self.turns = 0;
        let shared = self.parker.shared.clone();
        loop {
            let done = match Role::take(&shared) {
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

    /// Moves from running to `asleep`; `false` if the waker was called, in which case the thread must not sleep.
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

    /// The future goes on at once. Now and then I/O gets its turn, unless somebody polls anyway (golang/go#65064: one at a
    /// time is enough).
    fn poll_in_passing(&mut self) {
        self.turns += 1;
        if self.turns < TURNS_PER_POLL {
            return;
        }
        self.turns = 0;
        let shared = self.parker.shared.clone();
        if shared.role.is_held() {
            return;
        }
        let ready = self.ready();
        ready.begin(&shared);
        // An error here is one that the next blocking poll will meet as well, and it has nowhere to go.
        let _ = shared.poll_now(ready);
        ready.wake_all();
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
            // epoll_wait fails for a bad argument only. Going on would spin; sleeping would hang. Say it once and slow down.
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
