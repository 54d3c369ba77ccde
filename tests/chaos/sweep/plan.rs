//! What is to go wrong next, and what has been called: shared between the harness and the calls it
//! intercepts.
//!
//! All of it is atomics, because it is used inside of calls that may not allocate, lock or call the
//! kernel in turn.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};

use super::site::{Fault, SHORT, Site};

static ARMED: AtomicBool = AtomicBool::new(false);
/// Calls of each site since it was armed.
static CALLS: [AtomicU32; Site::ALL.len()] = [const { AtomicU32::new(0) }; Site::ALL.len()];
/// The site of the fault, or a number that none has.
static SITE: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The first call to fail, from 1, and how many.
static FIRST: AtomicU32 = AtomicU32::new(0);
static TIMES: AtomicU32 = AtomicU32::new(0);
static ERRNO: AtomicI32 = AtomicI32::new(0);
static FIRED: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The thread is one of the harness.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

/// One thing that goes wrong in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) site: Site,
    /// From which call on, from 1.
    pub(crate) call: u32,
    pub(crate) fault: Fault,
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.site, self.call, self.fault)
    }
}

impl std::str::FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split(':').collect();
        let [site, call, fault] = parts[..] else {
            return Err("write SITE:CALL:FAULT, as in epoll_ctl-add:3:ENOMEM".into());
        };
        Ok(Plan {
            site: site.parse()?,
            call: call
                .parse()
                .map_err(|_| format!("{call:?} is no number of a call"))?,
            fault: fault.parse()?,
        })
    }
}

/// What happened in a run.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Calls of each site.
    pub(crate) calls: Vec<(Site, u32)>,
    /// How often the fault came.
    pub(crate) fired: u32,
}

/// No call of this thread is counted or fails, from here on.
pub(crate) fn exempt_this_thread() {
    EXEMPT.set(true);
}

/// From here on calls are counted, and those of `plan` fail.
pub(crate) fn arm(plan: Option<Plan>) {
    for calls in &CALLS {
        calls.store(0, Ordering::Relaxed);
    }
    FIRED.store(0, Ordering::Relaxed);
    let site = plan.map_or(usize::MAX, |plan| plan.site.index());
    if let Some(plan) = plan {
        FIRST.store(plan.call, Ordering::Relaxed);
        TIMES.store(plan.fault.times, Ordering::Relaxed);
        ERRNO.store(plan.fault.errno, Ordering::Relaxed);
    }
    SITE.store(site, Ordering::Relaxed);
    ARMED.store(true, Ordering::Release);
}

/// Nothing fails from here on.
pub(crate) fn disarm() -> Seen {
    ARMED.store(false, Ordering::Release);
    let calls = |site: &Site| (*site, CALLS[site.index()].load(Ordering::Relaxed));
    Seen {
        calls: Site::ALL.iter().map(calls).collect(),
        fired: FIRED.load(Ordering::Relaxed),
    }
}

/// Runs `work` with nothing going wrong, and nothing counted.
pub(crate) fn pause<R>(work: impl FnOnce() -> R) -> R {
    ARMED.store(false, Ordering::Release);
    work()
}

/// Whether calls of this thread count now.
pub(super) fn is_watched() -> bool {
    ARMED.load(Ordering::Acquire) && !EXEMPT.try_with(Cell::get).unwrap_or(true)
}

/// The fault could not happen there.
pub(super) fn came_to_nothing() {
    FIRED.fetch_sub(1, Ordering::Relaxed);
}

/// How a call is to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// By the kernel.
    Real,
    /// By the kernel, of which a signal or another thread hides the answer.
    RealThen(i32),
    /// With this error.
    Fail(i32),
    /// With EAGAIN; then the kernel sends an edge, as it does when there is something again.
    Again,
    /// By the kernel, which is given a part.
    Short,
}

/// Counts a call and says how to answer it.
pub(super) fn answer(site: Site) -> Answer {
    let call = CALLS[site.index()].fetch_add(1, Ordering::Relaxed) + 1;
    if SITE.load(Ordering::Relaxed) != site.index() {
        return Answer::Real;
    }
    let first = FIRST.load(Ordering::Relaxed);
    if call < first || call - first >= TIMES.load(Ordering::Relaxed) {
        return Answer::Real;
    }
    FIRED.fetch_add(1, Ordering::Relaxed);
    match (site, ERRNO.load(Ordering::Relaxed)) {
        // The attempt goes on in the background; the number is free, whatever close says; the
        // signal is there.
        (Site::ConnectTcp | Site::Close, libc::EINTR)
        | (Site::ReadEvent | Site::WriteEvent, libc::EAGAIN) => {
            Answer::RealThen(ERRNO.load(Ordering::Relaxed))
        }
        (Site::ConnectUnix, libc::EAGAIN) => Answer::Fail(libc::EAGAIN),
        (_, libc::EAGAIN) => Answer::Again,
        (_, SHORT) => Answer::Short,
        (_, errno) => Answer::Fail(errno),
    }
}
