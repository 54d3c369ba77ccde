//! How many operations a task may do before others get their turn.
//!
//! An operation that finds its descriptor ready ends without waiting, so a task on a descriptor that is always ready would
//! never come back to its executor: no other task and no timer runs, and a runtime that is dropped waits for it for ever
//! (tokio#2160). So every operation asks here first ([`poll_proceed`]), and says when it has come to something
//! ([`Permit::made_progress`]). After [`BUDGET`] of those it is told to wait, and is woken at once: that takes it back to the
//! executor, which goes on with somebody else.
//!
//! | where | the budget is that of |
//! |---|---|
//! | in a runtime of tokio | tokio's task, shared with its own types ([`tokio::task::coop`](https://docs.rs/tokio/latest/tokio/task/coop)) |
//! | inside `block_on` | the thread, and each poll of the future has a new one |
//! | in another executor, beside a thread driver | the thread; nobody tells when a task begins, so it is new once a few were refused |
//! | in a loop of the program's own | nobody's: it polls when it likes |
//! | in a blocking handle | nobody's: the thread has no other task |
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use crate::sync::thread_local;

/// Operations that end without a break, as many as tokio allows.
const BUDGET: i32 = 128;

/// Loom runs all of its executions on one thread, and each must go as the last one did.
const COUNTS: bool = !cfg!(all(loom, not(shuttle)));

/// How many operations in a row are refused in an executor that does not say when a task begins. Several, so that a task which
/// tries another one instead, or whose time limit ends with the first, is refused again.
const REFUSALS: i32 = 8;

/// Whose budget the thread's is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// The tasks' of an executor that knows nothing of it, if there is one.
    Tasks,
    /// One future's, which is given a new one each time it is polled.
    Polls,
    /// There is no limit.
    None,
}

/// How many thread drivers there are: with them come executors that cannot poll.
static FOREIGN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// What is left to this thread; below zero, how many were refused.
    static LEFT: Cell<i32> = const { Cell::new(BUDGET) };
    static LIMIT: Cell<Limit> = const { Cell::new(Limit::Tasks) };
}

/// Leave to try an operation once.
#[must_use]
pub(crate) struct Permit {
    #[cfg(feature = "tokio")]
    tokio: tokio::task::coop::RestoreOnPending,
}

impl Permit {
    /// The operation has come to an end, so it counts. One that has to wait does not.
    #[inline]
    pub(crate) fn made_progress(self) {
        if COUNTS {
            LEFT.with(|left| left.set(left.get() - 1));
        }
        #[cfg(feature = "tokio")]
        self.tokio.made_progress();
    }
}

/// Leave to try an operation, or pending if others are to have their turn first; `cx` is woken then.
///
/// `first` if the operation has not been polled before: one that comes back has let the others go on already, and would be
/// refused for ever beside one that always comes first.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>, first: bool) -> Poll<Permit> {
    #[cfg(feature = "tokio")]
    let tokio = ready!(tokio::task::coop::poll_proceed(cx));
    if first && LEFT.with(Cell::get) <= 0 && refuses() {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(Permit {
        #[cfg(feature = "tokio")]
        tokio,
    })
}

/// Whether the tasks of this thread are in a loop of the program's own, or an executor's that nothing is known of.
#[inline]
pub(crate) fn is_unknown() -> bool {
    LIMIT.with(Cell::get) == Limit::Tasks
}

/// With nothing left: whether the next operation is refused.
#[cold]
fn refuses() -> bool {
    let left = LEFT.with(Cell::get) - 1;
    LEFT.with(|cell| cell.set(left));
    let refused = match LIMIT.with(Cell::get) {
        Limit::None => false,
        // Until the next poll: an executor inside of it goes on with its tasks for a while before it comes back.
        Limit::Polls => true,
        Limit::Tasks => left >= -REFUSALS && FOREIGN.load(Ordering::Relaxed) > 0 && !in_runtime(),
    };
    if !refused {
        refill();
    }
    refused
}

/// Whether the task is tokio's, which has counted already; unless it was told not to.
fn in_runtime() -> bool {
    #[cfg(feature = "tokio")]
    return tokio::runtime::Handle::try_current().is_ok();
    #[cfg(not(feature = "tokio"))]
    false
}

/// Whether an operation would get leave.
#[inline]
pub(crate) fn has_remaining() -> bool {
    #[cfg(feature = "tokio")]
    if !tokio::task::coop::has_budget_remaining() {
        return false;
    }
    LEFT.with(Cell::get) > 0
}

/// Whether one operation has asked for leave before.
#[derive(Debug, Default)]
pub(crate) struct Asked(bool);

impl Asked {
    /// [`poll_proceed`], for each poll of the operation. Calls `refused` if it is.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, refused: impl FnOnce()) -> Poll<Permit> {
        let permit = poll_proceed(cx, !mem::replace(&mut self.0, true));
        if permit.is_pending() {
            refused();
        }
        permit
    }
}

/// `poll` as one operation. Calls `refused` each time that it is.
#[inline]
pub(crate) fn cooperative<T>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    mut refused: impl FnMut(),
) -> impl Future<Output = T> {
    let mut asked = Asked::default();
    poll_fn(move |cx| {
        let permit = ready!(asked.poll(cx, &mut refused));
        let output = ready!(poll(cx));
        permit.made_progress();
        Poll::Ready(output)
    })
}

/// Polls `future`, whatever is left.
pub(crate) fn poll_unconstrained<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let _scope = Scope::enter(Limit::None);
    #[cfg(feature = "tokio")]
    let future = std::pin::pin!(tokio::task::coop::unconstrained(future));
    future.poll(cx)
}

/// For as long as there is a thread driver.
#[derive(Debug)]
pub(crate) struct Foreign(());

impl Foreign {
    pub(crate) fn new() -> Self {
        FOREIGN.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        FOREIGN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sets the thread's limit, and puts back what was there.
pub(crate) struct Scope {
    limit: Limit,
    left: i32,
}

impl Scope {
    pub(crate) fn enter(limit: Limit) -> Self {
        let scope = Self {
            limit: LIMIT.with(|cell| cell.replace(limit)),
            left: LEFT.with(Cell::get),
        };
        refill();
        scope
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        LIMIT.with(|cell| cell.set(self.limit));
        LEFT.with(|cell| cell.set(self.left));
    }
}

/// A new poll of a future begins.
#[inline]
pub(crate) fn refill() {
    LEFT.with(|left| left.set(BUDGET));
}

/// Whether somebody was refused.
#[inline]
pub(crate) fn was_refused() -> bool {
    LEFT.with(Cell::get) < 0
}
