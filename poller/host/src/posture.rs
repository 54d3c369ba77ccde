//! What the process says of how open it is, for whoever scrapes it: how many listeners are not
//! secured, and what `Control` was asked.
//!
//! It lives below both the endpoint, which knows, and the exposition, which tells.

use std::sync::atomic::{AtomicU64, Ordering};

/// What of the endpoint the program was built with, by the names of its features.
pub fn endpoint() -> impl Iterator<Item = &'static str> {
    let all = [
        ("console", cfg!(feature = "console")),
        ("inspect", cfg!(feature = "inspect")),
        ("tls", cfg!(feature = "tls")),
    ];
    all.into_iter()
        .filter(|(_, is_built)| *is_built)
        .map(|(name, _)| name)
}

static INSECURE: AtomicU64 = AtomicU64::new(0);
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Counts a listener that other machines can reach and that is not secured, until it is dropped.
#[derive(Debug)]
pub struct Insecure(());

impl Insecure {
    /// Counts one more.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
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
pub fn insecure() -> u64 {
    INSECURE.load(Ordering::Relaxed)
}

/// Counts a call of `Control`.
pub fn count_control(answered: bool) {
    let counter = if answered { &ANSWERED } else { &REFUSED };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Calls of `Control`: those that were answered, and those that were refused or failed.
pub fn control_calls() -> (u64, u64) {
    (
        ANSWERED.load(Ordering::Relaxed),
        REFUSED.load(Ordering::Relaxed),
    )
}
