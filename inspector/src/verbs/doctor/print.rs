//! How findings and the catalogue read.

use std::io::{self, Write};

use crate::failure::Failure;
use crate::findings::{self, Case, Catalogue, NotRun, hold, laws, severity, tone};
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
        let grave = severity(finding.severity());
        writeln!(out, "{}. {lint} ({grave})", before + index + 1)?;
        for (name, content) in findings::paragraphs(case, context) {
            paragraph(out, style, name, &content)?;
        }
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
        let grave = severity(lint.severity());
        writeln!(out, "{name} ({grave}, {hold}{kernel})")?;
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

/// What was not looked for, below what was found.
pub(super) fn not_run(out: &mut dyn Write, style: &Style, all: &[NotRun]) -> Result<(), Failure> {
    for (name, line) in findings::lines(all) {
        paragraph(out, style, name, &line)?;
    }
    Ok(())
}

/// A name in the margin and a text beside it, broken into lines.
fn paragraph(out: &mut dyn Write, style: &Style, name: &str, content: &str) -> io::Result<()> {
    let room = style.room.unwrap_or(WIDTH).clamp(40, WIDTH) - INDENT;
    let lines = text::wrapped(content, room);
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
