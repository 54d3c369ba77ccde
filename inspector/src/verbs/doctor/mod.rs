//! `netpoller doctor`: asks the process to look for known faults, and says what it found in prose.
//!
//! `args` is what it can be told, `case` what was found, `prose` how a finding reads, `item` its
//! JSON, `laws` the conservation laws as findings, `not_run` what was not looked for.

mod args;
mod case;
mod item;
mod laws;
mod not_run;
mod prose;

use std::collections::HashSet;
use std::io::Write;
use std::time::{Duration, Instant};

use netpoller::view::lints::Lint;
use netpoller_proto::v1::{AuditResponse, DiagnoseRequest, DiagnoseResponse, Since};
use prost::Message;

use crate::document::Document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::{Format, Head, Style};
use crate::source::Connection;
use crate::table::Context;
use crate::verbs::verb::{ALL, NO_CSV, Usage, Verb};
pub(crate) use args::DoctorArgs;

use args::{Check, WINDOW};
use case::{Case, Key};
use not_run::NotRun;

/// Findings beyond what is listed, from which on their number is of no use.
const MANY: u64 = 1_000_000;

/// Bytes of all that was found.
const LARGEST: usize = 16 << 20;

impl Verb for DoctorArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it has findings and no table; leave lints out with --allow",
            target: !self.list,
            formats: if self.list { NO_CSV } else { ALL },
            instead: "the catalogue has no CSV form; use --format json",
            ..Usage::of("doctor")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        if self.list {
            return list(&globals.style());
        }
        super::block_on(async {
            let connection = super::connection(globals).await?;
            diagnose(&connection, self, &globals.style()).await
        })
    }
}

async fn diagnose(
    connection: &Connection,
    args: &DoctorArgs,
    style: &Style,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut cases = Vec::new();
    let mut known: HashSet<Key> = HashSet::new();
    let (mut more, mut weight) = (0, 0);
    loop {
        let (answer, audit) =
            tokio::join!(connection.diagnose(request(args)), audit(connection, args));
        let mut answer = answer?;
        date(&mut answer);
        more = answer.more.max(more);
        let broken = audit
            .iter()
            .flat_map(|audit| laws::findings(audit, &answer.findings));
        let new: Vec<_> = broken
            .chain(answer.findings.iter().cloned())
            .map(Case::new)
            .filter(|case| known.insert(case.key()))
            .collect();
        weight += new
            .iter()
            .map(|case| case.finding.encoded_len())
            .sum::<usize>();
        if weight > LARGEST {
            return Err(Failure::Runtime(format!(
                "{} finds more and more, and never the same; look for a shorter time",
                connection.target
            )));
        }
        let not_run = not_run::of(
            args,
            &answer.lints,
            audit.as_ref().map(drop).map_err(Clone::clone),
        );
        let head = style.head(connection, "netpoller/v1/findings", answer.captured_at_ns);
        let context = head.context;
        super::print(|out| match style.format {
            Format::Table | Format::Wide => prose::cases(out, style, &new, cases.len(), &context),
            Format::Jsonl => lines(out, &new, &context),
            Format::Json | Format::Csv => Ok(()),
        })?;
        cases.extend(new);
        let over = args
            .duration
            .is_none_or(|duration| began.elapsed() >= duration);
        if over {
            super::print(|out| match style.format {
                Format::Json => {
                    let items: Vec<_> = cases.iter().map(|case| item::of(case, &context)).collect();
                    let diagnosis = Diagnosis {
                        document: style.whole(head, more == 0, items),
                        lints: &answer.lints,
                        laws: audit.as_ref().ok().map(laws::held),
                        not_run: &not_run,
                    };
                    serde_json::to_writer_pretty(&mut *out, &diagnosis)?;
                    Ok(out.write_all(b"\n")?)
                }
                Format::Csv => style.records(out, &item::RECORDS, &cases, &context),
                Format::Table | Format::Wide => {
                    if cases.is_empty() {
                        let laws = audit.as_ref().ok().map(laws::held);
                        writeln!(out, "{}", clean(&answer, laws, began.elapsed()))?;
                    } else if !not_run.is_empty() {
                        writeln!(out)?;
                    }
                    prose::not_run(out, style, &not_run)
                }
                Format::Jsonl => Ok(()),
            })?;
            if matches!(style.format, Format::Jsonl | Format::Csv) {
                for (name, line) in not_run::lines(&not_run) {
                    note(&format!("{name}: {line}"));
                }
            }
            return verdict(cases.len(), more, began.elapsed());
        }
    }
}

/// One document, with what it does not speak of.
#[derive(serde::Serialize)]
struct Diagnosis<'a> {
    #[serde(flatten)]
    document: Document<'a, Vec<item::Item<'a>>>,
    /// The lints that were run.
    lints: &'a [String],
    /// The laws that hold; `null` if they were not checked.
    laws: Option<usize>,
    not_run: &'a [NotRun],
}

/// The laws, or why nobody knows. A process that is too old, or busy, is still worth being looked
/// at.
async fn audit(connection: &Connection, args: &DoctorArgs) -> Result<AuditResponse, String> {
    if args.allow.contains(&Check::Laws) {
        return Err(String::new());
    }
    connection
        .audit(false)
        .await
        .map_err(|failure| failure.to_string())
}

/// A library that is older than this command does not say of what it tells no more than when it
/// first saw it. That was in this look.
fn date(answer: &mut DiagnoseResponse) {
    let began_ns = answer.captured_at_ns.saturating_sub(answer.window_ns);
    for finding in &mut answer.findings {
        let lint = finding.lint.parse();
        let undated = lint.is_ok_and(not_run::begins_with_the_look);
        // The first look is taken a moment before the window begins.
        let by_this_look = finding.since_ns.saturating_add(500_000_000) >= began_ns;
        if finding.since() == Since::Unspecified && undated && by_this_look {
            finding.set_since(Since::FirstSeen);
        }
    }
}

fn request(args: &DoctorArgs) -> DiagnoseRequest {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    DiagnoseRequest {
        poller: String::new(),
        kernel: args.kernel,
        window_ns: nanos(WINDOW),
        allow: args
            .allow
            .iter()
            .filter_map(|check| match check {
                Check::Lint(lint) => Some(lint.to_string()),
                Check::Laws => None,
            })
            .collect(),
        hold_ns: args
            .hold
            .iter()
            .map(|hold| (hold.lint.to_string(), nanos(hold.time)))
            .collect(),
    }
}

fn lines(out: &mut dyn Write, cases: &[Case], context: &Context) -> Result<(), Failure> {
    for case in cases {
        serde_json::to_writer(&mut *out, &item::of(case, context))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn clean(answer: &DiagnoseResponse, laws: Option<usize>, took: Duration) -> String {
    let laws = laws.map_or(String::new(), |laws| format!(", and {laws} laws hold"));
    format!(
        "no findings in {}: {} lints were run{laws}",
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
                more if more < MANY => format!(", and {more} more that were not listed"),
                // Whatever a target may say.
                _ => ", and many more that were not listed".to_owned(),
            };
            Err(Failure::Findings(format!(
                "{found} finding{plural} in {}{beyond}",
                seconds(took)
            )))
        }
    }
}

fn list(style: &Style) -> Result<(), Failure> {
    super::print(|out| match style.format {
        Format::Table | Format::Wide | Format::Csv => prose::catalogue(out, style),
        Format::Json => {
            let head = Head {
                schema: "netpoller/v1/lints",
                target: None,
                context: Context {
                    ascii: style.ascii,
                    ..Context::default()
                },
                captured_at: None,
            };
            let mut items: Vec<_> = Lint::ALL.map(item::lint).into();
            items.push(item::law_item());
            style.document(out, head, true, items)
        }
        Format::Jsonl => {
            for item in Lint::ALL
                .map(item::lint)
                .into_iter()
                .chain([item::law_item()])
            {
                serde_json::to_writer(&mut *out, &item)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::args::Hold;
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
