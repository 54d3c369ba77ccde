//! The role of the blocking poller: one thread at a time has it, others queue for it.
//!
//! Many threads in `epoll_wait` on one instance would all wake for every event (golang/go#65064).
//! So one polls, and the others sleep on their own until they are woken by their event or promoted
//! because the poller left to run its task.

use std::collections::VecDeque;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::thread::{self, Thread};

/// The role of one poller, and who waits for it.
#[derive(Debug)]
pub(crate) struct RoleQueue {
    held: AtomicBool,
    followers: Mutex<VecDeque<(u64, Thread)>>,
    /// Length of `followers`, readable without the lock.
    count: AtomicUsize,
    next_ticket: AtomicU64,
}

impl RoleQueue {
    pub(super) fn new() -> Self {
        Self {
            held: AtomicBool::new(false),
            followers: Mutex::new(VecDeque::new()),
            count: AtomicUsize::new(0),
            next_ticket: AtomicU64::new(0),
        }
    }

    /// Whether somebody has the role now.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Queues the calling thread; the ticket takes it out again. It then tries once more to take
    /// the role, because whoever had it may have looked at the queue just before.
    pub(crate) fn enqueue(&self) -> u64 {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let mut followers = self.followers.lock();
        followers.push_back((ticket, thread::current()));
        // Read-modify-writes here and in `Role`, so that one of two threads that pass each other
        // sees the other.
        self.count.fetch_add(1, Ordering::AcqRel);
        ticket
    }

    pub(crate) fn is_queued(&self, ticket: u64) -> bool {
        self.followers
            .lock()
            .iter()
            .any(|(queued, _)| *queued == ticket)
    }

    /// Takes a ticket out. `false` if it was promoted: the role, or the promotion, must then be
    /// passed on.
    pub(crate) fn dequeue(&self, ticket: u64) -> bool {
        let mut followers = self.followers.lock();
        let Some(index) = followers.iter().position(|(queued, _)| *queued == ticket) else {
            return false;
        };
        followers.remove(index);
        self.count.fetch_sub(1, Ordering::AcqRel);
        true
    }

    /// Promotes the thread that has waited longest, if the role is free: it wakes up and takes it.
    pub(crate) fn promote(&self) {
        if self.count.fetch_or(0, Ordering::AcqRel) == 0 || self.is_held() {
            return;
        }
        let promoted = {
            let mut followers = self.followers.lock();
            let promoted = followers.pop_front();
            if promoted.is_some() {
                self.count.fetch_sub(1, Ordering::AcqRel);
            }
            promoted
        };
        if let Some((_, thread)) = promoted {
            thread.unpark();
        }
    }
}

/// Holds the role; gives it back in any case, without promoting anybody.
#[derive(Debug)]
pub(crate) struct Role<'a> {
    queue: &'a RoleQueue,
    poll_until: &'a AtomicU64,
}

impl<'a> Role<'a> {
    /// The role of `queue`, unless somebody has it. `poll_until` says how long its holder sleeps.
    pub(super) fn take(queue: &'a RoleQueue, poll_until: &'a AtomicU64) -> Option<Self> {
        // Lazily: a `Role` that is made only to be thrown away would give back the role that
        // somebody else has.
        (!queue.held.swap(true, Ordering::AcqRel)).then(|| Role { queue, poll_until })
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.poll_until.swap(0, Ordering::AcqRel);
        self.queue.held.swap(false, Ordering::AcqRel);
    }
}
