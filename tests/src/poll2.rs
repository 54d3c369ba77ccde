//! poll(2), as a loop that is not ours would call it.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};

fn poll(fd: &impl AsFd, timeout_ms: i32) -> bool {
    let mut fds = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid pollfd, whose descriptor is open.
    let ready = unsafe { libc::poll(&raw mut fds, 1, timeout_ms) };
    assert!(
        ready >= 0 || std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    );
    ready == 1
}

/// Waits until `fd` is readable, or a signal comes.
///
/// # Panics
///
/// If poll(2) fails.
pub fn readable(fd: &impl AsFd) {
    poll(fd, -1);
}

/// Whether `fd` is readable now.
///
/// # Panics
///
/// If poll(2) fails.
pub fn readable_now(fd: &impl AsFd) -> bool {
    poll(fd, 0)
}
