//! How a process went on: how many waited, what happened how often, and what was found, from one
//! moment to the next.
//!
//! What it keeps is bounded: where there is too much of it, two moments become one, so that it
//! reaches as far back as before and tells less of each minute.

mod latencies;

use std::sync::Arc;

use netpoller_proto::v1::GetStatsResponse;

pub(crate) use latencies::{Latencies, Samples};

/// Moments that are kept.
const MOST: usize = 4_096;

/// Totals at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sample {
    /// The moment.
    pub(crate) at_ns: u64,
    /// Descriptors that are open.
    pub(crate) descriptors: u64,
    /// Waiters parked.
    pub(crate) waiters: u64,
    /// Edges reported so far.
    pub(crate) edges: u64,
    /// Waiters parked so far.
    pub(crate) parks: u64,
}

impl Sample {
    /// The totals of all pollers.
    pub(crate) fn of(stats: &GetStatsResponse) -> Self {
        let mut sample = Self {
            at_ns: stats.captured_at_ns,
            ..Self::default()
        };
        let add = |total: &mut u64, more: u64| *total = total.saturating_add(more);
        for poller in &stats.pollers {
            for counts in [poller.read, poller.write].into_iter().flatten() {
                add(&mut sample.edges, counts.edges());
                add(&mut sample.parks, counts.park);
            }
            if let Some(gauges) = &poller.poller {
                add(
                    &mut sample.waiters,
                    u64::try_from(gauges.waiters).unwrap_or(0),
                );
                add(&mut sample.descriptors, gauges.descriptors);
            }
        }
        sample
    }

    /// How much more there was than `before`, in a second; `None` unless it is later.
    pub(crate) fn rate(&self, before: &Self, total: fn(&Self) -> u64) -> Option<u64> {
        let ns = self.at_ns.checked_sub(before.at_ns).filter(|ns| *ns > 0)?;
        let grown = u128::from(total(self).saturating_sub(total(before)));
        let rate = grown.saturating_mul(1_000_000_000) / u128::from(ns);
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

/// A look for faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    at_ns: u64,
    found: u64,
}

/// A value, and from when until when it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
    pub(crate) value: u64,
}

/// How a process went on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Timeline {
    samples: Vec<Sample>,
    latencies: Latencies,
    looks: Vec<Look>,
    /// When something was found that was not found before.
    finds: Vec<u64>,
}

impl Timeline {
    /// Takes the statistics of a moment later than those before.
    pub(crate) fn stats(&mut self, stats: &Arc<GetStatsResponse>) {
        self.sample(Sample::of(stats));
        self.latencies.take(stats);
    }

    /// How often which latency was met.
    pub(crate) fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Takes the totals of a moment later than those before.
    pub(crate) fn sample(&mut self, sample: Sample) {
        if self
            .samples
            .last()
            .is_some_and(|last| last.at_ns >= sample.at_ns)
        {
            return;
        }
        thin(&mut self.samples, |before, after| Sample {
            descriptors: before.descriptors.max(after.descriptors),
            waiters: before.waiters.max(after.waiters),
            ..after
        });
        self.samples.push(sample);
    }

    /// Takes what was found at a moment later than those before, and whether some of it was not
    /// found before.
    pub(crate) fn look(&mut self, at_ns: u64, found: u64, is_new: bool) {
        if self.looks.last().is_some_and(|last| last.at_ns >= at_ns) {
            return;
        }
        thin(&mut self.looks, |before, after| Look {
            found: before.found.max(after.found),
            ..after
        });
        self.looks.push(Look { at_ns, found });
        if is_new && self.finds.len() < MOST {
            self.finds.push(at_ns);
        }
    }

    /// When something was found that was not found before, the earliest first.
    pub(crate) fn finds(&self) -> &[u64] {
        &self.finds
    }

    /// From when until when something is known.
    pub(crate) fn span(&self) -> Option<(u64, u64)> {
        let samples = self.samples.iter().map(|it| it.at_ns);
        let looks = self.looks.iter().map(|it| it.at_ns);
        let all = samples.chain(looks);
        all.fold(None, |span, at_ns| match span {
            None => Some((at_ns, at_ns)),
            Some((from_ns, until_ns)) => Some((at_ns.min(from_ns), at_ns.max(until_ns))),
        })
    }

    /// How many there were, from each moment to the next.
    pub(crate) fn levels(&self, of: fn(&Sample) -> u64) -> Vec<Spell> {
        spells(&self.samples, |it| it.at_ns, |_, now| Some(of(now)))
    }

    /// How much more there was in a second, from each moment to the next.
    pub(crate) fn rates(&self, total: fn(&Sample) -> u64) -> Vec<Spell> {
        spells(
            &self.samples,
            |it| it.at_ns,
            |before, now| now.rate(before, total),
        )
    }

    /// How many findings there were, from each look to the next.
    pub(crate) fn found(&self) -> Vec<Spell> {
        spells(&self.looks, |it| it.at_ns, |_, now| Some(now.found))
    }
}

/// Makes room for one more: of two neighbours one is kept that stands for both.
fn thin<T: Copy>(all: &mut Vec<T>, both: impl Fn(T, T) -> T) {
    if all.len() < MOST {
        return;
    }
    let pairs = all.chunks(2).map(|pair| match pair {
        [before, after] => both(*before, *after),
        rest => rest[0],
    });
    *all = pairs.collect();
}

fn spells<T>(
    all: &[T],
    at_ns: impl Fn(&T) -> u64,
    value: impl Fn(&T, &T) -> Option<u64>,
) -> Vec<Spell> {
    let pairs = all.windows(2).filter_map(|pair| match pair {
        [before, now] => Some((before, now)),
        _ => None,
    });
    let spells = pairs.filter_map(|(before, now)| {
        Some(Spell {
            from_ns: at_ns(before),
            until_ns: at_ns(now),
            value: value(before, now)?,
        })
    });
    spells.collect()
}

/// The largest value in each of so many equal parts of a time; `None` where nothing is known.
pub(crate) fn parts(
    spells: &[Spell],
    (from_ns, until_ns): (u64, u64),
    count: usize,
) -> Vec<Option<u64>> {
    let mut parts = vec![None; count];
    for spell in spells {
        let Some(first) = part(spell.from_ns, (from_ns, until_ns), count) else {
            continue;
        };
        let last = part(spell.until_ns.saturating_sub(1), (from_ns, until_ns), count);
        for value in parts.iter_mut().take(last.unwrap_or(first) + 1).skip(first) {
            *value = Some(spell.value.max(value.unwrap_or(0)));
        }
    }
    parts
}

/// In which of so many equal parts of a time this moment is; a moment outside is in none.
pub(crate) fn part(at_ns: u64, (from_ns, until_ns): (u64, u64), count: usize) -> Option<usize> {
    let after = u128::from(at_ns.checked_sub(from_ns)?);
    let all = u128::from(until_ns.checked_sub(from_ns)?);
    if after > all || count == 0 {
        return None;
    }
    let part = after * count as u128 / all.max(1);
    Some(usize::try_from(part).ok()?.min(count - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const SECOND: u64 = 1_000_000_000;

    fn sample(second: u64, waiters: u64, edges: u64) -> Sample {
        Sample {
            at_ns: second * SECOND,
            waiters,
            edges,
            ..Sample::default()
        }
    }

    #[test]
    fn totals_are_those_of_all_pollers_and_give_rates() {
        let of = |tick: u64| {
            let now_ns = fixture::NOW_NS + tick * SECOND;
            Sample::of(&fixture::stats(10, now_ns, tick))
        };
        let (before, now) = (of(4), of(5));
        assert!(now.waiters > 0 && now.descriptors > 0 && now.edges > 0);
        assert_eq!(now.rate(&before, |it| it.parks), Some(4_217 * 6));
        assert_eq!(before.rate(&now, |it| it.parks), None, "it is earlier");
    }

    #[test]
    fn what_is_kept_is_bounded_and_reaches_as_far_back_with_its_peaks_and_its_totals() {
        let mut timeline = Timeline::default();
        for second in 0..10_000 {
            let waiters = if second == 77 { 500 } else { 3 };
            timeline.sample(sample(second, waiters, 10 * second));
            timeline.look(second * SECOND, u64::from(second == 78), second == 78);
        }
        assert!(timeline.samples.len() <= MOST && timeline.looks.len() <= MOST);
        assert_eq!(timeline.span().map(|it| it.1), Some(9_999 * SECOND));
        assert!(timeline.span().is_some_and(|it| it.0 < 10 * SECOND));
        let largest = |spells: Vec<Spell>| spells.iter().map(|it| it.value).max();
        assert_eq!(largest(timeline.levels(|it| it.waiters)), Some(500));
        assert_eq!(largest(timeline.found()), Some(1));
        assert!(
            timeline
                .rates(|it| it.edges)
                .iter()
                .all(|it| it.value == 10)
        );
        assert_eq!(timeline.finds(), [78 * SECOND]);
    }

    #[test]
    fn what_is_not_later_is_known_already() {
        let mut timeline = Timeline::default();
        timeline.sample(sample(2, 1, 1));
        timeline.sample(sample(2, 9, 9));
        timeline.sample(sample(1, 9, 9));
        timeline.look(5, 1, true);
        timeline.look(5, 1, true);
        assert_eq!(timeline.samples, [sample(2, 1, 1)]);
        assert_eq!(timeline.finds(), [5]);
    }

    #[test]
    fn a_part_has_the_largest_value_in_it_and_none_where_nothing_is_known() {
        let spell = |from: u64, until: u64, value: u64| Spell {
            from_ns: from,
            until_ns: until,
            value,
        };
        let spells = [
            spell(0, 10, 3),
            spell(10, 15, 7),
            spell(15, 20, 1),
            spell(60, 80, 4),
        ];
        let of = |count| parts(&spells, (0, 100), count);
        let known = [
            Some(3),
            Some(7),
            None,
            None,
            None,
            None,
            Some(4),
            Some(4),
            None,
            None,
        ];
        assert_eq!(of(10), known);
        assert_eq!(of(2), [Some(7), Some(4)]);
        assert_eq!(of(0), []);
        assert_eq!(part(100, (0, 100), 10), Some(9));
        assert_eq!(part(101, (0, 100), 10), None);
        assert_eq!(
            part(5, (5, 5), 10),
            Some(0),
            "a moment is in its first part"
        );
    }
}
