//! `netpoller leaks`: which lines open descriptors and do not close them.

use std::io::Write;
use std::time::Duration;

use netpoller_proto::v1::ListSitesResponse;

use crate::document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::{Format, Head, Style};
use crate::source::Connection;
use crate::table::{Context, Leak, SITE_RECORDS, SITES, SITES_WIDE, SiteRow, leaks};
use crate::verbs::verb::{Usage, Verb};
use clap::Args;

/// How often to look.
#[derive(Debug, Args)]
pub(crate) struct LeaksArgs {
    /// Print again after each --interval what has grown since the first look.
    #[arg(long)]
    watch: bool,
    /// With --watch, stop after having printed this number of times.
    #[arg(short = 'C', long, value_name = "N", requires = "watch")]
    count: Option<u64>,
}

impl Verb for LeaksArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "its rows are lines of code, those that grow first; `netpoller ls -w 'site~FILE:LINE'` lists the \
                  descriptors of one",
            interval: true,
            limit: true,
            ..Usage::of("leaks")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await?;
            let first = self.first(&connection, globals.interval).await?;
            let mut looks = 0;
            loop {
                connection.pass(globals.interval).await;
                let now = connection.sites().await?;
                if !now.sockets_error.is_empty() {
                    note(&now.sockets_error);
                }
                let mut style = globals.style();
                // Records go on; one list of names is enough for all.
                style.header &= looks == 0 || style.format != Format::Csv;
                let head = style.head(&connection, "netpoller/v1/leaks", now.captured_at_ns);
                super::print(|out| {
                    if looks > 0 && !matches!(style.format, Format::Csv | Format::Jsonl) {
                        writeln!(out)?;
                    }
                    print(out, &style, head, leaks::between(&first, now))
                })?;
                looks += 1;
                let is_enough = self.count.is_some_and(|count| looks >= count);
                if !self.watch || is_enough || connection.is_over() {
                    return Ok(());
                }
            }
        })
    }
}

impl LeaksArgs {
    /// What there was before.
    async fn first(
        &self,
        connection: &Connection,
        interval: Duration,
    ) -> Result<ListSitesResponse, Failure> {
        if self.watch {
            connection.start();
        }
        let now = connection.sites().await?;
        if self.watch || !connection.is_recording() {
            return Ok(now);
        }
        // What has grown until the moment of a recording, which knows one answer in many seconds.
        connection.look_before(now.captured_at_ns, interval);
        Ok(connection.sites().await.unwrap_or(now))
    }
}

fn item<'a>(leak: &'a Leak, context: &Context) -> document::SiteItem<'a> {
    document::site(&leak.whole, &leak.parts, leak.more, context)
}

fn print(
    out: &mut dyn Write,
    style: &Style,
    head: Head<'_>,
    mut leaks: Vec<Leak>,
) -> Result<(), Failure> {
    let context = head.context;
    let all = leaks.len();
    let summary = leaks::summary(&leaks);
    leaks.truncate(style.limit.unwrap_or(all));
    match style.format {
        Format::Json => {
            let complete = leaks.len() == all;
            style.document(
                out,
                head,
                complete,
                leaks.iter().map(|leak| item(leak, &context)).collect(),
            )
        }
        Format::Jsonl => leaks.iter().try_for_each(|leak| {
            serde_json::to_writer(&mut *out, &item(leak, &context))?;
            Ok(out.write_all(b"\n")?)
        }),
        Format::Csv => {
            let rows: Vec<SiteRow> = leaks.into_iter().flat_map(Leak::records).collect();
            style.records(out, &SITE_RECORDS, &rows, &context)
        }
        Format::Table | Format::Wide => {
            if style.header {
                writeln!(out, "{}", context.written(summary))?;
            }
            let is_wide = style.format == Format::Wide;
            let most = if is_wide { usize::MAX } else { leaks::PARTS };
            let rows = leaks.into_iter().flat_map(|leak| leak.lines(most));
            let rows: Vec<SiteRow> = rows.collect();
            match is_wide {
                true => Ok(style.sheet(out, &SITES_WIDE, &rows, &context)?),
                false => Ok(style.sheet(out, &SITES, &rows, &context)?),
            }
        }
    }
}
