//! A soak: one process under mixed load for a chosen time, and what it looked like at the start and
//! at the end.
//!
//! `cargo run --release -p netpoller-tests --bin soak -- --for 30m`
//!
//! `load` is everything that goes on, `inspector` are clients that watch all the time, `reading` is
//! what is measured, and `report` compares the start with the end and judges: nothing may have
//! grown, and every law must hold exactly once the load has come to rest.

mod inspector;
mod load;
mod reading;
mod report;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use netpoller::Poller;
use netpoller::inspect::{Listen, Server};

use load::Load;
use reading::{Idle, Reading};
use report::Report;

/// The load before the one that is measured.
const FIRST_CLIENTS: usize = 20;
const FIRST_LOAD: Duration = Duration::from_millis(200);
/// For so long it is waited for what comes about at once on a machine that is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts a mixed load on one poller for a chosen time and says whether anything grew, leaked or went
/// wrong.
///
/// The load, all of it at once: echo connections whose read deadline is set anew for each request;
/// connections that are opened and closed, by their owner or by another task in the middle of a
/// read; connections that are reset; deadlines that fire, are moved later, moved earlier and
/// cleared; datagrams; pipes; blocking threads; a tokio runtime; breaks. Inspectors watch every
/// descriptor all the time.
///
/// Exit codes: 0 nothing grew and every law holds; 1 something did; 2 wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "soak", version)]
struct Args {
    /// How long the load lasts, the warm-up included.
    #[arg(long = "for", value_name = "DUR", default_value = "1m", value_parser = at_least_a_second)]
    duration: Duration,
    /// Clients; each takes two descriptors or more.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..=5000))]
    clients: u32,
    /// Inspectors that watch all descriptors, twice a second each.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=4))]
    inspectors: u32,
    /// How the report is printed. Progress goes to stderr.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) {
        return Err("the start and the end must be apart; give it 1s or more".into());
    }
    Ok(duration)
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) if report.verdict().is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<Report> {
    make_room(args.clients)?;
    let poller = Poller::global();
    let folder = tempfile::tempdir()?;
    let endpoint = Server::builder()
        .listen(Listen::Unix(folder.path().join("soak.sock")))
        .start()
        .map_err(io::Error::other)?;
    let inspectors = inspector::start(endpoint.target(), args.inspectors)?;

    // What there is without any load: it must be the same again when the load is gone. A first
    // short load makes what the poller makes once and keeps, such as the timer for which a runtime
    // waits.
    let first = Load::start(FIRST_CLIENTS)?;
    thread::sleep(FIRST_LOAD);
    first.finish()?;
    rest(poller);
    let before = Idle::read()?;

    let began = Instant::now();
    // A load is at its full size only after a while, and so is what it takes.
    let warm_up = (args.duration / 10).clamp(Duration::from_millis(500), Duration::from_secs(60));
    let window = (args.duration / 10).clamp(Duration::from_millis(250), Duration::from_secs(60));
    let load = Load::start(args.clients as usize)?;
    sleep_until(began + warm_up);
    wait_for(|| poller.info().descriptors > u64::from(args.clients));
    let start = Reading::over(window, poller, load.tally())?;
    progress(began, "start", &start);

    let end_begins = began + args.duration.saturating_sub(window);
    let step = (args.duration / 20).max(Duration::from_secs(1));
    let mut peak_rss = start.rss_bytes;
    while Instant::now() + step < end_begins {
        thread::sleep(step);
        let now = Reading::over(Duration::ZERO, poller, load.tally())?;
        peak_rss = peak_rss.max(now.rss_bytes);
        progress(began, "running", &now);
        if let Some(error) = load.failed() {
            return Err(error);
        }
    }
    sleep_until(end_begins);
    wait_for(|| load.tally().is_complete() || load.failed().is_some());
    let end = Reading::over(window, poller, load.tally())?;
    progress(began, "end", &end);

    let done = load.finish()?;
    rest(poller);
    // The inspectors were there before the load, and are still. A thread that has been joined may
    // be counted a little longer.
    wait_for(|| Idle::read().is_ok_and(|now| now.is_within(before)));
    let after = Idle::read()?;
    let report = Report {
        ran: began.elapsed(),
        clients: args.clients,
        done,
        frames: inspectors.finish()?,
        peak_rss_bytes: peak_rss.max(end.rss_bytes),
        start,
        end,
        before,
        after,
        laws: poller.audit_quiescent().expect("no forked child"),
    };
    let mut out = io::stdout().lock();
    match args.format {
        Format::Table => report.print(&mut out)?,
        Format::Json => writeln!(out, "{:#}", report.json())?,
    }
    out.flush()?;
    Ok(report)
}

/// Raises the soft limit of open files to what the clients may need.
fn make_room(clients: u32) -> io::Result<()> {
    let needed = u64::from(clients) * 4 + 200;
    let limit = rlimit::increase_nofile_limit(needed)?;
    if limit < needed {
        return Err(io::Error::other(format!(
            "{clients} clients need {needed} open files and the limit is {limit}; raise it with `ulimit -n {needed}`, or use \
             fewer --clients"
        )));
    }
    Ok(())
}

/// Waits until nobody waits and nothing is registered any more.
fn rest(poller: &Poller) {
    wait_for(|| {
        let info = poller.info();
        info.descriptors + info.sleeps == 0
    });
}

/// Waits for `fact`, though not for ever: what does not come about shows in the report.
fn wait_for(fact: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !fact() && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(20));
    }
}

fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

fn progress(began: Instant, what: &str, reading: &Reading) {
    eprintln!(
        "{:>6.0} s  {what:<8} {:>6.1} MiB  {:>6} descriptors  {:>3} threads  {} requests",
        began.elapsed().as_secs_f64(),
        reading.rss_bytes as f64 / f64::from(1 << 20),
        reading.descriptors,
        reading.threads,
        reading.requests,
    );
}
