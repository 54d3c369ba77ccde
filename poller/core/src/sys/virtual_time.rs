//! The clock of a model of shuttle's: it stands still while threads run, and jumps to the end of a
//! sleep.
//!
//! All threads of such a model are one thread of the system, so it lives in ordinary thread-local
//! cells.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Where it begins: a day, so that there is a past.
const START_NS: u64 = 86_400_000_000_000;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(START_NS) };
    /// Calls that others are in the middle of.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// By descriptor and direction, what the poller was told of and must not sleep past.
    static ALARMS: RefCell<BTreeMap<(u64, usize), u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Nanoseconds now.
pub(crate) fn now_ns() -> u64 {
    NOW.get()
}

/// Begins a model.
pub(crate) fn reset() {
    NOW.set(START_NS);
    CALLS.set(0);
    ALARMS.with_borrow_mut(BTreeMap::clear);
}

/// Time stands still during `call`: a deadline of which the sleeper is about to be told is not late
/// yet.
pub(crate) fn at_a_standstill<R>(call: impl FnOnce() -> R) -> R {
    CALLS.set(CALLS.get() + 1);
    let result = call();
    CALLS.set(CALLS.get() - 1);
    result
}

/// Whether nobody keeps it from going on.
pub(super) fn runs() -> bool {
    CALLS.get() == 0
}

/// A deadline whose setter has returned, or `None` before it is changed: whoever sleeps from here
/// on must wake up for it.
pub(crate) fn expect_alarm(key: (u64, usize), at_ns: Option<u64>) {
    ALARMS.with_borrow_mut(|alarms| match at_ns {
        Some(at_ns) => alarms.insert(key, at_ns),
        None => alarms.remove(&key),
    });
}

/// The end of a sleep.
pub(super) fn advance(until_ns: u64) {
    let began = NOW.get();
    NOW.set(until_ns.max(began));
    ALARMS.with_borrow(|alarms| {
        for (key, at) in alarms {
            assert!(
                *at <= began || *at >= until_ns,
                "a poller has slept from {began} to {until_ns}, past the deadline of {key:?} at {at}"
            );
        }
    });
}
