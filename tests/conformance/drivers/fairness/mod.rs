//! A task on a descriptor that is always ready leaves the others their turns: operations of every
//! kind, in every executor.

mod budget;
mod kinds;
mod turns;

use futures_lite::future::poll_fn;
use netpoller::Poller;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

type Start = fn(Poller, usize) -> Work;

type Run = fn(&Poller, Work, Work);

/// Operations in a row of a task that does nothing else.
const OPERATIONS: usize = 1_500;

/// So often at least others must have had a turn meanwhile: tokio's budget is of 128 operations,
/// and ours as well.
const TURNS: usize = OPERATIONS / 256;

/// Yields once.
async fn give_way() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts its turns until it is told to stop.
async fn count(turns: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        turns.fetch_add(1, Ordering::Relaxed);
        give_way().await;
    }
}
