//! The kernel floor: the only system calls made on a poller's behalf, one file per primitive.
//!
//! # What a backend supplies
//!
//! Go's netpoller asks six functions of an operating system; so does ours of a [`Backend`]:
//!
//! | function | contract |
//! |---|---|
//! | `init` | makes the instance with its break signal, close-on-exec, or reports why not |
//! | `open(fd, tag)` | registers `fd` once, edge-triggered, for both directions; an event carries `tag` |
//! | `close(fd)` | removes it; called before `close(2)`, so that a duplicate cannot keep it alive |
//! | `poll(timeout, events)` | waits; fills `events`; EINTR is reported, not hidden |
//! | `break_poll` | makes a blocked `poll` return, or the next one if nobody blocks |
//! | `is_poll_descriptor(fd)` | whether the number is one of the instance's own |
//!
//! # Files
//!
//! | file | holds |
//! |---|---|
//! | `backend` | which kernel a poller runs on: `epoll` and `eventfd`, or `fake` in memory |
//! | `timerfd`, `timeout` | how a nested poller, and how a poll, knows when to end |
//! | `io`, `room`, `accept`, `socket`, `fd` | calls on descriptors of users |
//! | `query`, `sock_diag` | questions about a descriptor, and about all sockets |
//! | `process`, `fork`, `fork_lock` | which process this is, and what a forked child finds |
//! | `location`, `once_box` | a line of code, and a box that is made once, in one atomic |
//! | `own_thread` | a thread that ends with its handle |
//! | `ticks`, `virtual_time` | the processor's clock, and that of a model |
//!
//! Wrappers take raw descriptors: the floor above owns them and guarantees, by its reference count,
//! that a number it passes is open. A wrong number would be an `EBADF`, not a memory error.
#![allow(unsafe_code)]

mod accept;
mod backend;
mod epoll;
mod eventfd;
#[cfg(any(test, loom))]
pub(crate) mod fake;
mod fd;
mod fork;
mod fork_lock;
pub(crate) mod io;
mod location;
mod once_box;
mod own_thread;
mod process;
pub(crate) mod query;
mod room;
pub(crate) mod sock_diag;
pub(crate) mod socket;
mod ticks;
mod timeout;
mod timerfd;
#[cfg(shuttle)]
pub(crate) mod virtual_time;

pub use accept::{AcceptFailure, AcceptPause};
pub(crate) use backend::Backend;
pub(crate) use epoll::{EventBuf, INTEREST, INTEREST_URGENT, REFUSES_WAIT};
pub(crate) use fd::CloseableFd;
pub(crate) use fork::Process;
pub(crate) use fork_lock::{ForkMutex, made_once};
pub(crate) use location::AtomicLocation;
pub(crate) use once_box::OnceBox;
pub use own_thread::OwnThread;
pub use process::{
    compare_files, effective_uid, is_gone, listening_pid, replace, start_ticks, yield_to_others,
};
pub(crate) use process::{file_limit, open_files, thread_id};
pub(crate) use room::Room;
pub(crate) use ticks::{ADJACENT, ticks, ticks_are_steady};
pub(crate) use timeout::Timeout;
pub(crate) use timerfd::TimerFd;

/// Runs a libc call and turns -1 into the error of this thread.
macro_rules! syscall {
    ($call:expr) => {{
        let result = $call;
        if result == -1 {
            Err(std::io::Error::last_os_error())
        } else {
            Ok(result)
        }
    }};
}
pub(crate) use syscall;

/// The tag of a descriptor's events: slot in the upper half, generation in the lower. Generation 0
/// is never live, so the tags with generation 0 are free for the instance's own descriptors and
/// cannot collide with a slot's (golang/go#67056, #72900: a break descriptor recognised by its
/// number was taken for another).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Tag {
    /// The break eventfd.
    pub(crate) const BREAK: Tag = Tag {
        slot: u32::MAX,
        generation: 0,
    };
    /// The timerfd of the nested mode.
    pub(crate) const TIMER: Tag = Tag {
        slot: u32::MAX - 1,
        generation: 0,
    };

    pub(crate) fn from_data(data: u64) -> Tag {
        Tag {
            slot: (data >> 32) as u32,
            generation: data as u32,
        }
    }

    pub(crate) fn to_data(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }
}

#[cfg(shuttle)]
pub(crate) use virtual_time::now_ns as monotonic_ns;

/// CLOCK_MONOTONIC in nanoseconds.
#[cfg(not(shuttle))]
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is valid for a write; CLOCK_MONOTONIC exists on every Linux, so the call
    // cannot fail, and has written it.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Names the bits of an epoll mask, for logs and messages.
pub(crate) fn mask_names(mask: u32) -> String {
    const NAMES: [(i32, &str); 6] = [
        (libc::EPOLLIN, "IN"),
        (libc::EPOLLOUT, "OUT"),
        (libc::EPOLLRDHUP, "RDHUP"),
        (libc::EPOLLHUP, "HUP"),
        (libc::EPOLLERR, "ERR"),
        (libc::EPOLLPRI, "PRI"),
    ];
    let names: Vec<_> = NAMES
        .iter()
        .filter(|(bit, _)| mask & *bit as u32 != 0)
        .map(|(_, name)| *name)
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join("|")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_the_epoll_data_word() {
        for tag in [
            Tag::BREAK,
            Tag::TIMER,
            Tag {
                slot: 7,
                generation: u32::MAX,
            },
            Tag {
                slot: u32::MAX,
                generation: 1,
            },
        ] {
            assert_eq!(Tag::from_data(tag.to_data()), tag);
        }
    }

    #[test]
    fn mask_names_reads_like_the_man_page() {
        assert_eq!(
            mask_names((libc::EPOLLIN | libc::EPOLLRDHUP) as u32),
            "IN|RDHUP"
        );
        assert_eq!(mask_names(0), "none");
    }
}
