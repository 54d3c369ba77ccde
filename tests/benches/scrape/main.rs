//! What a scrape costs, and what scraping costs the data path, by how many descriptors there are.
//!
//! ```text
//! cargo bench -p netpoller-tests --bench scrape
//! ```
//!
//! The descriptors are ends of TCP connections, each with a parked waiter. Beside them a thread
//! echoes on 16 connections, and another one sends on each in turn as soon as it has its answer:
//! for two seconds without a metrics server, and for as long with one that is scraped each second.
//! Which of the two is first changes from round to round, and rounds are short and many, because
//! whatever else the machine does changes from one moment to the next.
//!
//! `scrape` is the CPU time of one in the thread of the server, also as a multiple of that at the
//! fewest descriptors; `a second` is all that this thread takes in a second in which it is scraped
//! once, its looks for faults included. The last columns are the 99th percentile of a round trip
//! without scrapes, and those with them as ratios to it, round by round: the middle and the
//! quartiles.

mod load;
mod scraper;

use std::io::{self, Write};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::json;

use load::Load;
use scraper::Scraper;

/// What a scrape costs, and what scraping costs the data path, by how many descriptors there are
#[derive(Clone, Debug, Parser)]
#[command(name = "scrape")]
struct Args {
    /// Rounds; each measures with and without scrapes
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Seconds that each half of a round takes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    secs: u64,

    /// Descriptors, in ascending order
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "600,10000,19000"
    )]
    descriptors: Vec<usize>,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Cargo gives it to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// What was measured at one number of descriptors.
struct Row {
    descriptors: usize,
    /// CPU time of a scrape.
    scrape: Duration,
    /// CPU time of the thread of the server in a second.
    second: Duration,
    /// The 99th percentile without scrapes.
    without: Duration,
    /// Those with, divided by those without, the smallest first.
    ratios: Vec<f64>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut load = Load::start()?;
    let mut rows = Vec::new();
    for descriptors in &args.descriptors {
        load.grow_to(*descriptors)?;
        rows.push(measure(&args, &load, *descriptors)?);
    }
    report(&args, &rows)
}

fn measure(args: &Args, load: &Load, descriptors: usize) -> io::Result<Row> {
    let time = Duration::from_secs(args.secs);
    let (mut seconds, mut withouts, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let mut with = || {
            let scraper = Scraper::start()?;
            let watched = scraper.each_second();
            let p99 = load.p99(time)?;
            let (cpu, took) = watched.stop()?;
            seconds.push(cpu.div_f64(took.as_secs_f64()));
            io::Result::Ok(p99)
        };
        let (with, without) = if round % 2 == 0 {
            let without = load.p99(time)?;
            (with()?, without)
        } else {
            (with()?, load.p99(time)?)
        };
        withouts.push(without);
        ratios.push(with.as_secs_f64() / without.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    Ok(Row {
        descriptors,
        scrape: Scraper::start()?.cost(50)?,
        // Not in each does it look for faults.
        second: seconds.iter().sum::<Duration>() / args.rounds,
        without: middle(withouts),
        ratios,
    })
}

fn middle(mut figures: Vec<Duration>) -> Duration {
    figures.sort();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn report(args: &Args, rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let least = rows.first().map_or(f64::NAN, |row| ms(row.scrape));
    let spread = |row: &Row| {
        let of = |index: usize| row.ratios.get(index).copied().unwrap_or(f64::NAN);
        let count = row.ratios.len();
        [of(count / 2), of(count / 4), of(count * 3 / 4)]
    };
    if args.format == Format::Json {
        let item = |row: &Row| {
            let [median, below, above] = spread(row);
            json!({
                "descriptors": row.descriptors,
                "scrape_ms": ms(row.scrape),
                "scrape_ratio": ms(row.scrape) / least,
                "second_ms": ms(row.second),
                "p99_without_ms": ms(row.without),
                "p99_ratio": { "median": median, "quartiles": [below, above] },
            })
        };
        let items: Vec<_> = rows.iter().map(item).collect();
        let document = json!({ "bench": "scrape", "rounds": args.rounds, "items": items });
        return writeln!(out, "{document}");
    }
    writeln!(
        out,
        "descriptors  scrape, ms  ratio  a second, ms  p99 without, ms  with ÷ without [quartiles]"
    )?;
    for row in rows {
        let [median, below, above] = spread(row);
        let (scrape, second, without) = (ms(row.scrape), ms(row.second), ms(row.without));
        writeln!(
            out,
            "{:>11}  {scrape:>10.3}  {:>5.2}  {second:>12.2}  {without:>15.3}  {median:.3} [{below:.3} … {above:.3}]",
            row.descriptors,
            scrape / least,
        )?;
    }
    Ok(())
}
