//! A kernel in memory (Go's netpoll_fake): lets tests and models decide what becomes ready, and
//! when.
//!
//! It knows descriptors by number only, holds an edge-triggered queue like epoll's (one entry a
//! descriptor, bits merged) and never blocks: a poll that would wait returns empty. Only under
//! shuttle, which knows when all threads block, does it wait, in virtual time. Its lock stands for
//! the kernel's own, whose ordering the protocol may rely on.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::RawFd;

use super::{EventBuf, Tag, Timeout};
use crate::sync::Mutex;

#[derive(Debug)]
pub(crate) struct FakeKernel(Mutex<State>, #[cfg(shuttle)] shuttle::sync::Condvar);

#[derive(Debug, Default)]
struct State {
    registered: BTreeMap<RawFd, Tag>,
    queue: VecDeque<(RawFd, u32)>,
    late: VecDeque<(Tag, u32)>,
    signalled: bool,
    writes: usize,
    interrupts: usize,
    next_open: Option<i32>,
    last_timeout: Option<Timeout>,
}

impl EventBuf {
    pub(crate) fn push(&mut self, mask: u32, tag: Tag) {
        self.events.push(libc::epoll_event {
            events: mask,
            u64: tag.to_data(),
        });
    }
}

#[allow(dead_code, reason = "each model uses a part")]
impl FakeKernel {
    pub(crate) fn new() -> Self {
        Self(
            Mutex::new(State::default()),
            #[cfg(shuttle)]
            shuttle::sync::Condvar::new(),
        )
    }

    /// An edge on `fd`, as when bytes arrive.
    pub(crate) fn edge(&self, fd: RawFd, mask: i32) {
        let mut state = self.0.lock();
        match state.queue.iter_mut().find(|(queued, _)| *queued == fd) {
            Some((_, bits)) => *bits |= mask as u32,
            None => state.queue.push_back((fd, mask as u32)),
        }
        #[cfg(shuttle)]
        self.1.notify_all();
    }

    /// An event that a poll fetched earlier and dispatches only now: `tag` is what was registered
    /// then.
    pub(crate) fn late_event(&self, tag: Tag, mask: i32) {
        self.0.lock().late.push_back((tag, mask as u32));
    }

    /// The next `open` fails with `errno`.
    pub(crate) fn fail_next_open(&self, errno: i32) {
        self.0.lock().next_open = Some(errno);
    }

    /// The next `count` polls are interrupted by a signal.
    pub(crate) fn interrupt(&self, count: usize) {
        self.0.lock().interrupts = count;
    }

    /// How often the break signal was written.
    pub(crate) fn break_writes(&self) -> usize {
        self.0.lock().writes
    }

    /// The timeout of the last poll.
    pub(crate) fn last_timeout(&self) -> Option<Timeout> {
        self.0.lock().last_timeout
    }

    pub(crate) fn registered(&self) -> usize {
        self.0.lock().registered.len()
    }

    pub(crate) fn open(&self, fd: RawFd, tag: Tag) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(errno) = state.next_open.take() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if state.registered.contains_key(&fd) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        state.registered.insert(fd, tag);
        Ok(())
    }

    pub(crate) fn close(&self, fd: RawFd) -> io::Result<()> {
        let mut state = self.0.lock();
        state.queue.retain(|(queued, _)| *queued != fd);
        match state.registered.remove(&fd) {
            Some(_) => Ok(()),
            None => Err(io::Error::from_raw_os_error(libc::ENOENT)),
        }
    }

    pub(crate) fn poll(&self, timeout: Timeout, events: &mut EventBuf) -> io::Result<usize> {
        #[cfg(shuttle)]
        let mut state = self.wait(timeout);
        #[cfg(not(shuttle))]
        let mut state = self.0.lock();
        state.last_timeout = Some(timeout);
        events.clear();
        if state.interrupts > 0 {
            state.interrupts -= 1;
            return Err(io::Error::from_raw_os_error(libc::EINTR));
        }
        if state.signalled {
            events.push(libc::EPOLLIN as u32, Tag::BREAK);
        }
        let mut filled = usize::from(state.signalled);
        while filled < events.capacity() {
            if let Some((tag, mask)) = state.late.pop_front() {
                events.push(mask, tag);
                filled += 1;
                continue;
            }
            let Some((fd, mask)) = state.queue.pop_front() else {
                break;
            };
            if let Some(tag) = state.registered.get(&fd) {
                events.push(mask, *tag);
                filled += 1;
            }
        }
        Ok(filled)
    }

    pub(crate) fn break_poll(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.signalled = true;
        state.writes += 1;
        #[cfg(shuttle)]
        self.1.notify_all();
        Ok(())
    }

    pub(crate) fn drain_break(&self) {
        self.0.lock().signalled = false;
    }
}

#[cfg(shuttle)]
impl FakeKernel {
    /// Whether a break stands.
    pub(crate) fn is_signalled(&self) -> bool {
        self.0.lock().signalled
    }

    /// Sleeps as `epoll_wait` does. A sleep with an end in time is over at any moment that the
    /// schedule likes, and takes the clock along; one without is over with an event or a break, or
    /// never, which shuttle reports as a deadlock.
    fn wait(&self, timeout: Timeout) -> crate::sync::MutexGuard<'_, State> {
        use shuttle::rand::Rng;

        let mut state = self.0.lock();
        let until = match timeout {
            Timeout::Nanos(ns) => super::virtual_time::now_ns() + ns,
            Timeout::Zero | Timeout::Never => 0,
        };
        while !state.signalled && state.queue.is_empty() {
            match timeout {
                Timeout::Zero => break,
                Timeout::Never => {
                    state = self
                        .1
                        .wait(state)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                Timeout::Nanos(_)
                    if super::virtual_time::runs()
                        && shuttle::rand::thread_rng().gen_ratio(1, 3) =>
                {
                    super::virtual_time::advance(until);
                    break;
                }
                Timeout::Nanos(_) => {
                    drop(state);
                    shuttle::thread::yield_now();
                    state = self.0.lock();
                }
            }
        }
        state
    }
}
