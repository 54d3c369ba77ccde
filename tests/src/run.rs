//! Runs a test on a thread of its own, and fails it when it hangs.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use netpoller::{Poller, block_on_poller};

use crate::{LIMIT, new_poller, until};

/// A thread that does one thing, and whose end is waited for with a limit.
#[derive(Debug)]
pub struct Lane<T> {
    thread: JoinHandle<T>,
    done: Receiver<()>,
}

impl<T: Send + 'static> Lane<T> {
    /// Starts `work` on a new thread.
    pub fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, done) = channel::<()>();
        let thread = std::thread::spawn(move || {
            // Dropped when the thread ends, also when it panics: that is the message.
            let _sender = sender;
            work()
        });
        Self { thread, done }
    }

    /// Starts a future on a new thread, which polls `poller` while it waits.
    pub fn block_on<Fut: Future<Output = T>>(
        poller: &Poller,
        future: impl FnOnce() -> Fut + Send + 'static,
    ) -> Self {
        let poller = poller.clone();
        Self::start(move || block_on_poller(&poller, future()))
    }

    /// What the thread returned. A panic of it goes on here.
    ///
    /// # Panics
    ///
    /// If the thread does not end in time.
    #[track_caller]
    pub fn join(self) -> T {
        use std::sync::mpsc::RecvTimeoutError;
        match self.done.recv_timeout(LIMIT) {
            Err(RecvTimeoutError::Timeout) => panic!("hangs: not done after {LIMIT:?}"),
            _ => self
                .thread
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic)),
        }
    }

    /// Whether it ends in time, well or with a panic.
    pub fn ends(&self) -> bool {
        use std::sync::mpsc::RecvTimeoutError;
        self.done.recv_timeout(LIMIT) == Err(RecvTimeoutError::Disconnected)
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Runs `test` with a poller of its own, and checks at the end that nobody is counted as waiting
/// (semantics 49).
#[track_caller]
pub fn run<T: Send + 'static>(test: impl AsyncFnOnce(Poller) -> T + Send + 'static) -> T {
    let poller = new_poller();
    let output = run_on(&poller, test);
    until("nobody is counted as waiting", || poller.waiters() == 0);
    output
}

/// Runs `test` with `poller`.
#[track_caller]
pub fn run_on<T: Send + 'static>(
    poller: &Poller,
    test: impl AsyncFnOnce(Poller) -> T + Send + 'static,
) -> T {
    let poller = poller.clone();
    Lane::start(move || block_on_poller(&poller, test(poller.clone()))).join()
}
