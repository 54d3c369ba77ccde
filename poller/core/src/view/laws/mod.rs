//! The conservation laws: what was counted on the way in is what was counted on the way out, plus
//! what is inside.
//!
//! | file | holds |
//! |---|---|
//! | `law` | [`Law`], and how it stands |
//! | `part` | the arithmetic |
//! | `counts` | what is read: counters, and a sweep over the slots |
//! | `statements` | the laws themselves |
//! | `reading` | one reading of all of them, judged here |
//!
//! Go's count of waiters drifted unnoticed for years (golang/go#33624, #60782). A law that is
//! checked on the live process finds such a drift when it begins.
//!
//! # Reading a running poller
//!
//! The counters are read before and after a sweep over the slots. With `in`, `out` and `now` for
//! the three parts of a law, and `A` and `B` for the two readings, two bounds hold at any load:
//! what the sweep has seen inside came in by `B` and had not gone out by `A`, so `in(B) >= out(A) +
//! now`; and what came in by `A` has gone out by `B` or was inside all along, so `in(A) <= out(B) +
//! now`. On a poller that rests, both are the law itself.
//!
//! A transition is counted just after its CAS has won, so a thread may be caught between the two.
//! Therefore as much is allowed for as has moved since the read before, up to a bound, and a law is
//! reported as violated only when three reads in a row have found it so.
//!
//! The kernel's registrations are compared with the table one by one, each by slot, generation and
//! inode; a descriptor must be odd in all three reads.

mod counts;
mod law;
mod part;
mod reading;
mod statements;

use std::io;
use std::time::Duration;

use self::part::Reading;
use self::reading::read;
use crate::observe::DescId;
use crate::poller::Poller;

pub use law::Law;

/// Reads in a row that must find a law broken before it is reported.
pub const READS: u32 = 3;
/// The time to leave between two of them.
pub const READ_INTERVAL: Duration = Duration::from_millis(100);

/// Reads the laws of one poller again and again, and knows which of them keep failing.
#[derive(Debug, Default)]
pub struct Auditor {
    /// For each part of each law: in how many reads in a row it failed, and what had moved by the
    /// last one.
    history: Vec<(u32, Option<u64>)>,
    /// The same of the law that goes by each descriptor, and those that were odd each time: one
    /// that is just being opened or closed is so once.
    odd: (u32, Vec<DescId>),
}

impl Auditor {
    /// Makes one that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads all laws of `poller`, always the same one, but not the kernel's. One is violated once
    /// it has failed in [`READS`] calls in a row; leave [`READ_INTERVAL`] between calls.
    pub fn read(&mut self, poller: &Poller) -> Vec<Law> {
        self.judge(&read(poller, false))
    }

    /// Does [`Auditor::read`], and checks the law of the kernel's registrations. The kernel holds
    /// up registrations and events while it writes their list, about half a microsecond a
    /// descriptor.
    pub fn read_with_kernel(&mut self, poller: &Poller) -> Vec<Law> {
        self.judge(&read(poller, true))
    }

    /// Returns whether the last read found something that another read should confirm.
    pub fn is_suspicious(&self) -> bool {
        let parts = self.history.iter().map(|(streak, _)| *streak);
        parts
            .chain([self.odd.0])
            .any(|streak| (1..READS).contains(&streak))
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
            if law.parts.is_empty() {
                violated |= self.judge_each(&law.odd) >= READS;
            }
            law.law(violated)
        });
        laws.collect()
    }

    /// In how many reads in a row some descriptor was odd.
    fn judge_each(&mut self, odd: &[DescId]) -> u32 {
        let (streak, before) = &mut self.odd;
        let again = |id: &&DescId| before.contains(id);
        let same: Vec<DescId> = odd.iter().filter(again).copied().collect();
        (*streak, *before) = match same.is_empty() {
            true => (u32::from(!odd.is_empty()), odd.to_vec()),
            false => (*streak + 1, same),
        };
        *streak
    }
}

impl Poller {
    /// Reads its laws while it may be running, that of the kernel's registrations included: once if
    /// all hold, else up to [`READS`] times, [`READ_INTERVAL`] apart.
    ///
    /// # Errors
    ///
    /// In a forked child: what the parent was in the middle of was copied as it was, and the
    /// kernel's registrations are the parent's.
    pub fn audit(&self) -> io::Result<Vec<Law>> {
        self.shared.check_process()?;
        let mut auditor = Auditor::new();
        let mut laws = auditor.judge(&read(self, true));
        // Twice as many as one law needs: another may have begun to fail in the last of its reads.
        for _ in 1..2 * READS {
            if !auditor.is_suspicious() {
                break;
            }
            std::thread::sleep(READ_INTERVAL);
            laws = auditor.judge(&read(self, true));
        }
        Ok(laws)
    }

    /// Reads its laws at rest, when each must hold to the last count: no thread is inside of a
    /// call.
    ///
    /// # Errors
    ///
    /// As [`Poller::audit`].
    pub fn audit_quiescent(&self) -> io::Result<Vec<Law>> {
        self.shared.check_process()?;
        let laws = read(self, true);
        Ok(laws.iter().map(|law| law.law(!law.is_exact())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::part::{Part, Twice};
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
    fn a_descriptor_that_the_kernel_lacks_is_found_though_others_come_and_go() {
        let id = |slot| DescId {
            slot,
            generation: 1,
        };
        let mut auditor = Auditor::new();
        let streaks = [vec![id(1), id(7)], vec![id(7), id(2)], vec![id(3), id(7)]]
            .map(|odd| auditor.judge_each(&odd));
        assert_eq!(streaks, [1, 2, 3]);
        let mut auditor = Auditor::new();
        let streaks =
            [vec![id(1)], vec![id(2)], vec![id(3)], vec![]].map(|odd| auditor.judge_each(&odd));
        assert_eq!(streaks, [1, 1, 1, 0], "each is odd only once");
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
