//! `netpoller top`: `ls` again and again, for logs and for people who like plain text.

use std::io::{self, BufWriter, Write};

use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::Format;
use crate::verbs::listing::Listing;
use crate::verbs::verb::{Usage, Verb};
use clap::Args;

/// What to list, and how often.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Which table.
    #[arg(default_value = "descriptors")]
    what: Listing,
    /// Stop after this number of looks.
    #[arg(short = 'C', long, value_name = "N")]
    count: Option<u64>,
}

impl Verb for TopArgs {
    fn usage(&self) -> Usage {
        Usage {
            interval: true,
            ..self.what.usage("top")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let mut connection = super::connection(globals).await?;
            let mut pid = connection.peer.pid();
            let mut ticks = tokio::time::interval(globals.interval);
            // A process that answers slowly is not asked twice at once to catch up.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            connection.start();
            let mut looks = 0;
            while self.count.is_none_or(|count| looks < count) {
                match connection.is_recording() {
                    true if looks > 0 => connection.pass(globals.interval).await,
                    true => {}
                    false => drop(ticks.tick().await),
                }
                let mut style = globals.style();
                let mut out = BufWriter::new(io::stdout());
                match style.format {
                    // Records go on; one list of names is enough for all.
                    Format::Csv | Format::Jsonl => style.header &= looks == 0,
                    Format::Table | Format::Wide | Format::Json if looks > 0 => writeln!(out)?,
                    Format::Table | Format::Wide | Format::Json => {}
                }
                let filter = globals.filter.as_ref();
                let listed =
                    super::ls::list(&connection, filter, &style, self.what, &mut out).await;
                super::restarted(globals, &connection, listed).await?;
                out.flush()?;
                // At a path of its own another process may have answered without a gap.
                if connection.peer.pid() != pid {
                    let before = connection.server.pid;
                    connection = super::connection(globals).await?;
                    pid = connection.peer.pid();
                    note(&format!(
                        "it was restarted: process {before} has ended, and process {} answers in its place",
                        connection.server.pid
                    ));
                }
                looks += 1;
                if connection.is_over() {
                    break;
                }
            }
            Ok(())
        })
    }
}
