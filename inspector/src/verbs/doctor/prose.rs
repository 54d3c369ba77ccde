//! How findings and the catalogue read.

use std::io::{self, Write};

use netpoller_proto::v1::{Mode, Severity, Waiter};

use super::case::Case;
use super::catalogue::{Catalogue, hold};
use super::not_run::{self, NotRun};
use super::{item, laws};
use crate::failure::Failure;
use crate::out::Style;
use crate::paint::Tone;
use crate::table::Context;
use crate::text;

/// Lines are broken here, or where the terminal ends if it is narrower.
const WIDTH: usize = 100;
/// The names of the paragraphs stand before this column.
const INDENT: usize = 13;

/// One paragraph group for each finding, numbered from `before + 1`.
pub(super) fn cases(
    out: &mut dyn Write,
    style: &Style,
    cases: &[Case],
    before: usize,
    context: &Context,
) -> Result<(), Failure> {
    for (index, case) in cases.iter().enumerate() {
        let finding = &case.finding;
        if before + index > 0 {
            writeln!(out)?;
        }
        let lint = tone(finding.severity()).paint(&finding.lint, style.color);
        let severity = item::severity(finding.severity());
        writeln!(out, "{}. {lint} ({severity})", before + index + 1)?;
        let mut paragraph = |name: &str, content: &str| paragraph(out, style, name, content);
        paragraph("", &finding.summary)?;
        paragraph("where", &place(case, context))?;
        if let Some(waiter) = waiter(case) {
            paragraph("who waits", &who(waiter))?;
        }
        if !finding.location.is_empty() {
            paragraph("at", &finding.line())?;
        }
        if let Some(since_ns) = case.since_ns().filter(|since| *since <= context.now_ns) {
            let age = text::duration(context.now_ns - since_ns);
            paragraph("since", &format!("{age} ago"))?;
        }
        if let Some(at_ns) = case.first_seen_ns() {
            // How long ago that was is how long this look takes, and says nothing of the fault.
            let at = context.anchor.rfc3339(at_ns).unwrap_or_default();
            let at = at
                .get(11..19)
                .map_or(String::new(), |at| format!(", at {at} UTC"));
            paragraph("since", &format!("not known; first seen by this look{at}"))?;
        }
        let evidence: Vec<_> = finding
            .evidence
            .iter()
            .map(|evidence| format!("{}: {}", evidence.name, evidence.value))
            .collect();
        if !evidence.is_empty() {
            paragraph("evidence", &evidence.join("; "))?;
        }
        paragraph("advice", &finding.advice)?;
    }
    Ok(())
}

/// Every lint, with its hold time and what it looks for.
pub(super) fn catalogue(
    out: &mut dyn Write,
    style: &Style,
    catalogue: &Catalogue,
) -> Result<(), Failure> {
    for lint in &catalogue.lints {
        let hold = match hold(lint) {
            hold if hold.is_zero() => "over the window".to_owned(),
            hold => format!("held for {}", humantime::format_duration(hold)),
        };
        let kernel = if lint.needs_kernel {
            ", reads the kernel's list"
        } else {
            ""
        };
        let name = tone(lint.severity()).paint(&lint.name, style.color);
        let severity = item::severity(lint.severity());
        writeln!(out, "{name} ({severity}, {hold}{kernel})")?;
        paragraph(out, style, "", &lint.help)?;
        paragraph(out, style, "advice", &lint.advice)?;
        writeln!(out)?;
    }
    let name = Tone::Bad.paint(laws::NAME, style.color);
    writeln!(out, "{name} (error, read several times)")?;
    paragraph(out, style, "", laws::HELP)?;
    paragraph(out, style, "advice", laws::ADVICE)?;
    Ok(())
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        _ => Tone::Title,
    }
}

/// What was not looked for, below what was found.
pub(super) fn not_run(out: &mut dyn Write, style: &Style, all: &[NotRun]) -> Result<(), Failure> {
    for (name, line) in not_run::lines(all) {
        paragraph(out, style, name, &line)?;
    }
    Ok(())
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

/// A name in the margin and a text beside it, broken into lines.
fn paragraph(out: &mut dyn Write, style: &Style, name: &str, content: &str) -> io::Result<()> {
    let room = style.room.unwrap_or(WIDTH).clamp(40, WIDTH) - INDENT;
    let mut lines: Vec<String> = Vec::new();
    for word in content.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text::width(line) + 1 + text::width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let line = if style.ascii {
            text::ascii(line.clone())
        } else {
            line.clone()
        };
        let margin = Tone::Dim.paint(
            &format!("   {name:<width$}", width = INDENT - 3),
            style.color,
        );
        writeln!(out, "{margin}{line}")?;
    }
    Ok(())
}
