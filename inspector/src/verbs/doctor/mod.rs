//! `netpoller doctor`: asks the process to look for known faults, and says what it found in prose.
//!
//! `args` is what it can be told, `catalogue` the lints of the process, `case` what was found,
//! `prose` how a finding reads, `item` its JSON, `laws` the conservation laws as findings,
//! `not_run` what was not looked for.

mod args;
mod case;
mod catalogue;
mod item;
mod laws;
mod not_run;
mod prose;

use std::collections::HashSet;
use std::io::Write;
use std::time::{Duration, Instant};

use netpoller_proto::v1::{AuditResponse, DiagnoseRequest, DiagnoseResponse, Since};
use prost::Message;

use crate::document::Document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::{Format, Head, Style};
use crate::source::Connection;
use crate::table::Context;
use crate::text;
use crate::verbs::verb::{ALL, NO_CSV, Usage, Verb};
pub(crate) use args::DoctorArgs;

use args::WINDOW;
use case::{Case, Key};
use catalogue::Catalogue;
use not_run::{Look, NotRun};

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
    let began = Instant::now();
    let catalogue = known(connection, args).await?;
    args.check(&catalogue)?;
    let pollers = connection.server.pollers.iter();
    let descriptors = pollers.fold(0, |sum: u64, it| sum.saturating_add(it.descriptors));
    let request = request(args, &catalogue, args.asks_kernel(descriptors));
    let mut cases = Vec::new();
    let mut known: HashSet<Key> = HashSet::new();
    let (mut more, mut weight, mut has_looked_again) = (0, 0, false);
    loop {
        let mut answer = connection.diagnose(request.clone()).await?;
        // Afterwards: both read the kernel's list, and neither is to keep the other from it.
        let (audit, without_kernel) = audit(connection, args, request.kernel).await;
        date(&mut answer, &catalogue);
        more = answer.more.max(more);
        let broken: Vec<_> = audit
            .iter()
            .flat_map(|audit| laws::findings(audit, &answer.findings))
            .collect();
        // The lint that explains it may need another look to be certain.
        if !has_looked_again && broken.iter().any(laws::may_be_explained) {
            has_looked_again = true;
            continue;
        }
        let new: Vec<_> = broken
            .into_iter()
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
        let look = Look {
            args,
            catalogue: &catalogue,
            descriptors,
            answer: &answer,
            audit: &audit,
            without_kernel: without_kernel.as_deref(),
        };
        let not_run = look.not_run();
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

/// What the process can look for. One that is too old to say is asked what it runs.
async fn known(connection: &Connection, args: &DoctorArgs) -> Result<Catalogue, Failure> {
    let mut catalogue = Catalogue::of(&connection.server);
    let is_told_of_lints = !args.allow.is_empty() || !args.hold.is_empty();
    if !catalogue.told && is_told_of_lints {
        let briefly = DiagnoseRequest {
            window_ns: 1,
            ..DiagnoseRequest::default()
        };
        catalogue.keep(&connection.diagnose(briefly).await?.lints);
    }
    Ok(catalogue)
}

/// The laws, or why nobody knows, and why they were read without the kernel's list if they had to
/// be. A process that is too old, or busy, is still worth being looked at.
async fn audit(
    connection: &Connection,
    args: &DoctorArgs,
    kernel: bool,
) -> (Result<AuditResponse, String>, Option<String>) {
    if args.allows(laws::NAME) {
        return (Err(String::new()), None);
    }
    let ask = async |kernel| {
        let answer = connection.audit(kernel).await;
        answer.map_err(|failure| failure.to_string())
    };
    match ask(kernel).await {
        Err(why) if kernel => (ask(false).await, Some(why)),
        answer => (answer, None),
    }
}

/// A library that is older than this command does not say of what it tells no more than when it
/// first saw it. That was in this look.
fn date(answer: &mut DiagnoseResponse, catalogue: &Catalogue) {
    let began_ns = answer.captured_at_ns.saturating_sub(answer.window_ns);
    for finding in &mut answer.findings {
        let lint = catalogue.find(&finding.lint);
        let undated = lint.is_some_and(catalogue::begins_with_the_look);
        // The first look is taken a moment before the window begins.
        let by_this_look = finding.since_ns.saturating_add(500_000_000) >= began_ns;
        if finding.since() == Since::Unspecified && undated && by_this_look {
            finding.set_since(Since::FirstSeen);
        }
    }
}

/// What to ask. Of what the process does not know there is nothing to leave out, or to wait for.
fn request(args: &DoctorArgs, catalogue: &Catalogue, kernel: bool) -> DiagnoseRequest {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let known = |name: &&String| catalogue.find(name).is_some();
    let holds = args.hold.iter().filter(|hold| known(&&hold.lint));
    DiagnoseRequest {
        poller: String::new(),
        kernel,
        window_ns: nanos(WINDOW),
        allow: args.allow.iter().filter(known).cloned().collect(),
        hold_ns: holds
            .map(|hold| (hold.lint.clone(), nanos(hold.time)))
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
        Format::Table | Format::Wide | Format::Csv => prose::catalogue(out, style, &catalogue),
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

#[cfg(test)]
mod tests {
    use super::args::Hold;
    use super::*;

    #[test]
    fn a_hold_names_a_lint_and_a_time() {
        let hold = "stuck-waiter=5s".parse::<Hold>().unwrap();
        let seconds = Duration::from_secs(5);
        assert_eq!((hold.lint.as_str(), hold.time), ("stuck-waiter", seconds));
        for (wrong, word) in [("stuck-waiter", "LINT=DUR"), ("lost-edge=soon", "number")] {
            let error = wrong.parse::<Hold>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
