//! Latencies of waits by descriptor, by line or by task.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use netpoller_proto::Direction;
use netpoller_proto::v1::{Bucket, Histogram, LatenciesFrame, LatencyGroup, WatchLatenciesRequest};
use netpoller_proto::vocabulary::GroupBy;

use crate::document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::Format;
use crate::quantile;
use crate::source::{Connection, Selection, Selector};
use crate::table::{GROUP_RECORDS, GROUPS, HistogramRow};
use crate::text;

/// Most groups that are kept of a poller, as many as it tells at a time. What comes after is
/// counted among the others.
const MOST_GROUPS: usize = 256;
/// Memory that the groups of all pollers may take.
const LARGEST: usize = 64 << 20;
/// Histograms of a group that are looked at; it has three.
const HISTOGRAMS: usize = 16;
/// Longest time between two frames: so long nothing is known of a process that has ended.
const STEP: Duration = Duration::from_secs(1);
const LEAST: Duration = Duration::from_millis(100);

/// What waits are grouped by, which of them are shown, and for how long they are counted.
#[derive(Debug, clap::Args)]
pub(super) struct GroupArgs {
    /// Group the waits that end from now on by what they have in common.
    #[arg(long, value_name = "WHAT", value_parser = by())]
    by: Option<GroupBy>,
    /// Only the waits of this descriptor: 42.7, POLLER/42.7 or fd:19.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only the waits of the descriptor with this number.
    #[arg(long, value_name = "N", conflicts_with = "id")]
    fd: Option<i32>,
    /// Only the waits at this line.
    #[arg(long, value_name = "FILE:LINE", conflicts_with = "task")]
    location: Option<String>,
    /// Only the waits of tasks with this name.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// How long to count the waits that end, by default 5s.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

fn by() -> impl TypedValueParser<Value = GroupBy> {
    PossibleValuesParser::new(GroupBy::ALL.map(GroupBy::name))
        .try_map(|name| name.parse::<GroupBy>())
}

impl GroupArgs {
    /// What to group by; `None` if that is not asked for.
    pub(super) fn by(&self) -> Option<GroupBy> {
        let implied = [
            (self.location.is_some(), GroupBy::Location),
            (self.task.is_some(), GroupBy::Task),
            (self.id.is_some() || self.fd.is_some(), GroupBy::Descriptor),
        ];
        let implied = implied.into_iter().find(|(is, _)| *is);
        self.by.or(implied.map(|(_, by)| by))
    }

    /// Those that count nothing are not to be taken for some that do.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.duration.is_some() && self.by().is_none() {
            return Err(Failure::Usage(
                "--for counts the waits of groups: say --by location, task or descriptor with it; the time of all together is --interval".into(),
            ));
        }
        Ok(())
    }

    /// The one group that is asked for.
    fn only(&self, by: GroupBy) -> Result<Option<&str>, Failure> {
        let named = [
            (&self.location, GroupBy::Location),
            (&self.task, GroupBy::Task),
        ];
        let Some((only, of)) = named.into_iter().find(|(only, _)| only.is_some()) else {
            return Ok(None);
        };
        if of != by {
            return Err(Failure::Usage(format!(
                "--{of} says which waits by {of} are shown, and --by {by} groups them otherwise; leave --by out, or say --by {of}"
            )));
        }
        Ok(only.as_deref())
    }

    fn selector(&self) -> Result<Option<Selector>, Failure> {
        match (self.fd, &self.id) {
            (Some(fd), _) => Ok(Some(Selector::Fd(fd))),
            (None, Some(id)) => id.parse().map(Some).map_err(Failure::Usage),
            (None, None) => Ok(None),
        }
    }

    fn duration(&self) -> Result<Duration, Failure> {
        let duration = self.duration.unwrap_or(Duration::from_secs(5));
        if duration < LEAST {
            return Err(Failure::Usage(format!(
                "--for {duration:?} is too short to count waits; the least is {LEAST:?}"
            )));
        }
        Ok(duration)
    }
}

/// The waits of one poller that have something in common.
struct Group {
    poller: String,
    /// What; `None` of those that belong to no group.
    key: Option<String>,
    waits: u64,
    histograms: Vec<Histogram>,
}

/// An item of the document.
#[derive(serde::Serialize)]
struct Item<'a> {
    poller: &'a str,
    by: &'static str,
    group: Option<&'a str>,
    interval_ns: u64,
    waits: u64,
    histograms: Vec<document::Histogram<'a>>,
}

/// What was counted, frame by frame.
#[derive(Default)]
struct Groups {
    all: Vec<Group>,
    /// Where they are, by poller and key.
    places: HashMap<String, HashMap<Option<String>, usize>>,
    /// Memory of all.
    weight: usize,
    interval_ns: u64,
    captured_at_ns: u64,
}

impl Groups {
    /// False if there are more groups, or larger ones, than are kept.
    fn add(&mut self, frame: LatenciesFrame) -> bool {
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
    fn sort(&mut self) {
        self.all
            .sort_by_key(|it| (it.key.is_none(), std::cmp::Reverse(it.waits)));
    }

    /// Leaves the one group that is asked for: of a line also by the end of its path.
    fn select(&mut self, by: GroupBy, only: &str) -> Result<(), Failure> {
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
    fn name(&mut self, name: &str) -> Result<(), Failure> {
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
    fn rows(&self, over_ns: u64, at_all: bool) -> impl Iterator<Item = HistogramRow> {
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

    fn item(&self, by: GroupBy, interval_ns: u64) -> Item<'_> {
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

/// Counts for a while, and prints what there was.
pub(super) async fn show(
    globals: &Globals,
    args: &GroupArgs,
    by: GroupBy,
    name: Option<&str>,
) -> Result<(), Failure> {
    let (only, selector, duration) = (args.only(by)?, args.selector()?, args.duration()?);
    let connection = super::super::connection(globals).await?;
    let (poller, id) = match selector {
        None => (String::new(), String::new()),
        Some(which) => {
            let (poller, id) = which.find(&connection).await?;
            (poller, id.to_string())
        }
    };
    let mut groups = counted(&connection, poller, by, id, duration).await?;
    groups.sort();
    let over = text::duration(groups.interval_ns);
    match only.map(|only| (only, groups.select(by, only))) {
        Some((only, Err(nothing))) => {
            // Whoever waits all the time is there, and no wait of it ends.
            if !is_waiting(&connection, by, only).await? {
                return Err(nothing);
            }
            groups.all.clear();
            note(&format!(
                "no wait of {by} `{only}` has ended in {over}: it still waits; --for looks for longer"
            ));
        }
        _ if groups.all.is_empty() => {
            note(&format!(
                "no wait has ended in {over}; --for looks for longer"
            ));
        }
        _ => {}
    }
    if let Some(name) = name {
        groups.name(name)?;
    }
    let all = groups.all.len();
    groups.all.truncate(globals.limit.unwrap_or(all));
    let style = globals.style();
    let head = style.head(&connection, "netpoller/v1/latencies", groups.captured_at_ns);
    let context = head.context;
    let over_ns = groups.interval_ns;
    let rows = |at_all| -> Vec<HistogramRow> {
        let rows = groups.all.iter().flat_map(|it| it.rows(over_ns, at_all));
        rows.collect()
    };
    let complete = groups.all.len() == all;
    super::super::print(|out| match style.format {
        Format::Json => {
            let items = groups.all.iter().map(|it| it.item(by, over_ns)).collect();
            style.document(out, head, complete, items)
        }
        Format::Jsonl => groups.all.iter().try_for_each(|it| {
            serde_json::to_writer(&mut *out, &it.item(by, over_ns))?;
            Ok(out.write_all(b"\n")?)
        }),
        Format::Csv => style.records(out, &GROUP_RECORDS, &rows(true), &context),
        Format::Table | Format::Wide => Ok(style.sheet(out, &GROUPS, &rows(false), &context)?),
    })
}

/// Whether somebody waits now who would be counted in this group.
async fn is_waiting(connection: &Connection, by: GroupBy, only: &str) -> Result<bool, Failure> {
    let selection = Selection {
        waiting_only: true,
        ..Selection::default()
    };
    let rows = connection.descriptors(&selection).await?.rows;
    let mut waiters = rows.iter().flat_map(|row| {
        let sides = Direction::ALL.into_iter().filter_map(|it| row.side(it));
        sides.filter_map(|side| side.waiter.as_ref())
    });
    Ok(waiters.any(|waiter| match by {
        GroupBy::Location => is_line(&waiter.line(), only) || is_line(&waiter.location, only),
        _ => waiter.task == only,
    }))
}

/// Whether `only` is this line, or the end of its path, with or without the word behind it.
fn is_line(line: &str, only: &str) -> bool {
    [line, bare(line)].into_iter().any(|line| {
        let before = line.strip_suffix(only);
        before.is_some_and(|it| it.is_empty() || it.ends_with('/'))
    })
}

async fn counted(
    connection: &Connection,
    poller: String,
    by: GroupBy,
    id: String,
    duration: Duration,
) -> Result<Groups, Failure> {
    // As many steps of one length as that takes.
    let frames = duration.as_nanos().div_ceil(STEP.as_nanos());
    let frames = u32::try_from(frames).unwrap_or(u32::MAX);
    let step = duration / frames;
    let request = WatchLatenciesRequest {
        poller,
        by: by.number(),
        id,
        interval_ns: u64::try_from(step.as_nanos()).unwrap_or(u64::MAX),
    };
    let mut stream = connection.latencies(request).await?;
    let mut groups = Groups::default();
    for _ in 0..frames {
        match connection.next(&mut stream, Some(step)).await? {
            Some(frame) => {
                if !groups.add(frame) {
                    return Err(Failure::Runtime(format!(
                        "{} has more groups of waits, or larger ones, than this command takes: ask for one descriptor with \
                         --id, or for a shorter time with --for",
                        connection.target
                    )));
                }
            }
            None => return Err(connection.ended().await),
        }
    }
    Ok(groups)
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
