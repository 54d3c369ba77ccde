//! The laws themselves.

use super::counts::{Counters, Table};
use super::part::{Part, Reading};
use crate::observe::{Counter, Direction, Histogram, Transition};

/// The laws of the rg and wg words.
pub(super) fn words(counters: &Counters, table: &Table, waiters: i64) -> Vec<Reading> {
    use Transition::*;

    const LEFT_PARKED: [Transition; 4] = [ReadyParked, UnblockParked, CancelParked, Rearm];
    let each = |lhs: &[Transition], rhs: &[Transition], now: &[u64; 2]| -> Vec<Part> {
        let part = |direction: Direction| {
            let count = |transitions| counters.transitions(direction, transitions);
            Part::flow(count(lhs), count(rhs), now[direction.index()])
        };
        Direction::ALL.into_iter().map(part).collect()
    };
    let parked = table.parked.iter().sum::<u64>() as i64;
    let moved = Direction::ALL.into_iter().map(|direction| {
        counters.transitions(direction, &[Park]) + counters.transitions(direction, &LEFT_PARKED)
    });
    vec![
        Reading::flow(
            "arm",
            "arm + rearm = park + ready_armed + unblock_armed + cancel_armed + now(wait)",
            each(
                &[Arm, Rearm],
                &[Park, ReadyArmed, UnblockArmed, CancelArmed],
                &table.wait,
            ),
        ),
        Reading::flow(
            "park",
            "park = ready_parked + unblock_parked + cancel_parked + rearm + now(parked)",
            each(&[Park], &LEFT_PARKED, &table.parked),
        ),
        Reading::flow(
            "ready",
            "ready_idle + ready_armed + ready_parked = consume + reset + recycled + now(ready)",
            each(
                &[ReadyIdle, ReadyArmed, ReadyParked],
                &[Consume, Reset, Recycled],
                &table.ready,
            ),
        ),
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
    let unparked = |direction, causes: [Counter; 2]| {
        Part::flow(
            counters.transitions(direction, &[Transition::UnblockParked]),
            counters.sum(&causes),
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
                    [Counter::UnparkReadDeadline, Counter::UnparkReadClose],
                ),
                unparked(
                    Direction::Write,
                    [Counter::UnparkWriteDeadline, Counter::UnparkWriteClose],
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
