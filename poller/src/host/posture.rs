//! What the process says of how open it is, for whoever scrapes it: how many listeners are not
//! secured, and what `Control` was asked.
//!
//! It lives below both the endpoint, which knows, and the exposition, which tells.
// With one of the two alone, somebody is missing.
#![cfg_attr(
    not(all(feature = "inspect", feature = "prometheus")),
    allow(dead_code)
)]

use std::sync::atomic::{AtomicU64, Ordering};

static INSECURE: AtomicU64 = AtomicU64::new(0);
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Counts a listener that other machines can reach and that is not secured, until it is dropped.
#[derive(Debug)]
pub(crate) struct Insecure(());

impl Insecure {
    pub(crate) fn new() -> Self {
        INSECURE.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Insecure {
    fn drop(&mut self) {
        INSECURE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Listeners that are not secured now.
pub(crate) fn insecure() -> u64 {
    INSECURE.load(Ordering::Relaxed)
}

/// Counts a call of `Control`.
pub(crate) fn count_control(answered: bool) {
    let counter = if answered { &ANSWERED } else { &REFUSED };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Calls of `Control`: those that were answered, and those that were refused or failed.
pub(crate) fn control_calls() -> (u64, u64) {
    (
        ANSWERED.load(Ordering::Relaxed),
        REFUSED.load(Ordering::Relaxed),
    )
}
