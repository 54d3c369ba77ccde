//! What one look sees that is no fault by itself, for who draws it over time.
//!
//! Nothing is told that a process has only because it was stopped: what is due counts when two
//! looks have found the same, and nobody has polled in between.

use std::collections::HashSet;

use super::SUSPECTS;
use super::accept::queues;
use super::observation::{Key, Observation, key};
use crate::desc::{EXPIRED, Kind, State};
use crate::observe::Direction;
use crate::timers::EMPTY;

/// A deadline this late is due: a poller that sleeps may be woken a little after it.
pub(super) const DUE_NS: u64 = 100_000_000;

/// How a poller stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gauges {
    /// How long the longest of those has been parked that are parked now, by direction. Sleeps, and
    /// those who wait to accept, are left out: they wait for nobody in particular.
    pub oldest_wait_ns: [u64; 2],
    /// Deadlines that have passed and have not fired.
    pub overdue_deadlines: u64,
    /// The kernel has events or deadlines have passed, and nobody has polled from the look before
    /// to this one.
    pub events_due: bool,
    /// For how long that has been so.
    pub unpolled_ns: u64,
    /// Connections that wait to be accepted, and how many may, of the listener that is fullest.
    pub accept_queue: (u32, u32),
}

/// What the look before has seen.
#[derive(Debug, Default)]
pub(super) struct GaugesSeen {
    /// The deadlines that had passed.
    overdue: HashSet<(Key, u64)>,
    /// When the last poll had returned and when it was first seen that something was due.
    due: Option<(u64, u64)>,
}

impl GaugesSeen {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Gauges {
        let (events_due, unpolled_ns) = self.due(observation);
        Gauges {
            oldest_wait_ns: oldest_wait_ns(observation),
            overdue_deadlines: self.overdue(observation),
            events_due,
            unpolled_ns,
            accept_queue: accept_queue(observation),
        }
    }

    fn overdue(&mut self, observation: &Observation<'_>) -> u64 {
        let passed =
            |deadline_ns: u64| deadline_ns > EXPIRED && observation.age_ns(deadline_ns) > DUE_NS;
        let mut now = HashSet::new();
        for row in &observation.rows {
            for direction in Direction::ALL {
                let deadline_ns = row.sides[direction.index()].deadline_ns;
                if passed(deadline_ns) {
                    now.insert((key(row, direction), deadline_ns));
                }
            }
        }
        let before = std::mem::replace(&mut self.overdue, now);
        self.overdue.intersection(&before).count() as u64
    }

    /// Whether something is due, and since when nobody has come for it.
    fn due(&mut self, observation: &Observation<'_>) -> (bool, u64) {
        let next_ns = observation.poller.shared.timers.peek_ns();
        let deadline_due = next_ns != EMPTY && observation.age_ns(next_ns) > DUE_NS;
        let is_due = (observation.pending || deadline_due) && !observation.stats.info().blocked;
        let last_poll_ns = observation.last_poll_ns();
        let before = self.due.take();
        if !is_due {
            return (false, 0);
        }
        let same = before.filter(|(poll_ns, _)| *poll_ns == last_poll_ns);
        let (_, first_ns) = *self
            .due
            .insert(same.unwrap_or((last_poll_ns, observation.now_ns)));
        let unpolled_ns = observation.age_ns(first_ns);
        (unpolled_ns > 0, unpolled_ns)
    }
}

fn oldest_wait_ns(observation: &Observation<'_>) -> [u64; 2] {
    let mut oldest_ns = [0; 2];
    for (row, direction, side) in observation.sides(State::Parked) {
        if row.kind.is_listener() || row.kind == Kind::Timer || side.since_ns == 0 {
            continue;
        }
        let oldest_ns: &mut u64 = &mut oldest_ns[direction.index()];
        *oldest_ns = (*oldest_ns).max(observation.age_ns(side.since_ns));
    }
    oldest_ns
}

/// Of the first listeners, each asked once.
fn accept_queue(observation: &Observation<'_>) -> (u32, u32) {
    let listeners = observation.rows.iter().filter(|row| row.kind.is_listener());
    let queues = queues(observation, listeners.take(SUSPECTS));
    let share = |(length, limit): &(u32, u32)| f64::from(*length) / f64::from((*limit).max(1));
    queues
        .max_by(|one, other| share(one).total_cmp(&share(other)))
        .unwrap_or_default()
}
