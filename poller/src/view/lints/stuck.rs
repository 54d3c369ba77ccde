//! Waiters that are parked although their descriptor is ready: stuck by their own doing, or because an edge was lost.

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::sight::{Key, Sight, Sightings, key, same_side, thorough_polls};
use super::span;
use crate::desc::State;
use crate::observe::{Direction, Transition};
use crate::sys::mask_names;
use crate::view::ask::Answer;
use crate::view::kernel::{Registration, kernel_registrations};
use crate::view::raw::RawRow;
use crate::view::stats::stats;

/// Between the first and the last time that the kernel has said so.
const CONFIRM_NS: u64 = 50_000_000;
/// The same where nobody has polled meanwhile: a thread that has fetched the event may be kept from running for a while.
const CONFIRM_QUIET_NS: u64 = 500_000_000;
/// Polls between the two. The first may have fetched its events before the kernel was first asked, and other threads may
/// be in the middle of one.
const POLLS: u64 = 4;
/// TCP_INFO counts in ticks of the kernel, which may be 10 ms long.
const TICK_NS: u64 = 20_000_000;
/// The list of registrations is read at most so often.
const LIST_NS: u64 = 500_000_000;
/// The transitions by which an edge arrives.
const EDGES: [Transition; 4] = [
    Transition::ReadyIdle,
    Transition::ReadyArmed,
    Transition::ReadyParked,
    Transition::ReadyAgain,
];

/// What is noted of a suspect.
#[derive(Clone, Debug)]
struct Note {
    /// Thorough polls by the time it was first seen.
    polls: u64,
    /// No event was pending in any look.
    quiet: bool,
}

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    sightings: Sightings<Note>,
    /// The kernel's list, and when it was read.
    list: Option<(u64, Vec<Registration>)>,
    /// Waiters whose descriptor was ready in the last look, for certain or not.
    ready: usize,
}

/// A waiter that is stuck for certain.
pub(super) struct Waiter<'r> {
    pub(super) row: &'r RawRow,
    pub(super) direction: Direction,
    since_ns: u64,
}

impl Stuck {
    /// The waiters that are stuck. The longest parked first, at most [`SUSPECTS`].
    pub(super) fn waiters<'s>(&mut self, sight: &'s Sight<'_>) -> Vec<Waiter<'s>> {
        let before = self.sightings.begin();
        self.ready = 0;
        if !sight.runs(Lint::StuckWaiter) && !sight.runs(Lint::LostEdge) {
            return Vec::new();
        }
        let hold = sight
            .hold_ns(Lint::StuckWaiter)
            .min(sight.hold_ns(Lint::LostEdge));
        let parked = sight
            .sides(State::Parked)
            .filter(|(_, _, side)| side.since_ns != 0 && sight.age_ns(side.since_ns) > hold);
        let ready = sight.ready_ones(parked.map(|(row, direction, _)| (row, direction)));
        if ready.is_empty() {
            return Vec::new();
        }
        // After poll(2): whoever polls from here on would find the event.
        let polls = thorough_polls(&stats(sight.poller));
        self.ready = ready.len();
        let mut stuck = Vec::new();
        for (row, direction) in ready {
            let side = &row.sides[direction.index()];
            let note = || Note { polls, quiet: true };
            let key: Key = key(row, direction);
            let seen = self
                .sightings
                .see(&before, key, same_side(side), sight.now_ns, note);
            seen.note.quiet &= !sight.pending;
            let seen_for = sight.age_ns(seen.first_ns);
            if is_confirmed(
                seen_for,
                polls.saturating_sub(seen.note.polls),
                seen.note.quiet,
            ) {
                stuck.push(Waiter {
                    row,
                    direction,
                    since_ns: side.since_ns,
                });
            }
        }
        stuck.sort_by_key(|waiter| waiter.since_ns);
        stuck.truncate(SUSPECTS);
        stuck
    }

    /// Waiters whose descriptor is ready, for whatever reason.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Says of each why.
    pub(super) fn findings(&mut self, sight: &Sight<'_>, stuck: &[Waiter<'_>]) -> Vec<Finding> {
        if stuck.is_empty() {
            return Vec::new();
        }
        let list = self.registrations(sight);
        let finding = |waiter: &Waiter<'_>| {
            let answer = sight.answer(waiter.row)?;
            let list = list_for(list, waiter.row.opened_at_ns);
            let entry = list.and_then(|list| {
                let id = (waiter.row.slot, waiter.row.generation);
                list.iter()
                    .find(|entry| (entry.slot, entry.generation) == id)
            });
            let facts = Facts {
                parked_at_ns: waiter.since_ns,
                closed: answer.is_closed(),
                registered: list.map(|_| entry.is_some()),
                asked_for: entry.map(|entry| entry.events & interest(waiter.direction) != 0),
                same_file: entry
                    .map(|entry| answer.file.map(|file| file.inode) == Some(entry.inode)),
                data_at_ns: match waiter.direction {
                    Direction::Read if answer.receive_queue > Some(0) => answer
                        .last_data_received_ns()
                        .map(|ago| sight.now_ns.saturating_sub(ago)),
                    _ => None,
                },
            };
            let finding = describe(sight, waiter, &answer, facts.loss());
            let held = sight.age_ns(waiter.since_ns) > sight.hold_ns(finding.lint);
            (held && sight.runs(finding.lint)).then_some(finding)
        };
        stuck.iter().filter_map(finding).collect()
    }

    /// The list, and when it was read.
    fn registrations(&mut self, sight: &Sight<'_>) -> Option<(u64, &[Registration])> {
        let is_old = |read_ns: u64| sight.age_ns(read_ns) >= LIST_NS;
        if self
            .list
            .as_ref()
            .is_none_or(|(read_ns, _)| is_old(*read_ns))
        {
            self.list = kernel_registrations(sight.poller)
                .ok()
                .map(|list| (sight.now_ns, list));
        }
        self.list
            .as_ref()
            .map(|(read_ns, list)| (*read_ns, &list[..]))
    }
}

/// The list as far as it tells of a descriptor: one that was opened after it was read is not missing from it.
fn list_for(list: Option<(u64, &[Registration])>, opened_at_ns: u64) -> Option<&[Registration]> {
    list.filter(|(read_ns, _)| opened_at_ns < *read_ns)
        .map(|(_, list)| list)
}

/// Whether a waiter that the kernel has called ready all along, and that has not moved, is stuck for certain: the poller
/// has polled since and did not find its event, or there is no event and nobody has run for long.
fn is_confirmed(seen_for_ns: u64, polls: u64, quiet: bool) -> bool {
    (seen_for_ns >= CONFIRM_NS && polls >= POLLS) || (seen_for_ns >= CONFIRM_QUIET_NS && quiet)
}

/// The bit without which nobody is woken in a direction but by errors.
fn interest(direction: Direction) -> u32 {
    match direction {
        Direction::Read => libc::EPOLLIN as u32,
        Direction::Write => libc::EPOLLOUT as u32,
    }
}

/// What is known of a stuck waiter's descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    parked_at_ns: u64,
    /// The number is closed.
    closed: bool,
    /// The kernel's list has it; `None` if the list cannot be read.
    registered: Option<bool>,
    /// The registration asks for events of this direction.
    asked_for: Option<bool>,
    /// The number stands for the file that was registered.
    same_file: Option<bool>,
    /// When the data that is there last came.
    data_at_ns: Option<u64>,
}

/// How an edge was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loss {
    Closed,
    NotRegistered,
    OtherFile,
    NotAskedFor,
    CameAfter { ns: u64 },
}

impl Facts {
    /// `None` if the waiter is stuck by its own doing.
    fn loss(&self) -> Option<Loss> {
        let after = |at: u64| at.checked_sub(self.parked_at_ns).filter(|ns| *ns > TICK_NS);
        if self.closed {
            Some(Loss::Closed)
        } else if self.registered == Some(false) {
            Some(Loss::NotRegistered)
        } else if self.same_file == Some(false) {
            Some(Loss::OtherFile)
        } else if self.asked_for == Some(false) {
            Some(Loss::NotAskedFor)
        } else {
            let ns = self.data_at_ns.and_then(after)?;
            Some(Loss::CameAfter { ns })
        }
    }
}

fn describe(
    sight: &Sight<'_>,
    waiter: &Waiter<'_>,
    answer: &Answer,
    loss: Option<Loss>,
) -> Finding {
    let Waiter {
        row,
        direction,
        since_ns,
    } = waiter;
    let (who, what) = match direction {
        Direction::Read => ("reader", "readable"),
        Direction::Write => ("writer", "writable"),
    };
    let age = span(sight.age_ns(*since_ns));
    let fd = row.fd;
    let parked = format!("a {who} of descriptor {fd} has been parked for {age}");
    let (lint, summary) = match loss {
        None => (
            Lint::StuckWaiter,
            format!(
                "{parked} although the descriptor is {what}: its edge came before the wait and went by unused"
            ),
        ),
        Some(Loss::Closed) => (
            Lint::LostEdge,
            format!("{parked}, but the number {fd} is closed: nothing can wake it any more"),
        ),
        Some(Loss::NotRegistered) => (
            Lint::LostEdge,
            format!("{parked}, the descriptor is {what}, and its registration with epoll is gone"),
        ),
        Some(Loss::OtherFile) => (
            Lint::LostEdge,
            format!(
                "{parked}, but the number {fd} stands for another file than the one that was registered"
            ),
        ),
        Some(Loss::NotAskedFor) => (
            Lint::LostEdge,
            format!(
                "{parked}, the descriptor is {what}, and its registration with epoll does not ask for that any more"
            ),
        ),
        Some(Loss::CameAfter { ns }) => (
            Lint::LostEdge,
            format!(
                "{parked}; data came {} after it parked, and did not wake it",
                span(ns)
            ),
        ),
    };
    let ready = mask_names(u32::from(answer.ready.cast_unsigned()));
    let edges: u64 = EDGES
        .map(|edge| row.sides[direction.index()].transitions[edge.index()])
        .iter()
        .sum();
    Finding::of_row(lint, sight, row, Some(*direction), *since_ns, summary)
        .evidence("parked for", age)
        .evidence(
            "poll(2) says",
            if answer.is_closed() {
                "NVAL".into()
            } else {
                ready
            },
        )
        .evidence_if(
            "bytes readable",
            answer.receive_queue.map(|bytes| bytes.to_string()),
        )
        .evidence_if(
            "bytes unsent",
            answer
                .send_queue
                .filter(|_| *direction == Direction::Write)
                .map(|bytes| bytes.to_string()),
        )
        .evidence_if(
            "data last came",
            answer
                .last_data_received_ns()
                .map(|ago| format!("{} ago", span(ago))),
        )
        .evidence("last event", mask_names(row.last_events))
        .evidence("edges in this direction", edges.to_string())
        .evidence_if(
            "TCP state",
            answer.tcp.map(|tcp| tcp.state_name().to_owned()),
        )
        .evidence(
            "last poll",
            format!("{} ago", span(sight.age_ns(sight.last_poll_ns()))),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_waiter_is_stuck_once_the_poller_has_polled_and_not_found_its_event() {
        assert!(is_confirmed(50 * MS, POLLS, false));
        assert!(
            !is_confirmed(50 * MS, POLLS - 1, false),
            "an event may be on its way"
        );
        assert!(!is_confirmed(49 * MS, 1_000, false), "too soon");
    }

    #[test]
    fn a_waiter_of_a_quiet_poller_is_stuck_only_after_long_and_without_an_event_pending() {
        assert!(!is_confirmed(499 * MS, 0, true));
        assert!(is_confirmed(500 * MS, 0, true));
        assert!(
            !is_confirmed(10_000 * MS, 0, false),
            "nobody polls: another lint's"
        );
    }

    #[test]
    fn a_descriptor_that_is_younger_than_the_list_is_not_missing_from_it() {
        assert!(list_for(Some((1_000, &[])), 999).is_some());
        assert!(list_for(Some((1_000, &[])), 1_000).is_none());
        assert!(list_for(None, 0).is_none());
    }

    #[test]
    fn bytes_that_were_there_before_the_wait_are_the_waiters_own_fault() {
        let facts = Facts {
            parked_at_ns: 1_000 * MS,
            registered: Some(true),
            same_file: Some(true),
            data_at_ns: Some(900 * MS),
            ..Facts::default()
        };
        assert_eq!(facts.loss(), None);
        let within_a_tick = Facts {
            data_at_ns: Some(1_010 * MS),
            ..facts
        };
        assert_eq!(within_a_tick.loss(), None);
        let unknown = Facts {
            registered: None,
            same_file: None,
            data_at_ns: None,
            ..facts
        };
        assert_eq!(unknown.loss(), None);
    }

    #[test]
    fn an_edge_is_lost_when_it_could_not_come_or_came_and_woke_nobody() {
        let facts = Facts {
            parked_at_ns: 1_000 * MS,
            registered: Some(true),
            same_file: Some(true),
            ..Facts::default()
        };
        let loss = |facts: Facts| facts.loss().unwrap();
        assert_eq!(
            loss(Facts {
                closed: true,
                ..facts
            }),
            Loss::Closed
        );
        assert_eq!(
            loss(Facts {
                registered: Some(false),
                ..facts
            }),
            Loss::NotRegistered
        );
        assert_eq!(
            loss(Facts {
                same_file: Some(false),
                ..facts
            }),
            Loss::OtherFile
        );
        assert_eq!(
            loss(Facts {
                asked_for: Some(false),
                ..facts
            }),
            Loss::NotAskedFor
        );
        assert_eq!(
            loss(Facts {
                data_at_ns: Some(1_500 * MS),
                ..facts
            }),
            Loss::CameAfter { ns: 500 * MS }
        );
    }
}
