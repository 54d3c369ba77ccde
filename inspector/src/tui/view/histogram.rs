//! Bars of a histogram on a logarithmic axis, as wide and as high as there is room.

use netpoller_proto::v1::Histogram;

/// Equal steps on the logarithmic axis, with the samples in each.
pub(super) struct Bars {
    /// Largest value of each step.
    pub(super) bounds: Vec<u64>,
    /// Samples of each step.
    pub(super) counts: Vec<u64>,
}

impl Bars {
    /// At most so many bars, but no more than the buckets have detail for.
    pub(super) fn of(histogram: &Histogram, most: usize) -> Self {
        let empty = Self { bounds: Vec::new(), counts: Vec::new() };
        let (Some(first), Some(last)) = (histogram.buckets.first(), histogram.buckets.last()) else { return empty };
        if most == 0 {
            return empty;
        }
        let octaves = log2(last.upper_bound) - log2(first.upper_bound);
        // Finer than a quarter of an octave would show gaps between buckets as valleys.
        let mut steps_an_octave = 4.0f64;
        #[allow(clippy::cast_precision_loss)]
        while steps_an_octave > 0.01 && octaves * steps_an_octave + 1.0 > most as f64 {
            steps_an_octave /= 2.0;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let step = |value: u64| ((log2(value) - log2(first.upper_bound)) * steps_an_octave).round().max(0.0) as usize;
        let bars = step(last.upper_bound).min(most.saturating_sub(1)) + 1;
        let mut counts = vec![0u64; bars];
        let mut bounds = vec![0u64; bars];
        for bucket in &histogram.buckets {
            let bar = step(bucket.upper_bound).min(bars - 1);
            counts[bar] = counts[bar].saturating_add(bucket.count);
            bounds[bar] = bounds[bar].max(bucket.upper_bound);
        }
        for bar in 1..bars {
            bounds[bar] = bounds[bar].max(bounds[bar - 1]);
        }
        Self { bounds, counts }
    }
}

fn log2(value: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    (value.max(1) as f64).log2()
}

/// Which of the characters of growing height stands in a cell of a bar. `cell` counts from the bottom.
///
/// What is there at all is seen: one sample beside a million still has the lowest mark.
pub(super) fn height(count: u64, largest: u64, rows: usize, cell: usize, levels: usize) -> usize {
    if count == 0 || largest == 0 || levels == 0 {
        return 0;
    }
    let units = (rows.saturating_mul(levels)) as u128;
    let filled = (u128::from(count) * units).div_ceil(u128::from(largest));
    let below = (cell.saturating_mul(levels)) as u128;
    usize::try_from(filled.saturating_sub(below)).unwrap_or(levels).min(levels)
}

/// One line of bars.
pub(super) fn sparkline(values: &[u64], heights: &[&str]) -> String {
    let largest = values.iter().copied().max().unwrap_or(0);
    let levels = heights.len().saturating_sub(1);
    values.iter().map(|value| heights.get(height(*value, largest, 1, 0, levels)).copied().unwrap_or(" ")).collect()
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::Bucket;

    use super::*;

    fn histogram(buckets: &[(u64, u64)]) -> Histogram {
        Histogram {
            buckets: buckets.iter().map(|&(upper_bound, count)| Bucket { upper_bound, count }).collect(),
            ..Histogram::default()
        }
    }

    #[test]
    fn no_sample_is_lost_whatever_the_width() {
        let histogram = histogram(&[(0, 1), (1, 2), (1_000, 3), (u64::MAX, 4)]);
        for most in 1..300 {
            let bars = Bars::of(&histogram, most);
            assert!(bars.counts.len() <= most);
            assert_eq!(bars.counts.iter().sum::<u64>(), 10);
            assert!(bars.bounds.is_sorted());
        }
        assert!(Bars::of(&histogram, 0).counts.is_empty());
    }

    #[test]
    fn a_single_sample_is_seen_and_the_largest_bar_is_full() {
        assert_eq!(height(1, 1_000_000, 10, 0, 8), 1);
        assert_eq!(height(1_000_000, 1_000_000, 10, 9, 8), 8);
        assert_eq!(height(0, 5, 10, 0, 8), 0);
        assert_eq!(height(u64::MAX, u64::MAX, 200, 199, 8), 8);
    }

    #[test]
    fn a_sparkline_has_a_character_for_each_value() {
        assert_eq!(sparkline(&[0, 1, 4, 8], &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]), " ▁▄█");
        assert_eq!(sparkline(&[], &[" ", "#"]), "");
    }
}
