//! `METRICS.md`: the table of all metrics for people, written from what is exported.

use std::collections::BTreeSet;
use std::fmt::Write;

use netpoller_core::Poller;

use super::families::families;
use super::family::{Family, Series};
use super::reading::Reading;

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

/// More values of a label than this are not listed.
const LISTED: usize = 8;

/// The labels of a metric with the values that they have in its series.
fn labels(family: &Family, series: &[Series<'_>]) -> String {
    let each = |name: &'static str| {
        // These are of a process or of a poller, not of the metric.
        let is_open = ["poller", "version", "revision", "features"].contains(&name);
        let of_all = series.iter().flat_map(|series| &series.labels);
        let of_this = of_all.filter(|(it, _)| *it == name && !is_open);
        let values: BTreeSet<&str> = of_this.map(|(_, value)| value.as_ref()).collect();
        match values.len() {
            0 => name.to_owned(),
            1..=LISTED => format!("{name}: {}", Vec::from_iter(values).join(", ")),
            many => format!("{name} ({many})"),
        }
    };
    let all: Vec<_> = family.labels().into_iter().map(each).collect();
    all.join("; ")
}

fn table() -> String {
    let mut text = "\
# The metrics

All that are exported, as `netpoller::prometheus::families()` lists them. A law is one of those that
`netpoller audit` checks, by its name there. A histogram has `_bucket`, `_sum` and `_count`.

| name | type | unit | labels | meaning | law |
|---|---|---|---|---|---|
"
    .to_owned();
    let _poller = Poller::builder().name("tabled").build().unwrap();
    for (family, series) in Reading::now().metrics() {
        let (name, kind, help) = (family.name(), family.metric_type(), family.help());
        let unit = family.unit().unwrap_or_default();
        let law = LAWS.iter().find(|(metric, _)| *metric == name);
        let law = law.map_or("", |(_, law)| law);
        let labels = labels(&family, &series);
        let _ = writeln!(
            text,
            "| `{name}` | {kind} | {unit} | {labels} | {help} | {law} |"
        );
    }
    text
}

#[test]
fn the_table_of_the_metrics_is_what_is_exported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md");
    for (metric, _) in LAWS {
        assert!(families().any(|it| it.name() == metric), "{metric}");
    }
    let now = table();
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
