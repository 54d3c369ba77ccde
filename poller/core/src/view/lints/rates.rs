//! What happens too often, counted over a window.

use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use super::top::top;
use crate::observe::{Counter, Direction, Histogram, Transition};
use crate::view::stats::Stats;

/// Breaks, wakes and closed descriptors below this rate a second are not worth a word.
const MANY: u64 = 1_000;
/// Full batches in a window that are more than a coincidence.
const FULL_POLLS: u64 = 10;
/// A dispatch that is longer than 1 ms: 2^20 ns is the bound of a bucket.
const SLOW_NS: u64 = 1 << 20;
/// Slow dispatches in a window that are more than a coincidence.
const SLOW_DISPATCHES: u64 = 3;
/// A connection that lives shorter than this was hardly worth opening.
const SHORT_LIFE_NS: u64 = 50_000_000;

const SECOND_NS: u64 = 1_000_000_000;

/// The counters that rates are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    breaks: u64,
    polls_with_events: u64,
    polls_full: u64,
    wakes: u64,
    spurious: u64,
    closed: u64,
    dispatches: u64,
    slow_dispatches: u64,
    /// At least so long they took.
    slow_dispatch_ns: u64,
    /// Not a counter: descriptors open now.
    live: u64,
}

impl Counts {
    fn of(stats: &Stats) -> Self {
        let transition = |transition| -> u64 {
            Direction::ALL
                .map(|direction| stats.transition(direction, transition))
                .iter()
                .sum()
        };
        let polls = stats.histogram(Histogram::EventsPerPoll).count();
        // The lower bound of a bucket is four fifths of the upper one, or a little more.
        let dispatch = stats.histogram(Histogram::Dispatch);
        let slow = dispatch
            .buckets()
            .filter(|(bound, _)| *bound > SLOW_NS)
            .map(|(bound, count)| {
                (
                    count,
                    count.saturating_mul(bound.min(64 * SECOND_NS) / 5 * 4),
                )
            });
        let (slow_dispatches, slow_dispatch_ns) = slow
            .fold((0, 0u64), |(dispatches, ns), (count, sum)| {
                (dispatches + count, ns.saturating_add(sum))
            });
        Self {
            breaks: stats.counter(Counter::BreaksWritten),
            polls_with_events: polls.saturating_sub(stats.counter(Counter::PollsEmpty)),
            polls_full: stats.counter(Counter::PollsFull),
            wakes: transition(Transition::ReadyParked) + transition(Transition::UnblockParked),
            spurious: stats.counter(Counter::SpuriousRead) + stats.counter(Counter::SpuriousWrite),
            closed: stats
                .counter(Counter::Closed)
                .saturating_sub(stats.counter(Counter::ClosedTimer)),
            dispatches: dispatch.count(),
            slow_dispatches,
            slow_dispatch_ns,
            live: stats.info().descriptors,
        }
    }

    /// What was counted since `before`.
    fn since(&self, before: &Counts) -> Self {
        Self {
            breaks: self.breaks.saturating_sub(before.breaks),
            polls_with_events: self
                .polls_with_events
                .saturating_sub(before.polls_with_events),
            polls_full: self.polls_full.saturating_sub(before.polls_full),
            wakes: self.wakes.saturating_sub(before.wakes),
            spurious: self.spurious.saturating_sub(before.spurious),
            closed: self.closed.saturating_sub(before.closed),
            dispatches: self.dispatches.saturating_sub(before.dispatches),
            slow_dispatches: self.slow_dispatches.saturating_sub(before.slow_dispatches),
            slow_dispatch_ns: self
                .slow_dispatch_ns
                .saturating_sub(before.slow_dispatch_ns),
            live: self.live,
        }
    }
}

/// What one window has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    ns: u64,
    counts: Counts,
}

impl Window {
    fn per_second(&self, count: u64) -> u64 {
        let rate = u128::from(count) * u128::from(SECOND_NS) / u128::from(self.ns.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    fn is_wake_storm(&self) -> bool {
        self.per_second(self.counts.breaks) > MANY
            && self.counts.breaks > self.counts.polls_with_events
    }

    fn is_mostly_spurious(&self) -> bool {
        self.counts.wakes > MANY && self.counts.spurious * 2 > self.counts.wakes
    }

    fn is_starved(&self) -> bool {
        self.counts.polls_full >= FULL_POLLS
            && self.counts.polls_full * 2 > self.counts.polls_with_events
    }

    /// On a machine that is short of processors, a thread is kept from running in the middle of a
    /// dispatch now and then, and for long. That makes few of them slow; a waker that works makes
    /// many slow, or takes most of the time.
    fn is_slow(&self) -> bool {
        let counts = &self.counts;
        let many = counts.slow_dispatches >= SLOW_DISPATCHES
            && counts.slow_dispatches.saturating_mul(100) >= counts.dispatches;
        (many && counts.slow_dispatch_ns > self.ns / 10)
            || (counts.slow_dispatches > 1 && counts.slow_dispatch_ns > self.ns / 2)
    }

    /// Little's law: how many there are is how many come a second, times how long each stays.
    fn mean_life_ns(&self) -> Option<u64> {
        let ns = u128::from(self.counts.live) * u128::from(self.ns)
            / u128::from(self.counts.closed.max(1));
        (self.counts.closed > 0).then(|| u64::try_from(ns).unwrap_or(u64::MAX))
    }

    fn is_churning(&self) -> bool {
        self.per_second(self.counts.closed) > MANY
            && self.mean_life_ns().is_some_and(|life| life < SHORT_LIFE_NS)
    }

    fn holds(&self, lint: Lint) -> bool {
        match lint {
            Lint::WakeStorm => self.is_wake_storm(),
            Lint::SpuriousRatio => self.is_mostly_spurious(),
            Lint::StarvedBatch => self.is_starved(),
            Lint::SlowDispatch => self.is_slow(),
            Lint::GenerationChurn => self.is_churning(),
            _ => false,
        }
    }
}

const LINTS: [Lint; 5] = [
    Lint::WakeStorm,
    Lint::SpuriousRatio,
    Lint::StarvedBatch,
    Lint::SlowDispatch,
    Lint::GenerationChurn,
];

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// When the window began, and the counters then.
    began: Option<(u64, Counts)>,
    /// The last whole window.
    last: Window,
    /// Since when each has held, window after window.
    since: [Option<u64>; LINTS.len()],
}

impl Rates {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let counts = Counts::of(&observation.stats);
        let now_ns = observation.stats.captured_at_ns();
        match self.began {
            None => self.began = Some((now_ns, counts)),
            Some((began_ns, before)) if now_ns - began_ns >= observation.options.window_ns() => {
                self.last = Window {
                    ns: now_ns - began_ns,
                    counts: counts.since(&before),
                };
                for (since, lint) in self.since.iter_mut().zip(LINTS) {
                    *since = self.last.holds(lint).then(|| since.unwrap_or(began_ns));
                }
                self.began = Some((now_ns, counts));
            }
            Some(_) => {}
        }
        let held = LINTS
            .into_iter()
            .zip(self.since)
            .filter_map(|(lint, since)| {
                let since_ns = since?;
                let held = observation.age_ns(since_ns) >= observation.hold_ns(lint);
                (held && observation.runs(lint))
                    .then(|| describe(observation, lint, &self.last, since_ns))
            });
        held.collect()
    }
}

fn describe(observation: &Observation<'_>, lint: Lint, window: &Window, since_ns: u64) -> Finding {
    let counts = &window.counts;
    let rate = |count| format!("{}/s", window.per_second(count));
    let percent = |part: u64, whole: u64| format!("{} %", part.saturating_mul(100) / whole.max(1));
    let (summary, evidence): (String, Vec<(&'static str, String)>) = match lint {
        Lint::WakeStorm => (
            format!(
                "{} breaks are written, more than polls bring events ({})",
                rate(counts.breaks),
                rate(counts.polls_with_events)
            ),
            vec![
                ("breaks written", rate(counts.breaks)),
                ("polls with events", rate(counts.polls_with_events)),
            ],
        ),
        Lint::SpuriousRatio => (
            format!(
                "{} of {} wakes were for nothing: the waiter ran into EAGAIN",
                percent(counts.spurious, counts.wakes),
                rate(counts.wakes)
            ),
            vec![
                ("wakes", rate(counts.wakes)),
                ("spurious wakes", rate(counts.spurious)),
            ],
        ),
        Lint::StarvedBatch => (
            format!(
                "{} of the polls that found something filled their whole batch of {}",
                percent(counts.polls_full, counts.polls_with_events),
                observation.poller.shared.batch
            ),
            vec![
                ("full polls", rate(counts.polls_full)),
                ("polls with events", rate(counts.polls_with_events)),
                (
                    "events in a batch",
                    observation.poller.shared.batch.to_string(),
                ),
            ],
        ),
        Lint::SlowDispatch => (
            format!(
                "{} of the time went into {} dispatches of more than 1 ms, in which nobody polls",
                percent(counts.slow_dispatch_ns, window.ns),
                counts.slow_dispatches
            ),
            vec![
                ("dispatches", rate(counts.dispatches)),
                ("slow dispatches", rate(counts.slow_dispatches)),
                ("time in them, at least", span(counts.slow_dispatch_ns)),
            ],
        ),
        _ => (
            format!(
                "descriptors are closed {} a second and live for {} on average",
                window.per_second(counts.closed),
                span(window.mean_life_ns().unwrap_or_default())
            ),
            vec![
                ("descriptors closed", rate(counts.closed)),
                ("descriptors open", counts.live.to_string()),
            ],
        ),
    };
    let mut finding = Finding::of_poller(lint, observation, since_ns, summary).first_seen();
    finding.evidence = evidence;
    finding
        .evidence_if("the most by", top(observation, lint, window.ns))
        .evidence("window", span(window.ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(counts: Counts) -> Window {
        Window {
            ns: SECOND_NS,
            counts,
        }
    }

    #[track_caller]
    fn assert_only(counts: Counts, expected: &[Lint]) {
        let window = window(counts);
        let found: Vec<_> = LINTS
            .into_iter()
            .filter(|lint| window.holds(*lint))
            .collect();
        assert_eq!(found, expected, "{counts:?}");
    }

    #[test]
    fn breaks_are_a_storm_when_there_are_many_and_more_than_events() {
        let storm = Counts {
            breaks: 5_000,
            polls_with_events: 100,
            ..Counts::default()
        };
        assert_only(storm, &[Lint::WakeStorm]);
        assert_only(
            Counts {
                breaks: 900,
                ..storm
            },
            &[],
        );
        assert_only(
            Counts {
                polls_with_events: 6_000,
                ..storm
            },
            &[],
        );
    }

    #[test]
    fn wakes_are_spurious_when_most_of_many_are() {
        let spurious = Counts {
            wakes: 2_000,
            spurious: 1_001,
            ..Counts::default()
        };
        assert_only(spurious, &[Lint::SpuriousRatio]);
        assert_only(
            Counts {
                spurious: 1_000,
                ..spurious
            },
            &[],
        );
        assert_only(
            Counts {
                wakes: 1_000,
                spurious: 1_000,
                ..spurious
            },
            &[],
        );
    }

    #[test]
    fn batches_starve_when_most_of_several_are_full() {
        let full = Counts {
            polls_full: 10,
            polls_with_events: 19,
            ..Counts::default()
        };
        assert_only(full, &[Lint::StarvedBatch]);
        assert_only(
            Counts {
                polls_with_events: 20,
                ..full
            },
            &[],
        );
        assert_only(
            Counts {
                polls_full: 9,
                polls_with_events: 9,
                ..full
            },
            &[],
        );
    }

    #[test]
    fn dispatch_is_slow_when_it_takes_a_tenth_of_the_time() {
        let slow = Counts {
            dispatches: 2_000,
            slow_dispatches: 20,
            slow_dispatch_ns: SECOND_NS / 10 + 1,
            ..Counts::default()
        };
        assert_only(slow, &[Lint::SlowDispatch]);
        assert_only(
            Counts {
                slow_dispatch_ns: SECOND_NS / 10,
                ..slow
            },
            &[],
        );
    }

    #[test]
    fn a_thread_that_is_kept_from_running_now_and_then_is_not_slow() {
        let preempted = Counts {
            dispatches: 5_000,
            slow_dispatches: 5,
            slow_dispatch_ns: 120_000_000,
            ..Counts::default()
        };
        assert_only(preempted, &[]);
        let seldom_and_once = Counts {
            dispatches: 60,
            slow_dispatches: 1,
            slow_dispatch_ns: 250_000_000,
            ..Counts::default()
        };
        assert_only(seldom_and_once, &[]);
        let most_of_the_time = Counts {
            slow_dispatch_ns: SECOND_NS / 2 + 1,
            ..preempted
        };
        assert_only(most_of_the_time, &[Lint::SlowDispatch]);
    }

    #[test]
    fn descriptors_churn_when_many_are_closed_and_few_are_open() {
        let churn = Counts {
            closed: 2_000,
            live: 99,
            ..Counts::default()
        };
        assert_only(churn, &[Lint::GenerationChurn]);
        assert_eq!(window(churn).mean_life_ns(), Some(49_500_000));
        assert_only(Counts { live: 100, ..churn }, &[]);
        assert_only(
            Counts {
                closed: 1_000,
                live: 0,
                ..churn
            },
            &[],
        );
    }
}
