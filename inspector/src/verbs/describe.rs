//! `netpoller describe`: all about a descriptor, and what it may mean.

mod print;

use std::sync::Arc;

use netpoller_proto::v1::GetDescriptorResponse;

use crate::description::{hints, sections};
use crate::document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::Format;
use crate::source::{Connection, Selector};
use crate::table::{Context, Entry};
use crate::verbs::verb::{NO_CSV, Usage, Verb};
use clap::Args;

/// What to describe.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// Ids as in `ls` (42.7, or POLLER/42.7 with several pollers), or numbers as fd:19 or `fd 19`.
    #[arg(required = true, value_name = "ID|fd N")]
    id: Vec<String>,
}

/// One that was asked for.
struct Described {
    entry: Entry,
    answer: GetDescriptorResponse,
    hints: Vec<String>,
}

impl Described {
    async fn ask(connection: &Connection, which: &Selector) -> Result<Self, Failure> {
        let (poller, id) = which.find(connection).await?;
        let answer = connection.descriptor(poller, id).await?;
        Ok(Self {
            entry: Entry {
                row: Arc::new(answer.descriptor.clone().unwrap_or_default()),
                direction: None,
            },
            hints: hints(&answer),
            answer,
        })
    }

    fn item(&self, context: &Context) -> document::Detail<'_> {
        document::detail(&self.entry, &self.answer, &self.hints, context)
    }
}

impl Verb for DescribeArgs {
    fn usage(&self) -> Usage {
        Usage {
            formats: NO_CSV,
            instead: "a description is no table; use --format json",
            ..Usage::of("describe")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let selectors = Selector::several(&self.id)?;
        super::block_on(async {
            let connection = super::connection(globals).await?;
            let (mut all, mut failures) = (Vec::new(), Vec::new());
            for which in &selectors {
                match Described::ask(&connection, which).await {
                    Ok(described) => all.push(described),
                    // Of the others there is something to tell.
                    Err(failure @ Failure::NotFound(_)) => failures.push(failure),
                    Err(failure) => return Err(failure),
                }
            }
            let last = failures.pop();
            if !all.is_empty() {
                print(globals, &connection, &all)?;
            }
            for failure in &failures {
                note(&failure.to_string());
            }
            last.map_or(Ok(()), Err)
        })
    }
}

fn print(globals: &Globals, connection: &Connection, all: &[Described]) -> Result<(), Failure> {
    let style = globals.style();
    let moments = all.iter().map(|it| it.answer.captured_at_ns);
    let captured_at_ns = moments.max().unwrap_or_default();
    let head = style.head(connection, "netpoller/v1/descriptor", captured_at_ns);
    super::print(|out| {
        if style.format == Format::Json {
            let context = head.context;
            let items = all.iter().map(|it| it.item(&context)).collect();
            return style.document(out, head, true, items);
        }
        for (number, it) in all.iter().enumerate() {
            let context = Context {
                now_ns: it.answer.captured_at_ns,
                ..head.context
            };
            match style.format {
                Format::Jsonl => {
                    serde_json::to_writer(&mut *out, &it.item(&context))?;
                    out.write_all(b"\n")?;
                }
                _ => {
                    if number > 0 {
                        writeln!(out)?;
                    }
                    let Described {
                        entry,
                        answer,
                        hints,
                    } = it;
                    let sections = sections(entry, Some(answer), hints, &context);
                    print::print(&style, out, &sections, &context)?;
                }
            }
        }
        Ok(())
    })
}
