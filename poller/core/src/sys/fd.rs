//! A descriptor that is closed through a shared reference, once.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// An owned descriptor whose owner decides at run time, by a reference count of its own, when it is
/// closed.
#[derive(Debug)]
pub(crate) struct CloseableFd {
    raw: RawFd,
    taken: AtomicBool,
}

impl CloseableFd {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            raw: fd.into_raw_fd(),
            taken: AtomicBool::new(false),
        }
    }

    /// The number. Open as long as [`CloseableFd::take`] was not called.
    #[inline]
    pub(crate) fn raw(&self) -> RawFd {
        self.raw
    }

    /// Takes the descriptor out, `Some` the first time only. Dropping it closes it.
    pub(crate) fn take(&self) -> Option<OwnedFd> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: `raw` came from an `OwnedFd`, and `taken` lets exactly one caller have it back.
        Some(unsafe { OwnedFd::from_raw_fd(self.raw) })
    }
}

impl Drop for CloseableFd {
    fn drop(&mut self) {
        drop(self.take());
    }
}
