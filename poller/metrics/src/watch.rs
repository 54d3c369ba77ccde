//! What is looked for again and again, because no counter tells: known faults, laws that are
//! violated, waits that last, and what is due while nobody polls.
//!
//! The thread of the server looks each second, and each five where a look takes long. Where there
//! is none, as in a program that calls `encode` in a route of its own, each reading looks. What the
//! last look has seen is what is exported.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netpoller_core::internals::{self, Gauges};
use netpoller_core::view::lints::{Lint, Lints, Options};
use netpoller_core::view::{self, Auditor};

/// Between two looks, where they take no time.
const REST: Duration = Duration::from_secs(1);
/// After a look it rests for so many times as long as that took.
const TIMES: u32 = 100;
/// But no longer than this: who alerts by what is seen waits for several looks.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// The kernel keeps the delivery of events waiting while it lists its registrations, so those are
/// looked at even less often.
const LIST_TIMES: u32 = 10_000;
/// Over which rates are taken.
const WINDOW: Duration = Duration::from_secs(5);

/// What was seen of one poller.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) gauges: Gauges,
    findings: [u64; Lint::ALL.len()],
    pub(super) laws_violated: u64,
}

impl Seen {
    /// Findings of one lint.
    pub(super) fn findings(&self, lint: Lint) -> u64 {
        let mut all = Lint::ALL.iter().zip(self.findings);
        all.find(|(it, _)| **it == lint)
            .map_or(0, |(_, found)| found)
    }

    fn find(&mut self, lint: Lint) {
        let mut all = Lint::ALL.iter().zip(&mut self.findings);
        if let Some((_, found)) = all.find(|(it, _)| **it == lint) {
            *found += 1;
        }
    }
}

#[derive(Debug)]
struct Watch {
    lints: Lints,
    /// By number of the poller.
    auditors: HashMap<u32, Auditor>,
    seen: HashMap<u32, Seen>,
    /// When the last look began, and when the next is due.
    looked: Option<(Instant, Instant)>,
}

impl Watch {
    fn new() -> Self {
        let options = Options::new().window(WINDOW).kernel(true);
        Self {
            lints: Lints::new(internals::spare_kernel(options, LIST_TIMES)),
            auditors: HashMap::new(),
            seen: HashMap::new(),
            looked: None,
        }
    }

    /// Looks, unless somebody has less than a rest before `now`.
    fn look(&mut self, now: Instant) {
        if self.looked.is_some_and(|(_, due)| now < due) {
            return;
        }
        let mut ids = Vec::new();
        for poller in view::pollers() {
            let id = internals::id(&poller);
            ids.push(id);
            let (findings, gauges) = internals::look(&mut self.lints, &poller);
            let laws = self.auditors.entry(id).or_default().read(&poller);
            let mut seen = Seen {
                gauges,
                laws_violated: laws.iter().filter(|law| law.violated).count() as u64,
                ..Seen::default()
            };
            for finding in findings {
                seen.find(finding.lint);
            }
            self.seen.insert(id, seen);
        }
        internals::keep(&mut self.lints, &ids);
        self.auditors.retain(|id, _| ids.contains(id));
        self.seen.retain(|id, _| ids.contains(id));
        let took = now.elapsed();
        let rest = took.saturating_mul(TIMES).clamp(REST, LONGEST_REST);
        self.looked = Some((now, now + took + rest));
    }
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

/// Does `what` with the only watch of the process.
fn with_watch<R>(what: impl FnOnce(&mut Watch) -> R) -> R {
    // A forked child finds the other lock free, because this one is taken first.
    let _turn = internals::watching();
    let mut watch: MutexGuard<'_, _> = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    what(watch.get_or_insert_with(Watch::new))
}

/// Looks if a look is due. Returns when the next one is.
#[cfg(feature = "prometheus")]
pub(super) fn look() -> Instant {
    with_watch(|watch| {
        let now = Instant::now();
        watch.look(now);
        watch.looked.map_or(now, |(_, due)| due)
    })
}

/// What was seen of all pollers, by their numbers. Looks if nobody has for longer than who looks
/// regularly would have rested.
pub(super) fn seen() -> HashMap<u32, Seen> {
    with_watch(|watch| {
        let now = Instant::now();
        let is_old = |(looked, due): (Instant, Instant)| now > due + (due - looked);
        if watch.looked.is_none_or(is_old) {
            watch.look(now);
        }
        watch.seen.clone()
    })
}

#[cfg(test)]
mod tests {
    use netpoller_core::view::faults;
    use netpoller_core::{Direction, Poller, Transition};

    use super::*;

    fn at(began: Instant, seconds: u64) -> Instant {
        began + Duration::from_secs(seconds)
    }

    #[test]
    fn a_law_that_is_violated_is_seen_by_the_third_look_and_forgotten_with_its_poller() {
        let poller = Poller::builder().name("watched").build().unwrap();
        let id = internals::id(&poller);
        faults::skew(&poller, Direction::Read, Transition::Park, 1);
        let mut watch = Watch::new();
        let began = Instant::now();
        let mut violated = Vec::new();
        for second in 0..3 {
            // A look that takes long is not followed by another so soon.
            watch.looked = None;
            watch.look(at(began, second));
            violated.push(watch.seen[&id].laws_violated);
        }
        assert_eq!(violated[..2], [0, 0]);
        assert!(violated[2] > 0);
        drop(poller);
        // Another test may look at it, for a moment.
        while watch.seen.contains_key(&id) {
            std::thread::sleep(Duration::from_millis(10));
            watch.looked = None;
            watch.look(Instant::now());
        }
        assert!(!watch.auditors.contains_key(&id));
    }

    #[test]
    fn nobody_looks_again_before_a_rest_is_over() {
        let mut watch = Watch::new();
        let began = Instant::now();
        watch.look(began);
        let first = watch.looked;
        watch.look(began + REST / 2);
        assert_eq!(watch.looked, first);
        let (_, due) = first.unwrap();
        assert!(due >= began + REST);
        watch.look(due);
        assert_ne!(watch.looked, first);
    }
}
