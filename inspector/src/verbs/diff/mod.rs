//! `netpoller diff`: what has changed between two moments, of a process, of a recording, or of two.
//!
//! `side` says what is compared, `print` how it reads, `item` its JSON; what has changed is found
//! by `comparison`.

mod item;
mod print;
mod side;

use clap::Args;

use crate::comparison::{Compared, Life, Moment};
use crate::failure::{Failure, note};
use crate::findings::{Case, Doctor, FEW, Terms, When};
use crate::globals::Globals;
use crate::out::Format;
use crate::query::{Query, Scope};
use crate::source::{Connection, Selection};
use crate::table::{DESCRIPTORS, Entry};
use crate::text;
use crate::verbs::verb::{NO_CSV, Usage, Verb};
use side::{Side, Sides};

/// What is compared with what.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// What was before: TARGET, @MOMENT of the --target, or TARGET@MOMENT.
    from: Option<Side>,
    /// What is after, where @MOMENT is of the recording before; without it, a process --interval
    /// later, and a recording at its end.
    to: Option<Side>,
    /// Do not look for faults, which takes a second at either end.
    #[arg(long)]
    no_doctor: bool,
}

impl Verb for DiffArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "its rows are what has changed",
            interval: true,
            limit: true,
            filter: Some(Scope::of(&DESCRIPTORS)),
            formats: NO_CSV,
            instead: "differences are of several kinds and no table; use --format jsonl",
            ..Usage::of("diff")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let sides = Sides::new(globals, self.from.as_ref(), self.to.as_ref())?;
        super::block_on(async {
            let (before, after, from, to) = match sides {
                Sides::Now(globals) => {
                    let connection = super::connection(&globals).await?;
                    let before = self.look(&connection, &globals, End::First).await?;
                    tokio::time::sleep(globals.interval).await;
                    let after = self.look(&connection, &globals, End::Last).await;
                    let after = super::restarted(&globals, &connection, after).await?;
                    (before, after, connection.clone(), connection)
                }
                Sides::Two(first, last) => {
                    let from = super::connection(&first).await?;
                    let to = super::connection(&last).await?;
                    let before = self.look(&from, &first, End::First).await?;
                    let after = self.look(&to, &last, End::Last).await?;
                    (before, after, from, to)
                }
            };
            if before.life == after.life && before.at_ns() > after.at_ns() {
                note("what was named first is the later one: what is told goes backwards in time");
            }
            let compared = Compared::new(&before, &after);
            let style = globals.style();
            let pair = print::Pair {
                from: style.head(&from, item::SCHEMA, before.at_ns()),
                to: style.head(&to, item::SCHEMA, after.at_ns()),
            };
            super::print(|out| match style.format {
                Format::Json => item::document(out, &style, &pair, &compared),
                Format::Jsonl => item::lines(out, &style, &pair, &compared),
                _ => print::all(out, &style, &pair, &compared),
            })?;
            if compared.is_cut {
                note(
                    "more was found than is listed: what is said to be new may have been there before",
                );
                return Ok(());
            }
            match compared.found.as_ref().map_or(0, |found| found.new.len()) {
                0 => Ok(()),
                new => Err(Failure::Findings(format!(
                    "{} that was not there before",
                    text::several(new as u64, "finding")
                ))),
            }
        })
    }
}

/// Which end of the time between it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

impl DiffArgs {
    /// Asks for all that is compared; the faults are looked for outside of the time between.
    async fn look(
        &self,
        connection: &Connection,
        globals: &Globals,
        end: End,
    ) -> Result<Moment, Failure> {
        let filter = globals.filter.as_ref();
        super::check_pollers(filter, connection)?;
        let early = match end {
            End::First => self.found(connection, filter).await?,
            End::Last => None,
        };
        let (rows, stats) = tokio::try_join!(self.rows(connection, filter), connection.stats())?;
        let found = match end {
            End::First => early,
            End::Last => self.found(connection, filter).await?,
        };
        let (cases, more) = found.unzip();
        Ok(Moment {
            life: Life::of(&connection.server),
            rows,
            stats,
            cases,
            more: more.unwrap_or(0),
        })
    }

    async fn rows(
        &self,
        connection: &Connection,
        filter: Option<&Query>,
    ) -> Result<Vec<std::sync::Arc<netpoller_proto::v1::Descriptor>>, Failure> {
        let selection = Selection {
            sockets: filter
                .is_some_and(|it| it.speaks_of(netpoller_proto::filter::Field::is_of_sockets)),
            ..Selection::default()
        };
        let snapshot = connection.descriptors(&selection).await?;
        let now_ns = snapshot.captured_at_ns;
        let mut rows = snapshot.rows;
        if let Some(filter) = filter {
            rows.retain(|row| {
                let entry = Entry {
                    row: std::sync::Arc::clone(row),
                    direction: None,
                };
                filter.admits(&entry, now_ns)
            });
        }
        Ok(rows)
    }

    /// What is wrong with what the filter admits, and how much more is; `None` where nobody looked.
    /// A recording knows only what was looked for then.
    async fn found(
        &self,
        connection: &Connection,
        filter: Option<&Query>,
    ) -> Result<Option<(Vec<Case>, u64)>, Failure> {
        if self.no_doctor {
            return Ok(None);
        }
        let terms = Terms {
            kernel: When::Auto,
            few: FEW,
            allow: Vec::new(),
            hold: Vec::new(),
        };
        let pollers = connection.server.pollers.iter();
        let descriptors = pollers.fold(0, |sum: u64, it| sum.saturating_add(it.descriptors));
        let mut doctor = Doctor::new(connection, terms).await?;
        match doctor.look(connection, descriptors).await {
            Ok(mut looked) => {
                let now_ns = looked.captured_at_ns;
                let admits = |query: &Query, case: &Case| {
                    let entry = case.entry.as_ref();
                    entry.is_some_and(|entry| query.admits(entry, now_ns))
                };
                looked
                    .cases
                    .retain(|case| filter.is_none_or(|query| admits(query, case)));
                Ok(Some((looked.cases, looked.more)))
            }
            Err(failure) if connection.is_recording() => {
                note(&format!("findings are not compared: {failure}"));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}
