//! Groups of waits as they are told frame by frame, within a bounded memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use netpoller_proto::v1::{Bucket, Histogram, LatenciesFrame, LatencyGroup};
use netpoller_proto::vocabulary::GroupBy;

use crate::document;
use crate::failure::Failure;
use crate::quantile;
use crate::table::HistogramRow;
use crate::text;

/// Most groups that are kept of a poller, as many as it tells at a time. What comes after is
/// counted among the others.
const MOST_GROUPS: usize = 256;
/// Memory that the groups of all pollers may take.
const LARGEST: usize = 64 << 20;
/// Histograms of a group that are looked at; it has three.
const HISTOGRAMS: usize = 16;
/// The waits of one poller that have something in common.
pub(super) struct Group {
    poller: String,
    /// What; `None` of those that belong to no group.
    key: Option<String>,
    waits: u64,
    histograms: Vec<Histogram>,
}

/// An item of the document.
#[derive(serde::Serialize)]
pub(super) struct Item<'a> {
    poller: &'a str,
    by: &'static str,
    group: Option<&'a str>,
    interval_ns: u64,
    waits: u64,
    histograms: Vec<document::Histogram<'a>>,
}

/// What was counted, frame by frame.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) all: Vec<Group>,
    /// Where they are, by poller and key.
    places: HashMap<String, HashMap<Option<String>, usize>>,
    /// Memory of all.
    weight: usize,
    pub(super) interval_ns: u64,
    pub(super) captured_at_ns: u64,
}

impl Groups {
    /// False if there are more groups, or larger ones, than are kept.
    pub(super) fn add(&mut self, frame: LatenciesFrame) -> bool {
        self.captured_at_ns = frame.captured_at_ns;
        self.interval_ns = self.interval_ns.saturating_add(frame.interval_ns);
        for poller in frame.pollers {
            for mut group in poller.groups {
                let key = std::mem::take(&mut group.key);
                self.add_to(&poller.poller, Some(key), &group);
            }
            if let Some(others) = poller.others {
                self.add_to(&poller.poller, None, &others);
            }
            if self.weight > LARGEST {
                return false;
            }
        }
        true
    }

    fn add_to(&mut self, poller: &str, mut key: Option<String>, more: &LatencyGroup) {
        if more.waits == 0 {
            return;
        }
        let places = self.places.entry(poller.to_owned()).or_default();
        if places.len() > MOST_GROUPS && !places.contains_key(&key) {
            key = None;
        }
        let (index, before) = match places.entry(key) {
            Entry::Occupied(known) => (*known.get(), self.all[*known.get()].weight()),
            Entry::Vacant(place) => {
                self.all.push(Group {
                    poller: poller.to_owned(),
                    key: place.key().clone(),
                    waits: 0,
                    histograms: Vec::new(),
                });
                (*place.insert(self.all.len() - 1), 0)
            }
        };
        let group = &mut self.all[index];
        group.waits = group.waits.saturating_add(more.waits);
        let told = more.histograms.len().min(HISTOGRAMS);
        quantile::merge(&mut group.histograms, &more.histograms[..told]);
        self.weight = self.weight + group.weight() - before;
    }

    /// Those with the most waits first, and what belongs to none last.
    pub(super) fn sort(&mut self) {
        self.all
            .sort_by_key(|it| (it.key.is_none(), std::cmp::Reverse(it.waits)));
    }

    /// Leaves the one group that is asked for: of a line also by the end of its path.
    pub(super) fn select(&mut self, by: GroupBy, only: &str) -> Result<(), Failure> {
        let is_it = |group: &Group| {
            group.key.as_deref().is_some_and(|key| match by {
                GroupBy::Location => is_line(key, only),
                _ => key == only,
            })
        };
        if self.all.iter().any(is_it) {
            self.all.retain(is_it);
            return Ok(());
        }
        let keys = self.all.iter().filter_map(|it| it.key.as_deref());
        let keys: Vec<&str> = keys.filter(|key| !key.is_empty()).collect();
        let over = text::duration(self.interval_ns);
        Err(Failure::NotFound(match keys.as_slice() {
            [] => format!(
                "no wait of {by} `{only}` has ended in {over}, and none of another one; look for longer with --for"
            ),
            keys => format!(
                "no wait of {by} `{only}` has ended in {over}; {}; --for looks for longer",
                text::suggestion(only, keys.to_vec())
            ),
        }))
    }

    /// Leaves the histograms of this name.
    pub(super) fn name(&mut self, name: &str) -> Result<(), Failure> {
        let names = |it: &Group| it.histograms.iter().map(|it| it.name.clone()).collect();
        let known: Vec<String> = self.all.first().map(names).unwrap_or_default();
        if !known.is_empty() && !known.iter().any(|it| it.starts_with(name)) {
            return Err(Failure::Usage(format!(
                "no histogram of a group is called `{name}`; there are: {}",
                known.join(", ")
            )));
        }
        for group in &mut self.all {
            group.histograms.retain(|it| it.name.starts_with(name));
        }
        Ok(())
    }
}

/// A line without the word for what it has to do with the waits: "src/main.rs:42 (accepted here)".
fn bare(line: &str) -> &str {
    let marked = line.strip_suffix(" here)");
    marked
        .and_then(|it| it.rsplit_once(" ("))
        .map_or(line, |(line, _)| line)
}

impl Group {
    /// The memory that it takes, and somewhat more.
    fn weight(&self) -> usize {
        let of = |it: &Histogram| {
            size_of::<Histogram>()
                + it.name.len()
                + it.unit.len()
                + it.buckets.len() * size_of::<Bucket>()
        };
        let texts = 2 * (self.poller.len() + self.key.as_ref().map_or(0, String::len));
        size_of::<Self>() + 200 + texts + self.histograms.iter().map(of).sum::<usize>()
    }

    fn name(&self) -> &str {
        match self.key.as_deref() {
            None => "(others)",
            Some("") => "(no name)",
            Some(key) => key,
        }
    }

    /// A line for each histogram; the name of the group stands at all, or at the first.
    pub(super) fn rows(&self, over_ns: u64, at_all: bool) -> impl Iterator<Item = HistogramRow> {
        let row = move |(index, histogram): (usize, &Histogram)| HistogramRow {
            poller: self.poller.clone(),
            group: match index {
                0 => self.name().to_owned(),
                _ if at_all => self.name().to_owned(),
                _ => String::new(),
            },
            histogram: histogram.clone(),
            over_ns: Some(over_ns),
        };
        self.histograms.iter().enumerate().map(row)
    }

    pub(super) fn item(&self, by: GroupBy, interval_ns: u64) -> Item<'_> {
        Item {
            poller: &self.poller,
            by: by.name(),
            group: self.key.as_deref(),
            interval_ns,
            waits: self.waits,
            histograms: self.histograms.iter().map(document::histogram).collect(),
        }
    }
}

/// Whether `only` is this line, or the end of its path, with or without the word behind it.
pub(super) fn is_line(line: &str, only: &str) -> bool {
    [line, bare(line)].into_iter().any(|line| {
        let before = line.strip_suffix(only);
        before.is_some_and(|it| it.is_empty() || it.ends_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoller_proto::v1::PollerLatencies;

    fn group(key: &str, waits: u64) -> LatencyGroup {
        LatencyGroup {
            key: key.into(),
            waits,
            histograms: vec![Histogram {
                name: "time_parked".into(),
                unit: "ns".into(),
                count: waits,
                buckets: vec![Bucket {
                    upper_bound: 8,
                    count: waits,
                    exemplar: None,
                }],
                ..Default::default()
            }],
        }
    }

    fn frame(groups: Vec<LatencyGroup>, others: u64) -> LatenciesFrame {
        LatenciesFrame {
            interval_ns: 10,
            pollers: vec![PollerLatencies {
                poller: "p".into(),
                groups,
                others: Some(group("", others)),
            }],
            ..Default::default()
        }
    }

    fn waits(groups: &Groups) -> Vec<(&str, u64)> {
        let each = groups.all.iter().map(|it| (it.name(), it.waits));
        each.collect()
    }

    #[test]
    fn frames_add_up_and_those_with_the_most_waits_come_first() {
        let mut groups = Groups::default();
        groups.add(frame(vec![group("a:1", 3), group("", 2)], 0));
        groups.add(frame(vec![group("src/b:2", 9), group("a:1", 4)], 50));
        groups.sort();
        let expected = [
            ("src/b:2", 9),
            ("a:1", 7),
            ("(no name)", 2),
            ("(others)", 50),
        ];
        assert_eq!(waits(&groups), expected);
        assert_eq!(groups.all[1].histograms[0].count, 7);
        assert_eq!(groups.interval_ns, 20);
        groups.select(GroupBy::Location, "b:2").unwrap();
        assert_eq!(waits(&groups), [("src/b:2", 9)]);
    }

    #[test]
    fn a_line_is_found_by_what_people_read_of_it() {
        let marked = "src/main.rs:42 (accepted here)";
        for (only, found) in [
            ("src/main.rs:42", &["src/main.rs:42", marked][..]),
            ("main.rs:42", &["src/main.rs:42", marked]),
            (marked, &[marked]),
            ("main.rs:42 (accepted here)", &[marked]),
            ("ain.rs:42", &[]),
            ("rs:4", &[]),
        ] {
            let mut groups = Groups::default();
            let all = ["src/main.rs:42", marked, "src/main.rs:4"];
            groups.add(frame(all.map(|it| group(it, 1)).into(), 0));
            let is_found = groups.select(GroupBy::Location, only).is_ok();
            assert_eq!(is_found, !found.is_empty(), "{only}");
            let names: Vec<_> = groups.all.iter().map(Group::name).collect();
            assert!(!is_found || names == found, "{only}: {names:?}");
        }
    }

    #[test]
    fn one_that_has_not_waited_is_told_with_those_that_have() {
        let mut groups = Groups::default();
        let error = groups.select(GroupBy::Task, "reader").unwrap_err();
        assert!(error.to_string().contains("none of another one"), "{error}");
        groups.add(frame(vec![group("readers", 3)], 0));
        let error = groups.select(GroupBy::Task, "reader").unwrap_err();
        assert!(error.to_string().contains("`readers`"), "{error}");
        let error = groups.name("parked").unwrap_err();
        assert!(error.to_string().contains("time_parked"), "{error}");
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_among_the_others() {
        let mut groups = Groups::default();
        for first in [0, 200, 400] {
            let some = (first..first + 256).map(|key| group(&key.to_string(), 1));
            groups.add(frame(some.collect(), 1));
        }
        assert!(groups.all.len() <= MOST_GROUPS + 1);
        let all: u64 = groups.all.iter().map(|it| it.waits).sum();
        assert_eq!(all, 3 * 257);
    }

    #[test]
    fn pollers_without_end_are_too_much_before_they_take_much_memory() {
        let mut groups = Groups::default();
        let mut pollers = 0;
        let mut more = || {
            let mut frame = frame(vec![group("a:1", 1)], 1);
            frame.pollers[0].poller = format!("{pollers:0>1000}");
            pollers += 1;
            groups.add(frame)
        };
        while more() {}
        // Each is there with two groups, and each of these bears its name.
        assert!((5_000..LARGEST / 4_000).contains(&pollers), "{pollers}");
        // It is all one group: histograms that nobody knows are not kept either.
        let mut groups = Groups::default();
        let mut many = group("a:1", 1);
        many.histograms = (0..100_000)
            .map(|it| Histogram {
                name: it.to_string(),
                ..Default::default()
            })
            .collect();
        assert!(groups.add(frame(vec![many], 0)));
        assert_eq!(groups.all[0].histograms.len(), HISTOGRAMS);
    }
}
