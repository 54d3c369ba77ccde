//! Findings and lints as machines read them.

use std::collections::BTreeMap;

use netpoller_proto::filter::Key;
use netpoller_proto::v1::{Lint, Severity};
use serde::Serialize;

use crate::document;
use crate::findings::{Case, direction, laws, severity, timing};
use crate::table::{Column, Context, Raw, Value};

/// One finding: an item of `netpoller/v1/findings`.
#[derive(Serialize)]
pub(in crate::verbs) struct Item<'a> {
    lint: &'a str,
    severity: &'static str,
    poller: &'a str,
    id: Option<String>,
    direction: Option<&'static str>,
    /// `null` where it is not known: then it was first seen at `first_seen_ns`.
    since_ns: Option<u64>,
    age_ns: Option<u64>,
    first_seen_ns: Option<u64>,
    summary: &'a str,
    location: Option<&'a str>,
    nearest: Option<document::Line<'a>>,
    evidence: BTreeMap<&'a str, &'a str>,
    advice: &'a str,
    descriptor: Option<document::Descriptor<'a>>,
}

pub(in crate::verbs) fn of<'a>(case: &'a Case, context: &Context) -> Item<'a> {
    let finding = &case.finding;
    let since = case.since_ns();
    Item {
        lint: &finding.lint,
        severity: severity(finding.severity()),
        poller: &finding.poller,
        id: case.id(),
        direction: direction(finding.direction()),
        since_ns: since,
        age_ns: since.map(|since| context.now_ns.saturating_sub(since)),
        first_seen_ns: case.first_seen_ns(),
        summary: &finding.summary,
        location: (!finding.location.is_empty()).then_some(finding.location.as_str()),
        nearest: document::line(finding.nearest.as_ref()),
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| (evidence.name.as_str(), evidence.value.as_str()))
            .collect(),
        advice: &finding.advice,
        descriptor: case
            .entry
            .as_ref()
            .map(|entry| document::descriptor(entry, context)),
    }
}

fn ns(number: Option<u64>) -> Key {
    number.map_or(Key::Absent, |number| Key::Number(number.into()))
}

type C = Column<Case>;

/// Findings as records, for machines.
pub(super) static RECORDS: [C; 11] = [
    C::words("lint", "LINT", 0, |case| Key::text(&case.finding.lint)),
    C::words("severity", "SEVERITY", 0, |case| {
        Key::text(severity(case.finding.severity()))
    }),
    C::words("poller", "POLLER", 0, |case| {
        Key::text(&case.finding.poller)
    }),
    C::words("id", "ID", 0, |case| {
        case.id().map_or(Key::Absent, Key::Text)
    })
    .raw(&[Raw {
        name: "id",
        value: |case, context| {
            let id = case.entry.as_ref().map(|entry| entry.id(context));
            Value::text(id.unwrap_or_default())
        },
    }]),
    C::words("dir", "DIR", 0, |case| {
        direction(case.finding.direction()).map_or(Key::Absent, Key::text)
    }),
    C::numbers("since_ns", "SINCE", 0, |case| ns(case.since_ns())),
    C::numbers("age_ns", "AGE", 0, |case| ns(case.since_ns())).raw(&[Raw {
        name: "age_ns",
        value: |case, context| {
            let age = |since| context.now_ns.saturating_sub(since);
            Value::number(case.since_ns().map(age))
        },
    }]),
    C::numbers("first_seen_ns", "FIRST SEEN", 0, |case| {
        ns(case.first_seen_ns())
    }),
    C::words("location", "LOCATION", 0, |case| {
        Key::text(&case.finding.line())
    }),
    C::words("summary", "SUMMARY", 0, |case| {
        Key::text(&case.finding.summary)
    }),
    C::words("advice", "ADVICE", 0, |case| {
        Key::text(&case.finding.advice)
    }),
];

/// One lint: an item of `netpoller/v1/lints`.
#[derive(Serialize)]
pub(super) struct LintItem<'a> {
    lint: &'a str,
    severity: &'static str,
    timing: &'static str,
    hold_ns: u64,
    needs_kernel: bool,
    help: &'a str,
    advice: &'a str,
}

pub(super) fn lint(lint: &Lint) -> LintItem<'_> {
    LintItem {
        lint: &lint.name,
        severity: severity(lint.severity()),
        timing: timing(lint),
        hold_ns: lint.hold_ns,
        needs_kernel: lint.needs_kernel,
        help: &lint.help,
        advice: &lint.advice,
    }
}

/// The laws, as if they were a lint.
pub(super) fn law_item() -> LintItem<'static> {
    LintItem {
        lint: laws::NAME,
        severity: severity(Severity::Error),
        timing: "first-seen",
        hold_ns: 0,
        needs_kernel: false,
        help: laws::HELP,
        advice: laws::ADVICE,
    }
}
