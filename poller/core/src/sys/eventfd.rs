//! eventfd(2), the break signal: level-triggered, drained by whoever owns the poll.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::syscall;

#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a descriptor that is returned is new and ours.
        let fd = unsafe {
            OwnedFd::from_raw_fd(syscall!(libc::eventfd(
                0,
                libc::EFD_CLOEXEC | libc::EFD_NONBLOCK
            ))?)
        };
        Ok(Self(fd))
    }

    /// Adds 1. EINTR is retried; EAGAIN means that the counter is full, so the signal is there
    /// already (semantics 42).
    pub(crate) fn signal(&self) -> io::Result<()> {
        let one = 1u64.to_ne_bytes();
        loop {
            // SAFETY: `one` is valid for 8 bytes.
            match syscall!(unsafe { libc::write(self.as_raw_fd(), one.as_ptr().cast(), one.len()) })
            {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes all signals back. Nothing to take is fine: another poller of the same instance may
    /// have been faster.
    pub(crate) fn drain(&self) {
        let mut count = [0u8; 8];
        loop {
            // SAFETY: `count` is valid for 8 bytes.
            match syscall!(unsafe {
                libc::read(self.as_raw_fd(), count.as_mut_ptr().cast(), count.len())
            }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantics_42_a_signal_that_finds_the_counter_full_has_been_given_already() {
        let event = EventFd::new().unwrap();
        let full = (u64::MAX - 1).to_ne_bytes();
        // SAFETY: `full` is valid for 8 bytes.
        let written = unsafe { libc::write(event.as_raw_fd(), full.as_ptr().cast(), full.len()) };
        assert_eq!(written, 8);
        event.signal().expect("EAGAIN is success");
        event.drain();
        event.signal().expect("there is room again");
    }
}
