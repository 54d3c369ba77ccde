//! Rows without their file: the number was closed, or given to another file, behind the poller's
//! back.
//!
//! The kernel takes a registration away when the last number of its file is closed, and says so to
//! nobody. What gives it away is cheap to ask of each row: the number is closed; a younger row has
//! it; it stands for another file than in an earlier look, or for one of another kind. Where that
//! leaves a doubt, and for every row where the lints may ask for it, the kernel's list of
//! registrations decides, by slot, generation and inode.

use std::collections::{HashMap, HashSet};

use super::finding::Finding;
use super::kernel_list::KernelList;
use super::lint::Lint;
use super::observation::{Observation, turn};
use super::{INODE, SUSPECTS};
use crate::observe::DescId;
use crate::sys::{query, socket};
use crate::view::address::is_odd;
use crate::view::raw::RawRow;
use crate::view::row::sharing;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Stale {
    seen: HashMap<DescId, Seen>,
    /// The slot with which the next look begins.
    next: u32,
}

/// What was seen of one row.
#[derive(Clone, Copy, Debug)]
struct Seen {
    inode: u64,
    /// The kernel's list has it with this inode.
    confirmed: bool,
    /// When it was first found to be stale.
    first_ns: Option<u64>,
}

/// What has become of the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Closed,
    Shared,
    Changed,
    /// The list decides.
    Doubt,
}

impl Stale {
    /// What is found, and all rows that are stale, were they found before or not.
    pub(super) fn look(
        &mut self,
        observation: &Observation<'_>,
        list: &mut KernelList,
    ) -> (Vec<Finding>, HashSet<DescId>) {
        let before = std::mem::take(&mut self.seen);
        let hold_ns = observation.hold_ns(Lint::StaleDescriptor);
        let turn = turn(observation.rows.iter().map(|row| row.slot), self.next);
        self.next = turn.end;
        let sharing = sharing(observation.poller);
        let mut findings = Vec::new();
        let mut stale = HashSet::new();
        for row in observation.rows.iter().filter(|row| row.fd >= 0) {
            let id = row.id();
            let known = before.get(&id).copied();
            // Those that were stale before are asked in each look.
            let is_suspect = known.is_some_and(|seen| seen.first_ns.is_some());
            if !turn.contains(&row.slot) && !is_suspect {
                self.seen.extend(known.map(|seen| (id, seen)));
                continue;
            }
            let Some((mut seen, sign)) = ask(observation, row, known, sharing.contains(&id)) else {
                continue;
            };
            let what = match sign {
                Some(Sign::Doubt) => in_the_list(observation, row, list, &mut seen),
                Some(Sign::Closed) => Some("is closed"),
                Some(Sign::Shared) => Some("belongs to a younger descriptor"),
                Some(Sign::Changed) => Some(OTHER),
                None => None,
            };
            let Some(what) = what else {
                self.seen.insert(id, seen);
                continue;
            };
            let first_ns = *seen.first_ns.get_or_insert(observation.now_ns);
            self.seen.insert(id, seen);
            stale.insert(id);
            let held = observation.age_ns(first_ns) >= hold_ns && first_ns != observation.now_ns;
            // A row is stamped before it is registered: a list that was read in between lacks it.
            let mut read_again = || list.get(observation).is_some_and(|(at, _)| at > first_ns);
            let is_certain = held && (sign != Some(Sign::Doubt) || read_again());
            if is_certain && findings.len() < SUSPECTS && observation.runs(Lint::StaleDescriptor) {
                findings.push(describe(observation, row, what, first_ns, list));
            }
        }
        (findings, stale)
    }
}

const OTHER: &str = "stands for another file than the one that was registered";

/// What the kernel says of the number; `None` if it was closed meanwhile as it should be.
fn ask(
    observation: &Observation<'_>,
    row: &RawRow,
    known: Option<Seen>,
    shared: bool,
) -> Option<(Seen, Option<Sign>)> {
    let file = query::file_id(row.fd);
    let doubted = known.is_none_or(|seen| !seen.confirmed)
        && file.as_ref().is_ok_and(|file| {
            observation.asks_kernel()
                || is_odd(row.kind, file.is_socket, &socket::local_addr(row.fd))
                || query::is_blocking(row.fd).is_ok_and(|blocks| blocks)
        });
    let desc = observation.poller.shared.cache.get(row.slot)?;
    if !desc.is_live(row.generation) || desc.info().closing() {
        return None;
    }
    let new = |inode| Seen {
        inode,
        confirmed: false,
        first_ns: None,
    };
    let Ok(file) = file else {
        return Some((known.unwrap_or(new(u64::MAX)), Some(Sign::Closed)));
    };
    let seen = known.unwrap_or(new(file.inode));
    let sign = if shared {
        Some(Sign::Shared)
    } else if seen.inode != file.inode {
        Some(Sign::Changed)
    } else {
        // What is confirmed once stays so while the file is the same, unless all are compared.
        (doubted || observation.asks_kernel()).then_some(Sign::Doubt)
    };
    Some((seen, sign))
}

/// What the list says of a row that is in doubt, if that is bad.
fn in_the_list(
    observation: &Observation<'_>,
    row: &RawRow,
    list: &mut KernelList,
    seen: &mut Seen,
) -> Option<&'static str> {
    let list = list.of(observation, row.opened_at_ns)?;
    match list.iter().find(|entry| entry.id == row.id()) {
        Some(entry) if entry.inode == seen.inode => {
            seen.confirmed = true;
            None
        }
        Some(_) => Some(OTHER),
        None => Some("has no registration with the kernel any more"),
    }
}

fn describe(
    observation: &Observation<'_>,
    row: &RawRow,
    what: &str,
    first_ns: u64,
    list: &mut KernelList,
) -> Finding {
    let summary = format!(
        "descriptor {} of {} {what}: it was closed, replaced or deregistered behind the poller's back, and nothing wakes who waits for it",
        row.fd,
        observation.id(row.id())
    );
    let registered = list
        .get(observation)
        .and_then(|(_, list)| list.iter().find(|entry| entry.id == row.id()));
    let now = query::file_id(row.fd);
    let lint = Lint::StaleDescriptor;
    Finding::of_row(lint, observation, row, None, first_ns, summary)
        .first_seen()
        .evidence("the number", what)
        .evidence(
            "registered with the kernel",
            if registered.is_some() { "yes" } else { "no" },
        )
        .evidence_if(INODE, now.ok().map(|file| file.inode.to_string()))
}
