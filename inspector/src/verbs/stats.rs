//! `netpoller stats`.

use std::io::{self, Write};

use netpoller_proto::v1::{Poller, PollerStats};
use netpoller_proto::vocabulary::Transition;

use crate::document;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::{Format, Style};
use crate::paint::Tone;
use crate::table::{
    Align, COUNTERS, Column, Context, CounterRow, HISTOGRAMS_OF_ALL_TIME, HistogramRow,
    LAWS_OF_ONE, LawRow, NUMBERS, TASKS, TRANSITIONS, TransitionRow, counted, numbers,
};
use crate::text;
use crate::verbs::verb::{Usage, Verb};
use clap::Args;

/// Nothing but what every verb accepts.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {}

impl Verb for StatsArgs {
    fn usage(&self) -> Usage {
        Usage::of("stats")
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await?;
            let style = globals.style();
            let stats = connection.stats().await?;
            let head = style.head(&connection, "netpoller/v1/stats", stats.captured_at_ns);
            let context = head.context;
            super::print(|out| match style.format {
                Format::Json => {
                    let items = stats
                        .pollers
                        .iter()
                        .map(|stats| document::stats(stats, &context))
                        .collect();
                    style.document(out, head, true, items)
                }
                Format::Jsonl => {
                    for stats in &stats.pollers {
                        serde_json::to_writer(&mut *out, &document::stats(stats, &context))?;
                        out.write_all(b"\n")?;
                    }
                    Ok(())
                }
                Format::Csv => style.records(out, &NUMBERS, &numbers(&stats.pollers), &context),
                Format::Table | Format::Wide => {
                    for (index, stats) in stats.pollers.iter().enumerate() {
                        if index > 0 {
                            writeln!(out)?;
                        }
                        section(&style, out, stats, &context)?;
                    }
                    Ok(())
                }
            })
        })
    }
}

fn section(
    style: &Style,
    out: &mut dyn Write,
    stats: &PollerStats,
    context: &Context,
) -> io::Result<()> {
    let poller = stats.poller.clone().unwrap_or_default();
    let title = format!("POLLER {}", poller.name);
    writeln!(out, "{}", Tone::Title.paint(&title, style.color))?;
    gauges(style, out, &poller, context)?;

    // Nobody counts them from outside.
    let transitions = stats.read.zip(stats.write).map(|(read, write)| {
        Transition::ALL.map(|it| TransitionRow {
            name: it.name(),
            read: read.get(it),
            read_per_second: None,
            write: write.get(it),
            write_per_second: None,
        })
    });
    let transitions = transitions.as_ref().map_or(&[][..], |rows| &rows[..]);
    part(style, out, &TRANSITIONS, transitions, context)?;
    let counters = stats.counters.iter().map(|(name, total)| CounterRow {
        name: name.clone(),
        total: *total,
        per_second: None,
    });
    let counters: Vec<_> = counters.collect();
    part(style, out, &COUNTERS, &counters, context)?;
    part(style, out, &TASKS, &stats.tasks, context)?;
    let rows = stats.histograms.iter().map(|histogram| HistogramRow {
        poller: poller.name.clone(),
        histogram: histogram.clone(),
        ..HistogramRow::default()
    });
    // They stand below the name of their poller.
    let context = &Context {
        several: false,
        ..*context
    };
    part(
        style,
        out,
        &HISTOGRAMS_OF_ALL_TIME,
        &rows.collect::<Vec<_>>(),
        context,
    )?;
    let rows = stats.laws.iter().map(|law| LawRow {
        poller: poller.name.clone(),
        law: law.clone(),
    });
    part(style, out, &LAWS_OF_ONE, &rows.collect::<Vec<_>>(), context)
}

/// A table behind an empty line, unless there is nothing in it.
fn part<R>(
    style: &Style,
    out: &mut dyn Write,
    columns: &'static [Column<R>],
    rows: &[R],
    context: &Context,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    style.sheet(out, columns, rows, context)
}

fn gauges(
    style: &Style,
    out: &mut dyn Write,
    poller: &Poller,
    context: &Context,
) -> io::Result<()> {
    let ago = text::duration(context.now_ns.saturating_sub(poller.last_poll_ns));
    let count = |count| counted(poller, count).map_or("-".to_owned(), text::grouped);
    let rows = [
        ("driver", poller.driver.clone()),
        ("descriptors", text::grouped(poller.descriptors)),
        ("waiters", count(poller.waiters.max(0).unsigned_abs())),
        ("deadlines", count(poller.deadlines)),
        ("slots", count(poller.slots)),
        ("epoll_fd", poller.epoll_fd.to_string()),
        (
            "blocked",
            match counted(poller, poller.blocked.into()) {
                None => "-",
                Some(0) => "no",
                Some(_) => "yes",
            }
            .to_owned(),
        ),
        (
            "last_poll",
            match poller.last_poll_ns {
                0 if poller.created_at_ns == 0 => "-".to_owned(),
                0 => "never".to_owned(),
                _ => format!("{} ago", context.written(ago)),
            },
        ),
    ];
    for (name, value) in rows {
        let cells = [
            (name.to_owned(), Tone::Plain, Align::Left, 28),
            (value, Tone::Plain, Align::Right, 14),
        ];
        style.line(out, &cells)?;
    }
    Ok(())
}
