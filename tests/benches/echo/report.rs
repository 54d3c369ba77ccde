//! The report: a table for people, one JSON document for programs.

use std::env::consts::ARCH;
use std::fs;
use std::io::{self, Write};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::args::{Args, Format};
use super::machine::Machine;
use super::rounds::{Measured, Row, Sample};
use super::servers::BASELINE;
use super::stats::Spread;

/// Writes the report in the format asked for.
pub(crate) fn write(
    out: &mut dyn Write,
    args: &Args,
    machine: &Machine,
    rows: &[Row],
) -> io::Result<()> {
    match args.format {
        Format::Table => table(out, args, machine, rows)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &document(args, machine, rows))?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn table(out: &mut dyn Write, args: &Args, machine: &Machine, rows: &[Row]) -> io::Result<()> {
    let deadline = if args.read_deadline {
        ", a read deadline before every read (bare: none)"
    } else {
        ""
    };
    writeln!(
        out,
        "message {} bytes, rounds {} of {} s, server on core {}, load on core {}{deadline}",
        args.message,
        args.rounds,
        args.secs.as_secs_f64(),
        machine.server_core,
        machine.load_core,
    )?;
    writeln!(
        out,
        "{:>11}  {:<16}  {:>10}  {:>14}  {:<24}  {:>5}  {:>8}  {:>8}",
        "connections",
        "server",
        "requests/s",
        "CPU ns/request",
        format!("CPU ÷ {BASELINE} [min … max]"),
        "busy",
        "p50 µs",
        "p99 µs"
    )?;
    for row in rows {
        for server in &row.servers {
            let ratio = row.ratio(server).map_or("-".to_owned(), |ratio| {
                format!("{:.3} [{:.3} … {:.3}]", ratio.median, ratio.min, ratio.max)
            });
            writeln!(
                out,
                "{:>11}  {:<16}  {:>10.0}  {:>14.0}  {:<24}  {:>4.0}%  {:>8.1}  {:>8.1}",
                row.connections,
                server.kind.name,
                median(server, Sample::requests_per_second),
                median(server, Sample::cpu_ns_per_request),
                ratio,
                median(server, Sample::busy) * 100.0,
                server.latency.quantile_ns(0.5).unwrap_or(0) as f64 / 1e3,
                server.latency.quantile_ns(0.99).unwrap_or(0) as f64 / 1e3,
            )?;
        }
    }
    Ok(())
}

fn document(args: &Args, machine: &Machine, rows: &[Row]) -> Value {
    let items: Vec<Value> = rows
        .iter()
        .flat_map(|row| row.servers.iter().map(|server| item(row, server)))
        .collect();
    json!({
        "schema": "netpoller/v1/bench-echo",
        "target": {
            "arch": ARCH,
            "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
            "server_core": machine.server_core,
            "load_core": machine.load_core,
            "warnings": machine.warnings,
        },
        "settings": {
            "rounds": args.rounds,
            "measured_ns_per_round": args.secs.as_nanos() as u64,
            "warm_up_ns": args.warm_up.as_nanos() as u64,
            "message_bytes": args.message,
            "read_deadline": args.read_deadline,
            "baseline": BASELINE,
        },
        "captured_at": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "complete": true,
        "items": items,
    })
}

fn item(row: &Row, server: &Measured) -> Value {
    let rounds: Vec<Value> = server
        .rounds
        .iter()
        .map(|sample| {
            json!({
                "requests": sample.requests,
                "elapsed_ns": sample.elapsed.as_nanos() as u64,
                "cpu_ns": sample.cpu.as_nanos() as u64,
            })
        })
        .collect();
    json!({
        "connections": row.connections,
        "server": server.kind.name,
        "cpu_ratio": row.ratio(server).map(|it| it.json()),
        "cpu_ns_per_request": of_rounds(server, Sample::cpu_ns_per_request).map(|it| it.json()),
        "requests_per_second": of_rounds(server, Sample::requests_per_second).map(|it| it.json()),
        "busy": of_rounds(server, Sample::busy).map(|it| it.json()),
        "latency_ns": {
            "p50": server.latency.quantile_ns(0.5),
            "p99": server.latency.quantile_ns(0.99),
        },
        "rounds": rounds,
    })
}

fn of_rounds(server: &Measured, figure: fn(&Sample) -> f64) -> Option<Spread> {
    Spread::of(server.rounds.iter().map(figure))
}

fn median(server: &Measured, figure: fn(&Sample) -> f64) -> f64 {
    of_rounds(server, figure).map_or(0.0, |spread| spread.median)
}
