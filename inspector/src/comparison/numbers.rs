//! The numbers that are not what they were.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::{Descriptor, GetStatsResponse, PollerStats};

use super::moment::Moment;
use crate::source::since;
use crate::table::{Difference, Number, Of, numbers, waiters};

/// The group of how many wait at which line.
pub(crate) const WAITING: &str = "waiting";
/// The group of how many are open that were opened at which line.
pub(crate) const OPEN: &str = "open";

/// Which number: of which poller, in which group, by which name.
type Name = (String, String, String);

/// Compares all numbers of two moments.
pub(super) fn between(before: &Moment, after: &Moment, same_life: bool) -> Vec<Difference> {
    let mut all = statistics(&before.stats, &after.stats, same_life);
    all.extend(lines(WAITING, waiting(&before.rows), waiting(&after.rows)));
    all.extend(lines(OPEN, open(&before.rows), open(&after.rows)));
    all.retain(|it| match it.of {
        Of::Level | Of::Latency => it.before != it.after,
        // What has come to rest has changed too.
        Of::Total if it.goes_on => it.before != it.after || it.is_much(),
        // What is counted from the beginning is compared by how often.
        Of::Total => is_counted(it),
    });
    all
}

fn is_counted(it: &Difference) -> bool {
    [it.before, it.after]
        .into_iter()
        .any(|count| count.unwrap_or(0) > 0)
}

fn statistics(
    before: &GetStatsResponse,
    after: &GetStatsResponse,
    same_life: bool,
) -> Vec<Difference> {
    let ages_before = ages(before);
    let mut ages_after = ages(after);
    // What took time since is told by what was counted since, as long as the process goes on.
    let shown = match same_life {
        true => latencies_since(after, before),
        false => after.pollers.clone(),
    };
    let between_ns = after.captured_at_ns.saturating_sub(before.captured_at_ns);
    let between_ns = same_life.then_some(between_ns);
    if let Some(between_ns) = between_ns {
        // One that was made in between has counted for as long as it is there.
        ages_after
            .values_mut()
            .for_each(|age| *age = between_ns.min(*age));
    }
    let mut order: Vec<Name> = Vec::new();
    let mut pairs: HashMap<Name, (Option<Number>, Option<Number>)> = HashMap::new();
    let mut put = |number: Number, is_after: bool| {
        let name = (
            number.poller.clone(),
            number.group.clone(),
            number.name.clone(),
        );
        if !pairs.contains_key(&name) {
            order.push(name.clone());
        }
        let pair = pairs.entry(name).or_default();
        match is_after {
            false => pair.0 = Some(number),
            true => pair.1 = Some(number),
        }
    };
    // Another poller of the same name has counted from nothing.
    let is_other = |it: &PollerStats| {
        let of = |it: &PollerStats| it.poller.as_ref().map(|it| (it.name.clone(), it.id));
        let now = after.pollers.iter().filter_map(of);
        let known = of(it);
        same_life
            && known.is_some_and(|(name, id)| now.into_iter().any(|it| it.0 == name && it.1 != id))
    };
    let earlier = before.pollers.iter().filter(|it| !is_other(it)).cloned();
    let earlier: Vec<PollerStats> = earlier.collect();
    numbers(&earlier).into_iter().for_each(|it| put(it, false));
    numbers(&shown).into_iter().for_each(|it| put(it, true));
    let rate = |count: u64, ages: &HashMap<String, u64>, poller: &str| {
        let ns = ages.get(poller).copied().filter(|ns| *ns > 0)?;
        #[allow(clippy::cast_precision_loss)]
        Some(count as f64 / Duration::from_nanos(ns).as_secs_f64())
    };
    let differences = order.into_iter().filter_map(|name| {
        let (before, after) = pairs.remove(&name)?;
        let Number { unit, of, .. } = before.clone().or_else(|| after.clone())?;
        let value = |number: Option<Number>| number.map(|it| it.value);
        let (before, after) = (value(before), value(after));
        let (poller, group, name) = name;
        let is_total = of == Of::Total;
        // What is new since has counted all of it since.
        let counted = after.unwrap_or(0).saturating_sub(match same_life {
            true => before.unwrap_or(0),
            false => 0,
        });
        let rates = is_total.then(|| {
            let until = rate(before.unwrap_or(0), &ages_before, &poller);
            (until, rate(counted, &ages_after, &poller))
        });
        let (rate_before, rate_after) = rates.unwrap_or_default();
        let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
        let expected = rate_before.zip(between_ns.map(seconds));
        Some(Difference {
            rate_before,
            rate_after,
            expected: expected.map(|(rate, seconds)| rate * seconds),
            poller,
            group,
            name,
            unit,
            of,
            before,
            after,
            goes_on: same_life,
        })
    });
    differences.collect()
}

/// The later statistics, with the latencies of what came since alone.
fn latencies_since(after: &GetStatsResponse, before: &GetStatsResponse) -> Vec<PollerStats> {
    let grown = since(after.clone(), before);
    let mut all = grown.pollers;
    for (now, grown) in all.iter_mut().zip(grown.interval) {
        for (now, grown) in now.histograms.iter_mut().zip(grown.histograms) {
            let count = now.count;
            *now = grown;
            // How many there were goes on, as all that is counted.
            now.count = count;
        }
    }
    all
}

/// How long each poller has counted, where that is known.
fn ages(stats: &GetStatsResponse) -> HashMap<String, u64> {
    let pollers = stats.pollers.iter().filter_map(|it| it.poller.as_ref());
    let known = pollers.filter(|it| it.created_at_ns != 0);
    let age = |created_ns: u64| stats.captured_at_ns.saturating_sub(created_ns);
    known
        .map(|it| (it.name.clone(), age(it.created_at_ns)))
        .collect()
}

type Counts = BTreeMap<(String, String), u64>;

/// How many wait at which line for what.
fn waiting(rows: &[Arc<Descriptor>]) -> Counts {
    count(waiters(rows.to_vec()).into_iter().map(|entry| {
        let direction = entry.direction.map_or("", |it| it.name());
        let line = entry.location();
        let name = format!(
            "{direction} at {}",
            if line.is_empty() {
                "an unknown line"
            } else {
                &line
            }
        );
        (entry.row.poller.clone(), name)
    }))
}

/// How many are open that were opened at which line.
fn open(rows: &[Arc<Descriptor>]) -> Counts {
    count(rows.iter().filter(|row| row.fd >= 0).map(|row| {
        let line = match row.opened_location.as_str() {
            "" => "an unknown line",
            line => line,
        };
        (
            row.poller.clone(),
            format!("{} from {line}", row.kind().name()),
        )
    }))
}

fn count(all: impl Iterator<Item = (String, String)>) -> Counts {
    let mut counts = Counts::new();
    for name in all {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Of each line, those that have changed most first.
fn lines(group: &str, before: Counts, after: Counts) -> Vec<Difference> {
    let mut names: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    let of = |counts: &Counts, name: &(String, String)| counts.get(name).copied().unwrap_or(0);
    let differences = names.into_iter().map(|name| Difference {
        before: Some(of(&before, &name)),
        after: Some(of(&after, &name)),
        poller: name.0,
        group: group.to_owned(),
        name: name.1,
        unit: String::new(),
        of: Of::Level,
        rate_before: None,
        rate_after: None,
        expected: None,
        goes_on: true,
    });
    let mut all: Vec<_> = differences.collect();
    all.sort_by_key(|it| std::cmp::Reverse(it.change().unwrap_or(0).unsigned_abs()));
    all
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{Bucket, Histogram, Poller};

    use super::*;
    use crate::comparison::Life;
    use crate::fixture;

    /// A poller of so many seconds, which has counted so much, and waited for so long at last.
    fn moment(pid: u32, seconds: u64, count: u64, samples: &[(u64, u64)]) -> Moment {
        let buckets = samples.iter().map(|(upper_bound, count)| Bucket {
            upper_bound: *upper_bound,
            count: *count,
            exemplar: None,
        });
        let stats = PollerStats {
            poller: Some(Poller {
                name: "global".into(),
                created_at_ns: 1,
                ..Poller::default()
            }),
            counters: [("polls".to_owned(), count)].into(),
            histograms: vec![Histogram {
                name: "wake_latency".into(),
                unit: "ns".into(),
                count: samples.iter().map(|(_, count)| count).sum(),
                buckets: buckets.collect(),
                ..Histogram::default()
            }],
            ..PollerStats::default()
        };
        let server = netpoller_proto::v1::GetServerResponse {
            pid,
            ..Default::default()
        };
        Moment {
            life: Life::of(&server),
            rows: Vec::new(),
            stats: GetStatsResponse {
                captured_at_ns: 1 + seconds * 1_000_000_000,
                pollers: vec![stats],
                ..GetStatsResponse::default()
            },
            cases: None,
            more: 0,
        }
    }

    fn named<'a>(all: &'a [Difference], name: &str) -> Option<&'a Difference> {
        all.iter().find(|it| it.name == name)
    }

    #[test]
    fn a_count_is_told_with_how_often_it_came_until_then_and_since() {
        let all = between(&moment(1, 10, 1_000, &[]), &moment(1, 12, 1_800, &[]), true);
        let polls = named(&all, "polls").expect("it has grown");
        assert_eq!(polls.change(), Some(800));
        assert_eq!(
            (polls.rate_before, polls.rate_after),
            (Some(100.0), Some(400.0))
        );
        assert_eq!(polls.expected, Some(200.0));
        assert!(polls.is_much());
        let few = between(&moment(1, 10, 10, &[]), &moment(1, 12, 14, &[]), true);
        assert!(
            !named(&few, "polls").expect("it has grown").is_much(),
            "twice as often, by chance"
        );
    }

    #[test]
    fn what_has_come_to_rest_is_told_and_what_rests_is_not() {
        let rested = between(&moment(1, 10, 1_000, &[]), &moment(1, 12, 1_000, &[]), true);
        assert_eq!(
            named(&rested, "polls").and_then(Difference::change),
            Some(0)
        );
        assert!(between(&moment(1, 10, 0, &[]), &moment(1, 12, 0, &[]), true).is_empty());
    }

    #[test]
    fn latencies_are_those_of_the_time_between_and_of_another_process_all_of_it() {
        let before = moment(1, 10, 0, &[(100, 9)]);
        let after = |pid| moment(pid, 12, 0, &[(100, 9), (800, 3)]);
        let of_one = between(&before, &after(1), true);
        let p50 = named(&of_one, "p50").expect("another median");
        assert_eq!((p50.before, p50.after), (Some(100), Some(800)));
        assert_eq!(
            named(&of_one, "count").and_then(Difference::change),
            Some(3)
        );
        let of_two = between(&before, &after(2), false);
        assert_eq!(named(&of_two, "p50"), None, "the median of all is the same");
        let p99 = named(&of_two, "p99").expect("another tail");
        assert_eq!((p99.before, p99.after), (Some(100), Some(800)));
        let count = named(&of_two, "count").expect("both have counted");
        assert_eq!(count.change(), None, "counts of two processes are no count");
    }

    #[test]
    fn another_poller_of_the_same_name_has_counted_from_nothing_for_as_long_as_it_is_there() {
        let before = moment(1, 10, 1_000, &[]);
        let mut after = moment(1, 20, 40, &[]);
        let poller = after.stats.pollers[0].poller.as_mut().expect("a poller");
        (poller.id, poller.created_at_ns) = (2, 1 + 18 * 1_000_000_000);
        let all = between(&before, &after, true);
        let polls = named(&all, "polls").expect("it has counted");
        assert_eq!(
            (polls.before, polls.after, polls.change()),
            (None, Some(40), Some(40))
        );
        assert_eq!(polls.rate_after, Some(20.0));
    }

    #[test]
    fn lines_are_told_by_how_many_wait_and_are_open_there() {
        let row = Arc::new(fixture::parked_reader());
        let with = |rows: Vec<Arc<Descriptor>>| Moment {
            rows,
            ..moment(1, 10, 0, &[])
        };
        let none = between(
            &with(vec![Arc::clone(&row)]),
            &with(vec![row.clone()]),
            true,
        );
        assert!(none.is_empty());
        let all = between(&with(Vec::new()), &with(vec![row]), true);
        let changes: Vec<_> = all
            .iter()
            .map(|it| (it.group.as_str(), it.change()))
            .collect();
        assert_eq!(changes, [(WAITING, Some(1)), (OPEN, Some(1))], "{all:?}");
    }
}
