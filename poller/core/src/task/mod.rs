//! Names for tasks, so that the inspector says who waits; and where the time of one went.
#![forbid(unsafe_code)]

#[cfg(feature = "tower")]
mod layer;
mod measured;
mod spent;
#[cfg(feature = "tracing")]
mod traced;

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

pub use crate::observe::Awaited;
use crate::observe::{Name, Task, enter_task};
#[cfg(feature = "tower")]
pub use layer::{MeasuredLayer, MeasuredResponse, MeasuredService};
pub use measured::{Measured, measured};
pub use spent::{Parked, Spent};
#[cfg(feature = "tracing")]
pub use traced::{Traced, traced};

/// Names `future`: whatever it waits for is shown as waited for by the task `name`, with a number
/// that tells tasks of one name apart. Scopes nest; the innermost counts. Costs two thread-local
/// stores for each poll.
///
/// Name a task after what it does, so that the tasks of a kind have one name (low cardinality):
/// `GET /item`, not `GET /item/17`. A name is kept while a future bears it, and for some time
/// after; more than 65 534 different ones at a time are shown as `(too many labels)`, labels
/// included.
///
/// The line that calls this is shown where the task waits in a library, as behind `tokio::io::copy`
/// or in a server, unless tasks of one name come from several lines. Without a scope a task of
/// tokio is shown by tokio's own number.
///
/// ```
/// # netpoller::block_on(async {
/// netpoller::task::named("connection", async { /* serve it */ }).await;
/// # });
/// ```
#[track_caller]
pub fn named<F: Future>(name: &str, future: F) -> Named<F> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = Name::given_at(name, Location::caller());
    let task = Task {
        name: name.label(),
        id: NEXT.fetch_add(1, Ordering::Relaxed),
    };
    Named {
        task,
        future: Box::pin(future),
        _name: name,
    }
}

/// The future of [`named`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Named<F> {
    task: Task,
    // Boxed, because projecting a pin without unsafe code needs it; a task is made once and polled
    // often.
    future: Pin<Box<F>>,
    // After `future`, which may wait under it until the end.
    _name: Name,
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
