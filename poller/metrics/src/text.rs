//! The expositions as text: that of Prometheus, version 0.0.4, and OpenMetrics 1.0.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use netpoller_core::view::Exemplar;

use super::buckets::Buckets;
use super::exemplar::exemplar_labels;
use super::family::{Family, Series, Value};
use super::format::Format;
use super::reading::Reading;
use super::wall::{since_epoch, wall_at};

/// The content type of [`encode`].
pub const CONTENT_TYPE: &str = Format::Text.content_type();

/// Reads all pollers and writes their metrics.
///
/// ```
/// let poller = netpoller::Poller::builder().name("scraped").build().unwrap();
/// let text = netpoller::prometheus::encode();
/// assert!(text.contains("netpoller_polls_total{poller=\"scraped\",mode=\"block\"} 0\n"));
/// # drop(poller);
/// ```
pub fn encode() -> String {
    encode_as(Format::Text)
}

/// The text in one of its formats.
pub(super) fn encode_as(format: Format) -> String {
    let reading = Reading::now();
    let mut page = Page {
        text: String::with_capacity(4096 + reading.pollers().count() * 64 * 1024),
        format,
    };
    for (family, series) in reading.metrics() {
        page.head(&family);
        for series in series {
            page.series(family.name(), &series);
        }
    }
    page.finish()
}

/// What was written so far. Writing to a String cannot fail.
struct Page {
    text: String,
    format: Format,
}

impl Page {
    fn head(&mut self, family: &Family) {
        let (name, kind) = (family.name(), family.metric_type());
        let help = family.help().replace('\\', "\\\\").replace('\n', "\\n");
        let _ = match self.format {
            Format::Text => write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n"),
            // The protobuf is written elsewhere.
            Format::OpenMetrics | Format::Protobuf => {
                let (name, help) = (family.base_name(), help.replace('"', "\\\""));
                let _ = writeln!(self.text, "# TYPE {name} {kind}");
                if let Some(unit) = family.unit() {
                    let _ = writeln!(self.text, "# UNIT {name} {unit}");
                }
                writeln!(self.text, "# HELP {name} {help}")
            }
        };
    }

    fn series(&mut self, name: &str, series: &Series<'_>) {
        let labels = labels(&series.labels);
        match &series.value {
            Value::Counter(value) => self.sample(name, &labels, value),
            Value::Gauge(value) => self.sample(name, &labels, value),
            Value::Histogram(buckets) => {
                let created = series.created.map_or(0.0, since_epoch);
                self.histogram(name, &labels, buckets, created);
            }
        }
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            labels => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }

    fn histogram(&mut self, name: &str, labels: &str, buckets: &Buckets<'_>, created: f64) {
        let is_open = self.format == Format::OpenMetrics;
        let exemplars = is_open.then(|| buckets.exemplars());
        for (index, (le, count)) in buckets.labelled().enumerate() {
            let _ = write!(self.text, "{name}_bucket{{{labels},le=\"{le}\"}} {count}");
            let exemplar = exemplars.as_ref().and_then(|all| all.get(index)?.as_ref());
            if let Some((value, exemplar)) = exemplar {
                self.exemplar(*value, exemplar);
            }
            self.text.push('\n');
        }
        self.sample(&format!("{name}_sum"), labels, buckets.sum());
        self.sample(&format!("{name}_count"), labels, buckets.count());
        // Of counters it would be one more series for each, and no news: the same moment.
        if is_open {
            self.sample(&format!("{name}_created"), labels, created);
        }
    }

    fn exemplar(&mut self, value: f64, exemplar: &Exemplar) {
        let labels = labels(&exemplar_labels(exemplar));
        let at = since_epoch(wall_at(exemplar.at_ns()));
        let _ = write!(self.text, " # {{{labels}}} {value} {at:.3}");
    }

    fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

fn labels(labels: &[(&str, impl AsRef<str>)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"{}\"", escape(value.as_ref()));
    }
    text
}

/// As most are, a value that has nothing to escape is not copied.
fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return value.into();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use netpoller_core::view::faults;
    use netpoller_core::{Histogram, Poller, ReadyList};

    use super::*;

    /// Series of the poller, with their values.
    fn series(text: &str, poller: &str) -> BTreeMap<String, f64> {
        let of = format!("poller=\"{poller}\"");
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        text.lines()
            .filter(|text| !text.starts_with('#') && text.contains(&of))
            .map(line)
            .collect()
    }

    #[test]
    fn a_new_poller_exports_every_series_as_0_and_no_more_than_800() {
        let _poller = Poller::builder().name("fresh").build().unwrap();
        for format in [Format::Text, Format::OpenMetrics] {
            let mut series = series(&encode_as(format), "fresh");
            assert!((300..=800).contains(&series.len()), "{}", series.len());
            let is_of_its_making = ["_created", "netpoller_poll_batch_limit"];
            series.retain(|name, _| !is_of_its_making.iter().any(|it| name.contains(it)));
            assert!(series.values().all(|value| *value == 0.0), "{series:#?}");
        }
    }

    /// What a scrape of a new poller gives, of itself alone. A name, a label or a help that changes
    /// is seen here, and by whoever reviews the change: dashboards and alerts live by them.
    #[test]
    fn the_exposition_of_a_new_poller_is_the_one_that_is_checked_in() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/exposition.txt");
        let _poller = Poller::builder().name("golden").build().unwrap();
        let of = "poller=\"golden\"";
        let text: String = encode()
            .split_inclusive('\n')
            .filter(|line| line.starts_with('#') || line.contains(of))
            .collect();
        if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
            std::fs::write(path, &text).unwrap();
        }
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        for (line, (now, then)) in text.lines().zip(checked_in.lines()).enumerate() {
            assert_eq!(now, then, "line {}; UPDATE=1 writes it anew", line + 1);
        }
        assert_eq!(text.len(), checked_in.len(), "UPDATE=1 writes it anew");
    }

    #[test]
    fn what_was_counted_is_what_is_exported() {
        let poller = Poller::builder().name("exported").build().unwrap();
        poller.wake().unwrap();
        let mut ready = ReadyList::default();
        poller
            .poll(Some(std::time::Duration::from_secs(1)), &mut ready)
            .unwrap();
        let series = series(&encode(), "exported");
        let value = |name: &str| series[name];
        assert_eq!(
            value("netpoller_polls_total{poller=\"exported\",mode=\"timed\"}"),
            1.0
        );
        assert_eq!(
            value("netpoller_breaks_total{poller=\"exported\",result=\"written\"}"),
            1.0
        );
        assert_eq!(
            value("netpoller_poll_duration_seconds_count{poller=\"exported\"}"),
            1.0
        );
        assert_eq!(
            value("netpoller_poll_duration_seconds_bucket{poller=\"exported\",le=\"+Inf\"}"),
            1.0
        );
        assert!(value("netpoller_last_poll_timestamp_seconds{poller=\"exported\"}") > 1.6e9);
        assert_eq!(
            value("netpoller_events_per_poll_bucket{poller=\"exported\",le=\"0.0\"}"),
            1.0
        );
    }

    /// No two series of one scrape have the same name and labels.
    #[track_caller]
    fn assert_no_series_twice(text: &str) {
        let mut seen = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(
                seen.insert(line.rsplit_once(' ').unwrap().0),
                "twice: {line}"
            );
        }
    }

    #[test]
    fn two_pollers_of_one_name_are_told_apart() {
        let named = || Poller::builder().name("twin").build().unwrap();
        let pair = [named(), named()];
        assert_eq!(pair.each_ref().map(Poller::name), ["twin", "twin_2"]);
        let text = encode();
        assert_no_series_twice(&text);
        assert!(!series(&text, "twin").is_empty() && !series(&text, "twin_2").is_empty());
    }

    #[test]
    fn a_name_that_was_given_to_one_that_is_gone_is_never_that_of_another_one_that_lives() {
        let named = |name: &str| Poller::builder().name(name).build().unwrap();
        let (first, second) = (named("heir"), named("heir"));
        drop(first);
        // It may have the first one's, unless somebody else still looks at that one; never the
        // second one's.
        let living = [second, named("heir"), named("heir"), named("heir_2")];
        let names: BTreeSet<&str> = living.iter().map(Poller::name).collect();
        assert_eq!(names.len(), living.len(), "{names:?}");
        assert_eq!(living[0].name(), "heir_2", "a name is kept");
        let text = encode();
        assert_no_series_twice(&text);
        for name in names {
            assert!(!series(&text, name).is_empty(), "{name}");
        }
    }

    #[test]
    fn pollers_that_come_and_go_leave_no_names_behind() {
        const ROUNDS: usize = 1000;
        let mut names = BTreeSet::new();
        for _ in 0..ROUNDS {
            let poller = Poller::builder().name("guest").build().unwrap();
            names.insert(poller.name().to_owned());
        }
        // Another test may look at one that is gone, for a moment.
        assert!(names.len() < ROUNDS / 2, "{names:?}");
    }

    #[test]
    fn the_text_obeys_the_format_and_the_rules_of_naming() {
        let _poller = Poller::builder().name("formed").build().unwrap();
        let text = encode();
        assert!(text.ends_with('\n'));
        let mut types = BTreeMap::new();
        let mut lines = text.lines().peekable();
        while let Some(help) = lines.next() {
            let (name, words) = help
                .strip_prefix("# HELP ")
                .unwrap()
                .split_once(' ')
                .unwrap();
            assert!(words.ends_with('.'), "{help}");
            let kind = lines
                .next()
                .unwrap()
                .strip_prefix(&format!("# TYPE {name} "))
                .unwrap();
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{name} twice"
            );
            assert!(
                name.starts_with("netpoller_")
                    && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (series, value) = line.rsplit_once(' ').unwrap();
                value.parse::<f64>().unwrap();
                let family = series.split('{').next().unwrap();
                let suffixes: &[&str] = if kind == "histogram" {
                    &["_bucket", "_sum", "_count"]
                } else {
                    &[""]
                };
                assert!(
                    suffixes
                        .iter()
                        .any(|suffix| family == format!("{name}{suffix}")),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn buckets_never_fall_and_the_last_is_the_count() {
        let poller = Poller::builder().name("cumulated").build().unwrap();
        for value in [0, 1023, 1024, 1025, 5_000_000, u64::MAX / 2] {
            faults::record(&poller, Histogram::DeadlineLag, value);
        }
        let text = encode();
        let prefix = "netpoller_deadline_lag_seconds_bucket{poller=\"cumulated\"";
        let counts: Vec<u64> = text
            .lines()
            .filter(|line| line.starts_with(prefix))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert_eq!(counts.len(), 25);
        assert!(counts.is_sorted());
        assert_eq!(counts.last(), Some(&6));
        assert!(text.contains("netpoller_deadline_lag_seconds_count{poller=\"cumulated\"} 6\n"));
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(
            labels(&[("poller", "a\"b\\c\nd")]),
            r#"poller="a\"b\\c\nd""#
        );
    }

    #[test]
    fn openmetrics_has_names_units_exemplars_and_an_end() {
        let poller = Poller::builder().name("opened").build().unwrap();
        faults::record(&poller, Histogram::DeadlineLag, 5_000);
        let text = encode_as(Format::OpenMetrics);
        assert!(text.ends_with("\n# EOF\n"));
        assert_eq!(text.matches("# EOF").count(), 1);
        assert!(text.contains("# TYPE netpoller_polls counter\n"));
        assert!(!text.contains("# UNIT netpoller_polls"));
        assert!(text.contains("netpoller_polls_total{poller=\"opened\",mode=\"block\"} 0\n"));
        let name = "netpoller_deadline_lag_seconds";
        assert!(text.contains(&format!(
            "# TYPE {name} histogram\n# UNIT {name} seconds\n# HELP {name} "
        )));
        let of = |le: &str| {
            let start = format!("{name}_bucket{{poller=\"opened\",le=\"{le}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap().to_owned()
        };
        // It is in the one bucket where it fell.
        assert_eq!((&*of("0.000002048"), &*of("0.00001024")), ("0", "1"));
        let bucket = of("0.00000512");
        let (count, exemplar) = bucket.split_once(" # {} ").unwrap();
        let (value, at) = exemplar.split_once(' ').unwrap();
        assert_eq!((count, value), ("1", "0.000005"));
        let now = since_epoch(std::time::SystemTime::now());
        assert!((at.parse::<f64>().unwrap() - now).abs() < 300.0);
        let created = format!("{name}_created{{poller=\"opened\"}} ");
        let created = text.lines().find_map(|line| line.strip_prefix(&created));
        assert!(created.unwrap().parse::<f64>().unwrap() > 1.6e9);
    }

    /// One whose file has a long name is told by its end.
    #[test]
    fn an_exemplar_names_its_descriptor_and_its_line_in_128_characters() {
        use std::future::Future;
        use std::os::fd::AsFd;
        let poller = Poller::builder().name("exemplary").build().unwrap();
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let kind = netpoller_core::Kind::Unix;
        let desc = poller.open(ours.as_fd(), kind).unwrap();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut waits = std::pin::pin!(desc.wait(netpoller_core::Direction::Read));
        let line = line!() - 1;
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        std::io::Write::write_all(&mut theirs, b"x").unwrap();
        let mut ready = ReadyList::default();
        poller.poll(None, &mut ready).unwrap();
        ready.wake_all();
        assert!(waits.as_mut().poll(&mut cx).is_ready());
        let text = encode_as(Format::OpenMetrics);
        let line = format!("text.rs:{line}\"}} ");
        let id = format!(" # {{descriptor=\"{}\",location=\"", desc.id());
        let found = text
            .lines()
            .find(|it| it.contains("exemplary") && it.contains(&line));
        let (_, exemplar) = found.unwrap().split_once(&id).unwrap();
        assert!(exemplar.find('"').unwrap() < crate::exemplar::EXEMPLAR_CHARS);
    }
}
