//! One reading of all laws.

use std::collections::HashMap;

use super::super::kernel::{Registration, kernel_registrations};
use super::counts::{Counters, Table};
use super::part::Reading;
use super::statements::{others, slots, words};
use crate::observe::{DescId, RECORDS};
use crate::poller::Poller;
use crate::sync::atomic::Ordering;
use crate::sys::query;

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
    let kernel = match ask_kernel && shared.backend.as_fd().is_some() {
        true => {
            let live = registered(poller);
            kernel_registrations(poller).ok().map(|list| (live, list))
        }
        false => None,
    };
    let counters = Counters {
        before,
        after: shared.recorder.totals(),
    };

    let mut laws = words(&counters, &table, waiters);
    laws.extend(slots(&counters, &table, free, made));
    laws.extend(others(&counters, &table, queue, blocked));
    if let Some((live, list)) = kernel {
        laws.push(by_each(poller, &live, &list));
    }
    laws
}

/// The descriptors that the kernel should have.
fn registered(poller: &Poller) -> Vec<DescId> {
    let live = poller.shared.cache.iter_from(0).filter_map(|desc| {
        let id = desc.id();
        let is_there = desc.is_live(id.generation) && !desc.info().closing();
        (is_there && desc.fd() >= 0).then_some(id)
    });
    live.collect()
}

/// The law of the kernel's registrations, of which `live` was read before `list`. It goes by slot,
/// generation and file, not by number: what is missing on one side does not make up for what is
/// missing on the other.
fn by_each(poller: &Poller, live: &[DescId], list: &[Registration]) -> Reading {
    let cache = &poller.shared.cache;
    let files: HashMap<DescId, u64> = list.iter().map(|entry| (entry.id, entry.inode)).collect();
    let is_live = |id: DescId| {
        cache
            .get(id.slot)
            .filter(|desc| desc.is_live(id.generation))
    };
    let (mut lhs, mut rhs) = (0, 0);
    let mut odd = Vec::new();
    for id in live {
        let file = is_live(*id).map(|desc| query::file_id(desc.fd()));
        // It was there all the time, and its number its own.
        let still = is_live(*id).filter(|desc| !desc.info().closing());
        let (Some(file), Some(_)) = (file, still) else {
            continue;
        };
        lhs += 1;
        match files.get(id) {
            Some(inode) if file.is_ok_and(|file| file.inode == *inode) => rhs += 1,
            _ => odd.push(*id),
        }
    }
    // The poller's own descriptors have generation 0.
    let ids = files.into_keys().filter(|id| id.generation != 0);
    let ghosts = ids.filter(|id| is_live(*id).is_none());
    odd.extend(ghosts.inspect(|_| rhs += 1));
    Reading {
        name: "kernel",
        statement: "live descriptors = kernel registrations",
        parts: Vec::new(),
        odd,
        lhs,
        rhs,
    }
}
