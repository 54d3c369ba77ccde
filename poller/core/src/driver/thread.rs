//! The thread driver, for executors that cannot poll: one thread that always does.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::inline::poll_until;
use crate::Poller;
use crate::budget::Foreign;
use crate::driver::Driver;
use crate::sys::OwnThread;

/// A thread that polls until this handle is dropped.
#[derive(Debug)]
pub struct ThreadDriver {
    stop: Arc<Stop>,
    thread: OwnThread,
    polled: Poller,
    _foreign: Foreign,
}

#[derive(Debug, Default)]
struct Stop {
    stopped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    fn poll_until_stopped(&self, poller: &Poller) {
        poll_until(
            poller,
            poll_fn(|cx| {
                *self.waker.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(cx.waker().clone());
                if self.stopped.load(Ordering::Acquire) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }),
        );
    }
}

impl ThreadDriver {
    /// Starts the thread, called `netpoller-` and the poller's name.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn start(poller: &Poller) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let thread = OwnThread::spawn(format!("netpoller-{}", poller.name()), {
            let (poller, stop) = (poller.clone(), stop.clone());
            move || {
                // A waker that panics must not take the polling with it; the panic hook has
                // reported it.
                while catch_unwind(AssertUnwindSafe(|| stop.poll_until_stopped(&poller))).is_err() {
                }
            }
        })?;
        Driver::begin_thread(&poller.shared.drivers);
        Ok(Self {
            polled: poller.clone(),
            stop,
            thread,
            _foreign: Foreign::new(),
        })
    }
}

// It is a handle: nothing is in the middle of anything.
impl std::panic::UnwindSafe for ThreadDriver {}
impl std::panic::RefUnwindSafe for ThreadDriver {}

impl Drop for ThreadDriver {
    /// Stops the thread and waits for it, unless it is the one that drops this, as by a waker: then
    /// it ends when that returns. Waiters stay registered: somebody else must poll from here on. A
    /// forked child, which does not have the thread, does nothing.
    fn drop(&mut self) {
        let stop = &self.stop;
        Driver::end_thread(&self.polled.shared.drivers);
        self.thread.end(|_| {
            stop.stopped.store(true, Ordering::Release);
            let waker = stop
                .waker
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::pin::pin;
    use std::sync::mpsc::{Sender, channel};
    use std::task::{Context, Wake};
    use std::time::Duration;

    use super::*;
    use crate::desc::Kind;
    use crate::observe::Direction;

    /// Drops the driver, and says when that has returned.
    struct Dropping(Mutex<Option<ThreadDriver>>, Sender<()>);

    impl Wake for Dropping {
        fn wake(self: Arc<Self>) {
            let driver = self.0.lock().unwrap().take();
            drop(driver);
            let _ = self.1.send(());
        }
    }

    #[test]
    fn issue_databend_20103_a_driver_that_its_own_thread_drops_ends_without_waiting_for_itself() {
        let poller = Poller::builder().build().unwrap();
        let driver = ThreadDriver::start(&poller).unwrap();
        let stop = Arc::downgrade(&driver.stop);
        let (ours, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
        let (sender, dropped) = channel();
        let waker = Waker::from(Arc::new(Dropping(Mutex::new(Some(driver)), sender)));
        let mut wait = pin!(desc.wait(Direction::Read));
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        peer.write_all(b"x").unwrap();
        dropped
            .recv_timeout(Duration::from_secs(30))
            .expect("hangs, or panics");
        while stop.upgrade().is_some() || poller.shared.role.is_held() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_thread_polls_until_its_handle_is_dropped_and_is_gone_then() {
        let poller = Poller::builder().build().unwrap();
        let driver = ThreadDriver::start(&poller).unwrap();
        while !poller.shared.role.is_held() {
            std::thread::yield_now();
        }
        assert_eq!(Arc::strong_count(&driver.stop), 2, "it and the handle");
        let stop = Arc::downgrade(&driver.stop);
        drop(driver);
        assert!(!poller.shared.role.is_held());
        assert!(stop.upgrade().is_none());
    }
}
