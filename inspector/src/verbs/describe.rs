//! `netpoller describe`: all about one descriptor, and what it may mean.

mod hints;
mod sections;

use std::sync::Arc;

use crate::document;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::source::Selector;
use crate::table::Entry;

pub(crate) fn run(globals: &Globals, words: &[String]) -> Result<(), Failure> {
    let which = Selector::of(words)?;
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
            side: None,
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
