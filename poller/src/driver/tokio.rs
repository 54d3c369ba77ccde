//! The tokio driver: the poller's own epoll descriptor, registered with tokio's (tokio#7348).
//!
//! A runtime gets one driver task for each poller it uses, started by the first descriptor that is opened in its context.
//! The task polls without waiting whenever tokio finds the inner instance readable; deadlines reach it through a timerfd.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};

use super::Driver;
use crate::poller::Shared;
use crate::{Poller, ReadyList};

/// Which runtimes poll which poller.
static ATTACHED: Mutex<Option<HashSet<(u32, Id)>>> = Mutex::new(None);

thread_local! {
    /// The last pair that this thread found attached, and the era in which it did.
    static LAST: std::cell::Cell<Option<((u32, Id), u32)>> = const { std::cell::Cell::new(None) };
}

/// Raised whenever a runtime stops polling: from then on a descriptor may be one that nobody polls for.
static ERA: AtomicU32 = AtomicU32::new(1);

/// The number of the present era.
#[inline]
pub(super) fn era() -> u32 {
    ERA.load(Ordering::Acquire)
}

/// Attaches the current runtime, if there is one, on behalf of an operation that is about to wait. `false` without one: the
/// next wait may be inside of one.
#[cold]
pub(super) fn attend(shared: &Arc<Shared>) -> io::Result<bool> {
    if Handle::try_current().is_err() {
        return Ok(false);
    }
    let poller = Poller {
        shared: shared.clone(),
    };
    match attach(&poller) {
        // A runtime that cannot poll may still wait where somebody else does.
        Err(_) if shared.drivers.load(Ordering::Relaxed) != 0 => Ok(true),
        result => result.map(|()| true),
    }
}

/// What tokio watches.
struct EpollFd(Poller);

impl AsRawFd for EpollFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Takes the runtime off the list when its driver task ends.
struct Attachment((u32, Id));

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attached) = attached.as_mut() {
            attached.remove(&self.0);
        }
        drop(attached);
        // After it is off the list, so that whoever sees the new era attaches anew. The number 0 is nobody's.
        if ERA.fetch_add(1, Ordering::AcqRel) == u32::MAX {
            ERA.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Sees to it that the current tokio runtime polls `poller`. The constructors of [`net`](crate::net) and the like do this on
/// their own; programs that work with [`Poller::open`] call it once.
///
/// Does nothing outside of a tokio runtime, or if the runtime polls already.
///
/// # Errors
///
/// If the runtime was built without I/O ([`tokio::runtime::Builder::enable_io`]), or the kernel refuses the registration.
pub fn attach(poller: &Poller) -> io::Result<()> {
    let Ok(handle) = Handle::try_current() else {
        return Ok(());
    };
    let key = (poller.shared.id, handle.id());
    // Read before the list: if the runtime is taken off it meanwhile, the era found here is an old one.
    let now = era();
    if LAST.get() == Some((key, now)) {
        return Ok(());
    }
    let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
    if attached.get_or_insert_default().insert(key) {
        // Dropped on every error below, and when the task ends.
        let attachment = Attachment(key);
        drop(attached);
        poller.nest()?;
        let watched = watch(poller)?;
        Driver::Tokio.note(&poller.shared.drivers);
        handle.spawn(drive(watched, attachment));
    }
    LAST.set(Some((key, now)));
    Ok(())
}

/// Registers the inner instance. tokio panics where its runtime has no I/O driver; that is an error of ours.
fn watch(poller: &Poller) -> io::Result<AsyncFd<EpollFd>> {
    // The successor of this function is unsafe because the descriptor must stay open for as long as it is watched. Ours does:
    // `EpollFd` holds the poller, which holds the instance.
    #[allow(deprecated, reason = "see above")]
    let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        AsyncFd::with_interest(EpollFd(poller.clone()), Interest::READABLE)
    }));
    watched.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the tokio runtime has no I/O driver: build it with enable_io() or enable_all()",
        ))
    })
}

async fn drive(watched: AsyncFd<EpollFd>, _attachment: Attachment) {
    let poller = watched.get_ref().0.clone();
    let batch = poller.shared.batch;
    let mut ready = ReadyList::with_capacity(batch);
    loop {
        // Fails only when the runtime shuts down.
        let Ok(mut guard) = watched.readable().await else {
            return;
        };
        match poller.poll(Some(Duration::ZERO), &mut ready) {
            // A full batch may have left events behind, so the readiness stays.
            Ok(_) if ready.batch_was_full() => {}
            _ => guard.clear_ready(),
        }
        drop(guard);
        ready.wake_all();
    }
}
