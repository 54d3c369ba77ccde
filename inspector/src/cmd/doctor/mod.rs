//! `netpoller doctor`: asks the process to look for known faults, and says what it found in prose.
//!
//! `prose` is how a finding reads, `item` its JSON.

mod item;
mod prose;

use std::collections::HashSet;
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use netpoller::view::lints::Lint;
use netpoller_proto::v1::{DiagnoseRequest, DiagnoseResponse, Finding};

use crate::args::{Format, Globals};
use crate::client::{self, Connection};
use crate::failure::Failure;
use crate::out::{Head, Printer};
use crate::table::{Context, Entry};

/// One look: long enough for rates, and for a stuck waiter of a quiet poller to be certain.
const WINDOW: Duration = Duration::from_secs(1);

/// What the doctor can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Look again and again for this time and print what is new; without it, look once, for a second.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Compare the table with the kernel's list of registrations as well, which briefly delays events of large pollers.
    #[arg(long)]
    kernel: bool,
    /// Leave this lint out; may be given several times.
    #[arg(long, value_name = "LINT")]
    allow: Vec<Lint>,
    /// How long a fault must last before it is reported, for example stuck-waiter=5s; may be given several times.
    #[arg(long, value_name = "LINT=DUR")]
    hold: Vec<Hold>,
    /// Print the lints, what they look for and how long they wait, and look at nothing.
    #[arg(long)]
    pub(crate) list: bool,
}

/// A lint and its hold time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hold {
    lint: Lint,
    time: Duration,
}

impl FromStr for Hold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (lint, time) = text
            .split_once('=')
            .ok_or("write LINT=DUR, for example stuck-waiter=5s")?;
        Ok(Self {
            lint: lint
                .parse()
                .map_err(|error: netpoller::view::lints::UnknownLint| error.to_string())?,
            time: humantime::parse_duration(time).map_err(|error| error.to_string())?,
        })
    }
}

pub(super) fn run(args: &DoctorArgs, globals: &Globals) -> Result<(), Failure> {
    if args.list {
        return list(globals);
    }
    super::block_on(async {
        let connection = super::connection(globals).await?;
        diagnose(&connection, args, globals).await
    })
}

/// A finding, and its row as the tables have it.
struct Case {
    finding: Finding,
    entry: Option<Entry>,
}

impl Case {
    fn new(finding: Finding) -> Self {
        let row = finding.descriptor.clone().map(Arc::new);
        Self {
            entry: row.map(|row| Entry { row, side: None }),
            finding,
        }
    }

    /// `slot.generation`, if the finding is about a descriptor.
    fn id(&self) -> Option<String> {
        self.entry.as_ref().map(|entry| entry.row.id())
    }

    /// What makes it another fault than one that was told of.
    fn key(&self) -> Key {
        let finding = &self.finding;
        (
            finding.lint.clone(),
            finding.poller.clone(),
            self.id().unwrap_or_default(),
            finding.direction,
        )
    }
}

type Key = (String, String, String, i32);

async fn diagnose(
    connection: &Connection,
    args: &DoctorArgs,
    globals: &Globals,
) -> Result<(), Failure> {
    let printer = Printer::new(globals);
    let began = Instant::now();
    let mut cases = Vec::new();
    let mut known: HashSet<Key> = HashSet::new();
    let mut more = 0;
    loop {
        let answer = client::diagnose(connection, request(args)).await?;
        more = answer.more.max(more);
        let new: Vec<_> = answer
            .findings
            .iter()
            .cloned()
            .map(Case::new)
            .filter(|case| known.insert(case.key()))
            .collect();
        let head = head(connection, &answer, globals);
        let context = head.context;
        super::print(|out| match globals.format {
            Format::Table | Format::Wide => {
                prose::cases(out, &printer, &new, cases.len(), &context)
            }
            Format::Jsonl => lines(out, &new, &context),
            Format::Json | Format::Csv => Ok(()),
        })?;
        cases.extend(new);
        let over = args
            .duration
            .is_none_or(|duration| began.elapsed() >= duration);
        if over {
            super::print(|out| match globals.format {
                Format::Json => {
                    let items = cases.iter().map(|case| item::of(case, &context)).collect();
                    printer.document(out, head, more == 0, items)
                }
                Format::Csv => csv(out, globals, &cases),
                Format::Table | Format::Wide if cases.is_empty() => {
                    Ok(writeln!(out, "{}", clean(&answer, began.elapsed()))?)
                }
                Format::Table | Format::Wide | Format::Jsonl => Ok(()),
            })?;
            return verdict(cases.len(), more, began.elapsed());
        }
    }
}

fn request(args: &DoctorArgs) -> DiagnoseRequest {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    DiagnoseRequest {
        poller: String::new(),
        kernel: args.kernel,
        window_ns: nanos(WINDOW),
        allow: args.allow.iter().map(Lint::to_string).collect(),
        hold_ns: args
            .hold
            .iter()
            .map(|hold| (hold.lint.to_string(), nanos(hold.time)))
            .collect(),
    }
}

fn head<'a>(connection: &'a Connection, answer: &DiagnoseResponse, globals: &Globals) -> Head<'a> {
    Head::of(
        connection,
        "netpoller/v1/findings",
        answer.captured_at_ns,
        globals.ascii,
    )
}

fn lines(out: &mut dyn Write, cases: &[Case], context: &Context) -> Result<(), Failure> {
    for case in cases {
        serde_json::to_writer(&mut *out, &item::of(case, context))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn csv(out: &mut dyn Write, globals: &Globals, cases: &[Case]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    if !globals.no_header {
        writer.write_record([
            "lint", "severity", "poller", "id", "dir", "location", "summary", "advice",
        ])?;
    }
    for case in cases {
        let finding = &case.finding;
        let id = case.id().unwrap_or_default();
        writer.write_record([
            &finding.lint,
            item::severity(finding.severity()),
            &finding.poller,
            &id,
            item::direction(finding.direction()).unwrap_or_default(),
            &finding.location,
            &finding.summary,
            &finding.advice,
        ])?;
    }
    Ok(writer.flush()?)
}

fn clean(answer: &DiagnoseResponse, took: Duration) -> String {
    format!(
        "no findings in {}: {} lints were run",
        seconds(took),
        answer.lints.len()
    )
}

fn seconds(took: Duration) -> String {
    format!("{:.0} s", took.as_secs_f64())
}

fn verdict(found: usize, more: u64, took: Duration) -> Result<(), Failure> {
    match found {
        0 => Ok(()),
        found => {
            let plural = if found == 1 { "" } else { "s" };
            let beyond = match more {
                0 => String::new(),
                more => format!(", and {more} more that were not listed"),
            };
            Err(Failure::Findings(format!(
                "{found} finding{plural} in {}{beyond}",
                seconds(took)
            )))
        }
    }
}

fn list(globals: &Globals) -> Result<(), Failure> {
    let printer = Printer::new(globals);
    super::print(|out| match globals.format {
        Format::Table | Format::Wide | Format::Csv => prose::catalogue(out, &printer),
        Format::Json => {
            let head = Head {
                schema: "netpoller/v1/lints",
                target: None,
                context: Context {
                    ascii: globals.ascii,
                    ..Context::default()
                },
                captured_at: None,
            };
            printer.document(out, head, true, Lint::ALL.map(item::lint).into())
        }
        Format::Jsonl => {
            for lint in Lint::ALL {
                serde_json::to_writer(&mut *out, &item::lint(lint))?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_names_a_lint_and_a_time() {
        let hold = "stuck-waiter=5s".parse::<Hold>().unwrap();
        assert_eq!(
            (hold.lint, hold.time),
            (Lint::StuckWaiter, Duration::from_secs(5))
        );
        for (wrong, word) in [
            ("stuck-waiter", "LINT=DUR"),
            ("stuck=5s", "lost-edge"),
            ("lost-edge=soon", "number"),
        ] {
            let error = wrong.parse::<Hold>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
