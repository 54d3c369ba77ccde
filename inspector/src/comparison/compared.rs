//! Two moments, compared.

use super::findings::{self, Found};
use super::moment::Moment;
use super::{descriptors, numbers};
use crate::table::{ChangedRow, Difference};

/// All that has changed between two moments.
#[derive(Debug)]
pub(crate) struct Compared {
    /// Both are of the same life of one process.
    pub(crate) same_life: bool,
    /// The time between, where both are on the same clock.
    pub(crate) between_ns: Option<u64>,
    /// `None` if nobody looked for faults at one of them.
    pub(crate) found: Option<Found>,
    /// There were more findings than were listed, so that what is new need not be.
    pub(crate) is_cut: bool,
    /// Empty unless both are of the same life: a descriptor of one process is none of another.
    pub(crate) descriptors: Vec<ChangedRow>,
    pub(crate) numbers: Vec<Difference>,
}

impl Compared {
    /// What has changed until `after`.
    pub(crate) fn new(before: &Moment, after: &Moment) -> Self {
        let same_life = before.life == after.life;
        Self {
            same_life,
            between_ns: same_life.then(|| after.at_ns().saturating_sub(before.at_ns())),
            found: findings::between(before, after, same_life),
            is_cut: before.more > 0 || after.more > 0,
            descriptors: match same_life {
                true => descriptors::between(&before.rows, &after.rows),
                false => Vec::new(),
            },
            numbers: numbers::between(before, after, same_life),
        }
    }

    /// Whether nothing has.
    pub(crate) fn is_empty(&self) -> bool {
        let found = self.found.as_ref();
        let is_known = found.is_none_or(|it| it.new.is_empty() && it.gone.is_empty());
        is_known && self.descriptors.is_empty() && self.numbers.is_empty()
    }
}
