//! `netpoller stats`.

use std::io::{self, Write};

use netpoller_proto::v1::{Histogram, Law, Poller, PollerStats, Transitions};

use crate::client;
use crate::document;
use crate::failure::Failure;
use crate::globals::{Format, Globals};
use crate::out::{Head, Printer, Title};
use crate::paint::Tone;
use crate::quantile;
use crate::table::{Align, law_state};
use crate::text;

pub(crate) fn run(globals: &Globals) -> Result<(), Failure> {
    super::block_on(async {
        let connection = super::connection(globals).await?;
        let stats = client::stats(&connection).await?;
        let head = Head::of(
            &connection,
            "netpoller/v1/stats",
            stats.captured_at_ns,
            globals.ascii,
        );
        let context = head.context;
        let printer = Printer::new(globals);
        super::print(|out| match globals.format {
            Format::Json => {
                let items = stats
                    .pollers
                    .iter()
                    .map(|stats| document::stats(stats, &context))
                    .collect();
                printer.document(out, head, true, items)
            }
            Format::Jsonl => {
                for stats in &stats.pollers {
                    serde_json::to_writer(&mut *out, &document::stats(stats, &context))?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
            Format::Csv => flat(out, globals, &stats.pollers),
            Format::Table | Format::Wide => {
                for (index, stats) in stats.pollers.iter().enumerate() {
                    if index > 0 {
                        writeln!(out)?;
                    }
                    section(&printer, out, stats, context.now_ns)?;
                }
                Ok(())
            }
        })
    })
}

/// A line for each number, for spreadsheets.
fn flat(out: &mut dyn Write, globals: &Globals, pollers: &[PollerStats]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    if !globals.no_header {
        writer.write_record(["poller", "group", "name", "value", "unit"])?;
    }
    for stats in pollers {
        let poller = stats
            .poller
            .as_ref()
            .map_or("", |poller| poller.name.as_str());
        let mut line = |group: &str, name: &str, value: i128, unit: &str| {
            writer.write_record([poller, group, name, &value.to_string(), unit])
        };
        if let Some(gauges) = &stats.poller {
            for (name, value) in [
                ("descriptors", gauges.descriptors.into()),
                ("waiters", gauges.waiters.into()),
                ("deadlines", gauges.deadlines.into()),
                ("slots", gauges.slots.into()),
            ] {
                line("gauge", name, value, "")?;
            }
        }
        for (group, counts) in [("read", stats.read), ("write", stats.write)] {
            for (name, count) in counts.unwrap_or_default().named() {
                line(group, name, count.into(), "")?;
            }
        }
        for (name, count) in &stats.counters {
            line("counter", name, (*count).into(), "")?;
        }
        for histogram in &stats.histograms {
            line(&histogram.name, "count", histogram.count.into(), "")?;
            for (name, share) in quantile::SHOWN {
                if let Some(value) = quantile::quantile(histogram, share) {
                    line(&histogram.name, name, value.into(), &histogram.unit)?;
                }
            }
        }
    }
    Ok(writer.flush()?)
}

fn section(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    stats: &PollerStats,
    now_ns: u64,
) -> io::Result<()> {
    let short = |text: String| {
        if printer.globals.ascii {
            text::ascii(text)
        } else {
            text
        }
    };
    let title = |text: &str| Tone::Title.paint(text, printer.color);

    let poller = stats.poller.clone().unwrap_or_default();
    writeln!(out, "{}", title(&format!("POLLER {}", poller.name)))?;
    gauges(
        printer,
        out,
        &poller,
        short(text::duration(now_ns.saturating_sub(poller.last_poll_ns))),
    )?;

    writeln!(out)?;
    let read = stats.read.unwrap_or_default();
    let write = stats.write.unwrap_or_default();
    transitions(printer, out, &read, &write)?;

    if !stats.counters.is_empty() {
        writeln!(out)?;
        let titles = [
            Title::words("COUNTER"),
            Title::number("TOTAL", Title::ALWAYS),
        ];
        let lines: Vec<_> = stats
            .counters
            .iter()
            .map(|(name, count)| vec![plain(name), plain(&text::grouped(*count))])
            .collect();
        printer.sheet(out, &titles, &lines)?;
    }
    if !stats.histograms.is_empty() {
        writeln!(out)?;
        histograms(printer, out, &stats.histograms, short)?;
    }
    if !stats.laws.is_empty() {
        writeln!(out)?;
        laws(printer, out, &stats.laws)?;
    }
    Ok(())
}

fn gauges(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    poller: &Poller,
    last_poll: String,
) -> io::Result<()> {
    let rows = [
        ("driver", poller.driver.clone()),
        ("descriptors", text::grouped(poller.descriptors)),
        ("waiters", text::signed(poller.waiters)),
        ("deadlines", text::grouped(poller.deadlines)),
        ("slots", text::grouped(poller.slots)),
        ("epoll_fd", poller.epoll_fd.to_string()),
        (
            "blocked",
            if poller.blocked { "yes" } else { "no" }.to_owned(),
        ),
        (
            "last_poll",
            if poller.last_poll_ns == 0 {
                "never".into()
            } else {
                format!("{last_poll} ago")
            },
        ),
    ];
    for (name, value) in rows {
        let ((name, tone), (value, _)) = (plain(name), plain(&value));
        let cells = [
            (name, tone, Align::Left, 28),
            (value, tone, Align::Right, 14),
        ];
        printer.line(out, &cells)?;
    }
    Ok(())
}

fn transitions(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    read: &Transitions,
    write: &Transitions,
) -> io::Result<()> {
    let titles = [
        Title::words("TRANSITION"),
        Title::number("READ", Title::ALWAYS),
        Title::number("WRITE", Title::ALWAYS),
    ];
    let pairs = read.named().into_iter().zip(write.named());
    let lines: Vec<_> = pairs
        .map(|((name, read), (_, write))| {
            vec![
                plain(name),
                plain(&text::grouped(read)),
                plain(&text::grouped(write)),
            ]
        })
        .collect();
    printer.sheet(out, &titles, &lines)
}

fn histograms(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    histograms: &[Histogram],
    short: impl Fn(String) -> String,
) -> io::Result<()> {
    let titles = [
        Title::words("HISTOGRAM"),
        Title::number("P50", 6),
        Title::number("P90", 3),
        Title::number("P99", 5),
        Title::number("P99.9", 2),
        Title::number("MAX", 4),
        Title::number("COUNT", 1),
    ];
    let line = |histogram: &Histogram| {
        let sample = |value: Option<u64>| {
            let value = value.map(|value| short(text::sample(value, &histogram.unit)));
            plain(value.as_deref().unwrap_or("-"))
        };
        let mut line = vec![plain(&histogram.name)];
        line.extend(quantile::SHOWN.map(|(_, share)| sample(quantile::quantile(histogram, share))));
        line.push(sample((histogram.count > 0).then_some(histogram.max)));
        line.push(plain(&text::grouped(histogram.count)));
        line
    };
    let lines: Vec<_> = histograms.iter().map(line).collect();
    printer.sheet(out, &titles, &lines)
}

fn laws(printer: &Printer<'_>, out: &mut dyn Write, laws: &[Law]) -> io::Result<()> {
    let titles = [
        Title::words("LAW"),
        Title::number("LEFT", Title::ALWAYS),
        Title::number("RIGHT", Title::ALWAYS),
        Title::words("STATE"),
        Title {
            keep: 1,
            ..Title::words("STATEMENT")
        },
    ];
    let line = |law: &Law| {
        let (state, tone) = law_state(law);
        vec![
            plain(&law.name),
            plain(&text::signed(law.lhs)),
            plain(&text::signed(law.rhs)),
            (state.to_owned(), tone),
            (law.statement.clone(), Tone::Dim),
        ]
    };
    let lines: Vec<_> = laws.iter().map(line).collect();
    printer.sheet(out, &titles, &lines)
}

fn plain(text: &str) -> (String, Tone) {
    (text.to_owned(), Tone::Plain)
}
