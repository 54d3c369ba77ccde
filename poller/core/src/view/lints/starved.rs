//! A thread that polls, and that the operating system keeps from running: it is runnable, others
//! have the processors, and events that are due wait with it.
//!
//! Nothing of that shows in what the poller stamps, for its own clock stands still meanwhile: the
//! whole delay passes for time in which nothing came.

use std::collections::HashMap;

use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use crate::observe::thread_name;
use crate::timers::EMPTY;
use crate::view::polled_by::{Polls, polls};

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Starved {
    /// By what the kernel calls the thread.
    threads: HashMap<i32, Seen>,
}

/// What one thread was like at a moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at_ns: u64,
    ran_ns: u64,
    delayed_ns: u64,
    runnable: bool,
    /// Events or deadlines were due.
    due: bool,
}

impl Reading {
    fn of(observation: &Observation<'_>, polls: &Polls, due: bool) -> Option<Self> {
        let (ran_ns, delayed_ns) = polls.os.times_ns();
        Some(Self {
            at_ns: observation.now_ns,
            ran_ns: ran_ns?,
            delayed_ns: delayed_ns?,
            runnable: polls.os.is_runnable(),
            due,
        })
    }
}

/// A thread over some looks.
#[derive(Clone, Copy, Debug)]
struct Seen {
    first: Reading,
    last: Reading,
    /// Since when it has been runnable without having run: that is not in its delay yet.
    waits_since_ns: Option<u64>,
    looks: u32,
    /// Of those after the first, in so many something was due.
    due: u32,
}

impl Seen {
    fn begin(now: Reading) -> Self {
        Self {
            first: now,
            last: now,
            waits_since_ns: None,
            looks: 0,
            due: 0,
        }
    }

    fn look(&mut self, now: Reading) {
        let last = self.last;
        let still = now.runnable && last.runnable && now.ran_ns == last.ran_ns;
        self.waits_since_ns = still.then(|| self.waits_since_ns.unwrap_or(last.at_ns));
        self.last = now;
        self.looks += 1;
        self.due += u32::from(now.due);
    }

    fn age_ns(&self) -> u64 {
        self.last.at_ns - self.first.at_ns
    }

    /// How long it waited for a processor since it was first seen.
    fn delayed_ns(&self) -> u64 {
        let waits = self
            .waits_since_ns
            .map_or(0, |since| self.last.at_ns - since);
        // What it had waited when it was first seen is in what is told when that wait ends.
        let told = self.last.delayed_ns.saturating_sub(self.first.delayed_ns);
        (told + waits).min(self.age_ns())
    }

    /// For most of the time it waited for a processor, and mostly something was due.
    fn is_kept(&self) -> bool {
        self.delayed_ns() > self.age_ns() / 2 && self.due * 2 > self.looks
    }

    /// And this for long enough.
    fn is_starved(&self, hold_ns: u64) -> bool {
        self.age_ns() >= hold_ns && self.is_kept()
    }
}

impl Starved {
    /// The finding, and whether a thread is kept from running, were it for long enough or not.
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> (Option<Finding>, bool) {
        if !observation.runs(Lint::ThreadStarved) {
            return (None, false);
        }
        let hold_ns = observation.hold_ns(Lint::ThreadStarved);
        let next = observation.poller.shared.timers.peek_ns();
        let due = observation.pending || (next != EMPTY && next < observation.now_ns);
        let before = std::mem::take(&mut self.threads);
        let (mut starved, mut is_kept) = (Vec::new(), false);
        for polls in polls(observation.poller) {
            let Some(now) = Reading::of(observation, &polls, due) else {
                continue;
            };
            let mut seen = match before.get(&polls.tid) {
                // Looks that are far apart, or long ago, say nothing of now.
                Some(seen) if seen.age_ns() <= hold_ns.saturating_mul(4) => *seen,
                Some(seen) => Seen::begin(seen.last),
                None => Seen::begin(now),
            };
            if now.at_ns > seen.last.at_ns {
                seen.look(now);
            }
            is_kept |= seen.is_kept();
            if seen.is_starved(hold_ns) {
                starved.push((seen, polls.thread, polls.os.nice()));
            }
            self.threads.insert(polls.tid, seen);
        }
        let worst = starved.iter().max_by_key(|(seen, ..)| seen.delayed_ns());
        let finding = worst.map(|(seen, thread, nice)| describe(observation, seen, *thread, *nice));
        (finding, is_kept)
    }
}

fn describe(
    observation: &Observation<'_>,
    seen: &Seen,
    thread: usize,
    nice: Option<i64>,
) -> Finding {
    let (age_ns, delayed_ns) = (seen.age_ns(), seen.delayed_ns());
    let percent = delayed_ns * 100 / age_ns.max(1);
    let thread = thread_name(thread);
    let (age, delayed) = (span(age_ns), span(delayed_ns));
    let summary = format!(
        "thread {thread} polls, and waited for a processor for {percent} % of the last {age}, while events or \
         deadlines were due"
    );
    Finding::of_poller(Lint::ThreadStarved, observation, seen.first.at_ns, summary)
        .first_seen()
        .evidence("thread", &*thread)
        .evidence("waited for a processor", format!("{delayed} of {age}"))
        .evidence(
            "ran",
            span(seen.last.ran_ns - seen.first.ran_ns.min(seen.last.ran_ns)),
        )
        .evidence_if("nice", nice.map(|nice| nice.to_string()))
        .evidence(
            "looks with something due",
            format!("{} of {}", seen.due, seen.looks),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: u64 = 500;

    /// A thread as it was seen: when, how long it had run and been kept from running by then,
    /// whether it was runnable, and whether something was due.
    fn seen(readings: &[(u64, u64, u64, bool, bool)]) -> Seen {
        let reading = |(at_ns, ran_ns, delayed_ns, runnable, due)| Reading {
            at_ns,
            ran_ns,
            delayed_ns,
            runnable,
            due,
        };
        let mut all = readings.iter().copied().map(reading);
        let mut seen = Seen::begin(all.next().unwrap());
        all.for_each(|now| seen.look(now));
        seen
    }

    #[test]
    fn a_thread_that_waits_for_most_of_the_time_while_something_is_due_is_starved() {
        let starved = seen(&[
            (0, 0, 0, true, true),
            (300, 5, 200, true, true),
            (600, 10, 450, false, true),
        ]);
        assert!(starved.is_starved(HOLD));
        assert_eq!(starved.delayed_ns(), 450);
        assert!(
            starved.is_kept() && !starved.is_starved(601),
            "not for long enough"
        );
    }

    #[test]
    fn a_wait_that_goes_on_counts_although_the_kernel_does_not_tell_it_yet() {
        let starved = seen(&[
            (0, 7, 0, true, true),
            (300, 7, 0, true, true),
            (600, 7, 0, true, true),
        ]);
        assert_eq!(
            (starved.delayed_ns(), starved.is_starved(HOLD)),
            (600, true)
        );
        // It ran, and what it had waited is told.
        let told = seen(&[
            (0, 7, 0, true, true),
            (300, 7, 0, true, true),
            (600, 9, 500, true, true),
        ]);
        assert_eq!(told.delayed_ns(), 500);
    }

    #[test]
    fn a_thread_that_sleeps_computes_or_waits_for_nothing_is_not_starved() {
        let not = |readings: &[_]| assert!(!seen(readings).is_starved(HOLD), "{readings:?}");
        not(&[(0, 0, 0, false, true), (600, 0, 0, false, true)]);
        not(&[(0, 0, 0, true, true), (600, 590, 10, true, true)]);
        // A processor of its own for half of the time.
        not(&[(0, 0, 0, true, true), (600, 300, 300, true, true)]);
        // Nothing was due for it.
        not(&[
            (0, 0, 0, true, true),
            (300, 1, 299, true, false),
            (600, 2, 598, true, false),
        ]);
    }
}
