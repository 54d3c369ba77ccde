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
    /// At most this number of bars, and no more than the buckets have detail for.
    pub(super) fn of(histogram: &Histogram, most: usize) -> Self {
        let none = Self {
            bounds: Vec::new(),
            counts: Vec::new(),
        };
        let Some(places) = places(histogram).filter(|_| most > 0) else {
            return none;
        };
        let (first, last) = places
            .iter()
            .fold((u64::MAX, 0), |(low, high), (place, _, _)| {
                (low.min(*place), high.max(*place))
            });
        // Whole buckets go into each bar, the same number everywhere: otherwise bars would rise and
        // fall by themselves.
        let most = most as u64;
        let mut merged = 1u64;
        while last / merged - first / merged >= most {
            merged *= 2;
        }
        let index = |place: u64| usize::try_from(place / merged - first / merged).unwrap_or(0);
        let bars = index(last) + 1;
        let mut counts = vec![0u64; bars];
        let mut bounds = vec![0u64; bars];
        for (place, bound, count) in places {
            let bar = index(place);
            counts[bar] = counts[bar].saturating_add(count);
            bounds[bar] = bounds[bar].max(bound);
        }
        for bar in 1..bars {
            // Nothing has told the bound of one that is empty: it is that of its last place.
            if bounds[bar] == 0 {
                let after = (first / merged + bar as u64 + 1).saturating_mul(merged);
                bounds[bar] = largest(after.saturating_sub(1));
            }
            bounds[bar] = bounds[bar].max(bounds[bar - 1]);
        }
        Self { bounds, counts }
    }
}

/// Place on the axis, bound and count of each bucket. The bucket for everything too large has no
/// bound, and so no place of its own: it stands next to the last one that has.
fn places(histogram: &Histogram) -> Option<Vec<(u64, u64, u64)>> {
    let mut places: Vec<(u64, u64, u64)> = Vec::with_capacity(histogram.buckets.len());
    for bucket in &histogram.buckets {
        let place = match (bucket.upper_bound, places.last()) {
            (u64::MAX, Some((before, _, _))) => before + 1,
            (bound, _) => place(bound),
        };
        places.push((place, bucket.upper_bound, bucket.count));
    }
    let start = start(&places)?;
    for (place, _, _) in &mut places {
        *place = start.max(*place);
    }
    Some(places)
}

/// Where the axis begins: with all but one sample in a thousand, so that a stray one does not take
/// room from the rest. It stands in the first bar, whose bound holds for it too. `None` if there is
/// no bucket.
fn start(places: &[(u64, u64, u64)]) -> Option<u64> {
    let counts = places.iter().map(|(_, _, count)| u128::from(*count));
    let all: u128 = counts.sum();
    let mut before = 0;
    let bulk = places.iter().find(|(_, _, count)| {
        before += u128::from(*count);
        before * 1_000 > all
    });
    bulk.or(places.first()).map(|(at, _, _)| *at)
}

/// Four places to each doubling, as the buckets are laid out.
fn place(value: u64) -> u64 {
    let value = value.max(1);
    let octave = u64::from(value.ilog2());
    let quarter = if octave >= 2 {
        (value >> (octave - 2)) & 3
    } else {
        (value << (2 - octave)) & 3
    };
    octave * 4 + quarter
}

/// The largest value that has this place, or one before it.
fn largest(place: u64) -> u64 {
    let (octave, quarter) = (place / 4, u128::from(place % 4));
    let after = ((quarter + 5) << octave.min(64)).div_ceil(4);
    u64::try_from(after - 1).unwrap_or(u64::MAX)
}

/// Which of the characters of growing height stands in a cell of a bar. `cell` counts from the
/// bottom.
///
/// What is there at all is seen: one sample beside a million still has the lowest mark.
pub(super) fn height(count: u64, largest: u64, rows: usize, cell: usize, levels: usize) -> usize {
    if count == 0 || largest == 0 || levels == 0 {
        return 0;
    }
    let units = (rows.saturating_mul(levels)) as u128;
    let filled = (u128::from(count) * units).div_ceil(u128::from(largest));
    let below = (cell.saturating_mul(levels)) as u128;
    usize::try_from(filled.saturating_sub(below))
        .unwrap_or(levels)
        .min(levels)
}

/// One line of bars.
pub(super) fn sparkline(values: &[u64], heights: &[&str]) -> String {
    let largest = values.iter().copied().max().unwrap_or(0);
    let levels = heights.len().saturating_sub(1);
    values
        .iter()
        .map(|value| {
            heights
                .get(height(*value, largest, 1, 0, levels))
                .copied()
                .unwrap_or(" ")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::Bucket;

    use super::*;

    fn histogram(buckets: &[(u64, u64)]) -> Histogram {
        Histogram {
            buckets: buckets
                .iter()
                .map(|&(upper_bound, count)| Bucket {
                    upper_bound,
                    count,
                    ..Default::default()
                })
                .collect(),
            ..Histogram::default()
        }
    }

    #[test]
    fn a_stray_sample_does_not_stretch_the_axis() {
        let bulk = [(1_700_000, 4_000), (2_100_000, 3_000), (60_000_000, 20)];
        let stray = [&[(0, 1), (900, 2)], &bulk[..]].concat();
        let [with, without] = [&stray[..], &bulk].map(|it| Bars::of(&histogram(it), 40));
        assert_eq!(with.bounds.len(), without.bounds.len());
        assert!(with.bounds[0] >= 1_000_000, "{:?}", with.bounds);
        assert_eq!(with.counts.iter().sum::<u64>(), 7_023);
        // Of few samples each is one in less than a thousand.
        let few = Bars::of(&histogram(&[(900, 1), (1_700_000, 9)]), 40);
        assert!(few.bounds[0] < 2_000, "{:?}", few.bounds);
    }

    #[test]
    fn no_sample_is_lost_whatever_the_width() {
        let histogram = histogram(&[(0, 1), (1, 2), (1_000, 3), (1 << 60, 2), (u64::MAX, 2)]);
        for most in 1..300 {
            let bars = Bars::of(&histogram, most);
            assert!(bars.counts.len() <= most);
            assert_eq!(bars.counts.iter().sum::<u64>(), 10);
            assert!(bars.bounds.is_sorted());
        }
        assert!(Bars::of(&histogram, 0).counts.is_empty());
    }

    #[test]
    fn even_buckets_make_even_bars() {
        let bounds =
            (4..30).flat_map(|octave| (5..9u64).map(move |quarter| (quarter << (octave - 2)) - 1));
        let even = histogram(&bounds.map(|bound| (bound, 1)).collect::<Vec<_>>());
        for most in [104, 52, 26, 13] {
            let counts = Bars::of(&even, most).counts;
            assert!(
                counts.windows(2).all(|pair| pair[0] == pair[1]),
                "{most}: {counts:?}"
            );
        }
    }

    #[test]
    fn an_empty_bar_has_the_bound_of_its_place() {
        let bars = Bars::of(&histogram(&[(1_279, 5), (4_095, 1)]), 80);
        let between = [1_535, 1_791, 2_047, 2_559, 3_071, 3_583];
        assert_eq!(bars.bounds[..7], [&[1_279][..], &between].concat());
        assert_eq!(bars.bounds[7..], [4_095]);
        // Two places in each.
        let bars = Bars::of(&histogram(&[(1_279, 5), (4_095, 1)]), 5);
        assert_eq!(bars.bounds, [1_279, 2_047, 3_071, 4_095]);
    }

    #[test]
    fn no_value_is_larger_than_the_largest_of_its_place() {
        let powers = (0..64).map(|power| 1u64 << power);
        let values = powers.flat_map(|it| [it - 1, it, it + it / 4, it + it / 3, it + it / 2]);
        for value in values.chain([u64::MAX]).filter(|value| *value > 0) {
            let place = place(value);
            assert!(largest(place) >= value, "{value}");
            assert!(place == 0 || largest(place - 1) < value, "{value}");
        }
    }

    #[test]
    fn what_is_beyond_the_last_bound_stands_next_to_it() {
        let bars = Bars::of(&histogram(&[(7, 1), (9, 1), (u64::MAX, 1)]), 80);
        assert_eq!(bars.counts, [1, 1, 1]);
        assert_eq!(bars.bounds.last(), Some(&u64::MAX));
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
        assert_eq!(
            sparkline(
                &[0, 1, 4, 8],
                &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
            ),
            " ▁▄█"
        );
        assert_eq!(sparkline(&[], &[" ", "#"]), "");
    }
}
