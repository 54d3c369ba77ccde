//! The answers of one call each, and the messages of streams.

use std::time::Duration;

use netpoller_proto::v1::{
    AuditRequest, AuditResponse, DiagnoseRequest, DiagnoseResponse, GetDescriptorRequest,
    GetDescriptorResponse, GetStatsRequest, GetStatsResponse, LatenciesFrame, ListSitesRequest,
    ListSitesResponse, TransitionsFrame, WatchFrame, WatchLatenciesRequest, WatchRequest,
    WatchTransitionsRequest,
};
use netpoller_proto::vocabulary::DescId;

use super::connect::Connection;
use super::gate::Frames;
use super::refusal::{Asked, Doing};
use crate::failure::Failure;

impl Connection {
    /// Somebody who waits for this, as it is called in messages.
    pub(super) fn asked(&self, what: &'static str) -> Asked<'_> {
        Asked {
            target: &self.target,
            peer: &self.peer,
            timeout: self.timeout,
            what,
            doing: Doing::Asking(&self.server),
        }
    }

    /// The same, who waits longer by so much.
    fn asked_for(&self, what: &'static str, longer: Duration) -> Asked<'_> {
        Asked {
            timeout: self.timeout.saturating_add(longer),
            ..self.asked(what)
        }
    }

    /// Refuses what only an endpoint can tell of its process.
    pub(crate) fn must_record(&self, what: &str) -> Result<(), Failure> {
        match self.server.outside {
            None => Ok(()),
            Some(_) => Err(Failure::Runtime(format!(
                "{} is read from outside, where no {what} can be seen; a process with an inspection endpoint tells \
                 it",
                self.target
            ))),
        }
    }

    /// The statistics of every poller.
    pub(crate) async fn stats(&self) -> Result<GetStatsResponse, Failure> {
        self.stats_over(Duration::ZERO).await
    }

    /// The same, and what they have grown by in an interval. The answer takes as long as that, and
    /// then as long as any other.
    pub(crate) async fn stats_over(&self, interval: Duration) -> Result<GetStatsResponse, Failure> {
        let mut client = self.client.clone();
        let request = GetStatsRequest {
            poller: String::new(),
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        };
        self.asked_for("the statistics", interval)
            .answer(client.get_stats(request))
            .await
    }

    /// Which lines open descriptors, of all pollers together.
    pub(crate) async fn sites(&self) -> Result<ListSitesResponse, Failure> {
        let mut client = self.client.clone();
        let request = ListSitesRequest {
            poller: String::new(),
        };
        self.asked("the open sites")
            .answer(client.list_sites(request))
            .await
    }

    /// All about one descriptor.
    pub(crate) async fn descriptor(
        &self,
        poller: String,
        id: DescId,
    ) -> Result<GetDescriptorResponse, Failure> {
        let mut client = self.client.clone();
        let request = GetDescriptorRequest {
            poller,
            id: id.to_string(),
        };
        self.asked("the descriptor")
            .answer(client.get_descriptor(request))
            .await
    }

    /// The conservation laws, compared with the kernel's list if that is wanted.
    pub(crate) async fn audit(&self, kernel: bool) -> Result<AuditResponse, Failure> {
        let mut client = self.client.clone();
        let request = AuditRequest {
            poller: String::new(),
            kernel,
        };
        self.asked("the laws").answer(client.audit(request)).await
    }

    /// What the process says is wrong with it. The answer takes as long as the window, and then as
    /// long as any other.
    pub(crate) async fn diagnose(
        &self,
        request: DiagnoseRequest,
    ) -> Result<DiagnoseResponse, Failure> {
        let mut client = self.client.clone();
        let window = Duration::from_nanos(request.window_ns);
        let asked = Asked {
            doing: Doing::Diagnosing(&self.server),
            ..self.asked_for("the diagnosis", window)
        };
        asked.answer(client.diagnose(request)).await
    }

    /// The table as it changes.
    pub(crate) async fn watch(&self, request: WatchRequest) -> Result<Stream<WatchFrame>, Failure> {
        let mut client = self.client.clone();
        let what = "the table";
        let frames = self.asked(what).answer(client.watch(request)).await?;
        Ok(Stream { frames, what })
    }

    /// The events of the flight recorder.
    pub(crate) async fn transitions(
        &self,
        request: WatchTransitionsRequest,
    ) -> Result<Stream<TransitionsFrame>, Failure> {
        let mut client = self.client.clone();
        let what = "its events";
        let call = client.watch_transitions(request);
        let frames = self.asked(what).answer(call).await?;
        Ok(Stream { frames, what })
    }

    /// The latencies of waits, by what they have in common.
    pub(crate) async fn latencies(
        &self,
        request: WatchLatenciesRequest,
    ) -> Result<Stream<LatenciesFrame>, Failure> {
        let mut client = self.client.clone();
        let what = "its latencies";
        let call = client.watch_latencies(request);
        let frames = self.asked(what).answer(call).await?;
        Ok(Stream { frames, what })
    }

    /// The next message of a stream; `None` when the process has ended it. With a time, one has to
    /// come within that, and then within what any answer may take.
    pub(crate) async fn next<T>(
        &self,
        stream: &mut Stream<T>,
        within: Option<Duration>,
    ) -> Result<Option<T>, Failure> {
        let message = stream.frames.message();
        match within {
            Some(within) => self.asked_for(stream.what, within).answer(message).await,
            None => match message.await {
                Ok(message) => Ok(message),
                Err(refusal) => Err(self.asked(stream.what).failure(&refusal).await),
            },
        }
    }
}

/// Messages that come one after another, and what they are called.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    frames: Frames<T>,
    what: &'static str,
}
