//! The text exposition, version 0.0.4.

use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netpoller_core::{internals, view};
use netpoller_host::posture;

use super::families::{Type, Value, families};
use super::samples;

/// Scrapes that the server could not answer.
pub(super) static SCRAPE_ERRORS: AtomicU64 = AtomicU64::new(0);

/// The codes with which the server answers, and how often it has.
static REQUESTS: [(u16, AtomicU64); 8] = [
    (200, AtomicU64::new(0)),
    (400, AtomicU64::new(0)),
    (403, AtomicU64::new(0)),
    (404, AtomicU64::new(0)),
    (405, AtomicU64::new(0)),
    (431, AtomicU64::new(0)),
    (500, AtomicU64::new(0)),
    (503, AtomicU64::new(0)),
];

/// Counts an answer of the server.
pub(super) fn count_request(code: u16) {
    if let Some((_, count)) = REQUESTS.iter().find(|it| it.0 == code) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// The content type of [`encode`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reads all pollers and writes their metrics.
///
/// ```
/// let poller = netpoller::Poller::builder().name("scraped").build().unwrap();
/// let text = netpoller::prometheus::encode();
/// assert!(text.contains("netpoller_waits_total{poller=\"scraped\",mode=\"block\"} 0\n"));
/// # drop(poller);
/// ```
pub fn encode() -> String {
    let began = Instant::now();
    let pollers = samples();
    let mut text = String::with_capacity(4096 + pollers.len() * 32 * 1024);
    for family in families() {
        head(&mut text, family.name, family.kind, family.help);
        for (poller, sample) in &pollers {
            for series in family.series(sample) {
                let labels = labels(poller, &series.labels);
                // Writing to a String cannot fail.
                let _ = match series.value {
                    Value::Count(value) => writeln!(text, "{}{{{labels}}} {value}", family.name),
                    Value::Gauge(value) => writeln!(text, "{}{{{labels}}} {value}", family.name),
                    Value::Histogram(histogram, bounds) => {
                        for (le, count) in bounds.fold(histogram) {
                            let _ = writeln!(
                                text,
                                "{}_bucket{{{labels},le=\"{le}\"}} {count}",
                                family.name
                            );
                        }
                        let _ = writeln!(
                            text,
                            "{}_sum{{{labels}}} {}",
                            family.name,
                            bounds.sum(histogram)
                        );
                        writeln!(
                            text,
                            "{}_count{{{labels}}} {}",
                            family.name,
                            histogram.count()
                        )
                    }
                };
            }
        }
    }
    own(&mut text, began);
    text
}

/// What the exposition says of itself.
fn own(text: &mut String, began: Instant) {
    head(
        text,
        "netpoller_build_info",
        Type::Gauge,
        "Always 1; the labels say what was built.",
    );
    let _ = writeln!(
        text,
        "netpoller_build_info{{version=\"{}\",revision=\"{}\",features=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION"),
        escape(option_env!("NETPOLLER_REVISION").unwrap_or("unknown")),
        features(),
    );
    if let Some((open, limit)) = internals::files() {
        for (name, help, value) in [
            (
                "netpoller_open_files",
                "Files that the process has open.",
                open,
            ),
            (
                "netpoller_open_files_limit",
                "Files that the process may have open.",
                limit,
            ),
        ] {
            head(text, name, Type::Gauge, help);
            let _ = writeln!(text, "{name} {value}");
        }
    }
    head(
        text,
        "netpoller_start_timestamp_seconds",
        Type::Gauge,
        "When the process first used the library, in seconds since the Unix epoch.",
    );
    let _ = writeln!(
        text,
        "netpoller_start_timestamp_seconds {}",
        started_at().as_secs_f64()
    );
    if posture::endpoint().next().is_some() {
        endpoint(text);
    }
    head(
        text,
        "netpoller_scrape_errors_total",
        Type::Counter,
        "Scrapes that failed.",
    );
    let errors = SCRAPE_ERRORS.load(Ordering::Relaxed);
    let _ = writeln!(text, "netpoller_scrape_errors_total {errors}");
    head(
        text,
        "netpoller_scrape_requests_total",
        Type::Counter,
        "Requests that the metrics server answered, by the code of the answer; 503 if all of its connections were busy.",
    );
    for (code, count) in &REQUESTS {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(
            text,
            "netpoller_scrape_requests_total{{code=\"{code}\"}} {count}"
        );
    }
    head(
        text,
        "netpoller_scrape_duration_seconds",
        Type::Gauge,
        "How long it took to read and write this exposition.",
    );
    let _ = writeln!(
        text,
        "netpoller_scrape_duration_seconds {}",
        began.elapsed().as_secs_f64()
    );
}

/// By the wall clock when it was first asked for: one that is set later restarts nothing.
fn started_at() -> Duration {
    static STARTED_AT: OnceLock<Duration> = OnceLock::new();
    *STARTED_AT.get_or_init(|| {
        let age = view::now_ns().saturating_sub(view::started_at_ns());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default()
            .saturating_sub(Duration::from_nanos(age))
    })
}

/// What the inspection endpoint has to tell.
fn endpoint(text: &mut String) {
    head(
        text,
        "netpoller_introspection_insecure",
        Type::Gauge,
        "Listeners of the inspection endpoint that other machines reach without being asked who they are.",
    );
    let _ = writeln!(
        text,
        "netpoller_introspection_insecure {}",
        posture::insecure()
    );
    head(
        text,
        "netpoller_control_calls_total",
        Type::Counter,
        "Calls of the service Control, by whether they were done.",
    );
    let (answered, refused) = posture::control_calls();
    for (result, count) in [("ok", answered), ("refused", refused)] {
        let _ = writeln!(
            text,
            "netpoller_control_calls_total{{result=\"{result}\"}} {count}"
        );
    }
}

fn features() -> String {
    let ours = [
        ("metrics", cfg!(feature = "metrics")),
        ("prometheus", cfg!(feature = "prometheus")),
    ];
    let ours = ours.into_iter().filter(|(_, is_in)| *is_in);
    let mut all: Vec<_> = internals::features()
        .chain(posture::endpoint())
        .chain(ours.map(|(name, _)| name))
        .collect();
    all.sort_unstable();
    all.join(",")
}

fn head(text: &mut String, name: &str, kind: Type, help: &str) {
    let kind = match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram => "histogram",
    };
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn labels(poller: &str, labels: &[(&str, &str)]) -> String {
    let mut text = format!("poller=\"{}\"", escape(poller));
    for (name, value) in labels {
        let _ = write!(text, ",{name}=\"{}\"", escape(value));
    }
    text
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
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
        let series = series(&encode(), "fresh");
        assert!((300..=800).contains(&series.len()), "{}", series.len());
        assert!(series.values().all(|value| *value == 0.0), "{series:#?}");
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
            value("netpoller_waits_total{poller=\"exported\",mode=\"timed\"}"),
            1.0
        );
        assert_eq!(
            value("netpoller_breaks_total{poller=\"exported\",result=\"written\"}"),
            1.0
        );
        assert_eq!(
            value("netpoller_wait_duration_seconds_count{poller=\"exported\"}"),
            1.0
        );
        assert_eq!(
            value("netpoller_wait_duration_seconds_bucket{poller=\"exported\",le=\"+Inf\"}"),
            1.0
        );
        assert!(value("netpoller_last_poll_timestamp_seconds{poller=\"exported\"}") > 1.6e9);
        assert_eq!(
            value("netpoller_events_per_wait_bucket{poller=\"exported\",le=\"0.0\"}"),
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
        assert_eq!(labels("a\"b\\c\nd", &[]), r#"poller="a\"b\\c\nd""#);
    }
}
