//! The handle of one registered descriptor.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Poller, Shared};
use crate::desc::{Kind, NO_DEADLINE, PollDesc, Slot};
use crate::error::Error;
use crate::observe::{DescId, Direction, Local, Names};

/// A descriptor's registration with a poller: the key to its `pollDesc`.
///
/// It does not own the descriptor, only the registration. Dropping it deregisters, so drop it, or
/// [`close`](Desc::close) it, before the descriptor is closed (semantics 10): otherwise a duplicate
/// of the descriptor would keep the registration alive in the kernel; and if the number has been
/// given to another descriptor meanwhile, it is that one which loses its registration.
///
/// This is the seam that Go's `internal/poll` uses; most programs want the types of
/// [`net`](crate::net) above it.
#[derive(Debug)]
pub struct Desc {
    pub(crate) shared: Arc<Shared>,
    pub(crate) slot: Slot,
    pub(crate) generation: u32,
    pub(super) closed: AtomicBool,
}

impl Desc {
    /// Returns the poller it is registered with.
    pub fn poller(&self) -> Poller {
        Poller {
            shared: self.shared.clone(),
        }
    }

    /// Returns the id, `slot.generation`, unique in its poller for all time.
    pub fn id(&self) -> DescId {
        DescId {
            slot: self.slot.slot(),
            generation: self.generation,
        }
    }

    /// Returns the number of the descriptor, -1 for a sleep.
    pub fn fd(&self) -> RawFd {
        self.slot.fd()
    }

    /// Returns what it is.
    pub fn kind(&self) -> Kind {
        self.slot.kind()
    }

    /// Returns the raw `epoll` bits of the last event, 0 before the first. The poller keeps them
    /// beside Go's one-bit error state.
    pub fn last_events(&self) -> u32 {
        self.slot.last_events()
    }

    /// Names the descriptor in tables: what it is for, not who is at the other end. At most 128
    /// bytes are kept; control characters are replaced. The number of different labels that are in
    /// use at a time should be small (low cardinality): more than 65 534, names of tasks included,
    /// are shown as `(too many labels)`.
    pub fn set_label(&self, label: &str) {
        let names = Names::shared();
        names.give_back(self.slot.set_label(names.label(label)));
    }

    /// Returns a word of the user's own, 0 at first, which the poller does not interpret.
    pub fn cookie(&self) -> u64 {
        self.slot.cookie()
    }

    /// Sets [`Desc::cookie`].
    pub fn set_cookie(&self, cookie: u64) {
        self.slot.set_cookie(cookie);
    }

    /// Begins an operation in `direction`: to be called before the system call that may say EAGAIN,
    /// never without one after it, because readiness that was pending is dropped (semantics 12).
    /// `Ok(true)` if there was some.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`], [`Error::Closed`], [`Error::DeadlineExceeded`] and [`Error::NotPollable`]
    /// in this order of priority; [`Error::Busy`] if somebody waits in this direction.
    #[doc(alias = "pollReset")]
    #[doc(alias = "poll_runtime_pollReset")]
    #[inline]
    pub fn reset(&self, direction: Direction) -> Result<bool, Error> {
        self.check(direction)?;
        self.reset_unchecked(direction, self.local())
    }

    /// [`Desc::reset`] by one who has checked.
    #[inline]
    pub(crate) fn reset_unchecked(
        &self,
        direction: Direction,
        local: Local<'_>,
    ) -> Result<bool, Error> {
        let reset = self.slot.reset(direction, &local);
        reset.map_err(|_| Error::Busy)
    }

    /// What the calling thread counts in.
    #[inline]
    pub(crate) fn local(&self) -> Local<'_> {
        self.shared.recorder.local()
    }

    /// Fails if close, eviction, a deadline or an error state forbids an operation in `direction`.
    ///
    /// # Errors
    ///
    /// As [`Desc::reset`], without [`Error::Busy`].
    #[inline]
    pub fn check(&self, direction: Direction) -> Result<(), Error> {
        let slot: &PollDesc = &self.slot;
        let clear = slot.info().is_clear() && slot.deadline(direction) == NO_DEADLINE;
        if clear && self.shared.process.is_current() {
            return Ok(());
        }
        self.check_each(direction)
    }

    #[cold]
    fn check_each(&self, direction: Direction) -> Result<(), Error> {
        self.shared.check_process()?;
        self.slot.info().check(direction)?;
        self.check_deadline(direction)
    }
}

impl From<crate::desc::Blocker> for Error {
    fn from(blocker: crate::desc::Blocker) -> Self {
        match blocker {
            crate::desc::Blocker::Closing => Error::Closed,
            crate::desc::Blocker::Timeout => Error::DeadlineExceeded,
            crate::desc::Blocker::NotPollable => Error::NotPollable,
        }
    }
}
