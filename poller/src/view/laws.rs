//! The conservation laws: what was counted on the way in is what was counted on the way out, plus what is inside.
//!
//! Go's count of waiters drifted unnoticed for years (golang/go#33624, #60782). A law that is checked on the live process
//! finds such a drift when it begins.
//!
//! # Reading a running poller
//!
//! The counters are read before and after a sweep over the slots. With `in`, `out` and `now` for the three parts of a law,
//! and `A` and `B` for the two readings, two bounds hold at any load: what the sweep has seen inside came in by `B` and
//! had not gone out by `A`, so `in(B) >= out(A) + now`; and what came in by `A` has gone out by `B` or was inside all
//! along, so `in(A) <= out(B) + now`. On a poller that rests, both are the law itself.
//!
//! A transition is counted just after its CAS has won, so a thread may be caught between the two. Therefore as much is
//! allowed for as has moved since the read before, up to [`IN_FLIGHT`], and a law is reported as violated only when three
//! reads in a row have found it so.

use std::time::Duration;

use super::kernel::kernel_registrations;
use crate::desc::State;
use crate::observe::{Counter, Direction, Histogram, Totals, Transition};
use crate::poller::Poller;
use crate::sync::atomic::Ordering;

/// Reads in a row that must find a law broken before it is reported.
pub const READS: u32 = 3;
/// The time to leave between two of them.
pub const READ_INTERVAL: Duration = Duration::from_millis(100);

/// Most transitions that can be half counted at one time: one for each thread with a number of its own, and the wakers of
/// a batch that were taken but not yet called.
const IN_FLIGHT: u64 = 512;

/// One law and how it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Law {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub statement: &'static str,
    /// Value of the left side.
    pub lhs: i64,
    /// Value of the right side.
    pub rhs: i64,
    /// It does not hold, and that is not an artefact of reading a running poller.
    pub violated: bool,
}

/// Reads the laws of one poller again and again, and knows which of them keep failing.
#[derive(Debug, Default)]
pub struct Auditor {
    /// For each part of each law: in how many reads in a row it failed, and what had moved by the last one.
    history: Vec<(u32, Option<u64>)>,
}

impl Auditor {
    /// One that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads all laws of `poller`, always the same one, but not the kernel's. One is violated once it has failed in [`READS`]
    /// calls in a row; leave [`READ_INTERVAL`] between calls.
    pub fn read(&mut self, poller: &Poller) -> Vec<Law> {
        self.judge(&read(poller, false))
    }

    /// [`Auditor::read`], and the law of the kernel's registrations. The kernel holds up registrations and events while it
    /// writes their list, about half a microsecond a descriptor.
    pub fn read_with_kernel(&mut self, poller: &Poller) -> Vec<Law> {
        self.judge(&read(poller, true))
    }

    /// Whether the last read found something that another read should confirm.
    pub fn is_suspicious(&self) -> bool {
        self.history
            .iter()
            .any(|(streak, _)| (1..READS).contains(streak))
    }

    fn judge(&mut self, laws: &[Reading]) -> Vec<Law> {
        let mut parts = 0;
        let laws = laws.iter().map(|law| {
            let mut violated = false;
            for part in &law.parts {
                if self.history.len() <= parts {
                    self.history.resize(parts + 1, (0, None));
                }
                let (streak, moved) = &mut self.history[parts];
                *streak = if part.holds(*moved) { 0 } else { *streak + 1 };
                *moved = Some(part.moved.after);
                violated |= *streak >= READS;
                parts += 1;
            }
            law.law(violated)
        });
        laws.collect()
    }
}

/// Reads the laws of a poller that may be running, that of the kernel's registrations included: once if all hold, else
/// up to [`READS`] times, [`READ_INTERVAL`] apart.
pub fn audit(poller: &Poller) -> Vec<Law> {
    let mut auditor = Auditor::new();
    let mut laws = auditor.judge(&read(poller, true));
    // Twice as many as one law needs: another may have begun to fail in the last of its reads.
    for _ in 1..2 * READS {
        if !auditor.is_suspicious() {
            break;
        }
        std::thread::sleep(READ_INTERVAL);
        laws = auditor.judge(&read(poller, true));
    }
    laws
}

/// Reads the laws of a poller at rest, on which each must hold to the last count: no thread is inside of a call.
pub fn audit_quiescent(poller: &Poller) -> Vec<Law> {
    let laws = read(poller, true);
    laws.iter()
        .map(|law| law.law(law.parts.iter().any(|part| !part.is_exact())))
        .collect()
}

/// A counter read before and after the sweep.
#[derive(Clone, Copy, Debug, Default)]
struct Twice {
    before: u64,
    after: u64,
}

impl std::ops::Add for Twice {
    type Output = Twice;

    fn add(self, other: Twice) -> Twice {
        Twice {
            before: self.before.wrapping_add(other.before),
            after: self.after.wrapping_add(other.after),
        }
    }
}

impl std::iter::Sum for Twice {
    fn sum<I: Iterator<Item = Twice>>(counters: I) -> Twice {
        counters.fold(Twice::default(), |sum, counter| sum + counter)
    }
}

/// One equation: `lhs = rhs + now`.
#[derive(Clone, Copy, Debug)]
struct Part {
    lhs: Twice,
    rhs: Twice,
    now: i64,
    /// What has moved, ever.
    moved: Twice,
    /// Both sides go up and down, so the sweep itself blurs them.
    gauges: bool,
}

impl Part {
    /// Counters in, counters out, and what is inside.
    fn flow(lhs: Twice, rhs: Twice, now: u64) -> Self {
        Self {
            lhs,
            rhs,
            now: now as i64,
            moved: lhs + rhs,
            gauges: false,
        }
    }

    /// Two gauges, and the counters that say how much they move.
    fn gauges(lhs: i64, rhs: i64, moved: Twice) -> Self {
        Self {
            lhs: Twice::default(),
            rhs: Twice::default(),
            now: rhs - lhs,
            moved,
            gauges: true,
        }
    }

    fn holds(&self, moved_before: Option<u64>) -> bool {
        let since = |from: u64| self.moved.after.wrapping_sub(from);
        let during = since(self.moved.before);
        let in_flight = moved_before.map_or(during, since).min(IN_FLIGHT);
        let slack = (in_flight + if self.gauges { during } else { 0 }) as i64;
        let too_much = self.lhs.before as i64 - self.rhs.after as i64 - self.now;
        let too_little = self.lhs.after as i64 - self.rhs.before as i64 - self.now;
        too_much <= slack && too_little >= -slack
    }

    fn is_exact(&self) -> bool {
        self.lhs.after as i64 == self.rhs.after as i64 + self.now
    }
}

/// A law as it was read: its equations, of which there may be one for each direction.
#[derive(Debug)]
struct Reading {
    name: &'static str,
    statement: &'static str,
    parts: Vec<Part>,
    lhs: i64,
    rhs: i64,
}

impl Reading {
    fn flow(name: &'static str, statement: &'static str, parts: Vec<Part>) -> Self {
        let lhs = parts.iter().map(|part| part.lhs.after as i64).sum();
        let rhs = parts
            .iter()
            .map(|part| part.rhs.after as i64 + part.now)
            .sum();
        Self {
            name,
            statement,
            parts,
            lhs,
            rhs,
        }
    }

    fn gauges(
        name: &'static str,
        statement: &'static str,
        lhs: i64,
        rhs: i64,
        moved: Twice,
    ) -> Self {
        Self {
            name,
            statement,
            parts: vec![Part::gauges(lhs, rhs, moved)],
            lhs,
            rhs,
        }
    }

    fn law(&self, violated: bool) -> Law {
        Law {
            name: self.name,
            statement: self.statement,
            lhs: self.lhs,
            rhs: self.rhs,
            violated,
        }
    }
}

/// What a sweep over the slots has seen.
#[derive(Debug, Default)]
struct Table {
    ready: [u64; 2],
    wait: [u64; 2],
    parked: [u64; 2],
    live: u64,
    sleeps: u64,
    queued: u64,
}

impl Table {
    fn sweep(poller: &Poller) -> Self {
        let mut table = Self::default();
        for desc in poller.shared.cache.iter_from(0) {
            // Whether it lives or not: a queue entry, or readiness, that outlives its descriptor is what a law is for.
            table.queued += u64::from(desc.queued_ns.load(Ordering::Relaxed) != 0);
            for direction in Direction::ALL {
                let counts = match desc.side(direction).state() {
                    State::Nil => continue,
                    State::Ready => &mut table.ready,
                    State::Wait => &mut table.wait,
                    State::Parked => &mut table.parked,
                };
                counts[direction.index()] += 1;
            }
            if desc.live_generation().is_some() {
                table.live += 1;
                table.sleeps += u64::from(desc.kind() == crate::Kind::Timer);
            }
        }
        table
    }
}

/// The counters of two readings, by name.
struct Counters {
    before: Totals,
    after: Totals,
}

impl Counters {
    fn of(&self, counter: Counter) -> Twice {
        let index = counter.index();
        Twice {
            before: self.before.counters[index],
            after: self.after.counters[index],
        }
    }

    fn sum(&self, counters: &[Counter]) -> Twice {
        counters.iter().map(|counter| self.of(*counter)).sum()
    }

    fn transitions(&self, direction: Direction, transitions: &[Transition]) -> Twice {
        let side = direction.index();
        let count = |transition: &Transition| Twice {
            before: self.before.transitions[side][transition.index()],
            after: self.after.transitions[side][transition.index()],
        };
        transitions.iter().map(count).sum()
    }

    fn samples(&self, histogram: Histogram) -> Twice {
        let index = histogram.index();
        Twice {
            before: self.before.histograms[index].count(),
            after: self.after.histograms[index].count(),
        }
    }
}

fn read(poller: &Poller, ask_kernel: bool) -> Vec<Reading> {
    // Nothing is counted, so there are no laws.
    if cfg!(netpoller_bare) {
        return Vec::new();
    }
    let shared = &poller.shared;
    let before = shared.recorder.totals();
    let waiters = poller.waiters();
    let table = Table::sweep(poller);
    let queue = shared.timers.len() as i64;
    let free = shared.cache.free_count() as i64;
    let made = i64::from(shared.cache.made());
    let blocked = u64::from(shared.poll_until.load(Ordering::Acquire) != 0);
    let kernel = if ask_kernel {
        kernel_registrations(poller).ok()
    } else {
        None
    };
    let counters = Counters {
        before,
        after: shared.recorder.totals(),
    };

    let mut laws = words(&counters, &table, waiters);
    laws.extend(slots(&counters, &table, free, made));
    laws.extend(others(&counters, &table, queue, blocked));
    if let Some(kernel) = kernel.filter(|_| shared.backend.as_fd().is_some()) {
        // The poller's own descriptors have generation 0.
        let registered = kernel
            .iter()
            .filter(|registration| registration.generation != 0)
            .count() as i64;
        let moved = counters.sum(&[Counter::Opened, Counter::Closed]);
        let live = (table.live - table.sleeps) as i64;
        laws.push(Reading::gauges(
            "kernel",
            "live descriptors = kernel registrations",
            live,
            registered,
            moved,
        ));
    }
    laws
}

/// The laws of the rg and wg words.
fn words(counters: &Counters, table: &Table, waiters: i64) -> Vec<Reading> {
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
fn slots(counters: &Counters, table: &Table, free: i64, made: i64) -> Vec<Reading> {
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
fn others(counters: &Counters, table: &Table, queue: i64, blocked: u64) -> Vec<Reading> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(before: u64, after: u64) -> Twice {
        Twice { before, after }
    }

    #[test]
    fn a_running_poller_is_not_accused_for_what_moved_between_the_two_readings() {
        // 10 came in and 10 went out during the sweep, which saw 3 of them inside.
        let part = Part::flow(twice(100, 110), twice(98, 108), 3);
        assert!(part.holds(Some(part.moved.after)));
    }

    #[test]
    fn a_drift_at_rest_is_found_by_the_third_read_and_not_before() {
        let mut auditor = Auditor::new();
        let part = Part::flow(twice(5, 5), twice(3, 3), 1);
        let law = || [Reading::flow("park", "", vec![part])];
        let verdicts: Vec<_> = (0..3).map(|_| auditor.judge(&law())[0].violated).collect();
        assert_eq!(verdicts, [false, false, true]);
        assert!(!auditor.is_suspicious(), "it is certain by now");
    }

    #[test]
    fn a_transition_that_is_half_counted_is_allowed_for_once_but_not_for_ever() {
        let part = Part::flow(twice(5, 5), twice(3, 3), 1);
        assert!(
            part.holds(Some(part.moved.after - 1)),
            "something moved since the read before"
        );
        assert!(
            !part.holds(Some(part.moved.after)),
            "nothing moved, so nothing is half counted"
        );
    }
}
