//! How a finding reads: sentences with the names that stand in their margin.

use netpoller_proto::v1::{Mode, Severity, Waiter};

use super::case::Case;
use crate::paint::Tone;
use crate::table::Context;
use crate::text;

/// What is said of it, paragraph by paragraph; the summary has no name.
pub(crate) fn paragraphs(case: &Case, context: &Context) -> Vec<(&'static str, String)> {
    let finding = &case.finding;
    let mut said = vec![
        ("", finding.summary.clone()),
        ("where", place(case, context)),
    ];
    said.extend(waiter(case).map(|waiter| ("who waits", who(waiter))));
    if !finding.location.is_empty() {
        said.push(("at", finding.line().to_string()));
    }
    if let Some(since_ns) = case.since_ns().filter(|since| *since <= context.now_ns) {
        let age = text::duration(context.now_ns - since_ns);
        said.push(("since", format!("{age} ago")));
    }
    if let Some(at_ns) = case.first_seen_ns() {
        // How long ago that was is how long this look takes, and says nothing of the fault.
        let at = context.anchor.rfc3339(at_ns).unwrap_or_default();
        let at = at
            .get(11..19)
            .map_or(String::new(), |at| format!(", at {at} UTC"));
        said.push(("since", format!("not known; first seen by this look{at}")));
    }
    let evidence: Vec<_> = finding
        .evidence
        .iter()
        .map(|evidence| format!("{}: {}", evidence.name, evidence.value))
        .collect();
    if !evidence.is_empty() {
        said.push(("evidence", evidence.join("; ")));
    }
    said.push(("advice", finding.advice.clone()));
    said
}

/// How grave it is, in a word.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "unknown",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

pub(crate) fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        _ => Tone::Title,
    }
}

pub(crate) fn direction(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Unspecified => None,
        Mode::Read => Some("read"),
        Mode::Write => Some("write"),
    }
}

/// The descriptor, or the poller where it is about none.
pub(super) fn place_in_short(case: &Case, context: &Context) -> String {
    match &case.entry {
        Some(entry) => entry.id(context),
        None => format!("poller {}", case.finding.poller),
    }
}

/// Poller and descriptor, with all that tells people which one it is.
fn place(case: &Case, context: &Context) -> String {
    let poller = format!("poller {}", case.finding.poller);
    let Some(entry) = &case.entry else {
        return poller;
    };
    let row = &entry.row;
    let mut words = vec![if context.several {
        entry.id(context)
    } else {
        format!("{} of {poller}", row.id())
    }];
    if row.fd >= 0 {
        words.push(format!("descriptor {}", row.fd));
    }
    words.push(row.kind().name().to_owned());
    match (row.local.as_str(), row.peer.as_str()) {
        ("", "") => {}
        (local, "") => words.push(local.to_owned()),
        ("", peer) => words.push(format!("to {peer}")),
        (local, peer) => words.push(format!("{local} to {peer}")),
    }
    if !row.label.is_empty() {
        words.push(format!("{:?}", row.label));
    }
    if !row.opened_location.is_empty() {
        words.push(format!("registered at {}", row.opened_location));
    }
    words.join(", ")
}

fn waiter(case: &Case) -> Option<&Waiter> {
    let row = &case.entry.as_ref()?.row;
    let side = match case.finding.direction() {
        Mode::Read => row.read.as_ref()?,
        Mode::Write => row.write.as_ref()?,
        Mode::Unspecified => return None,
    };
    side.waiter.as_ref()
}

fn who(waiter: &Waiter) -> String {
    match (waiter.task.as_str(), waiter.thread.as_str()) {
        ("", "") => "unknown".to_owned(),
        ("", thread) => format!("thread {thread}"),
        (task, "") => format!("task {task}"),
        (task, thread) => format!("task {task} on thread {thread}"),
    }
}
