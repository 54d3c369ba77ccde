//! Waiters that are parked although their descriptor is ready: stuck by their own doing, or because
//! an edge was lost.

mod loss;
mod waiter;

use super::SUSPECTS;
use super::finding::Finding;
use super::kernel_list::KernelList;
use super::lint::Lint;
use super::observation::{Key, Observation, Suspects, key, same_side, thorough_polls};
use crate::desc::State;
use crate::observe::{DescId, Direction};
use loss::{Facts, describe};
use waiter::Waiter;

/// Between the first and the last time that the kernel has said so.
const CONFIRM_NS: u64 = 50_000_000;
/// The same where nobody has polled meanwhile: a thread that has fetched the event may be kept from
/// running for a while.
const CONFIRM_QUIET_NS: u64 = 500_000_000;
/// Polls between the two. The first may have fetched its events before the kernel was first asked,
/// and other threads may be in the middle of one.
const POLLS: u64 = 4;
/// What is noted of a suspect.
#[derive(Clone, Debug)]
struct Note {
    /// Thorough polls by the time it was first seen.
    polls: u64,
    /// Since when no event was pending in any look; `None` if one was in the last.
    quiet_ns: Option<u64>,
}

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    suspects: Suspects<Note>,
    /// Waiters whose descriptor was ready in the last look, for certain or not.
    ready: usize,
}

impl Stuck {
    /// The waiters that are stuck. The longest parked first, at most [`SUSPECTS`].
    pub(super) fn waiters<'s>(&mut self, observation: &'s Observation<'_>) -> Vec<Waiter<'s>> {
        let before = self.suspects.begin();
        self.ready = 0;
        if !observation.runs(Lint::StuckWaiter) && !observation.runs(Lint::LostEdge) {
            return Vec::new();
        }
        let hold = observation
            .hold_ns(Lint::StuckWaiter)
            .min(observation.hold_ns(Lint::LostEdge));
        let parked = observation
            .sides(State::Parked)
            .filter(|(_, _, side)| side.since_ns != 0 && observation.age_ns(side.since_ns) > hold);
        let ready = observation.ready_ones(parked.map(|(row, direction, _)| (row, direction)));
        if ready.is_empty() {
            return Vec::new();
        }
        // After poll(2): whoever polls from here on would find the event.
        let polls = thorough_polls(&observation.poller.stats());
        self.ready = ready.len();
        let mut stuck = Vec::new();
        for (row, direction) in ready {
            let side = &row.sides[direction.index()];
            let note = || Note {
                polls,
                quiet_ns: None,
            };
            let key: Key = key(row, direction);
            let seen = self
                .suspects
                .see(&before, key, same_side(side), observation.now_ns, note);
            // One event that was on its way in some look is no reason to say nothing for ever.
            seen.note.quiet_ns = match observation.pending {
                true => None,
                false => seen.note.quiet_ns.or(Some(observation.now_ns)),
            };
            let quiet_for = seen.note.quiet_ns.map(|since| observation.age_ns(since));
            let seen_for = observation.age_ns(seen.first_ns);
            let polls = polls.saturating_sub(seen.note.polls);
            if is_confirmed(seen_for, polls, quiet_for) {
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

    /// Those that may be stuck, for certain or not.
    pub(super) fn suspects(&self) -> impl Iterator<Item = (DescId, Direction)> {
        let id = |(slot, generation, direction): &Key| {
            let (slot, generation) = (*slot, *generation);
            (DescId { slot, generation }, *direction)
        };
        self.suspects.keys().map(id)
    }

    /// Says of each why.
    pub(super) fn findings(
        &self,
        observation: &Observation<'_>,
        stuck: &[Waiter<'_>],
        list: &mut KernelList,
    ) -> Vec<Finding> {
        let finding = |waiter: &Waiter<'_>| {
            let answer = observation.answer(waiter.row)?;
            let list = list.of(observation, waiter.row.opened_at_ns);
            let entry = list.and_then(|list| {
                let id = waiter.row.id();
                list.iter().find(|entry| entry.id == id)
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
                        .map(|ago| observation.now_ns.saturating_sub(ago)),
                    _ => None,
                },
            };
            let finding = describe(observation, waiter, &answer, facts.loss());
            let held = observation.age_ns(waiter.since_ns) > observation.hold_ns(finding.lint);
            (held && observation.runs(finding.lint)).then_some(finding)
        };
        stuck.iter().filter_map(finding).collect()
    }
}

/// Whether a waiter that the kernel has called ready all along, and that has not moved, is stuck
/// for certain: the poller has polled since and did not find its event, or there was no event for
/// long.
fn is_confirmed(seen_for_ns: u64, polls: u64, quiet_for_ns: Option<u64>) -> bool {
    (seen_for_ns >= CONFIRM_NS && polls >= POLLS)
        || quiet_for_ns.is_some_and(|quiet| quiet >= CONFIRM_QUIET_NS)
}

/// The bit without which nobody is woken in a direction but by errors.
fn interest(direction: Direction) -> u32 {
    match direction {
        Direction::Read => libc::EPOLLIN as u32,
        Direction::Write => libc::EPOLLOUT as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_waiter_is_stuck_once_the_poller_has_polled_and_not_found_its_event() {
        assert!(is_confirmed(50 * MS, POLLS, None));
        assert!(
            !is_confirmed(50 * MS, POLLS - 1, None),
            "an event may be on its way"
        );
        assert!(!is_confirmed(49 * MS, 1_000, None), "too soon");
    }

    #[test]
    fn a_waiter_of_a_quiet_poller_is_stuck_only_after_long_and_without_an_event_pending() {
        assert!(!is_confirmed(10_000 * MS, 0, Some(499 * MS)));
        assert!(is_confirmed(500 * MS, 0, Some(500 * MS)));
        assert!(
            !is_confirmed(10_000 * MS, 0, None),
            "nobody polls: another lint's"
        );
    }
}
