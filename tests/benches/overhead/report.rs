//! The report: a table for people, one JSON document for programs.

use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::args::{Args, Format};
use super::isolation::Isolation;
use super::pair::Measured;
use super::stats::Spread;

/// Writes the report in the format asked for.
pub(crate) fn write(
    args: &Args,
    results: &[Measured],
    transition: Option<&Option<Spread>>,
    isolation: Option<&Isolation>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let transition = transition.and_then(Option::as_ref);
    match args.format {
        Format::Table => table(&mut out, args, results, transition, isolation)?,
        Format::Json => {
            let document = document(args, results, transition, isolation);
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn text(spread: Option<&Spread>) -> String {
    spread.map_or("-".to_owned(), |spread| {
        let Spread { median, min, max } = spread;
        format!("{median:.3} [{min:.3} … {max:.3}]")
    })
}

fn table(
    out: &mut dyn Write,
    args: &Args,
    results: &[Measured],
    transition: Option<&Spread>,
    isolation: Option<&Isolation>,
) -> io::Result<()> {
    writeln!(
        out,
        "{} rounds of {} s, there and back; CPU per request, median [min … max]",
        args.rounds,
        args.secs.as_secs_f64()
    )?;
    writeln!(
        out,
        "{:>11}  {:<42}  {:<24}  {:>6}  {:>12}",
        "descriptors", "pair", "ratio", "target", "baseline ns"
    )?;
    for measured in results {
        writeln!(
            out,
            "{:>11}  {:<42}  {:<24}  {:>6}  {:>12.0}",
            measured.case.descriptors(),
            measured.case.title,
            text(measured.ratio.as_ref()),
            measured
                .case
                .target
                .map_or("-".to_owned(), |target| format!("{target:.2}")),
            measured.baseline_ns.as_ref().map_or(0.0, |ns| ns.median),
        )?;
    }
    if let Some(transition) = transition {
        writeln!(
            out,
            "a transition, with the clock readings it needs: {} ns",
            text(Some(transition))
        )?;
    }
    if let Some(isolation) = isolation {
        writeln!(
            out,
            "latency with a stalled subscriber ÷ without: p50 {}, p99 {}",
            text(isolation.p50.as_ref()),
            text(isolation.p99.as_ref())
        )?;
    }
    Ok(())
}

fn document(
    args: &Args,
    results: &[Measured],
    transition: Option<&Spread>,
    isolation: Option<&Isolation>,
) -> Value {
    let items: Vec<Value> = results
        .iter()
        .map(|measured| {
            json!({
                "pair": measured.case.title,
                "descriptors": measured.case.descriptors(),
                "connections": measured.case.connections,
                "cpu_ratio": measured.ratio.as_ref().map(|it| it.json()),
                "target": measured.case.target,
                "baseline_cpu_ns_per_request": measured.baseline_ns.as_ref().map(|it| it.json()),
            })
        })
        .collect();
    json!({
        "schema": "netpoller/v1/bench-overhead",
        "settings": {
            "rounds": args.rounds,
            "measured_ns_per_round": args.secs.as_nanos() as u64,
        },
        "captured_at": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "complete": true,
        "items": items,
        "transition_ns": transition.map(Spread::json),
        "stalled_subscriber_latency_ratio": isolation.map(|isolation| json!({
            "p50": isolation.p50.as_ref().map(|it| it.json()),
            "p99": isolation.p99.as_ref().map(|it| it.json()),
        })),
    })
}
