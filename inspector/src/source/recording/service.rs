//! Answers for a process as it was.

use std::sync::{Arc, Mutex, PoisonError};

use netpoller_proto::v1::inspector_server::Inspector;
use netpoller_proto::v1::{
    self, Descriptor, GetDescriptorResponse, GetServerResponse, GetStatsResponse, KernelView,
    ListDescriptorsResponse, PollerLaws,
};
use tonic::{Request, Response, Status};

use super::moment::Moment;
use super::past::Past;
use super::sending::Stream;
use super::{events, streams, waits};
use crate::clock::Anchor;
use crate::source::cursor::Cursor;
use crate::source::serve::{Page, Table, one};
use crate::source::since::since;

/// What a recording is asked over a connection of this command's own.
#[derive(Debug)]
pub(super) struct Service {
    past: Arc<Past>,
    cursor: Arc<Cursor>,
    moment: Arc<Mutex<Moment>>,
}

fn unknown<T>(what: &str) -> Result<T, Status> {
    Err(Status::failed_precondition(format!(
        "the recording has no {what} of that moment"
    )))
}

impl Service {
    /// At the end of a recording.
    pub(super) fn new(past: Arc<Past>) -> Self {
        let cursor = Cursor::new(past.begins_at_ns, past.ends_at_ns, None);
        Self {
            cursor: Arc::new(cursor),
            moment: Arc::new(Mutex::new(Moment::first(Arc::clone(&past)))),
            past,
        }
    }

    /// The same, at a moment that others choose.
    pub(super) fn at(self, cursor: Arc<Cursor>) -> Self {
        Self { cursor, ..self }
    }

    /// What ties the clock of the process to the calendar.
    pub(super) fn anchor(&self) -> Anchor {
        let moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        Anchor::of(&moment.server)
    }

    /// What is said of how things stand now, without keeping others waiting.
    async fn told<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Moment, u64) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (moment, at_ns) = (Arc::clone(&self.moment), self.cursor.at_ns());
        let told = tokio::task::spawn_blocking(move || {
            let mut moment = moment.lock().unwrap_or_else(PoisonError::into_inner);
            moment.go(at_ns);
            what(&mut moment, at_ns)
        });
        let failed = |_| Status::internal("reading the recording has failed: a bug");
        told.await.map_err(failed)
    }
}

/// What the kernel knew of its socket; nobody asked it more.
fn kernel(
    row: &Descriptor,
    poller: Option<&v1::Poller>,
    captured_at_ns: u64,
) -> Option<KernelView> {
    row.socket.is_some().then(|| KernelView {
        error: "what it was registered and ready for, which a recording does not have".to_owned(),
        ..one::kernel(row, poller, captured_at_ns)
    })
}

fn described(
    moment: &Moment,
    past: &Past,
    at_ns: u64,
    request: &v1::GetDescriptorRequest,
) -> Result<GetDescriptorResponse, Status> {
    let id = one::id(&request.id)?;
    let rows = moment.model.rows.values();
    let row = one::row(rows, id, &request.poller).ok_or_else(|| {
        Status::not_found(format!(
            "no descriptor had the id {id} at that moment of the recording"
        ))
    })?;
    let wanted = events::Wanted::of(&row.poller, &request.id);
    let history = events::last(past, at_ns, &wanted);
    let stats = moment.model.stats.as_deref();
    let mut pollers = stats.into_iter().flat_map(|stats| &stats.pollers);
    let poller = pollers.find_map(|it| it.poller.as_ref().filter(|it| it.name == row.poller));
    let captured_at_ns = moment.model.captured_at_ns;
    Ok(GetDescriptorResponse {
        captured_at_ns,
        descriptor: Some(Descriptor::clone(row)),
        histograms: match moment.server.outside {
            // Nobody measures them there.
            Some(_) => Vec::new(),
            None => netpoller_endpoint::messages::latencies(&history),
        },
        history,
        kernel: kernel(row, poller, captured_at_ns),
        epoch: moment.model.epoch,
        polled_by: poller.map(|it| it.polled_by.clone()).unwrap_or_default(),
        ..GetDescriptorResponse::default()
    })
}

#[tonic::async_trait]
impl Inspector for Service {
    async fn get_server(
        &self,
        _: Request<v1::GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        let recording = v1::Recording {
            begins_at_ns: self.past.begins_at_ns,
            ends_at_ns: self.past.ends_at_ns,
            ended: self.past.ended.clone(),
            missing: self.past.missing.clone(),
        };
        let server = self.told(move |moment, at_ns| {
            let server = &moment.server;
            let wall = i128::from(server.wall_clock_ns) + i128::from(at_ns)
                - i128::from(server.captured_at_ns);
            let stats = moment.model.stats.as_deref();
            let pollers =
                stats.map(|stats| stats.pollers.iter().filter_map(|it| it.poller.clone()));
            GetServerResponse {
                captured_at_ns: at_ns,
                wall_clock_ns: u64::try_from(wall).unwrap_or(0),
                pollers: pollers.map_or_else(|| server.pollers.clone(), Iterator::collect),
                recording: Some(recording),
                ..server.clone()
            }
        });
        server.await.map(Response::new)
    }

    async fn list_descriptors(
        &self,
        request: Request<v1::ListDescriptorsRequest>,
    ) -> Result<Response<ListDescriptorsResponse>, Status> {
        let request = request.into_inner();
        let page = Page::of(&request.page_token)?;
        let answer = self.told(move |moment, at_ns| {
            // Further pages are of the table of the first.
            if let Some(page_ns) = page.captured_at_ns {
                moment.go(page_ns);
            }
            let rows: Vec<_> = moment.model.rows.values().cloned().collect();
            let table = Table {
                captured_at_ns: moment.model.captured_at_ns,
                epoch: moment.model.epoch,
                rows: &rows,
                sockets_at_ns: moment.model.captured_at_ns,
                sockets_error: &moment.model.sockets_error,
            };
            let answer = table.page(&request, page);
            moment.go(at_ns);
            answer
        });
        answer.await?.map(Response::new)
    }

    async fn get_stats(
        &self,
        request: Request<v1::GetStatsRequest>,
    ) -> Result<Response<GetStatsResponse>, Status> {
        let request = request.into_inner();
        let stats = self.told(move |moment, at_ns| {
            let mut stats = GetStatsResponse::clone(moment.model.stats.as_deref()?);
            (stats.interval, stats.interval_ns) = (Vec::new(), 0);
            if request.interval_ns > 0 {
                moment.go(at_ns.saturating_sub(request.interval_ns));
                let before = moment.model.stats.clone();
                moment.go(at_ns);
                if let Some(before) = before.filter(|it| it.epoch == stats.epoch) {
                    stats = since(stats, &before);
                }
            }
            let of = |it: &v1::PollerStats| it.poller.as_ref().map(|it| it.name.clone());
            let is_wanted = |it: &v1::PollerStats| {
                request.poller.is_empty() || of(it).is_some_and(|name| name == request.poller)
            };
            stats.pollers.retain(is_wanted);
            stats.interval.retain(is_wanted);
            Some(stats)
        });
        match stats.await? {
            Some(stats) => Ok(Response::new(stats)),
            None => unknown("statistics"),
        }
    }

    async fn get_descriptor(
        &self,
        request: Request<v1::GetDescriptorRequest>,
    ) -> Result<Response<GetDescriptorResponse>, Status> {
        let (request, past) = (request.into_inner(), Arc::clone(&self.past));
        let answer = self.told(move |moment, at_ns| described(moment, &past, at_ns, &request));
        answer.await?.map(Response::new)
    }

    async fn audit(
        &self,
        request: Request<v1::AuditRequest>,
    ) -> Result<Response<v1::AuditResponse>, Status> {
        let request = request.into_inner();
        if request.kernel {
            return Err(Status::failed_precondition(
                "a recording does not have the kernel's list of registrations",
            ));
        }
        let answer = self.told(move |moment, _| {
            let stats = moment.model.stats.as_deref()?;
            // Nobody counts what they are about from outside.
            if moment.server.outside.is_some() {
                return None;
            }
            let pollers = stats.pollers.iter().map(|it| PollerLaws {
                poller: it
                    .poller
                    .as_ref()
                    .map_or_else(String::new, |it| it.name.clone()),
                laws: it.laws.clone(),
            });
            Some(v1::AuditResponse {
                captured_at_ns: stats.captured_at_ns,
                pollers: pollers
                    .filter(|it| request.poller.is_empty() || it.poller == request.poller)
                    .collect(),
                epoch: stats.epoch,
            })
        });
        match answer.await? {
            Some(answer) => Ok(Response::new(answer)),
            None => unknown("laws"),
        }
    }

    async fn diagnose(
        &self,
        request: Request<v1::DiagnoseRequest>,
    ) -> Result<Response<v1::DiagnoseResponse>, Status> {
        let request = request.into_inner();
        let answer = self.told(move |moment, _| {
            let mut answer = moment.diagnosis.clone()?;
            let is_wanted = |lint: &String| !request.allow.contains(lint);
            answer.findings.retain(|finding| {
                is_wanted(&finding.lint)
                    && (request.poller.is_empty() || finding.poller == request.poller)
            });
            answer.lints.retain(is_wanted);
            Some(answer)
        });
        match answer.await? {
            Some(answer) => Ok(Response::new(answer)),
            None => unknown("diagnosis"),
        }
    }

    async fn list_sites(
        &self,
        _: Request<v1::ListSitesRequest>,
    ) -> Result<Response<v1::ListSitesResponse>, Status> {
        match self.told(|moment, _| moment.sites.clone()).await? {
            Some(sites) => Ok(Response::new(sites)),
            None => unknown("lines that opened descriptors"),
        }
    }

    type WatchStream = Stream<v1::WatchFrame>;

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        streams::table(&self.past, &self.cursor, request.get_ref()).map(Response::new)
    }

    type WatchTransitionsStream = Stream<v1::TransitionsFrame>;

    async fn watch_transitions(
        &self,
        request: Request<v1::WatchTransitionsRequest>,
    ) -> Result<Response<Self::WatchTransitionsStream>, Status> {
        self.must_record().await?;
        streams::events(&self.past, &self.cursor, request.get_ref()).map(Response::new)
    }

    type WatchLatenciesStream = Stream<v1::LatenciesFrame>;

    async fn watch_latencies(
        &self,
        request: Request<v1::WatchLatenciesRequest>,
    ) -> Result<Response<Self::WatchLatenciesStream>, Status> {
        self.must_record().await?;
        if self.cursor.is_held() {
            return Err(Status::failed_precondition(
                "a replay does not tell the waits of a while: ask the file, as -t file:FILE hist --by descriptor",
            ));
        }
        let epoch = self.told(|moment, _| moment.model.epoch).await?;
        waits::start(&self.past, &self.cursor, request.get_ref(), epoch).map(Response::new)
    }
}

impl Service {
    /// Refuses what nobody could see of a process that was read from outside.
    async fn must_record(&self) -> Result<(), Status> {
        match self
            .told(|moment, _| moment.server.outside.is_some())
            .await?
        {
            false => Ok(()),
            true => Err(Status::failed_precondition(
                "the process was read from outside, where nobody sees single events and waits",
            )),
        }
    }
}
