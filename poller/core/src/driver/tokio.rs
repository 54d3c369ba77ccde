//! The tokio driver: the poller's own epoll descriptor, registered with tokio's (tokio#7348).
//!
//! # A poller for each runtime
//!
//! What is made inside of a runtime belongs to that runtime's own poller, so that its events wake
//! this runtime alone, and one whose clock is paused sees nothing of the others. It is made by the
//! first socket, sleep or timeout there, is listed under the runtime's name
//! ([`tokio::runtime::Builder::name`], else `tokio`; the second of a name is `tokio_2`), and lives
//! as long as the runtime, or as a descriptor that outlives it. It costs four descriptors. Names
//! are given again, so the metrics have as many pollers as there are runtimes at a time.
//!
//! | where | whose poller |
//! |---|---|
//! | a task, however it was spawned, in a `LocalSet` too | the runtime's |
//! | `spawn_blocking`, `block_in_place` | the runtime's |
//! | [`block_on`](crate::block_on) inside of those | the one that it polls: the [entered](crate::Poller::enter), else the global one |
//! | a runtime inside of `block_on` | on the thread of that `block_on` the one that it polls; on other workers the runtime's |
//! | a connection | that of the task that accepted it; if the user has chosen the listener's poller, by [`enter`](crate::Poller::enter), [`in_scope`](crate::Poller::in_scope) or [`block_on_poller`](crate::block_on_poller), that one |
//!
//! # Who polls
//!
//! A runtime gets one driver task for each poller it uses, started by the first descriptor that is
//! opened, or waited for, in its context: a socket may move to another runtime, which then polls
//! for it as well. The task polls without waiting whenever tokio finds the inner instance readable;
//! deadlines reach it through a timerfd. It keeps a duplicate of the epoll descriptor, and a handle
//! only of its runtime's own poller, and ends with either of poller and runtime.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};
use tokio::task::{AbortHandle, coop};

use super::kind::Driver;
use crate::error::context;
use crate::observe::{Direction, U64Hasher, stamp_ns};
use crate::poller::{Shared, all_pollers};
use crate::sync::{LockOrder, Panics};
use crate::sys::{ForkMutex, query};
use crate::{Poller, ReadyList};

/// A poller and a runtime.
type Pair = (u32, Id);

/// What is known of runtimes.
#[derive(Default)]
struct Runtimes {
    /// Which of them poll which poller, and how to end the task that does; `None` while it is being
    /// started.
    attached: HashMap<Pair, Option<AbortHandle>>,
    /// Those that poll.
    handles: HashMap<Id, Handle>,
    /// Their own pollers, which their driver tasks hold.
    own: HashMap<Id, Weak<Shared>>,
    /// Some that turned out to have no I/O, the latest last.
    without_io: VecDeque<Id>,
}

/// So many runtimes without I/O are remembered.
const WITHOUT_IO: usize = 64;

static RUNTIMES: ForkMutex<Option<Runtimes>> = ForkMutex::new(LockOrder::Runtimes, None);

/// Looks at the list, or changes it. No poller may be let go of in there, nor any foreign code be
/// called.
fn with_runtimes<R>(f: impl FnOnce(&mut Runtimes) -> R) -> R {
    let mut runtimes = RUNTIMES.lock();
    f(runtimes.get_or_insert_default())
}

thread_local! {
    /// The last pair that this thread found attached, and the era in which it did.
    static LAST: Cell<Option<(Pair, u32)>> = const { Cell::new(None) };
    /// The own poller of the runtime that this thread was in last, and the era in which it was
    /// found.
    static OWN: RefCell<Option<(Id, u32, Weak<Shared>)>> = const { RefCell::new(None) };
}

/// Raised whenever a runtime stops polling: from then on a descriptor may be one that nobody polls
/// for.
static ERA: AtomicU32 = AtomicU32::new(1);

/// The bits of an era in a [`stamp`].
const ERAS: u32 = u32::MAX >> 1;

/// The era, in 31 bits, and below it the number of `runtime`. Never 0; the bit above is that of
/// other stamps.
///
/// Of the number this is the lower half: two runtimes that share it are four billion runtimes
/// apart, and two eras that share theirs two billion.
#[inline]
pub(super) fn stamp(runtime: &Handle) -> u64 {
    u64::from(ERA.load(Ordering::Acquire) & ERAS) << 32 | number(runtime) & u64::from(u32::MAX)
}

/// The number of a runtime.
#[inline]
fn number(runtime: &Handle) -> u64 {
    let mut number = U64Hasher(0);
    runtime.id().hash(&mut number);
    number.finish()
}

/// The runtimes that poll a poller, with their numbers.
pub(super) fn runtimes(shared: &Shared) -> Vec<(u64, Handle)> {
    let handles: Vec<_> = with_runtimes(|runtimes| {
        let polling = runtimes.attached.keys();
        let polling = polling.filter(|(poller, _)| *poller == shared.id);
        let handles = polling.filter_map(|(_, runtime)| runtimes.handles.get(runtime));
        handles.cloned().collect()
    });
    let numbered = handles.into_iter().map(|it| (number(&it), it));
    numbered.collect()
}

/// Attaches `runtime` on behalf of an operation that is about to wait in it.
#[cold]
pub(super) fn attend(shared: &Arc<Shared>, runtime: &Handle) -> io::Result<()> {
    match attach_to(shared, runtime, Owner::Others) {
        // A runtime that cannot poll may still wait where somebody else does.
        Err(error) if !ShutsDown::is(&error) && polled_elsewhere(shared) => Ok(()),
        result => result,
    }
}

/// Why a runtime that is about to end cannot be attached.
///
/// It takes the driver task and drops it at once, which lets everybody look again: also the wait
/// that has asked for the task. If that wait went on it would ask anew, and again be told to look,
/// for ever, and the runtime would wait for its end. So it fails, as waits of tokio's own do then.
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
        || with_runtimes(|runtimes| {
            runtimes
                .attached
                .keys()
                .any(|(poller, _)| *poller == shared.id)
        })
}

/// The poller of the current runtime, made on first use. `None` outside of a runtime.
pub(super) fn own() -> Option<io::Result<Poller>> {
    let runtime = Handle::try_current().ok()?;
    let (id, now) = (runtime.id(), ERA.load(Ordering::Acquire));
    let known = OWN.try_with(|own| match &*own.borrow() {
        Some((of, era, own)) if (*of, *era) == (id, now) => own.upgrade(),
        _ => None,
    });
    if let Ok(Some(shared)) = known {
        return Some(Ok(Poller { shared }));
    }
    let own = own_of(&runtime);
    if let Ok(poller) = &own {
        let weak = Arc::downgrade(&poller.shared);
        let _ = OWN.try_with(|own| own.replace(Some((id, now, weak))));
    }
    Some(own)
}

/// Whether this thread runs tasks of a runtime now, so that what blocks it keeps them from running.
///
/// tokio does not say. But its tasks have a budget, and where blocking is fine, in `spawn_blocking`
/// and `block_in_place`, there is none. A budget ends: it is spent to see, and given back. (Only
/// what runs in `unconstrained` looks the same as those.)
pub(super) fn is_worker() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut cx = Context::from_waker(Waker::noop());
    // Gives all of it back when it is dropped.
    let mut first = None;
    for _ in 0..=u8::MAX {
        if !coop::has_budget_remaining() {
            return true;
        }
        if let Poll::Ready(spent) = coop::poll_proceed(&mut cx) {
            match first {
                None => first = Some(spent),
                Some(_) => spent.made_progress(),
            }
        }
    }
    false
}

#[cold]
fn own_of(runtime: &Handle) -> io::Result<Poller> {
    static MAKING: ForkMutex<()> = ForkMutex::new(LockOrder::Own, ());
    let existing = || {
        let own = with_runtimes(|runtimes| runtimes.own.get(&runtime.id()).and_then(Weak::upgrade));
        own.map(|shared| Poller { shared })
    };
    if let Some(poller) = existing() {
        return Ok(poller);
    }
    // One at a time: a second one would be made and thrown away, and might be given the same name.
    let _guard = MAKING.lock();
    if let Some(poller) = existing() {
        return Ok(poller);
    }
    let name = base_name(runtime.name());
    let poller = Poller::builder().name(name).build()?;
    attach_to(&poller.shared, runtime, Owner::Runtime)?;
    Ok(poller)
}

/// The name of a runtime as that of a poller, with room for a number.
fn base_name(runtime: Option<&str>) -> String {
    let allowed = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '_',
    };
    let name: String = runtime
        .unwrap_or_default()
        .chars()
        .map(allowed)
        .take(21)
        .collect();
    if name.is_empty() {
        "tokio".to_owned()
    } else {
        name
    }
}

/// Who keeps a poller that a runtime polls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The runtime: it is its own one.
    Runtime,
    /// Whoever has a handle of it, or a descriptor.
    Others,
}

/// Held by the driver task: takes the runtime off the list when the task ends.
struct Attachment {
    pair: Pair,
    /// The number of what tokio watches; it is open until after this is dropped.
    duplicate: RawFd,
    shared: Weak<Shared>,
    /// Keeps the runtime's own poller, until after it is off the list.
    _own: Option<Arc<Shared>>,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let shared = self.shared.upgrade();
        // Before it is off the list: see `lacks_io`.
        if let Some(shared) = &shared {
            shared.remove_duplicate(self.duplicate);
        }
        let ended = with_runtimes(|runtimes| {
            let (poller, runtime) = self.pair;
            let own = runtimes.own.get(&runtime);
            if own.is_some_and(|own| Weak::ptr_eq(own, &self.shared)) {
                runtimes.own.remove(&runtime);
            }
            let task = runtimes.attached.remove(&(poller, runtime));
            let others = runtimes.attached.keys().any(|(it, _)| *it == poller);
            // With the list locked: a runtime that attaches notes itself once it is on it.
            if let Some(shared) = shared.as_ref().filter(|_| !others) {
                Driver::end_tokio(&shared.drivers);
            }
            let polls = runtimes.attached.keys().any(|(_, it)| *it == runtime);
            let handle = match polls {
                true => None,
                false => runtimes.handles.remove(&runtime),
            };
            (task, handle)
        });
        drop(ended);
        // Without a poller there is nobody to miss it.
        let Some(shared) = shared else {
            return;
        };
        // After it is off the list, so that whoever sees the new era attaches anew. The number 0 is
        // nobody's.
        if ERA.fetch_add(1, Ordering::AcqRel) & ERAS == ERAS {
            ERA.fetch_add(1, Ordering::AcqRel);
        }
        look_again(&shared);
    }
}

/// Ends the driver tasks of a poller that is gone.
impl Drop for Shared {
    fn drop(&mut self) {
        let ended: Vec<_> = with_runtimes(|runtimes| {
            let attached = &mut runtimes.attached;
            attached
                .extract_if(|(poller, _), _| *poller == self.id)
                .collect()
        });
        for (_, task) in ended {
            if let Some(task) = task {
                task.abort();
            }
        }
    }
}

/// Lets everybody who waits for a descriptor try again, and with that see anew who polls: a waiter
/// may have relied on the runtime that just ended, because its own cannot poll, or because it was
/// begun there and is now awaited elsewhere.
///
/// The readiness is a spurious one, which a wait allows for (semantics 26), that of a sleep too. It
/// is given to idle descriptors as well, for one of them may be about to park.
fn look_again(shared: &Shared) {
    let now = stamp_ns();
    let mut wakers = Vec::new();
    for desc in shared.cache.iter_from(0) {
        let _guard = desc.lock();
        if desc.live_generation().is_none() {
            continue;
        }
        let local = shared.recorder.local();
        for direction in [Direction::Write, Direction::Read] {
            wakers.extend(desc.ready(direction, now, &local));
        }
    }
    // A waker that panics has nobody to tell here; the panic hook has reported it.
    let mut panics = Panics::default();
    for waker in wakers {
        panics.catch(|| waker.wake());
        shared.waiters.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sees to it that the current tokio runtime polls `poller`. The constructors of
/// [`net`](crate::net) and the like do this on their own, and so does whatever waits; programs that
/// work with [`Poller::open`] call it once.
///
/// Does nothing outside of a tokio runtime, or if the runtime polls already.
///
/// # Errors
///
/// If the runtime was built without I/O ([`tokio::runtime::Builder::enable_io`]), or is shutting
/// down, or the kernel refuses the registration.
///
/// tokio answers the question for I/O by a panic alone. It is caught, but a panic hook sees it,
/// once for such a runtime, and only where the process has an epoll instance that may be the
/// runtime's; with `panic = "abort"` the process ends there.
pub fn attach(poller: &Poller) -> io::Result<()> {
    match Handle::try_current() {
        Ok(runtime) => attach_to(&poller.shared, &runtime, Owner::Others),
        Err(_) => Ok(()),
    }
}

fn attach_to(shared: &Arc<Shared>, runtime: &Handle, owner: Owner) -> io::Result<()> {
    let pair = (shared.id, runtime.id());
    // Read before the list: if the runtime is taken off it meanwhile, the era found here is an old
    // one.
    let now = ERA.load(Ordering::Acquire);
    if LAST.get() == Some((pair, now)) {
        return Ok(());
    }
    if !is_attached(pair) {
        // Before it is on the list: nobody may rely on a runtime that turns out unable to poll. Two
        // threads may come this far, and the second one's registration is dropped.
        if lacks_io(pair.1) {
            return Err(without_io());
        }
        let poller = Poller {
            shared: shared.clone(),
        };
        let failed = |error| {
            let action = format_args!("the tokio runtime cannot poll \"{}\"", shared.name);
            context(action, error)
        };
        poller.nest().map_err(failed)?;
        let duplicate = poller.as_fd().try_clone_to_owned();
        let watched = watch(duplicate.map_err(failed)?, pair.1)?;
        if insert(pair, runtime, shared, owner) {
            Driver::Tokio.note(&shared.drivers);
            let duplicate = watched.as_raw_fd();
            shared.add_duplicate(duplicate);
            let attachment = Attachment {
                pair,
                duplicate,
                shared: Arc::downgrade(shared),
                _own: (owner == Owner::Runtime).then(|| shared.clone()),
            };
            let ready = ReadyList::with_capacity(shared.batch);
            let task = runtime
                .spawn(drive(watched, attachment, ready))
                .abort_handle();
            let started = with_runtimes(|runtimes| match runtimes.attached.get_mut(&pair) {
                Some(entry) => {
                    *entry = Some(task);
                    true
                }
                None => false,
            });
            if !started {
                // The task is over already, and has taken the runtime off the list.
                return Err(io::Error::other(ShutsDown));
            }
        }
    }
    LAST.set(Some((pair, now)));
    Ok(())
}

fn is_attached(pair: Pair) -> bool {
    with_runtimes(|runtimes| runtimes.attached.contains_key(&pair))
}

/// Puts `pair` on the list; `false` if it is there already.
fn insert(pair: Pair, runtime: &Handle, shared: &Arc<Shared>, owner: Owner) -> bool {
    use std::collections::hash_map::Entry;
    let handle = runtime.clone();
    with_runtimes(|runtimes| match runtimes.attached.entry(pair) {
        Entry::Occupied(_) => false,
        Entry::Vacant(entry) => {
            entry.insert(None);
            runtimes
                .handles
                .entry(pair.1)
                .or_insert_with(|| handle.clone());
            if owner == Owner::Runtime {
                runtimes.own.insert(pair.1, Arc::downgrade(shared));
            }
            true
        }
    })
}

fn without_io() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "the tokio runtime has no I/O driver: build it with enable_io() or enable_all()",
    )
}

/// Whether a runtime certainly has no I/O driver. tokio has no question for that, and panics where
/// one is needed. But such a driver is an epoll instance: if there is none in the process but ours,
/// and those of runtimes that poll for us, which are others, then this runtime has none.
#[cold]
fn lacks_io(runtime: Id) -> bool {
    let known = |runtimes: &mut Runtimes| {
        if runtimes.without_io.contains(&runtime) {
            return Some(true);
        }
        let polls = runtimes.attached.keys().any(|(_, other)| *other == runtime);
        polls.then_some(false)
    };
    if let Some(known) = with_runtimes(known) {
        return known;
    }
    let pollers = all_pollers();
    let ours = |fd: RawFd| pollers.iter().any(|poller| poller.is_poll_descriptor(fd));
    let polls_for_us = |watched: &[RawFd]| {
        let duplicate = |fd: &RawFd| pollers.iter().any(|p| p.shared.is_duplicate(*fd));
        watched.iter().any(duplicate)
    };
    let another = query::find_epoll(|fd, watched| !ours(fd) && !polls_for_us(watched));
    // Meanwhile it may have begun to poll for us.
    matches!(another, Ok(None)) && with_runtimes(known) != Some(false)
}

/// Registers the inner instance. tokio panics where its runtime has no I/O driver, which
/// [`lacks_io`] cannot always tell before; that is an error of ours, and the next time it is known.
fn watch(epoll: OwnedFd, runtime: Id) -> io::Result<AsyncFd<OwnedFd>> {
    // The successor of this function is unsafe because the descriptor must stay open for as long as
    // it is watched. Ours does: it is owned by what watches it.
    #[allow(deprecated, reason = "see above")]
    let watched = catch_unwind(AssertUnwindSafe(|| {
        AsyncFd::with_interest(epoll, Interest::READABLE)
    }));
    watched.unwrap_or_else(|_| {
        with_runtimes(|runtimes| {
            if runtimes.without_io.len() == WITHOUT_IO {
                runtimes.without_io.pop_front();
            }
            runtimes.without_io.push_back(runtime);
        });
        Err(without_io())
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
        // A waker that panics is alone in that, and has nobody to tell here; the panic hook has
        // reported it.
        ready.release(&mut Panics::default());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::Future;
    use std::os::unix::net::UnixStream;
    use std::panic::Location;
    use std::pin::pin;

    use super::*;
    use crate::desc::{Kind, State};

    #[test]
    fn who_looks_again_is_whoever_waits_or_may_but_no_slot_that_is_free() {
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
            [[State::Ready; 2], [State::Nil; 2], [State::Ready; 2]]
        );
        assert_eq!(poller.waiters(), 0);
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }

    /// It goes on waiting, for another to poll for it.
    #[cfg(not(netpoller_bare))]
    #[test]
    fn a_sleep_that_looks_again_as_its_runtime_ends_is_counted_as_no_reader() {
        use crate::Histogram;

        let poller = Poller::builder().build().unwrap();
        let sleep = poller.open_timer(Location::caller()).unwrap();
        let mut wait = pin!(sleep.wait(Direction::Read));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        look_again(&poller.shared);
        assert!(wait.as_mut().poll(&mut context).is_ready());

        let samples = |which| poller.stats().histogram(which).count();
        let of_sleeps = [Histogram::TimeParkedTimer, Histogram::WakeLatencyTimer];
        assert_eq!(of_sleeps.map(samples), [1, 1]);
        let of_readers = [Histogram::TimeParkedReadIo, Histogram::WakeLatencyRead];
        assert_eq!(of_readers.map(samples), [0, 0]);
    }

    #[test]
    fn the_number_of_a_runtime_is_caught_as_a_number_and_as_its_bytes() {
        let number: u64 = 0xf102_0304_0506_0780;
        let (mut whole, mut bytes) = (U64Hasher(0), U64Hasher(0));
        whole.write_u64(number);
        bytes.write(&number.to_le_bytes());
        assert_eq!((whole.finish(), bytes.finish()), (number, number));
    }
}
