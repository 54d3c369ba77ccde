//! Nobody polls. One finding, instead of one for each descriptor that is stuck because of it.

use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use crate::desc::State;
use crate::timers::EMPTY;

/// Between the first and the last look that found the same.
const CONFIRM_NS: u64 = 50_000_000;
/// A deadline this late is due: a poller that sleeps may be woken a little after it.
const DUE_NS: u64 = 100_000_000;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// The return of the last poll, and when it was first found to be too long ago.
    seen: Option<(u64, u64)>,
}

/// The numbers that are judged.
#[derive(Clone, Copy, Debug)]
struct Reading {
    waiters: i64,
    blocked: bool,
    pending: bool,
    deadline_due: bool,
    idle_ns: u64,
}

impl Reading {
    /// Somebody waits, there is something to fetch or to fire, and nobody has come for it.
    fn is_away(&self, hold_ns: u64) -> bool {
        self.waiters > 0
            && !self.blocked
            && (self.pending || self.deadline_due)
            && self.idle_ns > hold_ns
    }
}

impl Away {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Option<Finding> {
        let info = observation.stats.info();
        let last_poll_ns = observation.last_poll_ns();
        let next = observation.poller.shared.timers.peek_ns();
        let overdue_ns =
            Some(observation.age_ns(next)).filter(|late| next != EMPTY && *late > DUE_NS);
        let reading = Reading {
            waiters: info.waiters,
            blocked: info.blocked,
            pending: observation.pending,
            deadline_due: overdue_ns.is_some(),
            idle_ns: observation.age_ns(last_poll_ns),
        };
        if !observation.runs(Lint::PollerAway)
            || !reading.is_away(observation.hold_ns(Lint::PollerAway))
        {
            self.seen = None;
            return None;
        }
        let same = self.seen.filter(|(poll_ns, _)| *poll_ns == last_poll_ns);
        let (_, first_ns) = *self
            .seen
            .insert(same.unwrap_or((last_poll_ns, observation.now_ns)));
        (observation.age_ns(first_ns) >= CONFIRM_NS)
            .then(|| describe(observation, &reading, overdue_ns))
    }

    /// Adds what it explains to the finding.
    pub(super) fn explain(finding: Finding, ready: usize) -> Finding {
        let many = (ready > 0).then(|| ready.to_string());
        finding.evidence_if("waiters whose descriptor is ready", many)
    }
}

fn describe(observation: &Observation<'_>, reading: &Reading, overdue_ns: Option<u64>) -> Finding {
    let info = observation.stats.info();
    let ever = info.last_poll_ns != 0;
    let idle = span(reading.idle_ns);
    let summary = format!(
        "nobody polls: {}, {}, and epoll_wait {}",
        match reading.waiters {
            1 => "a waiter is parked".to_owned(),
            waiters => format!("{waiters} waiters are parked"),
        },
        if reading.pending {
            "the kernel has events for the poller"
        } else {
            "a deadline is due"
        },
        if ever {
            format!("last returned {idle} ago")
        } else {
            format!("was never called in the {idle} that the poller exists")
        }
    );
    let (runtime, which) = match info.driver.as_str() {
        "tokio" => (
            Some(
                "has not run its driver task: no block_on and no worker of it runs, or one is blocked",
            ),
            "; a tokio runtime polls it, which stands still",
        ),
        _ => (None, ""),
    };
    let summary = summary + which;
    // The waiter that has been here longest stands for all of them.
    let longest = observation
        .sides(State::Parked)
        .min_by_key(|(_, _, side)| side.since_ns);
    let mut finding = Finding::of_poller(
        Lint::PollerAway,
        observation,
        observation.last_poll_ns(),
        summary,
    )
    .evidence(
        "last poll",
        if ever {
            format!("{idle} ago")
        } else {
            "never".into()
        },
    )
    .evidence("driver", info.driver.clone())
    .evidence_if("runtime", runtime.map(str::to_owned))
    .evidence("waiters", reading.waiters.to_string())
    .evidence("events pending", if reading.pending { "yes" } else { "no" })
    .evidence_if(
        "next deadline",
        overdue_ns.map(|late| format!("{} overdue", span(late))),
    );
    if let Some((row, direction, _)) = longest {
        let id = observation.id(row.id());
        let id = format!("{id}, parked to {}", direction.name());
        finding = finding
            .evidence("longest waiter", id)
            .at(row.place(direction));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: Reading = Reading {
        waiters: 1,
        blocked: false,
        pending: true,
        deadline_due: false,
        idle_ns: 3_000_000_000,
    };
    const HOLD: u64 = 2_000_000_000;

    #[test]
    fn a_poller_is_away_when_there_is_something_to_do_for_somebody_and_nobody_does_it() {
        assert!(AWAY.is_away(HOLD));
        let deadline = Reading {
            pending: false,
            deadline_due: true,
            ..AWAY
        };
        assert!(deadline.is_away(HOLD));
    }

    #[test]
    fn a_poller_that_sleeps_or_rests_or_has_just_been_there_is_not_away() {
        let not_away = |reading: Reading| assert!(!reading.is_away(HOLD), "{reading:?}");
        not_away(Reading {
            blocked: true,
            ..AWAY
        });
        not_away(Reading {
            pending: false,
            ..AWAY
        });
        not_away(Reading { waiters: 0, ..AWAY });
        not_away(Reading {
            idle_ns: 1_000_000_000,
            ..AWAY
        });
    }
}
