//! One equation of a law, and whether it holds although the two sides were not read in one moment.

use super::law::Law;
use crate::observe::DescId;

/// Most transitions that can be half counted at one time: one for each thread with a number of its
/// own, and the wakers of a batch that were taken but not yet called.
const IN_FLIGHT: u64 = 512;

/// A counter read before and after the sweep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Twice {
    pub(super) before: u64,
    pub(super) after: u64,
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
pub(super) struct Part {
    pub(super) lhs: Twice,
    pub(super) rhs: Twice,
    pub(super) now: i64,
    /// What has moved, ever.
    pub(super) moved: Twice,
    /// Both sides go up and down, so the sweep itself blurs them.
    pub(super) gauges: bool,
}

impl Part {
    /// Counters in, counters out, and what is inside.
    pub(super) fn flow(lhs: Twice, rhs: Twice, now: u64) -> Self {
        Self {
            lhs,
            rhs,
            now: now as i64,
            moved: lhs + rhs,
            gauges: false,
        }
    }

    /// Two gauges, and the counters that say how much they move.
    pub(super) fn gauges(lhs: i64, rhs: i64, moved: Twice) -> Self {
        Self {
            lhs: Twice::default(),
            rhs: Twice::default(),
            now: rhs - lhs,
            moved,
            gauges: true,
        }
    }

    pub(super) fn holds(&self, moved_before: Option<u64>) -> bool {
        let since = |from: u64| self.moved.after.wrapping_sub(from);
        let during = since(self.moved.before);
        let in_flight = moved_before.map_or(during, since).min(IN_FLIGHT);
        let slack = (in_flight + if self.gauges { during } else { 0 }) as i64;
        let too_much = self.lhs.before as i64 - self.rhs.after as i64 - self.now;
        let too_little = self.lhs.after as i64 - self.rhs.before as i64 - self.now;
        too_much <= slack && too_little >= -slack
    }

    pub(super) fn is_exact(&self) -> bool {
        self.lhs.after as i64 == self.rhs.after as i64 + self.now
    }
}

/// A law as it was read: its equations, of which there may be one for each direction.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) name: &'static str,
    pub(super) statement: &'static str,
    pub(super) parts: Vec<Part>,
    /// Descriptors of which only one side of a law knows that goes by each of them.
    pub(super) odd: Vec<DescId>,
    pub(super) lhs: i64,
    pub(super) rhs: i64,
}

impl Reading {
    pub(super) fn flow(name: &'static str, statement: &'static str, parts: Vec<Part>) -> Self {
        let lhs = parts.iter().map(|part| part.lhs.after as i64).sum();
        let rhs = parts
            .iter()
            .map(|part| part.rhs.after as i64 + part.now)
            .sum();
        Self {
            name,
            statement,
            parts,
            odd: Vec::new(),
            lhs,
            rhs,
        }
    }

    pub(super) fn gauges(
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
            odd: Vec::new(),
            lhs,
            rhs,
        }
    }

    /// Whether it holds to the last count, of a poller that rests.
    pub(super) fn is_exact(&self) -> bool {
        self.parts.iter().all(Part::is_exact) && self.odd.is_empty()
    }

    pub(super) fn law(&self, violated: bool) -> Law {
        Law {
            name: self.name,
            statement: self.statement,
            lhs: self.lhs,
            rhs: self.rhs,
            violated,
        }
    }
}
