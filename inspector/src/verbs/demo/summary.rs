//! What the demo prints at its end: what the clients did, what the poller counted, and whether the
//! laws hold.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use netpoller::view::{Law, Stats};
use netpoller::{Counter, Direction, Histogram, Poller, Transition};
use serde::Serialize;

use super::tally::Tally;
use crate::text;

/// The summary; its JSON is one item of the document `netpoller/v1/demo`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    poller: String,
    duration_ns: u64,
    connections: usize,
    connects: u64,
    requests: u64,
    timeouts: u64,
    cut_off: u64,
    errors: u64,
    round_trip: Quantiles,
    transitions: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    counters: BTreeMap<&'static str, u64>,
    histograms: Vec<Spread>,
    laws: Vec<LawItem>,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50_ns: Option<u64>,
    p99_ns: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Spread {
    name: &'static str,
    unit: &'static str,
    count: u64,
    p50: Option<u64>,
    p99: Option<u64>,
    max: u64,
}

#[derive(Debug, Serialize)]
struct LawItem {
    name: &'static str,
    statement: &'static str,
    lhs: i64,
    rhs: i64,
    violated: bool,
}

impl From<Law> for LawItem {
    fn from(law: Law) -> Self {
        let Law {
            name,
            statement,
            lhs,
            rhs,
            violated,
            ..
        } = law;
        Self {
            name,
            statement,
            lhs,
            rhs,
            violated,
        }
    }
}

impl Summary {
    /// Reads everything once the service has come to rest, when the laws are exact.
    pub(crate) fn read(poller: &Poller, tally: &Tally, connections: usize, ran: Duration) -> Self {
        let stats = poller.stats();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            poller: poller.name().to_owned(),
            duration_ns: u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX),
            connections,
            connects: count(&tally.connects),
            requests: count(&tally.requests),
            timeouts: count(&tally.timeouts),
            cut_off: count(&tally.cut_off),
            errors: count(&tally.errors),
            round_trip: Quantiles {
                p50_ns: tally.quantile_ns(0.5),
                p99_ns: tally.quantile_ns(0.99),
            },
            transitions: Direction::ALL
                .into_iter()
                .map(|direction| (direction.name(), transitions(&stats, direction)))
                .collect(),
            counters: Counter::ALL
                .into_iter()
                .map(|counter| (counter.name(), stats.counter(counter)))
                .collect(),
            histograms: Histogram::ALL
                .into_iter()
                .map(|it| spread(&stats, it))
                .collect(),
            laws: poller
                .audit_quiescent()
                .unwrap_or_default()
                .into_iter()
                .map(LawItem::from)
                .collect(),
        }
    }

    /// How many laws do not hold.
    pub(crate) fn violations(&self) -> usize {
        self.laws.iter().filter(|law| law.violated).count()
    }

    /// What the clients did, in two lines.
    pub(crate) fn print_head(&self, out: &mut dyn Write) -> io::Result<()> {
        let seconds = Duration::from_nanos(self.duration_ns).as_secs_f64();
        writeln!(
            out,
            "{} clients for {seconds:.1} s: {} requests ({:.0}/s), {} connects, {} timeouts, {} cut off, {} errors",
            self.connections,
            self.requests,
            self.requests as f64 / seconds.max(0.001),
            self.connects,
            self.timeouts,
            self.cut_off,
            self.errors
        )?;
        if let (Some(p50), Some(p99)) = (self.round_trip.p50_ns, self.round_trip.p99_ns) {
            let (p50, p99) = (p50 / 1_000, p99 / 1_000);
            writeln!(out, "round trip: p50 {p50} µs, p99 {p99} µs")?;
        }
        Ok(())
    }

    /// All of it, for people.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        self.print_head(out)?;
        writeln!(
            out,
            "\n{:<28}{:>10}{:>12}{:>12}{:>12}",
            "HISTOGRAM", "COUNT", "P50", "P99", "MAX"
        )?;
        for spread in self.histograms.iter().filter(|spread| spread.count > 0) {
            let value = |value: Option<u64>| {
                value.map_or_else(|| "-".to_owned(), |value| text::sample(value, spread.unit))
            };
            writeln!(
                out,
                "{:<28}{:>10}{:>12}{:>12}{:>12}",
                spread.name,
                spread.count,
                value(spread.p50),
                value(spread.p99),
                value(Some(spread.max))
            )?;
        }
        writeln!(
            out,
            "\n{:<20}{:>14}{:>14}  STATEMENT",
            "LAW", "LEFT", "RIGHT"
        )?;
        for law in &self.laws {
            let verdict = if law.violated { "  VIOLATED" } else { "" };
            writeln!(
                out,
                "{:<20}{:>14}{:>14}  {}{verdict}",
                law.name, law.lhs, law.rhs, law.statement
            )?;
        }
        Ok(())
    }
}

fn transitions(stats: &Stats, direction: Direction) -> BTreeMap<&'static str, u64> {
    let counts = Transition::ALL.into_iter();
    counts
        .map(|transition| (transition.name(), stats.transition(direction, transition)))
        .collect()
}

fn spread(stats: &Stats, histogram: Histogram) -> Spread {
    let snapshot = stats.histogram(histogram);
    Spread {
        name: histogram.name(),
        unit: histogram.unit().name(),
        count: snapshot.count(),
        p50: snapshot.quantile(0.5),
        p99: snapshot.quantile(0.99),
        max: snapshot.max(),
    }
}
