//! Registered descriptors in blocking mode: an operation on one may block the thread, and with it
//! all that runs there.

use std::collections::HashMap;

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, turn};
use crate::sys::query;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Blocking {
    /// When each was first seen in blocking mode, by slot and generation.
    seen: HashMap<(u32, u32), u64>,
    /// The slot with which the next look begins, where there are more than one look takes.
    next: u32,
}

impl Blocking {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let before = std::mem::take(&mut self.seen);
        if !observation.runs(Lint::BlockingMode) {
            return Vec::new();
        }
        let hold_ns = observation.hold_ns(Lint::BlockingMode);
        let turn = turn(observation.rows.iter().map(|row| row.slot), self.next);
        self.next = turn.end;
        let mut findings = Vec::new();
        for row in observation.rows.iter().filter(|row| row.fd >= 0) {
            let id = (row.slot, row.generation);
            // Those seen before are asked in each look: to be confirmed, or forgotten.
            if !turn.contains(&row.slot) && !before.contains_key(&id) {
                continue;
            }
            let desc = observation.poller.shared.cache.get(row.slot);
            let blocks = query::is_blocking(row.fd).is_ok_and(|blocks| blocks);
            // The number was this descriptor's when it was asked about.
            let ours =
                desc.is_some_and(|desc| desc.is_live(row.generation) && !desc.info().closing());
            if !(blocks && ours) {
                continue;
            }
            let first_ns = before.get(&id).copied().unwrap_or(observation.now_ns);
            self.seen.insert(id, first_ns);
            if observation.age_ns(first_ns) < hold_ns
                || first_ns == observation.now_ns
                || findings.len() == SUSPECTS
            {
                continue;
            }
            let summary = format!(
                "descriptor {} is registered and in blocking mode: an operation on it may block its whole thread",
                row.fd
            );
            findings.push(
                Finding::of_row(
                    Lint::BlockingMode,
                    observation,
                    row,
                    None,
                    first_ns,
                    summary,
                )
                .first_seen()
                .evidence("file status flags", "without O_NONBLOCK"),
            );
        }
        findings
    }
}
