//! Names for tasks, so that the inspector says who waits.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::observe::{Names, Task, enter_task};

/// Names `future`: whatever it waits for is shown as waited for by the task `name`, with a number that tells tasks of one name
/// apart. Scopes nest; the innermost counts. Costs two thread-local stores for each poll.
///
/// Without a scope a task of tokio is shown by tokio's own number.
///
/// ```
/// # netpoller::block_on(async {
/// netpoller::task::named("connection", async { /* serve it */ }).await;
/// # });
/// ```
pub fn named<F: Future>(name: &str, future: F) -> Named<F> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let task = Task {
        name: Names::shared().label(name),
        id: NEXT.fetch_add(1, Ordering::Relaxed),
    };
    Named {
        task,
        future: Box::pin(future),
    }
}

/// The future of [`named`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Named<F> {
    task: Task,
    // Boxed, because projecting a pin without unsafe code needs it; a task is made once and polled often.
    future: Pin<Box<F>>,
}

/// Puts the outer task back, also when the inner one panics.
struct Scope(Task);

impl Drop for Scope {
    fn drop(&mut self) {
        enter_task(self.0);
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = Scope(enter_task(self.task));
        self.future.as_mut().poll(cx)
    }
}
