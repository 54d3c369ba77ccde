//! Native histograms: the buckets of Prometheus whose bounds nobody has to choose.

use super::buckets::Buckets;

/// Buckets to a doubling are two to the power of this: each is 9 % wide.
pub(super) const SCHEMA: i32 = 3;

/// The native buckets that are not empty.
pub(super) struct Native {
    /// Samples of 0.
    pub(super) zero: u64,
    /// Runs of buckets without a gap: how many are left out before each, and how many it has.
    pub(super) spans: Vec<(i32, u32)>,
    /// The counts of those in turn, each less the one before.
    pub(super) deltas: Vec<i64>,
}

impl Native {
    pub(super) fn of(buckets: &Buckets<'_>) -> Self {
        let (zero, native) = indexed(buckets);
        let (spans, deltas) = spans(&native);
        Self {
            zero,
            spans,
            deltas,
        }
    }
}

/// The samples of 0, and by index the native buckets that are not empty. An internal bucket goes
/// into the one that its middle lies in, so nothing is told as more than a fifth off.
fn indexed(buckets: &Buckets<'_>) -> (u64, Vec<(i32, u64)>) {
    let (snapshot, units) = (buckets.snapshot(), buckets.units());
    let (mut zero, mut all) = (0, Vec::<(i32, u64)>::new());
    for (upper, count) in snapshot.buckets() {
        let upper = upper.min(snapshot.max()) as f64;
        if upper == 0.0 {
            zero = count;
            continue;
        }
        // Four buckets to each doubling from 4 on, the last of which is an eighth below its end.
        let middle = if upper > 4.0 { upper * 0.9 } else { upper };
        let index = (middle / units).log2() * f64::from(1 << SCHEMA);
        let index = index.ceil() as i32;
        match all.last_mut() {
            Some((last, samples)) if *last == index => *samples += count,
            _ => all.push((index, count)),
        }
    }
    (zero, all)
}

/// The buckets as runs without a gap, and their counts as differences.
fn spans(native: &[(i32, u64)]) -> (Vec<(i32, u32)>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<(i32, u32)>::new(), Vec::new());
    let (mut next, mut before) = (0, 0);
    for (index, count) in native {
        match spans.last_mut() {
            Some((_, length)) if *index == next => *length += 1,
            _ => spans.push((index - next, 1)),
        }
        next = index + 1;
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        before = count;
    }
    (spans, deltas)
}
