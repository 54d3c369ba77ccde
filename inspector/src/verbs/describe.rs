//! `netpoller describe`: all about one descriptor, and what it may mean.

mod hints;
mod phrases;
mod sections;

use std::sync::Arc;

use crate::document;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::source::Selector;
use crate::table::Entry;
use crate::verbs::verb::{NO_CSV, Usage, Verb};
use clap::Args;

/// What to describe.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// Its id as in `ls` (42.7, or POLLER/42.7 with several pollers), or its number as fd:19 or
    /// `fd 19`.
    #[arg(required = true, num_args = 1..=2, value_name = "ID|fd N")]
    id: Vec<String>,
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
        let which = Selector::of(&self.id)?;
        super::block_on(async {
            let connection = super::connection(globals).await?;
            let style = globals.style();
            let (poller, id) = which.find(&connection).await?;
            let answer = connection.descriptor(poller, id).await?;
            let head = style.head(
                &connection,
                "netpoller/v1/descriptor",
                answer.captured_at_ns,
            );
            let context = head.context;
            let entry = Entry {
                row: Arc::new(answer.descriptor.clone().unwrap_or_default()),
                direction: None,
            };
            let hints = hints::hints(&answer);
            super::print(|out| {
                let item = || document::detail(&entry, &answer, &hints, &context);
                match style.format {
                    Format::Json => style.document(out, head, true, vec![item()]),
                    Format::Jsonl => {
                        serde_json::to_writer(&mut *out, &item())?;
                        Ok(out.write_all(b"\n")?)
                    }
                    Format::Table | Format::Wide | Format::Csv => Ok(sections::print(
                        &style, out, &entry, &answer, &hints, &context,
                    )?),
                }
            })
        })
    }
}
