//! Waiters that were woken and whose task has not run: the poller has done its part.

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, Suspects, key, same_side};
use super::span;
use crate::desc::State;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Woken {
    suspects: Suspects<()>,
}

impl Woken {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let before = self.suspects.begin();
        let hold_ns = observation.hold_ns(Lint::WokenNotRun);
        let mut findings = Vec::new();
        for (row, direction, side) in observation.sides(State::Woken) {
            let (key, same) = (key(row, direction), same_side(side));
            let now_ns = observation.now_ns;
            let seen = self.suspects.see(&before, key, same, now_ns, || ());
            let held = side.since_ns != 0 && observation.age_ns(side.since_ns) > hold_ns;
            let again = seen.first_ns != now_ns;
            if !(held && again && observation.runs(Lint::WokenNotRun)) || findings.len() == SUSPECTS
            {
                continue;
            }
            let age = span(observation.age_ns(side.since_ns));
            let cause = side.last_wake.map(|wake| wake.cause.name().to_owned());
            let called = side
                .last_wake
                .is_some_and(|wake| wake.called_after_ns.is_some());
            let summary = format!(
                "the waiter that {}s descriptor {} was woken {age} ago, and its task has not run",
                direction.name(),
                row.fd
            );
            findings.push(
                Finding::of_row(
                    Lint::WokenNotRun,
                    observation,
                    row,
                    Some(direction),
                    side.since_ns,
                    summary,
                )
                .evidence("woken", format!("{age} ago"))
                .evidence_if("because of", cause)
                .evidence("its waker was called", if called { "yes" } else { "no" }),
            );
        }
        findings
    }
}
