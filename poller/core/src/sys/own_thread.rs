//! A thread that ends when its handle is dropped.

use std::io;
use std::thread::{self, JoinHandle, Thread};

use super::Process;

/// The handle of a thread of ours. Whoever holds it calls [`end`](Self::end) when it is dropped.
#[derive(Debug)]
pub struct OwnThread {
    thread: Option<JoinHandle<()>>,
    process: Process,
}

impl OwnThread {
    /// Starts it.
    pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let process = Process::current();
        let thread = thread::Builder::new().name(name).spawn(body)?;
        Ok(Self {
            thread: Some(thread),
            process,
        })
    }

    /// Calls `ask`, which makes the thread end, and waits for it. The thread itself may be the one
    /// that drops its handle, and does not wait then. A forked child has none of its parent's
    /// threads, and copies of what they hold: `ask` would take locks that nobody lets go of, and
    /// wake the parent's. So nothing is done there.
    pub fn end(&mut self, ask: impl FnOnce(&Thread)) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if !self.process.is_current() {
            // To drop it is to detach a thread that is not there.
            std::mem::forget(thread);
            return;
        }
        ask(thread.thread());
        if thread.thread().id() != thread::current().id() {
            // If it has panicked, the panic hook has reported it.
            let _ = thread.join();
        }
    }
}
