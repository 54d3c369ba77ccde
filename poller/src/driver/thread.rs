//! The thread driver, for executors that cannot poll: one thread that always does.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use super::inline::block_on_poller;
use crate::Poller;
use crate::driver::Driver;

/// A thread that polls until this handle is dropped.
#[derive(Debug)]
pub struct ThreadDriver {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    stopped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl ThreadDriver {
    /// Starts the thread, called `netpoller-` and the poller's name.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn start(poller: &Poller) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let thread = std::thread::Builder::new()
            .name(format!("netpoller-{}", poller.name()))
            .spawn({
                let (poller, stop) = (poller.clone(), stop.clone());
                move || {
                    block_on_poller(
                        &poller,
                        poll_fn(|cx| {
                            *stop
                                .waker
                                .lock()
                                .unwrap_or_else(std::sync::PoisonError::into_inner) =
                                Some(cx.waker().clone());
                            if stop.stopped.load(Ordering::Acquire) {
                                Poll::Ready(())
                            } else {
                                Poll::Pending
                            }
                        }),
                    );
                }
            })?;
        Driver::Thread.note(&poller.shared.drivers);
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for ThreadDriver {
    /// Stops the thread and waits for it. Waiters stay registered: somebody else must poll from here on.
    fn drop(&mut self) {
        self.stop.stopped.store(true, Ordering::Release);
        let waker = self
            .stop
            .waker
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was one of a waker, and was reported there.
            let _ = thread.join();
        }
    }
}
