//! Histograms with fixed log-linear buckets: four to each doubling, so that a bucket is at most 25
//! % wide.
//!
//! A bucket ends with its bound, which counts to it: the powers of two are bounds, so that a batch
//! of 128 is one of "at most 128", and what is exported as `le="128"` is exactly that.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::task::Task;
use super::{DescId, Label};
use crate::sys::AtomicLocation;

/// Values up to this have a bucket each.
const LINEAR: u64 = 4;
/// Buckets to each doubling above it.
const SUB: usize = 4;
/// The largest power of two with buckets of its own: 2^44 ns is nearly five hours. What is larger
/// falls into the last bucket.
const MAX_EXPONENT: usize = 44;

/// Number of buckets, the last one for whatever is larger.
pub(crate) const BUCKETS: usize = 1 + LINEAR as usize + (MAX_EXPONENT - 2) * SUB + 1;

/// Returns the index of the bucket for `value`.
#[inline]
pub fn bucket_of(value: u64) -> usize {
    if value <= LINEAR {
        return value as usize;
    }
    // One less, for the bound itself is the last value of its bucket. As a float it begins with
    // its exponent and two bits more: the doubling, and which quarter of it. What a float rounds
    // has no bucket of its own.
    let below = (value - 1) as i64 as f64;
    let index = (below.to_bits() >> (f64::MANTISSA_DIGITS - 1 - 2)) as usize;
    (index - FIRST).min(BUCKETS - 1)
}

/// That index of the first value above [`LINEAR`], less its bucket.
const FIRST: usize = ((f64::MAX_EXP as usize - 1 + 2) * SUB) - (LINEAR as usize + 1);

/// Returns the largest value of bucket `index`; the last bucket has none and says so with
/// `u64::MAX`.
pub fn upper_bound(index: usize) -> u64 {
    if index <= LINEAR as usize {
        return index as u64;
    }
    if index >= BUCKETS - 1 {
        return u64::MAX;
    }
    let beyond = index - 1 - LINEAR as usize;
    let (exponent, sub) = (beyond / SUB + 2, beyond % SUB);
    ((LINEAR + sub as u64 + 1) << exponent) >> 2
}

/// Whose a sample is, as far as it is anybody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Owner {
    pub(crate) desc: DescId,
    /// The call that has waited.
    pub(crate) location: Option<&'static Location<'static>>,
    /// The task that has.
    pub(crate) task: Task,
}

impl From<DescId> for Owner {
    fn from(desc: DescId) -> Self {
        Self {
            desc,
            ..Self::default()
        }
    }
}

/// One bucket in one shard: its count, and the last sample that fell into it.
#[derive(Debug)]
struct Cell {
    count: AtomicU64,
    at_ns: AtomicU64,
    /// Packed [`DescId`].
    desc: AtomicU64,
    location: AtomicLocation,
    /// Label of its name.
    task: AtomicU32,
    /// Its number, 0 for one that is not known or too large.
    task_id: AtomicU32,
}

/// How often an exemplar is read again before it is left out.
const RETRIES: usize = 4;

impl Cell {
    const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            at_ns: AtomicU64::new(0),
            desc: AtomicU64::new(0),
            location: AtomicLocation::new(),
            task: AtomicU32::new(0),
            task_id: AtomicU32::new(0),
        }
    }

    /// To be called by one thread at a time; where threads share a shard, its parts may be of
    /// several of them.
    #[inline(never)]
    fn set_exemplar(&self, of: &Owner, at_ns: u64) {
        // No time while the parts do not belong together. Whoever sees a new one also sees that
        // there was none.
        self.at_ns.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.desc.store(of.desc.to_bits(), Ordering::Relaxed);
        self.location.set(of.location);
        self.task.store(of.task.name.0, Ordering::Relaxed);
        let task_id = u32::try_from(of.task.id).unwrap_or(0);
        self.task_id.store(task_id, Ordering::Relaxed);
        self.at_ns.store(at_ns, Ordering::Release);
    }

    /// The exemplar, if there is one, and its parts belong together.
    fn exemplar(&self) -> Option<Exemplar> {
        (0..RETRIES).find_map(|_| {
            let at_ns = self.at_ns.load(Ordering::Acquire);
            let of = Owner {
                desc: DescId::from_bits(self.desc.load(Ordering::Relaxed)),
                location: self.location.load(),
                task: Task {
                    name: Label(self.task.load(Ordering::Relaxed)),
                    id: self.task_id.load(Ordering::Relaxed).into(),
                },
            };
            fence(Ordering::Acquire);
            let same = self.at_ns.load(Ordering::Relaxed) == at_ns;
            (at_ns != 0 && same).then_some(Exemplar { of, at_ns })
        })
    }
}

/// Each sample of a bucket that has fewer is its exemplar, and then one in so many: the rare ones
/// are those that people ask for, and of the others any recent one will do.
const EXEMPLAR_EVERY: u64 = 16;

/// The latest sample of a bucket; of one that has many, one of the last sixteen. What it says is
/// kept with it, and does not go with the descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exemplar {
    of: Owner,
    at_ns: u64,
}

impl Exemplar {
    /// Its descriptor; `None` where the sample belongs to none, as the duration of a poll.
    pub fn descriptor(&self) -> Option<DescId> {
        self.of.desc.some()
    }

    /// Returns the call that waited; `None` where the sample is not that of a wait.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.of.location
    }

    /// Returns the name of the task that waited, or its number; empty for a thread outside of any
    /// task, and where the sample is not that of a wait.
    pub fn task(&self) -> Arc<str> {
        self.of.task.text()
    }

    /// The label of the name of the task that waited.
    pub(crate) fn task_name(&self) -> Label {
        self.of.task.name
    }

    /// Returns the number of the task; 0 for none, and for one beyond 2^32.
    pub fn task_id(&self) -> u64 {
        self.of.task.id
    }

    /// Returns when it was recorded, CLOCK_MONOTONIC. Of the samples that a thread records between
    /// two readings of the clock the time is that of the first reading.
    pub fn at_ns(&self) -> u64 {
        self.at_ns
    }
}

/// The cells of one histogram in one shard.
#[derive(Debug)]
pub(crate) struct Cells {
    sum: AtomicU64,
    max: AtomicU64,
    buckets: [Cell; BUCKETS],
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self {
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| Cell::new()),
        }
    }

    #[inline]
    pub(crate) fn record(
        &self,
        value: u64,
        n: u64,
        of: impl FnOnce() -> Owner,
        at_ns: u64,
        add: impl Fn(&AtomicU64, u64),
    ) {
        let cell = &self.buckets[bucket_of(value)];
        let count = cell.count.load(Ordering::Relaxed);
        if count < EXEMPLAR_EVERY || count % EXEMPLAR_EVERY + n >= EXEMPLAR_EVERY {
            cell.set_exemplar(&of(), at_ns);
        }
        add(&cell.count, n);
        add(&self.sum, value.wrapping_mul(n));
        if value > self.max.load(Ordering::Relaxed) {
            self.raise_max(value);
        }
    }

    #[cold]
    fn raise_max(&self, value: u64) {
        self.max.fetch_max(value, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, snapshot: &mut HistogramSnapshot) {
        snapshot.sum = snapshot.sum.wrapping_add(self.sum.load(Ordering::Relaxed));
        snapshot.max = snapshot.max.max(self.max.load(Ordering::Relaxed));
        for (index, cell) in self.buckets.iter().enumerate() {
            let count = cell.count.load(Ordering::Relaxed);
            if count == 0 {
                continue;
            }
            snapshot.buckets[index] += count;
            let exemplar = cell.exemplar();
            let latest = &mut snapshot.exemplars[index];
            if exemplar.map(|e| e.at_ns) > latest.map(|e| e.at_ns) {
                *latest = exemplar;
            }
        }
    }
}

/// A histogram as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistogramSnapshot {
    sum: u64,
    max: u64,
    buckets: Box<[u64]>,
    exemplars: Box<[Option<Exemplar>]>,
}

impl HistogramSnapshot {
    pub(crate) fn empty() -> Self {
        Self {
            sum: 0,
            max: 0,
            buckets: vec![0; BUCKETS].into_boxed_slice(),
            exemplars: vec![None; BUCKETS].into_boxed_slice(),
        }
    }

    /// Of counts by bucket, without exemplars.
    pub(crate) fn of(sum: u64, max: u64, buckets: &[u64]) -> Self {
        Self {
            sum,
            max,
            buckets: buckets.into(),
            exemplars: vec![None; buckets.len()].into_boxed_slice(),
        }
    }

    /// Returns the samples that came after `earlier`, an earlier reading of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &HistogramSnapshot) -> HistogramSnapshot {
        let buckets: Box<[u64]> = self
            .buckets
            .iter()
            .zip(&earlier.buckets)
            .map(|(now, before)| now.saturating_sub(*before))
            .collect();
        let exemplars = self.exemplars.iter().zip(&buckets);
        let highest = buckets.iter().rposition(|count| *count != 0);
        HistogramSnapshot {
            sum: self.sum.wrapping_sub(earlier.sum),
            // The largest of all came in this interval, or its bucket is what is known.
            max: match highest.map_or(0, upper_bound) {
                _ if self.max > earlier.max && highest.is_some() => self.max,
                bound => bound.min(self.max),
            },
            exemplars: exemplars
                .map(|(exemplar, count)| exemplar.filter(|_| *count > 0))
                .collect(),
            buckets,
        }
    }

    /// Returns the number of samples.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the sum of all samples, in the unit of the histogram.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns the largest sample, 0 without samples. Of an interval
    /// ([`HistogramSnapshot::since`]) in which no sample was larger than all before, it is the
    /// bound of the largest one's bucket.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns the value below which a share `q` (0 to 1) of the samples lies, rounded up to the
    /// bound of its bucket, or to the largest sample if that is less; `None` without samples.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((count as f64 * q).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        (count > 0)
            .then(|| {
                self.buckets().find(|(_, samples)| {
                    seen += samples;
                    seen >= rank
                })
            })?
            .map(|(bound, _)| bound.min(self.max))
    }

    /// Returns the inclusive upper bound and the count of each bucket that is not empty, ascending.
    /// The bound of the overflow bucket is `u64::MAX`.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count != 0)
            .map(|(index, count)| (upper_bound(index), *count))
    }

    /// Returns the latest sample of each bucket that [`HistogramSnapshot::buckets`] gives, in the
    /// same order.
    pub fn exemplars(&self) -> impl Iterator<Item = Option<Exemplar>> + '_ {
        self.buckets
            .iter()
            .zip(&self.exemplars)
            .filter(|(count, _)| **count != 0)
            .map(|(_, exemplar)| *exemplar)
    }

    /// Returns the number of samples of at most `bound`, exact where `bound` is the bound of a
    /// bucket, else rounded down.
    pub fn count_at_most(&self, bound: u64) -> u64 {
        self.buckets()
            .take_while(|(upper, _)| *upper <= bound)
            .map(|(_, count)| count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cells: &Cells, value: u64, of: impl Into<Owner>, at_ns: u64) {
        cells.record(
            value,
            1,
            || of.into(),
            at_ns,
            |cell, n| {
                cell.fetch_add(n, Ordering::Relaxed);
            },
        );
    }

    #[test]
    fn each_bucket_keeps_its_latest_sample_over_all_shards() {
        let (first, second) = (Cells::new(), Cells::new());
        let desc = |slot| DescId {
            slot,
            generation: 1,
        };
        record(&first, 1000, desc(1), 10);
        record(&second, 1001, desc(2), 30);
        record(&first, 999, desc(3), 20);
        record(&first, 5, DescId::NONE, 40);
        let mut snapshot = HistogramSnapshot::empty();
        first.add_to(&mut snapshot);
        second.add_to(&mut snapshot);
        let exemplars: Vec<_> = snapshot
            .exemplars()
            .map(|exemplar| exemplar.map(|e| (e.descriptor(), e.at_ns())))
            .collect();
        assert_eq!(exemplars, [Some((None, 40)), Some((Some(desc(2)), 30))]);
    }

    #[test]
    fn the_parts_of_an_exemplar_belong_together_whatever_the_writer_does_meanwhile() {
        let cells = Cells::new();
        let most = 200_000;
        let locations = [Some(Location::caller()), None];
        let owner = |at_ns| Owner {
            desc: DescId {
                slot: at_ns as u32,
                generation: 1,
            },
            location: locations[at_ns as usize % 2],
            task: Task {
                name: Label(at_ns as u32 + 1),
                id: at_ns + 2,
            },
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for at_ns in 1..=most {
                    record(&cells, 1000, owner(at_ns), at_ns);
                }
            });
            let mut seen = 0;
            while seen < most {
                let mut snapshot = HistogramSnapshot::empty();
                cells.add_to(&mut snapshot);
                for exemplar in snapshot.exemplars().flatten() {
                    seen = exemplar.at_ns();
                    assert_eq!(exemplar.of, owner(seen));
                }
            }
        });
    }

    #[test]
    fn an_interval_holds_what_came_after_its_beginning_and_the_exemplars_of_that() {
        let cells = Cells::new();
        record(&cells, 10, DescId::NONE, 1);
        let mut before = HistogramSnapshot::empty();
        cells.add_to(&mut before);
        record(&cells, 1000, DescId::NONE, 2);
        record(&cells, 1000, DescId::NONE, 3);
        let mut after = HistogramSnapshot::empty();
        cells.add_to(&mut after);
        let interval = after.since(&before);
        assert_eq!((interval.count(), interval.sum()), (2, 2000));
        assert_eq!(interval.buckets().count(), 1);
        assert_eq!(interval.exemplars().flatten().count(), 1);
    }

    #[test]
    fn every_value_lies_in_the_bucket_whose_bounds_hold_it() {
        let mut values: Vec<u64> = (0..5000).collect();
        for exponent in 3..64 {
            values.extend([(1u64 << exponent) - 1, 1 << exponent, (1 << exponent) + 1]);
        }
        for value in values {
            let index = bucket_of(value);
            assert!(value <= upper_bound(index), "{value} in {index}");
            assert!(
                index == 0 || value > upper_bound(index - 1),
                "{value} in {index}"
            );
        }
    }

    #[test]
    fn a_bucket_is_at_most_a_quarter_wide() {
        for index in 5..BUCKETS - 1 {
            let (low, high) = (upper_bound(index - 1) + 1, upper_bound(index));
            assert!(
                (high - low) as f64 <= 0.25 * low as f64,
                "bucket {index}: {low} to {high}"
            );
        }
    }

    #[test]
    fn quantiles_are_null_when_empty_and_round_up_otherwise() {
        let cells = Cells::new();
        let mut snapshot = HistogramSnapshot::empty();
        assert_eq!(snapshot.quantile(0.5), None);
        for value in [10, 20, 30, 1000] {
            record(&cells, value, DescId::NONE, value);
        }
        cells.add_to(&mut snapshot);
        assert_eq!((snapshot.count(), snapshot.sum()), (4, 1060));
        assert_eq!(snapshot.quantile(0.5), Some(20));
        assert_eq!(snapshot.quantile(1.0), Some(snapshot.max()));
        assert_eq!(snapshot.count_at_most(32), 3);
    }
}
