//! The start beside the end, and what is wrong with it.

use std::io::{self, Write};
use std::time::Duration;

use netpoller::view::Law;
use serde_json::{Value, json};

use crate::load::Done;
use crate::reading::{Idle, Reading};

/// Memory may grow by this much and this share between the start and the end: allocators keep what
/// they had at a peak.
const RSS_SLACK_BYTES: u64 = 16 << 20;
const RSS_SLACK: f64 = 0.10;

/// All that a soak has found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) ran: Duration,
    pub(crate) clients: u32,
    pub(crate) done: Done,
    /// Frames that the inspectors have received.
    pub(crate) frames: u64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) start: Reading,
    pub(crate) end: Reading,
    /// Without load, before it and after it.
    pub(crate) before: Idle,
    pub(crate) after: Idle,
    /// Read at rest, when they are exact.
    pub(crate) laws: Vec<Law>,
}

impl Report {
    /// What is wrong, a sentence each; empty if nothing is.
    pub(crate) fn verdict(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self
            .laws
            .iter()
            .filter(|law| law.violated || law.lhs != law.rhs)
            .map(|law| {
                let Law {
                    name,
                    statement,
                    lhs,
                    rhs,
                    ..
                } = law;
                format!("law {name} does not hold: {statement}; {lhs} against {rhs}")
            })
            .collect();
        let allowed = (self.start.rss_bytes as f64 * (1.0 + RSS_SLACK)) as u64 + RSS_SLACK_BYTES;
        if self.end.rss_bytes > allowed {
            wrong.push(format!(
                "memory grew from {} to {} bytes; {allowed} were allowed",
                self.start.rss_bytes, self.end.rss_bytes
            ));
        }
        if self.after.files > self.before.files {
            wrong.push(format!(
                "{} files are left open: {} before the load, {} after it",
                self.after.files - self.before.files,
                self.before.files,
                self.after.files
            ));
        }
        if self.after.threads > self.before.threads {
            wrong.push(format!(
                "{} threads are left: {} before the load, {} after it",
                self.after.threads - self.before.threads,
                self.before.threads,
                self.after.threads
            ));
        }
        for (part, count) in self.done.parts() {
            if count == 0 {
                wrong.push(format!("the part {part:?} of the load did nothing"));
            }
        }
        if self.done.wrong > 0 {
            wrong.push(format!(
                "{} operations ended as they must not; the first: {}",
                self.done.wrong,
                self.done.first_wrong.as_deref().unwrap_or("unknown")
            ));
        }
        wrong
    }

    /// For people.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let parts: Vec<String> = self
            .done
            .parts()
            .iter()
            .map(|(part, count)| format!("{count} {part}"))
            .collect();
        writeln!(
            out,
            "{} clients for {:.0} s: {}; {} frames to inspectors\n",
            self.clients,
            self.ran.as_secs_f64(),
            parts.join(", "),
            self.frames
        )?;
        writeln!(out, "{:<28}{:>14}{:>14}", "", "START", "END")?;
        let mut row = |what: &str, start: String, end: String| {
            writeln!(out, "{what:<28}{start:>14}{end:>14}")
        };
        let (start, end) = (&self.start, &self.end);
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        let micros = |ns: u64| format!("{:.1}", ns as f64 / 1e3);
        row("memory, MiB", mib(start.rss_bytes), mib(end.rss_bytes))?;
        row("open files", start.files.to_string(), end.files.to_string())?;
        row(
            "threads",
            start.threads.to_string(),
            end.threads.to_string(),
        )?;
        row(
            "descriptors",
            start.descriptors.to_string(),
            end.descriptors.to_string(),
        )?;
        row("slots", start.slots.to_string(), end.slots.to_string())?;
        row(
            "deadlines",
            start.deadlines.to_string(),
            end.deadlines.to_string(),
        )?;
        row(
            "breaks written",
            start.breaks.to_string(),
            end.breaks.to_string(),
        )?;
        let rate = |reading: &Reading| format!("{:.0}", reading.requests_per_second);
        row("requests a second", rate(start), rate(end))?;
        for (name, start, end) in [
            ("wake latency", start.wake_latency, end.wake_latency),
            ("deadline lag", start.deadline_lag, end.deadline_lag),
        ] {
            row(
                &format!("{name} p50, µs"),
                micros(start.p50_ns),
                micros(end.p50_ns),
            )?;
            row(
                &format!("{name} p99, µs"),
                micros(start.p99_ns),
                micros(end.p99_ns),
            )?;
            row(
                &format!("{name} max, µs"),
                micros(start.max_ns),
                micros(end.max_ns),
            )?;
        }
        writeln!(
            out,
            "\nat rest: {} files and {} threads before the load, {} and {} after it; {} laws; peak memory {} MiB",
            self.before.files,
            self.before.threads,
            self.after.files,
            self.after.threads,
            self.laws.len(),
            mib(self.peak_rss_bytes)
        )?;
        let verdict = self.verdict();
        for wrong in &verdict {
            writeln!(out, "WRONG: {wrong}")?;
        }
        if verdict.is_empty() {
            writeln!(out, "nothing grew, and every law holds")?;
        }
        Ok(())
    }

    /// For scripts: the same, with units in the names.
    pub(crate) fn json(&self) -> Value {
        let reading = |reading: &Reading| {
            json!({
                "rss_bytes": reading.rss_bytes,
                "files": reading.files,
                "threads": reading.threads,
                "descriptors": reading.descriptors,
                "slots": reading.slots,
                "deadlines": reading.deadlines,
                "breaks": reading.breaks,
                "requests_per_second": reading.requests_per_second,
                "wake_latency": reading.wake_latency.json(),
                "deadline_lag": reading.deadline_lag.json(),
            })
        };
        let idle = |idle: Idle| json!({ "files": idle.files, "threads": idle.threads });
        let laws: Vec<Value> = self
            .laws
            .iter()
            .map(|law| json!({ "name": law.name, "lhs": law.lhs, "rhs": law.rhs, "violated": law.violated }))
            .collect();
        let done: serde_json::Map<String, Value> = self
            .done
            .parts()
            .iter()
            .map(|(part, count)| ((*part).to_owned(), json!(count)))
            .collect();
        json!({
            "schema": "netpoller/v1/soak",
            "ran_ns": u64::try_from(self.ran.as_nanos()).unwrap_or(u64::MAX),
            "clients": self.clients,
            "done": done,
            "frames": self.frames,
            "peak_rss_bytes": self.peak_rss_bytes,
            "start": reading(&self.start),
            "end": reading(&self.end),
            "before": idle(self.before),
            "after": idle(self.after),
            "laws": laws,
            "wrong": self.verdict(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Spread;

    fn reading(rss_bytes: u64) -> Reading {
        Reading {
            rss_bytes,
            files: 700,
            threads: 9,
            descriptors: 600,
            slots: 800,
            deadlines: 100,
            requests: 1000,
            breaks: 10,
            wake_latency: Spread::default(),
            deadline_lag: Spread::default(),
            requests_per_second: 100.0,
        }
    }

    fn report() -> Report {
        Report {
            ran: Duration::from_secs(60),
            clients: 300,
            done: Done::of(1),
            frames: 3,
            peak_rss_bytes: 100 << 20,
            start: reading(90 << 20),
            end: reading(100 << 20),
            before: Idle {
                files: 20,
                threads: 3,
            },
            after: Idle {
                files: 20,
                threads: 3,
            },
            laws: {
                let poller = netpoller::Poller::builder().build();
                poller
                    .expect("a poller")
                    .audit_quiescent()
                    .expect("no forked child")
            },
        }
    }

    #[test]
    fn a_soak_in_which_nothing_grew_is_not_found_fault_with() {
        assert_eq!(report().verdict(), Vec::<String>::new());
        assert!(!report().laws.is_empty(), "there are laws to judge by");
    }

    #[test]
    fn each_thing_that_may_go_wrong_is_found_and_named() {
        let wrong = |spoil: fn(&mut Report), named: &str| {
            let mut report = report();
            spoil(&mut report);
            let verdict = report.verdict();
            assert!(
                matches!(&verdict[..], [one] if one.contains(named)),
                "{named}: {verdict:?}"
            );
            let mut printed = Vec::new();
            report.print(&mut printed).expect("memory");
            assert!(String::from_utf8_lossy(&printed).contains("WRONG: "));
            assert_eq!(report.json()["wrong"][0], verdict[0]);
        };
        wrong(
            |report| report.end.rss_bytes = 300 << 20,
            "memory grew from 94371840 to 314572800",
        );
        wrong(|report| report.after.files = 21, "1 files are left open");
        wrong(|report| report.after.threads = 5, "2 threads are left");
        wrong(
            |report| report.done.resets = 0,
            "\"resets\" of the load did nothing",
        );
        wrong(
            |report| report.done.wrong = 2,
            "2 operations ended as they must not",
        );
        wrong(|report| report.laws[0].lhs += 1, "does not hold");
    }
}
