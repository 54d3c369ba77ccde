//! One reading of all laws.

use super::super::kernel::kernel_registrations;
use super::counts::{Counters, Table};
use super::part::Reading;
use super::statements::{others, slots, words};
use crate::observe::{Counter, RECORDS};
use crate::poller::Poller;
use crate::sync::atomic::Ordering;

pub(super) fn read(poller: &Poller, ask_kernel: bool) -> Vec<Reading> {
    // Nothing is counted, so there are no laws.
    if !RECORDS {
        return Vec::new();
    }
    let shared = &poller.shared;
    let before = shared.recorder.totals();
    let waiters = poller.waiters();
    let table = Table::sweep(poller);
    let queue = shared.timers.len() as i64;
    let free = shared.cache.free_count() as i64;
    let made = i64::from(shared.cache.made());
    let blocked = u64::from(shared.poll_until.load(Ordering::Acquire) != 0);
    let kernel = if ask_kernel {
        kernel_registrations(poller).ok()
    } else {
        None
    };
    let counters = Counters {
        before,
        after: shared.recorder.totals(),
    };

    let mut laws = words(&counters, &table, waiters);
    laws.extend(slots(&counters, &table, free, made));
    laws.extend(others(&counters, &table, queue, blocked));
    if let Some(kernel) = kernel.filter(|_| shared.backend.as_fd().is_some()) {
        // The poller's own descriptors have generation 0.
        let registered = kernel
            .iter()
            .filter(|registration| registration.id.generation != 0)
            .count() as i64;
        let moved = counters.sum(&[Counter::Opened, Counter::Closed]);
        let live = (table.live - table.sleeps) as i64;
        laws.push(Reading::gauges(
            "kernel",
            "live descriptors = kernel registrations",
            live,
            registered,
            moved,
        ));
    }
    laws
}
