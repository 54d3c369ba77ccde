//! How many operations a task may do before others get their turn.
//!
//! An operation that finds its descriptor ready ends without waiting, so a task on a descriptor
//! that is always ready would never come back to its executor: no other task and no timer runs, and
//! a runtime that is dropped waits for it for ever (tokio#2160). So every operation asks here first
//! ([`poll_proceed`]), and says when it has come to something ([`Permit::made_progress`]). After
//! [`BUDGET`] of those it is told to wait, and is woken at once: that takes it back to the
//! executor, which goes on with somebody else. Events are given to their tasks before that, so that
//! these are among the others, and need not wait for another round.
//!
//! | where | the budget is that of |
//! |---|---|
//! | in a runtime of tokio | tokio's task, shared with its own types ([`tokio::task::coop`](https://docs.rs/tokio/latest/tokio/task/coop)) |
//! | inside `block_on` | a waker, which is a task's or the future's own; all together have [`TOTAL`] in each poll of the future |
//! | in another executor, beside a thread driver | a waker; all together have [`TOTAL`] in a row |
//! | in a loop of the program's own | nobody's: it polls when it likes |
//! | in a blocking handle | nobody's: the thread has no other task |
//!
//! An executor that knows nothing of this does not say when a task begins. But whoever has another
//! waker is another task, or a part of one, and a task may have many parts that take turns: hence
//! the bound for all together. Who was refused and comes back has let the others go on.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use crate::sync::thread_local;

/// Operations that end without a break, as many as tokio allows.
const BUDGET: u32 = 128;

/// Operations of all tasks in a row, whatever their wakers. Inside of `block_on` the thread comes
/// back then to what waits for itself, such as a poller that it polls along.
const TOTAL: u32 = 32 * BUDGET;

/// Operations between two looks at I/O by those that are refused, at least: a task may have many
/// that are refused one after the other, and one look serves them all.
const BETWEEN_LOOKS: u32 = 32;

/// Loom runs all of its executions on one thread, and each must go as the last one did.
const COUNTS: bool = !cfg!(all(loom, not(shuttle)));

/// How many operations in a row are refused in an executor that may never poll any of them again.
/// Several, so that a task which tries another one instead, or whose time limit ends with the
/// first, is refused again.
const REFUSALS: u32 = 8;

/// The same inside of `block_on`, whose future is polled again soon, unless it is a runtime in its
/// turn.
const REFUSALS_IN_POLLS: u32 = 512;

/// Whose budget the thread's is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// The tasks' of an executor that knows nothing of it, if there is one.
    Tasks,
    /// One future's, and that of the tasks inside of it.
    Polls,
    /// There is no limit.
    None,
}

/// How many thread drivers there are: with them come executors that cannot poll.
static FOREIGN: AtomicUsize = AtomicUsize::new(0);

/// What a thread has spent. The numbers count operations, go round, and are compared by their
/// distance.
struct Budget {
    /// Operations that have ended.
    done: Cell<u32>,
    /// `done` when the task began.
    began: Cell<u32>,
    /// `done` when the future was polled.
    polled: Cell<u32>,
    /// `done` when somebody who was refused looked at I/O.
    looked: Cell<u32>,
    /// An operation has ended since then that nobody counted but tokio.
    uncounted: Cell<bool>,
    /// Operations of the task that were refused in a row.
    refusals: Cell<u32>,
    /// Whose waker the last operation had.
    task: Cell<usize>,
    limit: Cell<Limit>,
}

thread_local! {
    static OWN: Budget = const {
        Budget {
            done: Cell::new(0),
            began: Cell::new(0),
            polled: Cell::new(0),
            looked: Cell::new(0),
            uncounted: Cell::new(false),
            refusals: Cell::new(0),
            task: Cell::new(0),
            limit: Cell::new(Limit::Tasks),
        }
    };
}

impl Budget {
    /// Whether nobody needs it: a task of tokio's has a budget there, and so has whoever polls by
    /// hand.
    #[inline]
    fn is_idle(&self) -> bool {
        self.limit.get() == Limit::Tasks && FOREIGN.load(Ordering::Relaxed) == 0
    }

    #[inline]
    fn is_spent(&self) -> bool {
        self.done.get().wrapping_sub(self.began.get()) >= BUDGET
    }

    /// The task that `cx` wakes goes on, or another one begins.
    #[inline]
    fn enter(&self, cx: &Context<'_>) {
        let task = cx.waker().data().addr();
        if self.task.get() != task {
            self.task.set(task);
            self.begin();
        }
    }

    /// What a task finds that begins, or begins again.
    #[inline]
    fn begin(&self) {
        if self.done.get().wrapping_sub(self.polled.get()) >= TOTAL {
            self.began.set(self.done.get().wrapping_sub(BUDGET));
        } else {
            self.refusals.set(0);
            self.began.set(self.done.get());
        }
    }

    /// The future is polled, or all have had their turn.
    #[inline]
    fn begin_poll(&self) {
        self.polled.set(self.done.get());
        self.begin();
    }

    /// Whether an operation is refused that was told `before`.
    #[inline]
    fn is_refused(&self, cx: &Context<'_>, before: Before) -> bool {
        self.enter(cx);
        if !self.is_spent() {
            return false;
        }
        match before {
            Before::Nothing => self.refuses(),
            Before::Leave => false,
            Before::Refusal => {
                self.begin();
                false
            }
        }
    }

    /// With nothing left: whether the next operation, which was not refused before, is refused now.
    #[cold]
    fn refuses(&self) -> bool {
        let refused = match self.limit.get() {
            Limit::None => false,
            Limit::Polls => self.refusals.get() < REFUSALS_IN_POLLS,
            Limit::Tasks => {
                self.refusals.get() < REFUSALS
                    && FOREIGN.load(Ordering::Relaxed) > 0
                    && !in_runtime()
            }
        };
        if refused {
            self.refusals.set(self.refusals.get() + 1);
        } else {
            self.begin_poll();
        }
        refused
    }

    /// Whether whoever is refused looks at I/O.
    #[cold]
    fn looks(&self) -> bool {
        let now = self.done.get();
        // Where tokio refuses, a whole budget of its was used up, and nothing ends after that.
        let uncounted = self.uncounted.replace(false);
        let looks = uncounted || now.wrapping_sub(self.looked.get()) >= BETWEEN_LOOKS;
        if looks {
            self.looked.set(now);
        }
        looks
    }
}

/// What an operation was told when it asked the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Before {
    #[default]
    Nothing,
    /// It had leave, and waits.
    Leave,
    Refusal,
}

/// Leave to try an operation once.
#[must_use]
pub(crate) struct Permit {
    #[cfg(feature = "tokio")]
    tokio: tokio::task::coop::RestoreOnPending,
    /// Whether somebody needs the thread's own budget.
    counts: bool,
}

impl Permit {
    /// The operation has come to an end, so it counts. One that has to wait does not.
    #[inline]
    pub(crate) fn made_progress(self) {
        if COUNTS {
            OWN.with(|own| match self.counts {
                true => own.done.set(own.done.get().wrapping_add(1)),
                false => own.uncounted.set(true),
            });
        }
        #[cfg(feature = "tokio")]
        self.tokio.made_progress();
    }
}

/// Leave to try an operation, or pending if others are to have their turn first; `cx` is woken
/// then, after `look` was called if nobody has looked at I/O for a while.
///
/// `before` is what the operation was told the last time. One that was refused has let the others
/// go on already, and would be refused for ever beside one that always comes first; it begins anew.
/// One that waits goes on waiting, whatever is left, and gives nobody a new budget.
#[inline]
pub(crate) fn poll_proceed(
    cx: &mut Context<'_>,
    before: impl FnOnce() -> Before,
    look: impl FnOnce(),
) -> Poll<Permit> {
    #[cfg(feature = "tokio")]
    let Poll::Ready(tokio) = tokio::task::coop::poll_proceed(cx) else {
        if OWN.with(Budget::looks) {
            look();
        }
        return Poll::Pending;
    };
    let counts = OWN.with(|own| !own.is_idle());
    if counts && OWN.with(|own| own.is_refused(cx, before())) {
        if OWN.with(Budget::looks) {
            look();
        }
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(Permit {
        #[cfg(feature = "tokio")]
        tokio,
        counts,
    })
}

/// Whether the tasks of this thread are in a loop of the program's own, or an executor's that
/// nothing is known of.
#[inline]
pub(crate) fn is_unknown() -> bool {
    OWN.with(|own| own.limit.get()) == Limit::Tasks
}

/// Whether the task is tokio's, which has counted already; unless it was told not to.
fn in_runtime() -> bool {
    #[cfg(feature = "tokio")]
    return tokio::runtime::Handle::try_current().is_ok();
    #[cfg(not(feature = "tokio"))]
    false
}

/// Whether an operation of the task that `cx` wakes would get leave.
pub(crate) fn has_remaining(cx: &Context<'_>) -> bool {
    #[cfg(feature = "tokio")]
    if !tokio::task::coop::has_budget_remaining() {
        return false;
    }
    OWN.with(|own| {
        if own.is_idle() || own.limit.get() != Limit::Polls && in_runtime() {
            return true;
        }
        // What another task has left says nothing.
        own.enter(cx);
        !own.is_spent()
    })
}

/// Asks for one operation, and remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Asked(Before);

impl Asked {
    /// [`poll_proceed`], for each poll of the operation that needs leave. `waited` if it has, since
    /// it has begun.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        waited: bool,
        look: impl FnOnce(),
    ) -> Poll<Permit> {
        let before = || if waited { Before::Leave } else { self.0 };
        match poll_proceed(cx, before, look) {
            Poll::Ready(permit) => {
                self.0 = Before::Leave;
                Poll::Ready(permit)
            }
            Poll::Pending => {
                self.0 = Before::Refusal;
                Poll::Pending
            }
        }
    }
}

/// `poll` as one operation.
#[inline]
pub(crate) fn cooperative<T>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    mut look: impl FnMut(),
) -> impl Future<Output = T> {
    let mut asked = Asked::default();
    poll_fn(move |cx| {
        let permit = ready!(asked.poll(cx, false, &mut look));
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
    began: u32,
    polled: u32,
}

impl Scope {
    pub(crate) fn enter(limit: Limit) -> Self {
        OWN.with(|own| {
            let scope = Self {
                limit: own.limit.replace(limit),
                began: own.began.get(),
                polled: own.polled.get(),
            };
            own.begin_poll();
            scope
        })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        OWN.with(|own| {
            own.limit.set(self.limit);
            own.began.set(self.began);
            own.polled.set(self.polled);
            if self.limit == Limit::Tasks {
                // Nothing was counted while nobody needed it, so nothing is spent.
                own.begin_poll();
            }
        });
    }
}

/// A new poll of a future begins.
#[inline]
pub(crate) fn begin_poll() {
    OWN.with(Budget::begin_poll);
}

/// Whether the last poll of a future was a long one.
#[inline]
pub(crate) fn was_long() -> bool {
    OWN.with(|own| own.done.get().wrapping_sub(own.polled.get()) >= BUDGET)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    fn task() -> Waker {
        Waker::from(Arc::new(Task))
    }

    /// Operations of a task until one is refused, `most` at most.
    fn operations(task: &Waker, most: u32) -> u32 {
        let mut cx = Context::from_waker(task);
        for done in 0..most {
            match poll_proceed(&mut cx, || Before::Nothing, || {}) {
                Poll::Ready(permit) => permit.made_progress(),
                Poll::Pending => return done,
            }
        }
        most
    }

    /// One that was refused before, and is polled again.
    fn comes_back(task: &Waker) {
        let mut cx = Context::from_waker(task);
        match poll_proceed(&mut cx, || Before::Refusal, || {}) {
            Poll::Ready(permit) => permit.made_progress(),
            Poll::Pending => panic!("it was refused twice"),
        }
    }

    #[test]
    fn inside_block_on_each_task_has_a_budget_and_a_new_one_once_it_has_given_way() {
        let _scope = Scope::enter(Limit::Polls);
        let (one, other) = (task(), task());
        assert_eq!(operations(&one, 1000), BUDGET);
        assert_eq!(operations(&one, 1000), 0, "it has not given way yet");
        assert_eq!(operations(&other, 1000), BUDGET);
        comes_back(&one);
        assert_eq!(operations(&one, 1000), BUDGET - 1);
        begin_poll();
        assert_eq!(operations(&one, 1000), BUDGET);
    }

    #[test]
    fn inside_block_on_all_tasks_together_come_to_an_end_and_each_goes_on_by_one_operation() {
        let _scope = Scope::enter(Limit::Polls);
        let tasks = [task(), task(), task()];
        let mut done = 0;
        for task in tasks.iter().cycle() {
            match operations(task, 2) {
                2 => done += 2,
                _ => break,
            }
            assert!(done <= TOTAL, "they never end");
        }
        assert_eq!(done, TOTAL);
        assert!(was_long());
        for task in &tasks {
            comes_back(task);
            assert_eq!(operations(task, 10), 0);
        }
        begin_poll();
        assert_eq!(operations(&tasks[0], 1000), BUDGET);
    }

    #[test]
    fn those_that_are_refused_one_after_the_other_look_at_io_once() {
        let _scope = Scope::enter(Limit::Polls);
        let one = task();
        let mut cx = Context::from_waker(&one);
        let mut looks = 0;
        for _ in 0..3 {
            assert_eq!(operations(&one, BUDGET), BUDGET);
            for _ in 0..10 {
                assert!(poll_proceed(&mut cx, || Before::Nothing, || looks += 1).is_pending());
            }
            begin_poll();
        }
        assert_eq!(looks, 3);
    }

    #[test]
    fn one_that_waits_is_polled_without_a_new_budget_for_its_task() {
        let _scope = Scope::enter(Limit::Polls);
        let one = task();
        let mut cx = Context::from_waker(&one);
        let mut waits = Asked::default();
        assert!(waits.poll(&mut cx, false, || {}).is_ready());
        assert_eq!(operations(&one, 1000), BUDGET);
        assert!(waits.poll(&mut cx, false, || {}).is_ready());
        assert_eq!(operations(&one, 1000), 0);
    }

    /// A time limit that took it for the budget of the task before would think that its future has
    /// used it up, and end what was only told to wait.
    #[test]
    fn a_task_that_has_not_begun_is_asked_for_what_it_will_find() {
        let _scope = Scope::enter(Limit::Tasks);
        let _driver = Foreign::new();
        let parts = [task(), task()];
        for part in parts.iter().cycle().take(TOTAL as usize) {
            assert_eq!(operations(part, 1), 1);
        }
        let next = task();
        let cx = &mut Context::from_waker(&next);
        assert!(!has_remaining(cx), "all together have nothing left");
        assert!(poll_proceed(cx, || Before::Nothing, || {}).is_pending());
    }

    #[test]
    fn parts_of_a_task_with_wakers_of_their_own_give_way_in_an_executor_that_nothing_is_known_of() {
        let _scope = Scope::enter(Limit::Tasks);
        let _driver = Foreign::new();
        let parts = [task(), task()];
        let (mut in_a_row, mut refused) = (0, 0);
        for part in parts.iter().cycle().take(3 * TOTAL as usize) {
            match operations(part, 1) {
                1 => in_a_row += 1,
                _ => {
                    in_a_row = 0;
                    refused += 1;
                }
            }
            assert!(in_a_row <= TOTAL, "they never give way");
        }
        assert_eq!(refused, 2 * REFUSALS, "and they are not refused for ever");
    }

    #[test]
    fn what_never_comes_back_to_block_on_is_not_refused_for_ever() {
        let _scope = Scope::enter(Limit::Polls);
        let one = task();
        assert_eq!(operations(&one, 1000), BUDGET);
        let refused = (0..1000).take_while(|_| operations(&one, 1) == 0).count();
        // One was refused in the line before.
        assert_eq!(refused, REFUSALS_IN_POLLS as usize - 1);
        assert_eq!(operations(&one, 1000), BUDGET - 1);
    }
}
