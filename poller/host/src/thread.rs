//! An operating-system thread with a current-thread runtime, ended and joined when its handle is
//! dropped.
//!
//! Its scheduling is SCHED_BATCH: where the service wants all of the processors it has its share
//! still, so that it answers, and interrupts none of the service's threads when somebody asks.

use std::future::Future;
use std::io;

use netpoller_core::internals::{self, OwnThread};
use tokio::sync::oneshot;

/// The handle of the thread.
#[derive(Debug)]
pub struct HostThread {
    stop: Option<oneshot::Sender<()>>,
    thread: OwnThread,
}

// It is a handle: nothing is in the middle of anything.
impl std::panic::UnwindSafe for HostThread {}
impl std::panic::RefUnwindSafe for HostThread {}

impl HostThread {
    /// Runs the future that `serve` makes until it ends or the handle is dropped. `serve` is called
    /// inside the runtime.
    pub fn spawn<F>(name: &str, serve: impl FnOnce() -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = ()>,
    {
        // Here, so that a limit of open files is the caller's error and not a thread that ends
        // without a word.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let body = move || {
            // Where it is not allowed the thread serves all the same.
            let _ = internals::yield_to_others();
            runtime.block_on(async move {
                tokio::select! {
                    () = async { serve().await } => {}
                    _ = stopped => {}
                }
            });
        };
        Ok(Self {
            thread: OwnThread::spawn(name.to_owned(), body)?,
            stop: Some(stop),
        })
    }
}

impl Drop for HostThread {
    fn drop(&mut self) {
        let mut stop = self.stop.take();
        self.thread.end(|_| drop(stop.take()));
        // In a forked child, where it would wake the parent's.
        std::mem::forget(stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_interrupts_nobody() {
        let (told, policy) = std::sync::mpsc::channel();
        let thread = HostThread::spawn("netpoller-batch", move || async move {
            // Field 41; the name in field 2 ends with the last parenthesis.
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let after_name = stat.rsplit_once(')').unwrap().1.to_owned();
            told.send(after_name.split_whitespace().nth(38).unwrap().to_owned())
                .unwrap();
        });
        let thread = thread.unwrap();
        assert_eq!(
            policy.recv().unwrap().parse::<i32>().unwrap(),
            libc::SCHED_BATCH
        );
        drop(thread);
    }
}
