//! The laws themselves.

use super::counts::{Counters, Table};
use super::part::{Part, Reading};
use crate::desc::State;
use crate::observe::{Counter, Direction, Histogram, Transition};

/// What comes into a state has gone out of it or is in it.
const WAIT: &str = "arm + rearm = park + ready_armed + unblock_armed + cancel_armed + now(wait)";
const PARKED: &str = "park = ready_parked + unblock_parked + cancel_parked + rearm + now(parked)";
const READY: &str =
    "ready_idle + ready_armed + ready_parked = consume + reset + recycled + now(ready)";

/// The laws of the rg and wg words.
pub(super) fn words(counters: &Counters, table: &Table, waiters: i64) -> Vec<Reading> {
    let each = |state: State, now: &[u64; 2]| -> Vec<Part> {
        let part = |direction: Direction| {
            Part::flow(
                counters.transitions(direction, Transition::into_state(state)),
                counters.transitions(direction, Transition::out_of(state)),
                now[direction.index()],
            )
        };
        Direction::ALL.into_iter().map(part).collect()
    };
    let parked = table.parked.iter().sum::<u64>() as i64;
    let moved = Direction::ALL.into_iter().map(|direction| {
        counters.transitions(direction, Transition::into_state(State::Parked))
            + counters.transitions(direction, Transition::out_of(State::Parked))
    });
    vec![
        Reading::flow("arm", WAIT, each(State::Wait, &table.wait)),
        Reading::flow("park", PARKED, each(State::Parked, &table.parked)),
        Reading::flow("ready", READY, each(State::Ready, &table.ready)),
        Reading::gauges(
            "waiters",
            "waiters = now(parked)",
            waiters,
            parked,
            moved.sum(),
        ),
    ]
}

/// The laws of the table.
pub(super) fn slots(counters: &Counters, table: &Table, free: i64, made: i64) -> Vec<Reading> {
    let (opened, closed) = (counters.of(Counter::Opened), counters.of(Counter::Closed));
    let mut descriptors = Reading::flow(
        "descriptors",
        "opened - closed = live slots",
        vec![Part::flow(opened, closed, table.live)],
    );
    descriptors.lhs -= closed.after as i64;
    descriptors.rhs -= closed.after as i64;
    let moved = opened
        + closed
        + counters.sum(&[
            Counter::RegisterEnomem,
            Counter::RegisterEnospc,
            Counter::RegisterEperm,
            Counter::RegisterEexist,
            Counter::RegisterEbadf,
            Counter::RegisterOther,
        ]);
    let slots = Reading::gauges(
        "slots",
        "free + live = made",
        free + table.live as i64,
        made,
        moved,
    );
    vec![descriptors, slots]
}

/// The laws of deadlines, breaks, polls and causes.
pub(super) fn others(counters: &Counters, table: &Table, queue: i64, blocked: u64) -> Vec<Reading> {
    let queue_moved = counters.sum(&[
        Counter::DeadlinesSet,
        Counter::DeadlinesFired,
        Counter::DeadlinesExtended,
        Counter::DeadlinesStale,
        Counter::Evicted,
    ]);
    let unparked = |direction, causes: &[Counter]| {
        Part::flow(
            counters.transitions(direction, [Transition::UnblockParked]),
            counters.sum(causes),
            0,
        )
    };
    vec![
        Reading::gauges(
            "deadlines",
            "armed deadlines = queue size",
            table.queued as i64,
            queue,
            queue_moved,
        ),
        Reading::flow(
            "breaks",
            "break requested = written + coalesced",
            vec![Part::flow(
                counters.of(Counter::BreaksRequested),
                counters.sum(&[Counter::BreaksWritten, Counter::BreaksCoalesced]),
                0,
            )],
        ),
        Reading::flow(
            "unparks",
            "unblock_parked = released by a deadline + released by close",
            vec![
                unparked(
                    Direction::Read,
                    // A sleep is one of the reader.
                    &[
                        Counter::UnparkReadDeadline,
                        Counter::UnparkReadClose,
                        Counter::UnparkTimerDeadline,
                        Counter::UnparkTimerClose,
                    ],
                ),
                unparked(
                    Direction::Write,
                    &[Counter::UnparkWriteDeadline, Counter::UnparkWriteClose],
                ),
            ],
        ),
        Reading::flow(
            "polls",
            "polls = events_per_poll samples + interrupted + failed + now(blocked)",
            vec![Part::flow(
                counters.sum(&[
                    Counter::PollsBlock,
                    Counter::PollsTimed,
                    Counter::PollsNonblock,
                ]),
                counters.sum(&[Counter::PollsEintr, Counter::PollsError])
                    + counters.samples(Histogram::EventsPerPoll),
                blocked,
            )],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_the_transitions_into_and_out_of_its_state() {
        for (state, statement) in [
            (State::Wait, WAIT),
            (State::Parked, PARKED),
            (State::Ready, READY),
        ] {
            let (into, out) = statement.split_once(" = ").unwrap();
            let sorted = |mut names: Vec<String>| {
                names.sort();
                names
            };
            let said = |side: &str| sorted(side.split(" + ").map(str::to_owned).collect());
            let name = |it: Transition| it.name().to_owned();
            let now = format!("now({state})");
            let found = Transition::out_of(state).map(name).chain([now]);
            assert_eq!(
                said(into),
                sorted(Transition::into_state(state).map(name).collect())
            );
            assert_eq!(said(out), sorted(found.collect()));
        }
    }
}
