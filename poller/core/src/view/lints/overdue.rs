//! Deadlines that have passed and have not fired.

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, Suspects, key};
use super::span;
use crate::desc::EXPIRED;
use crate::observe::{Direction, Transition};

/// Between the first and the last look that found the same: long enough for a poller that was about
/// to run.
const CONFIRM_NS: u64 = 200_000_000;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    suspects: Suspects<()>,
}

/// By how much a deadline is overdue, if it is by more than the hold time.
fn overdue_ns(deadline_ns: u64, now_ns: u64, hold_ns: u64) -> Option<u64> {
    // 0 is none, 1 has fired.
    let late = now_ns.checked_sub(deadline_ns)?;
    (deadline_ns > EXPIRED && late > hold_ns).then_some(late)
}

impl Overdue {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let before = self.suspects.begin();
        let mut findings = Vec::new();
        if !observation.runs(Lint::OverdueDeadline) {
            return findings;
        }
        let hold_ns = observation.hold_ns(Lint::OverdueDeadline);
        for row in &observation.rows {
            for direction in Direction::ALL {
                let deadline_ns = row.sides[direction.index()].deadline_ns;
                let Some(late) = overdue_ns(deadline_ns, observation.now_ns, hold_ns) else {
                    continue;
                };
                // The deadline itself is what must not change.
                let same = (deadline_ns, [0; Transition::COUNT]);
                let seen = self.suspects.see(
                    &before,
                    key(row, direction),
                    same,
                    observation.now_ns,
                    || (),
                );
                if observation.age_ns(seen.first_ns) < CONFIRM_NS || findings.len() == SUSPECTS {
                    continue;
                }
                let what = if row.fd < 0 {
                    "a sleep".to_owned()
                } else {
                    format!("the {} deadline of descriptor {}", direction.name(), row.fd)
                };
                let summary = format!("{what} passed {} ago and has not fired", span(late));
                let finding = Finding::of_row(
                    Lint::OverdueDeadline,
                    observation,
                    row,
                    Some(direction),
                    deadline_ns,
                    summary,
                );
                let info = observation.stats.info();
                let last_poll = match info.last_poll_ns {
                    0 => "never".to_owned(),
                    at => format!("{} ago", span(observation.age_ns(at))),
                };
                findings.push(
                    finding
                        .evidence("overdue by", span(late))
                        .evidence("last poll", last_poll)
                        .evidence("driver", info.driver.clone())
                        .evidence("deadlines in the queue", info.deadlines.to_string()),
                );
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deadline_that_is_set_has_passed_and_has_not_fired_is_overdue() {
        assert_eq!(overdue_ns(1_000, 1_500, 100), Some(500));
        assert_eq!(overdue_ns(1_000, 1_100, 100), None, "it may fire yet");
        assert_eq!(overdue_ns(2_000, 1_500, 100), None, "to come");
        assert_eq!(overdue_ns(0, 1_500, 100), None, "none");
        assert_eq!(overdue_ns(EXPIRED, 1_500, 100), None, "has fired");
    }
}
