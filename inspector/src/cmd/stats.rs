//! `netpoller stats`.

use std::io::{self, Write};

use netpoller_proto::v1::{Histogram, Law, Poller, PollerStats, Transitions};

use crate::args::{Format, Globals};
use crate::client;
use crate::document;
use crate::failure::Failure;
use crate::out::{Head, Printer};
use crate::paint::Tone;
use crate::quantile;
use crate::table::Align;
use crate::text;

pub(super) fn run(globals: &Globals) -> Result<(), Failure> {
    super::no_rows(globals, "stats")?;
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
            Format::Csv => flat(out, &stats.pollers),
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
fn flat(out: &mut dyn Write, pollers: &[PollerStats]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["poller", "group", "name", "value"])?;
    for stats in pollers {
        let poller = stats
            .poller
            .as_ref()
            .map_or("", |poller| poller.name.as_str());
        let mut line = |group: &str, name: &str, value: u64| {
            writer.write_record([poller, group, name, &value.to_string()])
        };
        for (group, counts) in [("read", stats.read), ("write", stats.write)] {
            for (name, count) in counts.unwrap_or_default().named() {
                line(group, name, count)?;
            }
        }
        for (name, count) in &stats.counters {
            line("counter", name, *count)?;
        }
        for histogram in &stats.histograms {
            line(&histogram.name, "count", histogram.count)?;
            for (name, share) in quantile::SHOWN {
                if let Some(value) = quantile::quantile(histogram, share) {
                    line(&histogram.name, name, value)?;
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
    writeln!(
        out,
        "{}",
        title(&format!("POLLER {}", text::printable(&poller.name)))
    )?;
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
        heading(
            printer,
            out,
            &[("COUNTER", Align::Left, 28), ("TOTAL", Align::Right, 14)],
        )?;
        for (name, count) in &stats.counters {
            printer.line(
                out,
                &[
                    plain(name, Align::Left, 28),
                    plain(&text::grouped(*count), Align::Right, 14),
                ],
            )?;
        }
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
        printer.line(
            out,
            &[
                plain(name, Align::Left, 28),
                plain(&value, Align::Right, 14),
            ],
        )?;
    }
    Ok(())
}

fn transitions(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    read: &Transitions,
    write: &Transitions,
) -> io::Result<()> {
    heading(
        printer,
        out,
        &[
            ("TRANSITION", Align::Left, 28),
            ("READ", Align::Right, 14),
            ("WRITE", Align::Right, 14),
        ],
    )?;
    for ((name, read), (_, write)) in read.named().into_iter().zip(write.named()) {
        printer.line(
            out,
            &[
                plain(name, Align::Left, 28),
                plain(&text::grouped(read), Align::Right, 14),
                plain(&text::grouped(write), Align::Right, 14),
            ],
        )?;
    }
    Ok(())
}

fn histograms(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    histograms: &[Histogram],
    short: impl Fn(String) -> String,
) -> io::Result<()> {
    heading(
        printer,
        out,
        &[
            ("HISTOGRAM", Align::Left, 18),
            ("P50", Align::Right, 8),
            ("P90", Align::Right, 8),
            ("P99", Align::Right, 8),
            ("P99.9", Align::Right, 8),
            ("MAX", Align::Right, 8),
            ("COUNT", Align::Right, 14),
        ],
    )?;
    for histogram in histograms {
        let sample = |value: Option<u64>| {
            value.map_or("-".into(), |value| {
                short(text::sample(value, &histogram.unit))
            })
        };
        let mut line = vec![plain(&histogram.name, Align::Left, 18)];
        for (_, share) in quantile::SHOWN {
            line.push(plain(
                &sample(quantile::quantile(histogram, share)),
                Align::Right,
                8,
            ));
        }
        line.push(plain(
            &sample((histogram.count > 0).then_some(histogram.max)),
            Align::Right,
            8,
        ));
        line.push(plain(&text::grouped(histogram.count), Align::Right, 14));
        printer.line(out, &line)?;
    }
    Ok(())
}

fn laws(printer: &Printer<'_>, out: &mut dyn Write, laws: &[Law]) -> io::Result<()> {
    heading(
        printer,
        out,
        &[
            ("LAW", Align::Left, 18),
            ("LEFT", Align::Right, 14),
            ("RIGHT", Align::Right, 14),
            ("STATE", Align::Left, 8),
            ("STATEMENT", Align::Left, 9),
        ],
    )?;
    for law in laws {
        let (state, tone) = if law.violated {
            ("VIOLATED", Tone::Bad)
        } else {
            ("OK", Tone::Good)
        };
        printer.line(
            out,
            &[
                plain(&law.name, Align::Left, 18),
                plain(&text::signed(law.lhs), Align::Right, 14),
                plain(&text::signed(law.rhs), Align::Right, 14),
                (state.to_owned(), tone, Align::Left, 8),
                (
                    text::printable(&law.statement).into_owned(),
                    Tone::Dim,
                    Align::Left,
                    usize::MAX,
                ),
            ],
        )?;
    }
    Ok(())
}

fn heading(
    printer: &Printer<'_>,
    out: &mut dyn Write,
    titles: &[(&str, Align, usize)],
) -> io::Result<()> {
    if printer.globals.no_header {
        return Ok(());
    }
    let cells: Vec<_> = titles
        .iter()
        .map(|(title, align, width)| ((*title).to_owned(), Tone::Title, *align, *width))
        .collect();
    printer.line(out, &cells)
}

fn plain(text: &str, align: Align, width: usize) -> (String, Tone, Align, usize) {
    (
        text::printable(text).into_owned(),
        Tone::Plain,
        align,
        width,
    )
}
