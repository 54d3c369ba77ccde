//! The tokio driver: the poller's own epoll descriptor, registered with tokio's (tokio#7348).
//!
//! A runtime gets one driver task for each poller it uses, started by the first descriptor that is opened, or waited for, in
//! its context. The task polls without waiting whenever tokio finds the inner instance readable; deadlines reach it through a
//! timerfd. It keeps a duplicate of the epoll descriptor and no handle of the poller, and ends with either of poller and
//! runtime.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;

use super::Driver;
use crate::clock;
use crate::desc::Kind;
use crate::observe::{Catch, Direction};
use crate::poller::Shared;
use crate::{Poller, ReadyList};

/// A poller and a runtime.
type Pair = (u32, Id);

/// Which runtimes poll which poller, and how to end the task that does; `None` while it is being started.
static ATTACHED: Mutex<Option<HashMap<Pair, Option<AbortHandle>>>> = Mutex::new(None);

/// The list. No poller may be let go of while it is locked, nor any foreign code be called.
fn attached() -> MutexGuard<'static, Option<HashMap<Pair, Option<AbortHandle>>>> {
    ATTACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// The last pair that this thread found attached, and the era in which it did.
    static LAST: std::cell::Cell<Option<(Pair, u32)>> = const { std::cell::Cell::new(None) };
}

/// Raised whenever a runtime stops polling: from then on a descriptor may be one that nobody polls for.
static ERA: AtomicU32 = AtomicU32::new(1);

/// Calls `work` with the current runtime, if there is one.
#[inline]
pub(super) fn with_current(work: impl FnOnce(&Handle) -> io::Result<()>) -> io::Result<()> {
    match Handle::try_current() {
        Ok(runtime) => work(&runtime),
        Err(_) => Ok(()),
    }
}

/// The era, and below it the number of `runtime`. Never 0.
///
/// Of the number this is the lower half: two runtimes that share it are four billion runtimes apart.
#[inline]
pub(super) fn stamp(runtime: &Handle) -> u64 {
    let mut number = Catch(0);
    runtime.id().hash(&mut number);
    u64::from(ERA.load(Ordering::Acquire)) << 32 | number.finish() & u64::from(u32::MAX)
}

/// Attaches `runtime` on behalf of an operation that is about to wait in it.
#[cold]
pub(super) fn attend(shared: &Arc<Shared>, runtime: &Handle) -> io::Result<()> {
    match attach_to(shared, runtime) {
        // A runtime that cannot poll may still wait where somebody else does.
        Err(error) if !ShutsDown::is(&error) && polled_elsewhere(shared) => Ok(()),
        result => result,
    }
}

/// Why a runtime that is about to end cannot be attached.
///
/// It takes the driver task and drops it at once, which lets everybody look again: also the wait that has asked for the task. If
/// that wait went on it would ask anew, and again be told to look, for ever, and the runtime would wait for its end. So it fails,
/// as waits of tokio's own do then.
#[derive(Debug)]
struct ShutsDown;

impl ShutsDown {
    fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl std::fmt::Display for ShutsDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the tokio runtime is shutting down, so nothing can wait in it any more")
    }
}

impl std::error::Error for ShutsDown {}

/// Whether anybody else polls, as far as is known: runtimes are on the list for as long as they do.
fn polled_elsewhere(shared: &Shared) -> bool {
    shared.drivers.load(Ordering::Relaxed) & !(Driver::Tokio as u32) != 0
        || (attached().iter().flatten()).any(|((poller, _), _)| *poller == shared.id)
}

/// Held by the driver task: takes the runtime off the list when the task ends.
struct Attachment {
    pair: Pair,
    /// The number of what tokio watches; it is open until after this is dropped.
    duplicate: RawFd,
    shared: Weak<Shared>,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let task = (attached().as_mut()).and_then(|attached| attached.remove(&self.pair));
        drop(task);
        // Without a poller there is nobody to miss it.
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        duplicates(&shared).retain(|fd| *fd != self.duplicate);
        // After it is off the list, so that whoever sees the new era attaches anew. The number 0 is nobody's.
        if ERA.fetch_add(1, Ordering::AcqRel) == u32::MAX {
            ERA.fetch_add(1, Ordering::AcqRel);
        }
        look_again(&shared);
    }
}

/// Ends the driver tasks of a poller that is gone.
impl Drop for Shared {
    fn drop(&mut self) {
        let mut ended = Vec::new();
        if let Some(attached) = attached().as_mut() {
            ended.extend(attached.extract_if(|(poller, _), _| *poller == self.id));
        }
        for (_, task) in ended {
            if let Some(task) = task {
                task.abort();
            }
        }
    }
}

/// Lets everybody who waits for a descriptor try again, and with that see anew who polls: a waiter may have relied on the
/// runtime that just ended, because its own cannot poll, or because it was begun there and is now awaited elsewhere.
///
/// The readiness is a spurious one, which a wait allows for (semantics 26). It is given to idle descriptors too, for one of
/// them may be about to park. A sleep must not end early, so it has to be in a runtime that polls.
fn look_again(shared: &Shared) {
    let now = clock::stamp_ns();
    let mut wakers = Vec::new();
    for desc in shared.cache.iter_from(0) {
        // With the lock the slot cannot become a sleep in between.
        let _guard = desc.lock();
        if desc.live_generation().is_none() || desc.kind() == Kind::Timer {
            continue;
        }
        let local = shared.recorder.local();
        for direction in [Direction::Write, Direction::Read] {
            wakers.extend(desc.ready(direction, now, &local));
        }
    }
    for waker in wakers {
        survive(|| waker.wake());
        shared.waiters.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs wakers, which may be anybody's code. `false` if one panicked; the panic hook has reported that.
fn survive(wake: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(wake)).is_ok()
}

/// Sees to it that the current tokio runtime polls `poller`. The constructors of [`net`](crate::net) and the like do this on
/// their own, and so does whatever waits; programs that work with [`Poller::open`] call it once.
///
/// Does nothing outside of a tokio runtime, or if the runtime polls already.
///
/// # Errors
///
/// If the runtime was built without I/O ([`tokio::runtime::Builder::enable_io`]), or is shutting down, or the kernel refuses the
/// registration.
pub fn attach(poller: &Poller) -> io::Result<()> {
    with_current(|runtime| attach_to(&poller.shared, runtime))
}

fn attach_to(shared: &Arc<Shared>, runtime: &Handle) -> io::Result<()> {
    let pair = (shared.id, runtime.id());
    // Read before the list: if the runtime is taken off it meanwhile, the era found here is an old one.
    let now = ERA.load(Ordering::Acquire);
    if LAST.get() == Some((pair, now)) {
        return Ok(());
    }
    if !is_attached(pair) {
        // Before it is on the list: nobody may rely on a runtime that turns out unable to poll. Two threads may come this
        // far, and the second one's registration is dropped.
        let poller = Poller {
            shared: shared.clone(),
        };
        poller.nest()?;
        let watched = watch(poller.as_fd().try_clone_to_owned()?)?;
        let first = !is_attached_or_insert(pair);
        if first {
            Driver::Tokio.note(&shared.drivers);
            let duplicate = watched.as_raw_fd();
            duplicates(shared).push(duplicate);
            let attachment = Attachment {
                pair,
                duplicate,
                shared: Arc::downgrade(shared),
            };
            let ready = ReadyList::with_capacity(shared.batch);
            let task = runtime
                .spawn(drive(watched, attachment, ready))
                .abort_handle();
            match attached().as_mut().and_then(|list| list.get_mut(&pair)) {
                Some(entry) => *entry = Some(task),
                // The task is over already, and has taken the runtime off the list.
                None => return Err(io::Error::other(ShutsDown)),
            }
        }
    }
    LAST.set(Some((pair, now)));
    Ok(())
}

fn duplicates(shared: &Shared) -> std::sync::MutexGuard<'_, Vec<RawFd>> {
    shared
        .duplicates
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

fn is_attached(pair: Pair) -> bool {
    (attached().as_ref()).is_some_and(|attached| attached.contains_key(&pair))
}

/// Puts `pair` on the list; `true` if it is there already.
fn is_attached_or_insert(pair: Pair) -> bool {
    use std::collections::hash_map::Entry;
    match attached().get_or_insert_default().entry(pair) {
        Entry::Occupied(_) => true,
        Entry::Vacant(entry) => {
            entry.insert(None);
            false
        }
    }
}

/// Registers the inner instance. tokio panics where its runtime has no I/O driver; that is an error of ours.
fn watch(epoll: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // The successor of this function is unsafe because the descriptor must stay open for as long as it is watched. Ours does:
    // it is owned by what watches it.
    #[allow(deprecated, reason = "see above")]
    let watched = catch_unwind(AssertUnwindSafe(|| {
        AsyncFd::with_interest(epoll, Interest::READABLE)
    }));
    watched.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the tokio runtime has no I/O driver: build it with enable_io() or enable_all()",
        ))
    })
}

/// The driver task. It holds the poller only while it polls.
async fn drive(watched: AsyncFd<OwnedFd>, attachment: Attachment, mut ready: ReadyList) {
    loop {
        // Fails only when the runtime shuts down.
        let Ok(mut guard) = watched.readable().await else {
            return;
        };
        let Some(shared) = attachment.shared.upgrade() else {
            return;
        };
        ready.begin(&shared);
        match shared.poll_now(&mut ready) {
            // A full batch may have left events behind, so the readiness stays.
            Ok(()) if ready.batch_was_full() => {}
            _ => guard.clear_ready(),
        }
        drop(guard);
        // A waker that panics is alone in that: the rest is woken.
        while !survive(|| ready.wake_all()) {}
        ready.release();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::Future;
    use std::os::unix::net::UnixStream;
    use std::panic::Location;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::desc::State;

    #[test]
    fn who_looks_again_is_whoever_waits_or_may_but_no_sleep_and_no_slot_without_descriptor() {
        let poller = Poller::builder().build().unwrap();
        let states = |slot: u32| {
            let desc = poller.shared.cache.get(slot).unwrap();
            [Direction::Read, Direction::Write].map(|direction| desc.side(direction).state())
        };
        let (ours, peer) = UnixStream::pair().unwrap();
        let open = |fd: &UnixStream| poller.open(fd.as_fd(), Kind::Unix).unwrap();
        let (live, freed) = (open(&ours), open(&peer));
        let sleep = poller.open_timer(Location::caller()).unwrap();
        let slots = [&live, &freed, &sleep].map(|desc| desc.slot.slot());
        freed.close();
        let mut wait = pin!(live.wait(Direction::Read));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());

        look_again(&poller.shared);
        assert_eq!(
            slots.map(states),
            [[State::Ready; 2], [State::Nil; 2], [State::Nil; 2]]
        );
        assert_eq!(poller.waiters(), 0);
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn the_number_of_a_runtime_is_caught_as_a_number_and_as_its_bytes() {
        let number: u64 = 0xf102_0304_0506_0780;
        let (mut whole, mut bytes) = (Catch(0), Catch(0));
        whole.write_u64(number);
        bytes.write(&number.to_le_bytes());
        assert_eq!((whole.finish(), bytes.finish()), (number, number));
    }
}
