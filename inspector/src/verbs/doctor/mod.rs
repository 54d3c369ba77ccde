//! `netpoller doctor`: asks the process to look for known faults, and says what it found in prose.
//!
//! `args` is what it can be told, `print` how it is printed, `item` its JSON; what it asks, and the
//! sentences, are those of `findings`.

mod args;
pub(super) mod item;
mod print;

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use prost::Message;

use crate::document::Document;
use crate::failure::{Failure, note};
use crate::findings::{Case, Catalogue, Doctor, Key, Looked, NotRun, WINDOW, lines as lines_of};
use crate::globals::Globals;
use crate::out::{Format, Head, Style};
use crate::source::Connection;
use crate::table::Context;
use crate::text;
use crate::verbs::verb::{ALL, NO_CSV, Usage, Verb};
pub(crate) use args::DoctorArgs;

/// Findings beyond what is listed, from which on their number is of no use.
const MANY: u64 = 1_000_000;

/// Bytes of all that was found.
const LARGEST: usize = 16 << 20;

impl Verb for DoctorArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it has findings and no table; leave lints out with --allow",
            formats: if self.list { NO_CSV } else { ALL },
            instead: "the catalogue has no CSV form; use --format json",
            ..Usage::of("doctor")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await;
            let style = globals.style();
            match connection {
                Ok(connection) if self.list => list(&style, Some(&connection)),
                // Where no process was named there need not be one.
                Err(_) if self.list && globals.target.is_none() => list(&style, None),
                connection => diagnose(&connection?, self, &style).await,
            }
        })
    }
}

async fn diagnose(
    connection: &Connection,
    args: &DoctorArgs,
    style: &Style,
) -> Result<(), Failure> {
    let mut doctor = Doctor::new(connection, args.terms()).await?;
    let pollers = connection.server.pollers.iter();
    let descriptors = pollers.fold(0, |sum: u64, it| sum.saturating_add(it.descriptors));
    if args.duration.is_some() {
        connection.start();
    }
    let lasts = connection.lasts(args.duration.unwrap_or_default());
    let mut cases = Vec::new();
    let mut known: HashSet<Key> = HashSet::new();
    let (mut more, mut weight) = (0, 0);
    loop {
        let mut looked = match doctor.look(connection, descriptors).await {
            // Of a recording the first moments are without a diagnosis.
            Err(_) if args.duration.is_some() && connection.has_more() => {
                connection.pass(WINDOW).await;
                continue;
            }
            looked => looked?,
        };
        more = looked.more.max(more);
        let new: Vec<_> = looked
            .cases
            .drain(..)
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
        let head = style.head(connection, "netpoller/v1/findings", looked.captured_at_ns);
        let context = head.context;
        super::print(|out| match style.format {
            Format::Table | Format::Wide => print::cases(out, style, &new, cases.len(), &context),
            Format::Jsonl => lines(out, &new, &context),
            Format::Json | Format::Csv => Ok(()),
        })?;
        cases.extend(new);
        let over = args.duration.is_none_or(|_| lasts.is_over()) || connection.is_over();
        if over {
            super::print(|out| match style.format {
                Format::Json => {
                    let items: Vec<_> = cases.iter().map(|case| item::of(case, &context)).collect();
                    let diagnosis = Diagnosis {
                        document: style.whole(head, more == 0, items),
                        lints: &looked.lints,
                        laws: looked.laws,
                        not_run: &looked.not_run,
                    };
                    serde_json::to_writer_pretty(&mut *out, &diagnosis)?;
                    Ok(out.write_all(b"\n")?)
                }
                Format::Csv => style.records(out, &item::RECORDS, &cases, &context),
                Format::Table | Format::Wide => {
                    if cases.is_empty() {
                        writeln!(out, "{}", clean(&looked, lasts.went_on()))?;
                    } else if !looked.not_run.is_empty() {
                        writeln!(out)?;
                    }
                    print::not_run(out, style, &looked.not_run)
                }
                Format::Jsonl => Ok(()),
            })?;
            if matches!(style.format, Format::Jsonl | Format::Csv) {
                for (name, line) in lines_of(&looked.not_run) {
                    note(&format!("{name}: {line}"));
                }
            }
            return verdict(cases.len(), more, lasts.went_on());
        }
        // A process takes that time to look.
        if connection.is_recording() {
            connection.pass(WINDOW).await;
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

fn lines(out: &mut dyn Write, cases: &[Case], context: &Context) -> Result<(), Failure> {
    for case in cases {
        serde_json::to_writer(&mut *out, &item::of(case, context))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn clean(looked: &Looked, took: Duration) -> String {
    format!("no findings in {}: {}", seconds(took), looked.ran())
}

fn seconds(took: Duration) -> String {
    format!("{:.0} s", took.as_secs_f64())
}

fn verdict(found: usize, more: u64, took: Duration) -> Result<(), Failure> {
    match found {
        0 => Ok(()),
        found => {
            let findings = text::several(found as u64, "finding");
            let beyond = match more {
                0 => String::new(),
                more if more < MANY => format!(", and {more} more that were not listed"),
                // Whatever a target may say.
                _ => ", and many more that were not listed".to_owned(),
            };
            Err(Failure::Findings(format!(
                "{findings} in {}{beyond}",
                seconds(took)
            )))
        }
    }
}

/// The lints of a process, or of this command where there is none.
fn list(style: &Style, connection: Option<&Connection>) -> Result<(), Failure> {
    let catalogue = connection.map_or_else(Catalogue::own, |it| Catalogue::of(&it.server));
    if !catalogue.told {
        note(match connection {
            Some(_) => "the process does not say its lints: these are the command's own",
            None => "no process was asked: these are the command's own lints",
        });
    }
    super::print(|out| match style.format {
        Format::Table | Format::Wide | Format::Csv => print::catalogue(out, style, &catalogue),
        Format::Json => {
            let head = match connection {
                Some(connection) => {
                    let now_ns = connection.server.captured_at_ns;
                    style.head(connection, "netpoller/v1/lints", now_ns)
                }
                None => Head {
                    schema: "netpoller/v1/lints",
                    target: None,
                    context: Context {
                        ascii: style.ascii,
                        ..Context::default()
                    },
                    captured_at: None,
                },
            };
            style.document(out, head, true, items(&catalogue))
        }
        Format::Jsonl => {
            for item in items(&catalogue) {
                serde_json::to_writer(&mut *out, &item)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        }
    })
}

fn items(catalogue: &Catalogue) -> Vec<item::LintItem<'_>> {
    let lints = catalogue.lints.iter().map(item::lint);
    lints.chain([item::law_item()]).collect()
}
