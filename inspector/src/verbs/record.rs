//! `netpoller record`: what a process tells, in a file.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};

use clap::Args;
use netpoller_proto::v1::{
    DiagnoseRequest, DiagnoseResponse, ListSitesResponse, TransitionsFrame, WatchFrame,
    WatchRequest, WatchTransitionsRequest,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::failure::{Failure, note};
use crate::findings::WINDOW;
use crate::globals::Globals;
use crate::query;
use crate::source::{Connection, Stream, Writer};
use crate::text;
use crate::verbs::verb::{NONE, Usage, Verb};
use crate::verbs::writing::{Signals, Stopped, create, discard, ended};

/// What is written is on the disk so soon.
const FLUSH: Duration = Duration::from_secs(2);
/// How often it is asked what costs the process something.
const SLOWLY: Duration = Duration::from_secs(10);
/// Why it ends where the file has no more room.
const FULL: &str = "it is as large as it may be";

/// Where to write, and how much.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// File to write, by convention with the ending .npl.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// End after so long.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// End before the file is larger than that, for example 200MiB.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_size: Option<u64>,
    /// Write over a file that is there already.
    #[arg(long)]
    force: bool,
    /// Do not ask for a diagnosis each 10 s.
    #[arg(long)]
    no_doctor: bool,
}

fn bytes(text: &str) -> Result<u64, String> {
    let bytes = query::number(text).and_then(|bytes| u64::try_from(bytes).ok());
    let bytes = bytes.filter(|bytes| *bytes >= 64 << 10);
    bytes.ok_or_else(|| format!("`{text}` is no size of 64KiB or more, as 200MiB"))
}

impl Verb for RecordArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it records all that there is, to be filtered when it is looked at",
            interval: true,
            formats: NONE,
            instead: "a recording has one format; `netpoller -t file:FILE ls --format json` reads it",
            ..Usage::of("record")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let connection = super::connection(globals).await?;
            if connection.is_recording() {
                return Err(Failure::Usage(format!(
                    "{} is a recording already",
                    connection.target
                )));
            }
            let file = create(&self.output, self.force, &connection.target)?;
            self.record(&connection, globals.interval, file).await
        })
    }
}

impl RecordArgs {
    async fn record(
        &self,
        connection: &Connection,
        interval: Duration,
        file: File,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::Runtime(format!("writing {}: {error}", self.output.display()))
        };
        let writer = Writer::new(BufWriter::new(file), connection.server.clone());
        let most = self.max_size.unwrap_or(u64::MAX);
        let mut recording = Recording {
            writer: writer.map_err(failed)?.of_at_most(most),
            began: Instant::now(),
            has_table: false,
            changes: 0,
            events: 0,
            lost: 0,
        };
        let stopped = recording.run(connection, interval, self).await;
        let (mut why, failure) = ended(stopped, failed)?;
        if !recording.has_table {
            discard(&self.output);
            return Err(failure.unwrap_or(Failure::Runtime(why)));
        }
        recording.writer.flush().map_err(failed)?;
        if recording.writer.is_full() {
            FULL.clone_into(&mut why);
        }
        recording.writer.finish(&why).map_err(failed)?;
        recording.told(&self.output, &why);
        failure.map_or(Ok(()), Err)
    }
}

/// A recording that is made.
struct Recording {
    writer: Writer<BufWriter<File>>,
    began: Instant,
    /// Without one there is nothing to look at.
    has_table: bool,
    changes: u64,
    events: u64,
    /// Events that nobody read in time.
    lost: u64,
}

impl Recording {
    /// Records until there is a reason to end, which it gives.
    async fn run(
        &mut self,
        connection: &Connection,
        every: Duration,
        args: &RecordArgs,
    ) -> Result<&'static str, Stopped> {
        // So that there is something of everything at the beginning.
        if let Ok(sites) = connection.sites().await {
            self.writer.sites(sites)?;
        }
        let mut table = connection.watch(request(every)).await?;
        // A live server sends a group at each interval, even an empty one.
        let within = Some(every.saturating_mul(3));
        while !self.took(connection, connection.next(&mut table, within).await?)? {}
        self.writer.flush()?;
        if self.writer.is_full() {
            return Err(Failure::Usage(format!(
                "the table of {} is larger than --max-size: say a larger one",
                connection.target
            ))
            .into());
        }
        self.has_table = true;
        let mut events = match connection.server.outside {
            // Nobody counts them from outside.
            Some(_) => None,
            None => {
                let all = WatchTransitionsRequest {
                    history: true,
                    ..WatchTransitionsRequest::default()
                };
                Some(connection.transitions(all).await?)
            }
        };
        let mut interrupted = Signals::catch()?;
        let mut flushes = interval(FLUSH);
        let mut asks = interval(SLOWLY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = tokio::time::sleep(args.duration.unwrap_or(Duration::MAX / 4));
        tokio::pin!(end);
        // What takes as long as its window is not to keep the events waiting.
        let mut answers: Option<Pin<Box<dyn Future<Output = Answers>>>> = None;
        loop {
            if self.writer.is_full() {
                return Ok(FULL);
            }
            tokio::select! {
                frame = connection.next(&mut table, within) => {
                    self.took(connection, frame?)?;
                }
                frame = next(connection, &mut events) => {
                    let Some(frame) = frame? else {
                        connection.ended().await?;
                        return Ok("the stream has ended");
                    };
                    self.events += frame.events.len() as u64;
                    self.lost = self.lost.max(frame.lost.saturating_add(frame.dropped));
                    self.writer.transitions(frame)?;
                }
                _ = asks.tick(), if answers.is_none() => {
                    answers = Some(Box::pin(ask(connection, args)));
                }
                (diagnosis, sites) = async {
                    match &mut answers {
                        Some(answers) => answers.as_mut().await,
                        None => std::future::pending().await,
                    }
                } => {
                    answers = None;
                    if let Some(diagnosis) = diagnosis {
                        self.writer.diagnosis(diagnosis)?;
                    }
                    if let Some(sites) = sites {
                        self.writer.sites(sites)?;
                    }
                }
                _ = flushes.tick() => {
                    self.writer.flush()?;
                    self.progress();
                }
                () = &mut end => return Ok("its time is over"),
                () = interrupted.next() => return Ok("interrupted"),
            }
        }
    }

    /// Takes a piece of the table; true if that is whole.
    fn took(
        &mut self,
        connection: &Connection,
        frame: Option<WatchFrame>,
    ) -> Result<bool, Stopped> {
        let Some(frame) = frame else {
            let target = connection.target.to_string();
            return Err(Failure::lost(target, "the stream has ended", None).into());
        };
        let is_whole = frame.end;
        self.changes += (frame.upserts.len() + frame.removes.len()) as u64;
        self.writer.frame(frame)?;
        if self.writer.is_too_large() {
            let target = &connection.target;
            return Err(Failure::Runtime(format!(
                "the table of {target} is larger than is recorded"
            ))
            .into());
        }
        Ok(is_whole)
    }

    /// What there is so far, where somebody sees it.
    fn progress(&self) {
        if io::stderr().is_terminal() {
            // Nobody is left to tell when that is gone.
            let _ = write!(io::stderr(), "\r\x1b[Krecording: {}", self.summary());
        }
    }

    fn summary(&self) -> String {
        let ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let lost = match self.lost {
            0 => String::new(),
            lost => format!(" ({} lost)", text::grouped(lost)),
        };
        format!(
            "{}, {} bytes, {}, {}{lost}",
            text::duration(ns),
            text::grouped(self.writer.written()),
            text::several(self.changes, "change"),
            text::several(self.events, "event"),
        )
    }

    /// What there is in the end, and how to look at it.
    fn told(&self, output: &Path, why: &str) {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        let output = output.display();
        note(&format!(
            "{output}: {}; {why}\nlook at it with: netpoller -t file:{output}",
            self.summary()
        ));
    }
}

/// Everything of the table, with the statistics.
fn request(every: Duration) -> WatchRequest {
    WatchRequest {
        interval_ns: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX),
        stats: true,
        sockets: true,
        ..WatchRequest::default()
    }
}

async fn next(
    connection: &Connection,
    events: &mut Option<Stream<TransitionsFrame>>,
) -> Result<Option<TransitionsFrame>, Failure> {
    match events {
        Some(events) => connection.next(events, None).await,
        None => std::future::pending().await,
    }
}

type Answers = (Option<DiagnoseResponse>, Option<ListSitesResponse>);

/// What costs the process something. One that cannot tell, or is busy, is recorded without.
async fn ask(connection: &Connection, args: &RecordArgs) -> Answers {
    let diagnosis = match args.no_doctor {
        true => None,
        false => {
            let request = DiagnoseRequest {
                window_ns: u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX),
                ..DiagnoseRequest::default()
            };
            connection.diagnose(request).await.ok()
        }
    };
    (diagnosis, connection.sites().await.ok())
}
