//! timerfd(2): carries the next deadline when the epoll instance is nested in somebody else's loop.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::syscall;

#[derive(Debug)]
pub(crate) struct TimerFd(OwnedFd);

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no pointers; a descriptor that is returned is new and ours.
        let fd = unsafe {
            OwnedFd::from_raw_fd(syscall!(libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                flags
            ))?)
        };
        Ok(Self(fd))
    }

    /// Fires `ns` from now; `None` stops it. Setting it also takes back an expiry that was not
    /// read, so that a level-triggered watcher is quiet until the new time.
    pub(crate) fn set(&self, ns: Option<u64>) -> io::Result<()> {
        // All zero disarms, so "at once" is one nanosecond.
        let ns = ns.map_or(0, |ns| ns.max(1));
        let spec = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: (ns / 1_000_000_000) as _,
                tv_nsec: (ns % 1_000_000_000) as _,
            },
        };
        // SAFETY: `spec` lives through the call; the old value is not asked for.
        syscall!(unsafe {
            libc::timerfd_settime(self.as_raw_fd(), 0, &spec, std::ptr::null_mut())
        })?;
        Ok(())
    }
}

impl AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(timer: &TimerFd, wait_ms: i32) -> bool {
        let mut poll = libc::pollfd {
            fd: timer.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut poll, 1, wait_ms) == 1 }
    }

    #[test]
    fn setting_again_takes_an_expiry_back() {
        let timer = TimerFd::new().unwrap();
        timer.set(Some(0)).unwrap();
        assert!(readable(&timer, 1000));
        timer.set(Some(3_600_000_000_000)).unwrap();
        assert!(!readable(&timer, 0));
        timer.set(None).unwrap();
        assert!(!readable(&timer, 0));
    }
}
