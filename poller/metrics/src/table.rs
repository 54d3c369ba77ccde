//! `METRICS.md`: the table of all metrics for people, written from what is exported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use netpoller_core::Poller;

use super::text::encode;

/// The conservation laws in which a metric stands, by their names in `netpoller audit`.
const LAWS: [(&str, &str); 14] = [
    ("netpoller_transitions_total", "arm, park, ready"),
    ("netpoller_waiters", "waiters"),
    ("netpoller_descriptor_slots", "descriptors, slots"),
    ("netpoller_slots_opened_total", "descriptors"),
    ("netpoller_slots_closed_total", "descriptors"),
    ("netpoller_deadlines_armed", "deadlines"),
    ("netpoller_deadlines_set_total", "deadlines"),
    ("netpoller_deadlines_fired_total", "deadlines"),
    ("netpoller_breaks_total", "breaks"),
    ("netpoller_unparks_total", "unparks"),
    ("netpoller_polls_total", "polls"),
    ("netpoller_poll_errors_total", "polls"),
    ("netpoller_events_per_poll", "polls"),
    ("netpoller_poller_blocked", "polls"),
];

/// What the table says of one metric.
#[derive(Default)]
struct Entry {
    help: String,
    kind: String,
    /// Values by label.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// More values than this are not listed.
const LISTED: usize = 8;

impl Entry {
    fn labels(&self) -> String {
        let each = |(label, values): (&String, &BTreeSet<String>)| {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            match values.len() {
                0 => label.clone(),
                1..=LISTED => format!("{label}: {}", values.join(", ")),
                many => format!("{label} ({many})"),
            }
        };
        let all: Vec<_> = self.labels.iter().map(each).collect();
        all.join("; ")
    }
}

/// What a unit is called, by the end of a name.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    let ends = [
        ("_timestamp_seconds", "seconds since the epoch"),
        ("_seconds", "seconds"),
        ("_bytes", "bytes"),
        ("_info", ""),
    ];
    let known = ends.iter().find(|(end, _)| name.ends_with(end));
    known.map_or("", |(_, unit)| unit)
}

/// The metrics of an exposition in their order, with the labels of one poller.
fn entries(text: &str, poller: &str) -> Vec<(String, Entry)> {
    let mut all: Vec<(String, Entry)> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|it| it.split_once(' '))
        {
            all.push((name.to_owned(), Entry::default()));
            all.last_mut().unwrap().1.help = help.to_owned();
            continue;
        }
        let (name, entry) = all.last_mut().unwrap();
        if let Some(kind) = line.strip_prefix(&format!("# TYPE {name} ")) {
            entry.kind = kind.to_owned();
            continue;
        }
        let of_poller = line.contains(&format!("poller=\"{poller}\""));
        if line.contains("poller=\"") && !of_poller {
            continue;
        }
        let (_, labels) = line.split_once('{').unwrap_or_default();
        let (labels, _) = labels.rsplit_once('}').unwrap_or_default();
        for (label, value) in labels.split("\",").filter_map(|it| it.split_once("=\"")) {
            let values = entry.labels.entry(label.to_owned()).or_default();
            // These are of a process or of a histogram, not of the metric.
            let is_open = ["poller", "le", "version", "revision", "features"].contains(&label);
            if !is_open {
                values.insert(value.trim_end_matches('"').to_owned());
            }
        }
        entry.labels.remove("le");
    }
    all
}

fn table(entries: &[(String, Entry)]) -> String {
    let mut text = "\
# The metrics

All that the feature `prometheus` exports, written from the exposition of a new poller. A law is one
of those that `netpoller audit` checks, by its name there. A histogram has `_bucket`, `_sum` and
`_count`; the bridge to the `metrics` facade has all but histograms and those of the process.

| name | type | unit | labels | meaning | law |
|---|---|---|---|---|---|
"
    .to_owned();
    for (name, entry) in entries {
        let law = LAWS.iter().find(|(metric, _)| metric == name);
        let law = law.map_or("", |(_, law)| law);
        let (kind, unit, help) = (&entry.kind, unit(name), &entry.help);
        let _ = writeln!(
            text,
            "| `{name}` | {kind} | {unit} | {} | {help} | {law} |",
            entry.labels()
        );
    }
    text
}

#[test]
fn the_table_of_the_metrics_is_what_is_exported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md");
    let poller = Poller::builder().name("tabled").build().unwrap();
    let entries = entries(&encode(), poller.name());
    for (metric, _) in LAWS {
        assert!(entries.iter().any(|(name, _)| name == metric), "{metric}");
    }
    let now = table(&entries);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, &now).unwrap();
    }
    let then = std::fs::read_to_string(path).unwrap_or_default();
    for (now, then) in now.lines().zip(then.lines()) {
        assert_eq!(now, then, "UPDATE=1 writes it anew");
    }
    assert_eq!(now.len(), then.len(), "UPDATE=1 writes it anew");
}

#[test]
fn every_law_of_a_metric_is_one_that_audit_checks() {
    let poller = Poller::builder().name("lawful").build().unwrap();
    let laws = netpoller_core::view::Auditor::new().read_with_kernel(&poller);
    for (metric, names) in LAWS {
        for name in names.split(", ") {
            assert!(laws.iter().any(|law| law.name == name), "{metric}: {name}");
        }
    }
}
