//! The threads that poll, and for how long the kernel kept them from running.

use std::sync::Arc;

use super::os_thread::OsThread;
use crate::observe::{Counter, living_thread, thread_name};
use crate::poller::Poller;

/// A thread that polls, or has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PollingThread {
    /// Its name or number.
    pub name: Arc<str>,
    /// What the kernel calls it.
    pub tid: i32,
    /// Its polls of this poller, with those of threads that had its number here before it.
    pub polls: u64,
    /// How long it has run, ever; `None` where the kernel does not count it (proc(5),
    /// `schedstat`).
    pub ran_ns: Option<u64>,
    /// How long it was runnable and did not run, ever: it waited for a processor.
    pub run_delay_ns: Option<u64>,
}

/// A thread with polls, as the lints look at it.
#[derive(Debug)]
pub(super) struct Polls {
    pub(super) thread: usize,
    pub(super) tid: i32,
    pub(super) polls: u64,
    pub(super) os: OsThread,
}

/// The living threads that have polled `poller`.
pub(super) fn polls(poller: &Poller) -> impl Iterator<Item = Polls> + '_ {
    let recorder = &poller.shared.recorder;
    recorder.threads().filter_map(|thread| {
        let polls = recorder.counted_by(
            thread,
            [
                Counter::PollsBlock,
                Counter::PollsTimed,
                Counter::PollsNonblock,
            ],
        );
        let (tid, since_ns) = living_thread(thread).filter(|_| polls > 0)?;
        // Else they are those of a thread that had the number before.
        let is_its_own = recorder.last_ns(thread) >= since_ns;
        is_its_own.then_some(())?;
        Some(Polls {
            thread,
            tid,
            polls,
            os: OsThread::read(tid)?,
        })
    })
}

impl Poller {
    /// Reads which living threads have polled it, and for how long each was kept from running. Asks
    /// the kernel for each.
    pub fn polled_by(&self) -> Vec<PollingThread> {
        polls(self)
            .map(|it| {
                let (ran_ns, run_delay_ns) = it.os.times_ns();
                PollingThread {
                    name: thread_name(it.thread),
                    tid: it.tid,
                    polls: it.polls,
                    ran_ns,
                    run_delay_ns,
                }
            })
            .collect()
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ReadyList;

    #[test]
    fn a_thread_that_polls_is_there_with_its_polls_until_it_ends() {
        let poller = Poller::builder().name("polled_by").build().unwrap();
        assert!(poller.polled_by().is_empty());
        let poll = || {
            let mut ready = ReadyList::default();
            poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
        };
        std::thread::scope(|scope| scope.spawn(poll).join().unwrap());
        poll();
        poll();
        // There may be more threads here than have a number of their own.
        let me = crate::sys::thread_id();
        if let [thread] = &poller.polled_by()[..] {
            assert!(thread.tid == me && thread.polls >= 2, "{thread:?}");
        }
        assert!(poller.polled_by().len() <= 1, "the other one is gone");
    }
}
