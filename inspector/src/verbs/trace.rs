//! `netpoller trace`: the flight recorder as a Perfetto trace.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use netpoller_proto::v1::{TransitionsFrame, WatchTransitionsRequest};
use tokio::time::interval;

use super::admission::Admission;
use super::writing::{Signals, Stopped, create, discard, ended};
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::perfetto::Trace;
use crate::query::Scope;
use crate::source::Connection;
use crate::text;
use crate::verbs::verb::{NONE, Usage, Verb};

/// What is written is on the disk so soon.
const FLUSH: Duration = Duration::from_secs(2);
/// How often it is asked who waits where it is not known, by the clock of the process.
const LOOK_NS: u64 = 1_000_000_000;

/// Where to write, and how much.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// File to write, by convention with the ending .pftrace.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// End after so long; of a recording it is the time there.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Write over a file that is there already.
    #[arg(long)]
    force: bool,
}

impl Verb for TraceArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it has tracks",
            limit: true,
            filter: Some(Scope::Events),
            formats: NONE,
            instead: "a trace has one format; `netpoller events --format jsonl` prints the events",
            ..Usage::of("trace")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await?;
            connection.must_record("events")?;
            super::check_pollers(globals.filter.as_ref(), &connection)?;
            // From here on there may be something to finish, or to remove.
            let signals = Signals::catch()?;
            let file = create(&self.output, self.force, &connection.target)?;
            self.write(globals, &connection, file, signals).await
        })
    }
}

impl TraceArgs {
    async fn write(
        &self,
        globals: &Globals,
        connection: &Connection,
        file: File,
        mut interrupted: Signals,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::Runtime(format!("writing {}: {error}", self.output.display()))
        };
        // A recording from where what goes on begins.
        connection.start();
        let trace = Trace::new(BufWriter::new(file), &connection.server).map_err(failed)?;
        let mut writing = Writing {
            trace,
            admission: Admission::new(connection, globals.filter.as_ref(), true),
            left: globals.limit.unwrap_or(usize::MAX),
            looked_at_ns: 0,
        };
        // All of a recording, but for somebody who names a moment of it.
        let history = globals.at.is_none();
        let stopped = tokio::select! {
            // Events may come faster than they are taken.
            biased;
            () = interrupted.next() => Ok("interrupted"),
            stopped = writing.run(connection, self.duration, history) => stopped,
        };
        let (why, failure) = ended(stopped, failed)?;
        let Writing {
            mut trace,
            admission,
            ..
        } = writing;
        trace.finish(|key| admission.known(key)).map_err(failed)?;
        let summary = trace.summary();
        if summary.events == 0 && summary.waits == 0 {
            discard(&self.output);
            let nothing = format!(
                "there is nothing to write to {}: {why}",
                self.output.display()
            );
            return Err(failure.unwrap_or(Failure::Runtime(nothing)));
        }
        self.told(&trace, &why);
        failure.map_or(Ok(()), Err)
    }

    /// What there is in the end, and how to look at it.
    fn told<W: Write>(&self, trace: &Trace<W>, why: &str) {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        let output = self.output.display();
        let summary = said(trace);
        note(&format!(
            "{output}: {summary}; {why}\nopen it in https://ui.perfetto.dev"
        ));
    }
}

fn said<W: Write>(trace: &Trace<W>) -> String {
    let summary = trace.summary();
    let lost = match summary.lost {
        0 => String::new(),
        lost => format!(" ({} lost)", text::grouped(lost)),
    };
    format!(
        "{} bytes, {}{lost}, {}",
        text::grouped(summary.bytes),
        text::several(summary.events, "event"),
        text::several(summary.waits, "wait"),
    )
}

/// A trace that is made.
struct Writing<'a> {
    trace: Trace<BufWriter<File>>,
    admission: Admission<'a>,
    /// Events that may come yet.
    left: usize,
    looked_at_ns: u64,
}

impl Writing<'_> {
    /// Writes until there is a reason to end, which it gives.
    async fn run(
        &mut self,
        connection: &Connection,
        duration: Option<Duration>,
        history: bool,
    ) -> Result<&'static str, Stopped> {
        let why = self.follow(connection, duration, history).await?;
        self.trace.rest(|key| self.admission.known(key))?;
        // After a loss it is the table that says who waits still. Who cannot be asked any more has
        // told all that there is.
        let _ = self.look().await;
        Ok(why)
    }

    async fn follow(
        &mut self,
        connection: &Connection,
        duration: Option<Duration>,
        history: bool,
    ) -> Result<&'static str, Stopped> {
        let request = WatchTransitionsRequest {
            history,
            ..WatchTransitionsRequest::default()
        };
        let lasts = duration.map(|duration| connection.lasts(duration));
        // What is read of a recording is ahead of what has come here.
        let until_ns = lasts.as_ref().and_then(|it| it.until_ns());
        for (row, direction) in self.admission.parked().await? {
            self.trace.began(&row, direction);
        }
        let mut stream = connection.transitions(request).await?;
        let mut flushes = interval(FLUSH);
        loop {
            let over = async {
                match lasts.as_ref().filter(|_| until_ns.is_none()) {
                    Some(lasts) => lasts.over().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Events may come faster than they are taken.
                biased;
                () = over => return Ok("its time is over"),
                _ = flushes.tick() => {
                    self.trace.flush()?;
                    self.progress();
                }
                frame = connection.next(&mut stream, None) => {
                    let Some(mut frame) = frame? else {
                        connection.ended().await?;
                        return Ok("the recording has ended");
                    };
                    let is_last = until_ns.is_some_and(|it| frame.captured_at_ns > it);
                    if let Some(until_ns) = until_ns {
                        frame.events.retain(|event| event.at_ns <= until_ns);
                        frame.captured_at_ns = frame.captured_at_ns.min(until_ns);
                    }
                    self.take(frame).await?;
                    if self.left == 0 {
                        self.trace.cut();
                        return Ok("so many events were asked for");
                    }
                    if is_last {
                        return Ok("its time is over");
                    }
                }
            }
        }
    }

    async fn take(&mut self, mut frame: TransitionsFrame) -> Result<(), Stopped> {
        let events = std::mem::take(&mut frame.events);
        frame.events = self.admission.admitted(events).await?;
        frame.events.truncate(self.left);
        self.left -= frame.events.len();
        let now_ns = frame.captured_at_ns;
        self.trace.take(frame, |key| self.admission.known(key))?;
        if now_ns >= self.looked_at_ns.saturating_add(LOOK_NS) {
            self.looked_at_ns = now_ns;
            self.look().await?;
        }
        Ok(())
    }

    /// Asks who waits where it is not known.
    async fn look(&mut self) -> Result<(), Failure> {
        let unseen = self.trace.unseen();
        for row in self.admission.look_at(unseen).await? {
            self.trace.saw(&row);
        }
        Ok(())
    }

    /// What there is so far, where somebody sees it.
    fn progress(&self) {
        if io::stderr().is_terminal() {
            // Nobody is left to tell when that is gone.
            let _ = write!(io::stderr(), "\r\x1b[Kwriting: {}", said(&self.trace));
        }
    }
}
