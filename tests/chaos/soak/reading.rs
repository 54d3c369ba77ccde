//! What is measured of this process.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use netpoller::view::Stats;
use netpoller::{Counter, Histogram, Poller};
use serde_json::{Value, json};

use crate::load::Tally;

/// The quantiles of one latency over a window, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) max_ns: u64,
}

impl Spread {
    fn of(stats: &Stats, histogram: Histogram) -> Self {
        let snapshot = stats.histogram(histogram);
        Self {
            p50_ns: snapshot.quantile(0.5).unwrap_or(0),
            p99_ns: snapshot.quantile(0.99).unwrap_or(0),
            max_ns: snapshot.max(),
        }
    }

    pub(crate) fn json(self) -> Value {
        json!({ "p50_ns": self.p50_ns, "p99_ns": self.p99_ns, "max_ns": self.max_ns })
    }
}

/// The process under load: its size at the end of a window, and its latencies and rates in it.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) rss_bytes: u64,
    /// Open files of the process.
    pub(crate) files: usize,
    pub(crate) threads: usize,
    /// Descriptors registered with the poller.
    pub(crate) descriptors: u64,
    /// Slots that the poller has ever made.
    pub(crate) slots: u64,
    /// Entries of the deadline queue.
    pub(crate) deadlines: u64,
    /// Round trips since the load began.
    pub(crate) requests: u64,
    /// Breaks written in the window.
    pub(crate) breaks: u64,
    pub(crate) wake_latency: Spread,
    pub(crate) deadline_lag: Spread,
    /// Requests answered in each second of the window.
    pub(crate) requests_per_second: f64,
}

impl Reading {
    /// Measures for `window`, then takes the sizes.
    pub(crate) fn over(window: Duration, poller: &Poller, tally: &Tally) -> io::Result<Self> {
        let (earlier, requests_before) = (poller.stats(), tally.requests());
        thread::sleep(window);
        let (later, requests) = (poller.stats(), tally.requests());
        let seconds = (later.captured_at_ns() - earlier.captured_at_ns()) as f64 / 1e9;
        let within = later.since(&earlier);
        let info = later.info();
        Ok(Self {
            rss_bytes: rss_bytes()?,
            files: entries("/proc/self/fd")?,
            threads: entries("/proc/self/task")?,
            descriptors: info.descriptors,
            slots: info.slots,
            deadlines: info.deadlines,
            requests,
            breaks: within.counter(Counter::BreaksWritten),
            wake_latency: Spread::of(&within, Histogram::WakeLatencyRead),
            deadline_lag: Spread::of(&within, Histogram::DeadlineLag),
            requests_per_second: (requests - requests_before) as f64 / seconds.max(1e-9),
        })
    }
}

/// The process without load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) files: usize,
    pub(crate) threads: usize,
}

impl Idle {
    /// Whether nothing is left beside what was there `before`.
    pub(crate) fn is_within(self, before: Self) -> bool {
        self.files <= before.files && self.threads <= before.threads
    }

    pub(crate) fn read() -> io::Result<Self> {
        Ok(Self {
            files: entries("/proc/self/fd")?,
            threads: entries("/proc/self/task")?,
        })
    }
}

fn entries(folder: &str) -> io::Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

/// `VmRSS` of proc_pid_status(5).
fn rss_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        })
        .ok_or_else(|| io::Error::other("/proc/self/status has no VmRSS line"))?;
    Ok(kilobytes * 1024)
}
