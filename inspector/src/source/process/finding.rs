//! What all findings of a process that is read from outside have.

use netpoller_core::view::lints::Lint;
use netpoller_endpoint::messages;
use netpoller_proto::v1::{Evidence, Finding};

/// Returns one that says no more than what is wrong, and what to do.
pub(super) fn finding(lint: Lint, summary: String) -> Finding {
    Finding {
        lint: lint.name().to_owned(),
        severity: messages::severity(lint.severity()).into(),
        summary,
        advice: lint.advice().to_owned(),
        ..Finding::default()
    }
}

/// Returns what is known of this.
pub(super) fn evidence<const N: usize>(known: [(&str, Option<String>); N]) -> Vec<Evidence> {
    let known = known.into_iter().filter_map(|(name, value)| {
        Some(Evidence {
            name: name.to_owned(),
            value: value?,
        })
    });
    known.collect()
}
