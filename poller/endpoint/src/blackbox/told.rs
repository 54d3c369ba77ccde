//! What comes into a black box: the answers that a client would be given.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{
    DiagnoseRequest, DiagnoseResponse, ListSitesRequest, ListSitesResponse, TransitionsFrame,
    WatchRequest, WatchTransitionsRequest,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::file::BoxFile;
use crate::door::connection::Seen;
use crate::methods::turns::Turns;
use crate::methods::{diagnose, server, sites};
use crate::streams::{transitions, watch};

/// What has come is in the file so soon.
const FLUSH: Duration = Duration::from_millis(250);
/// How often that is asked which costs something.
const SLOWLY: Duration = Duration::from_secs(10);
/// A disk may be slow, and is waited for.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is wanted in it.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) interval: Duration,
    pub(super) events: bool,
    pub(super) findings: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            events: true,
            findings: true,
        }
    }
}

type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Writes what this process tells, until it does not tell it any more.
pub(super) async fn tell(file: &mut BoxFile, wanted: &Wanted) -> Result<Infallible, Status> {
    let (turns, seen) = (Turns::default(), Seen::default());
    let mut events = match wanted.events {
        true => {
            let all = WatchTransitionsRequest {
                history: true,
                ..WatchTransitionsRequest::default()
            };
            Some(transitions::start(all, PATIENCE)?)
        }
        false => None,
    };
    let mut flushes = interval(FLUSH);
    flushes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asks = interval(SLOWLY);
    asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What takes as long as its window is not to keep the events waiting.
    let mut answers: Option<Pin<Box<dyn Future<Output = Answers> + '_>>> = None;
    let mut last = Answers::default();
    loop {
        file.begin_table();
        file.put(Told::Server(server::server(false)));
        let request = WatchRequest {
            interval_ns: u64::try_from(wanted.interval.as_nanos()).unwrap_or(u64::MAX),
            stats: true,
            sockets: true,
            ..WatchRequest::default()
        };
        // A stream begins with a whole table.
        let mut table = watch::start(request, None, false, PATIENCE, turns.common().clone());
        let mut is_first = true;
        while !file.is_table_due() {
            tokio::select! {
                frame = table.next() => {
                    let frame = frame.transpose()?;
                    let frame = frame.ok_or_else(|| Status::unavailable("the table has ended"))?;
                    let is_whole = frame.end;
                    file.put(Told::Frame(frame));
                    if is_whole && std::mem::take(&mut is_first) {
                        // What was said last holds there too.
                        last.clone().put(file);
                        file.end_table();
                    }
                }
                frame = next(&mut events) => {
                    let Some(frame) = frame.transpose()? else {
                        events = None;
                        continue;
                    };
                    file.put(Told::Transitions(frame));
                }
                _ = asks.tick(), if answers.is_none() => {
                    answers = Some(Box::pin(ask(wanted, &seen, &turns)));
                }
                said = async {
                    match &mut answers {
                        Some(answers) => answers.as_mut().await,
                        None => std::future::pending().await,
                    }
                } => {
                    answers = None;
                    said.clone().put(file);
                    last.take(said);
                }
                _ = flushes.tick() => file.flush(),
            }
        }
    }
}

async fn next(
    events: &mut Option<Stream<TransitionsFrame>>,
) -> Option<Result<TransitionsFrame, Status>> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// What is asked now and then.
#[derive(Debug, Clone, Default)]
struct Answers {
    diagnosis: Option<DiagnoseResponse>,
    sites: Option<ListSitesResponse>,
}

impl Answers {
    fn put(self, file: &mut BoxFile) {
        if let Some(sites) = self.sites {
            file.put(Told::Sites(sites));
        }
        if let Some(diagnosis) = self.diagnosis {
            file.put(Told::Diagnosis(diagnosis));
        }
    }

    /// Takes over what was said.
    fn take(&mut self, said: Self) {
        self.diagnosis = said.diagnosis.or_else(|| self.diagnosis.take());
        self.sites = said.sites.or_else(|| self.sites.take());
    }
}

/// Asks what costs something. What there is no answer to is left out.
async fn ask(wanted: &Wanted, seen: &Seen, turns: &Turns) -> Answers {
    let diagnosis = match wanted.findings {
        true => {
            let answer = diagnose::diagnose(DiagnoseRequest::default(), false, seen, turns).await;
            answer.ok().map(tonic::Response::into_inner)
        }
        false => None,
    };
    let sites = sites::sites(&ListSitesRequest::default(), false, turns.common()).await;
    Answers {
        diagnosis,
        sites: sites.ok(),
    }
}
