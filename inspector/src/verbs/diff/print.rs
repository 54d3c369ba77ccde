//! How it reads.

use std::io::{self, Write};

use crate::comparison::{Compared, Found, OPEN, WAITING};
use crate::failure::Failure;
use crate::findings::FINDINGS;
use crate::out::{Format, Head, Style};
use crate::paint::Tone;
use crate::table::{
    CHANGED_ROWS, ChangedRow, Column, Context, Difference, LATENCY_DIFFERENCES, LEVEL_DIFFERENCES,
    Of, TOTAL_DIFFERENCES,
};
use crate::text;

/// Rows of a section unless there is a --limit.
const FEW: usize = 20;
/// Quantiles of a latency, unless all are asked for.
const SHOWN: [&str; 2] = ["p50", "p99"];

/// The two ends.
pub(super) struct Pair<'a> {
    pub(super) from: Head<'a>,
    pub(super) to: Head<'a>,
}

pub(super) fn all(
    out: &mut dyn Write,
    style: &Style,
    pair: &Pair<'_>,
    compared: &Compared,
) -> Result<(), Failure> {
    let mut context = pair.to.context;
    context.several |= pair.from.context.several;
    if style.header {
        title(out, pair, compared, &context)?;
    }
    if let Some(found) = &compared.found {
        findings(out, style, found, pair, &context)?;
    }
    descriptors(out, style, compared, &context)?;
    numbers(out, style, compared, &context)?;
    if compared.is_empty() {
        writeln!(out, "nothing has changed")?;
    }
    Ok(())
}

/// Who is compared with whom, and how much time lies between.
fn title(
    out: &mut dyn Write,
    pair: &Pair<'_>,
    compared: &Compared,
    context: &Context,
) -> io::Result<()> {
    let day = |head: &Head<'_>| {
        head.captured_at
            .as_deref()
            .and_then(|at| at.get(..10))
            .map(str::to_owned)
    };
    // Of one day the time is what is compared.
    let begin = if day(&pair.from) == day(&pair.to) {
        11
    } else {
        0
    };
    let name = |head: &Head<'_>| {
        let target = head.target.as_ref().map(|it| it.address().to_owned());
        let at = head.captured_at.as_deref().and_then(|at| at.get(begin..23));
        let at = at.unwrap_or("?").replace('T', " ");
        format!("{} at {at} UTC", target.unwrap_or_default())
    };
    let later = match compared.between_ns {
        Some(between) => format!("{} later", text::duration(between)),
        None => "another process, or another life of it".to_owned(),
    };
    writeln!(out, "before  {}", context.written(name(&pair.from)))?;
    writeln!(out, "after   {}, {later}", context.written(name(&pair.to)))
}

fn section(out: &mut dyn Write, style: &Style, title: &str) -> io::Result<()> {
    writeln!(out, "\n{}", Tone::Title.paint(title, style.color))
}

fn findings(
    out: &mut dyn Write,
    style: &Style,
    found: &Found,
    pair: &Pair<'_>,
    context: &Context,
) -> Result<(), Failure> {
    for (title, cases, context) in [
        ("FINDINGS, NEW", &found.new, context),
        ("FINDINGS, GONE", &found.gone, &pair.from.context),
        ("FINDINGS, AS BEFORE", &found.still, context),
    ] {
        if !cases.is_empty() {
            section(out, style, title)?;
            limited(out, style, &FINDINGS, cases, context)?;
        }
    }
    Ok(())
}

fn descriptors(
    out: &mut dyn Write,
    style: &Style,
    compared: &Compared,
    context: &Context,
) -> io::Result<()> {
    let all = &compared.descriptors;
    if all.is_empty() {
        return Ok(());
    }
    let (sleeps, files): (Vec<_>, Vec<_>) = all.iter().cloned().partition(ChangedRow::is_sleep);
    let count = |what: &str| files.iter().filter(|row| row.change() == what).count();
    let mut counts = ["opened", "closed", "changed"]
        .map(|what| format!("{} {what}", grouped(count(what))))
        .to_vec();
    let is_wide = style.format == Format::Wide;
    if !is_wide && !sleeps.is_empty() {
        counts.push(format!("{} of sleeps (-f wide)", grouped(sleeps.len())));
    }
    section(out, style, &format!("DESCRIPTORS: {}", counts.join(", ")))?;
    match is_wide {
        true => limited(out, style, &CHANGED_ROWS, all, context),
        false if files.is_empty() => Ok(()),
        false => limited(out, style, &CHANGED_ROWS, &files, context),
    }
}

/// Which numbers are meant.
type Wanted = fn(&Difference) -> bool;

fn grouped(count: usize) -> String {
    text::grouped(count as u64)
}

fn numbers(
    out: &mut dyn Write,
    style: &Style,
    compared: &Compared,
    context: &Context,
) -> io::Result<()> {
    let all = &compared.numbers;
    let of = |wanted: Wanted| -> Vec<Difference> {
        all.iter().filter(|it| wanted(it)).cloned().collect()
    };
    let levels: [(&str, Wanted); 3] = [
        ("WAITING, BY LINE", |it| it.group == WAITING),
        ("OPEN, BY LINE", |it| it.group == OPEN),
        ("GAUGES", |it| {
            it.of == Of::Level && it.group != WAITING && it.group != OPEN
        }),
    ];
    for (title, wanted) in levels {
        let rows = of(wanted);
        if !rows.is_empty() {
            section(out, style, title)?;
            limited(out, style, &LEVEL_DIFFERENCES, &rows, context)?;
        }
    }
    let counted = of(|it| it.of == Of::Total);
    noted(out, style, ("COUNTS", &TOTAL_DIFFERENCES), counted, context)?;
    let latencies = of(|it| it.of == Of::Latency);
    let title = match compared.same_life {
        true => "LATENCIES, UNTIL THEN AND SINCE",
        false => "LATENCIES",
    };
    let columns = &LATENCY_DIFFERENCES;
    noted(out, style, (title, columns), latencies, context)
}

/// Those that are much more or less than before, and how many others there are.
fn noted(
    out: &mut dyn Write,
    style: &Style,
    (title, columns): (&str, &'static [Column<Difference>]),
    mut rows: Vec<Difference>,
    context: &Context,
) -> io::Result<()> {
    let all = rows.len();
    if style.format != Format::Wide {
        let is_shown = |it: &Difference| it.of == Of::Total || SHOWN.contains(&it.name.as_str());
        rows.retain(|it| it.is_much() && is_shown(it));
    }
    if all == 0 {
        return Ok(());
    }
    let title = match all - rows.len() {
        0 => title.to_owned(),
        others => format!("{title}: {} others (-f wide)", grouped(others)),
    };
    section(out, style, &title)?;
    match rows.is_empty() {
        true => Ok(()),
        false => first(out, style, columns, &rows, context, usize::MAX),
    }
}

/// The first of the rows, and how many more there are.
fn limited<R>(
    out: &mut dyn Write,
    style: &Style,
    columns: &'static [Column<R>],
    rows: &[R],
    context: &Context,
) -> io::Result<()> {
    first(out, style, columns, rows, context, FEW)
}

/// The same; so many of them, unless there is a --limit.
fn first<R>(
    out: &mut dyn Write,
    style: &Style,
    columns: &'static [Column<R>],
    rows: &[R],
    context: &Context,
    usual: usize,
) -> io::Result<()> {
    let limit = style.limit.unwrap_or(usual).min(rows.len());
    style.sheet(out, columns, &rows[..limit], context)?;
    match rows.len() - limit {
        0 => Ok(()),
        more => {
            let more = format!("({} more; --limit says how many are shown)", grouped(more));
            writeln!(out, "{}", Tone::Dim.paint(&more, style.color))
        }
    }
}
