//! The calls of the client.

use std::sync::Arc;
use std::time::Duration;

use console_api::Id;
use console_api::instrument::instrument_server::{Instrument, InstrumentServer};
use console_api::instrument::{
    InstrumentRequest, PauseRequest, PauseResponse, ResumeRequest, ResumeResponse, State,
    StateRequest, TaskDetailsRequest, Temporality, Update,
};
use console_api::tasks::TaskDetails;
use console_api::tasks::task_details::PollTimesHistogram;
use netpoller_core::view;
use tokio::sync::{Mutex, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::live::Live;
use super::model::{Model, Sizes};
use super::process::Process;
use super::told::{Teller, Told};
use super::update::ClientView;
use crate::door::connection::{Peer, Session};
use crate::guard::guarded;
use crate::limits::MAX_REQUEST;
use crate::outlet::Outlet;

/// The client counts time by the updates, and draws everything anew for each.
const INTERVAL: Duration = Duration::from_secs(1);
/// A sample of another client that is not older will do.
const FRESH_NS: u64 = 400_000_000;

/// Of this process.
pub(crate) fn service() -> InstrumentServer<Service<Live>> {
    of(Live::new())
}

/// Of the process that is told of.
pub(crate) fn service_of_told(teller: impl Teller) -> InstrumentServer<Service<Told>> {
    of(Told::by(teller))
}

fn of<P: Process>(process: P) -> InstrumentServer<Service<P>> {
    let shared = Shared {
        model: Model::new(process, Sizes::default()),
        looked_ns: 0,
    };
    let service = Service {
        shared: Arc::new(Mutex::new(shared)),
    };
    InstrumentServer::new(service).max_decoding_message_size(MAX_REQUEST)
}

/// Looks at a process while a client is attached.
#[derive(Debug)]
pub(crate) struct Service<P: Process> {
    shared: Arc<Mutex<Shared<P>>>,
}

/// What all clients share.
#[derive(Debug)]
struct Shared<P: Process> {
    model: Model<P>,
    /// When it was last brought up to date, on our own clock; 0 if it never was.
    looked_ns: u64,
}

type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Reads the model, as new as `FRESH_NS`. One brings it up to date at a time.
async fn look<P: Process, T>(
    shared: &Mutex<Shared<P>>,
    read: impl FnOnce(&Model<P>) -> T,
) -> Result<T, Status> {
    let mut shared = shared.lock().await;
    let Shared { model, looked_ns } = &mut *shared;
    if *looked_ns == 0 || *looked_ns + FRESH_NS <= view::now_ns() {
        let moment = model.process.moment().await?;
        *looked_ns = view::now_ns();
        guarded(|| model.look(moment))?;
    }
    guarded(|| read(model))
}

#[tonic::async_trait]
impl<P: Process> Instrument for Service<P> {
    type WatchUpdatesStream = Stream<Update>;

    async fn watch_updates(
        &self,
        request: Request<InstrumentRequest>,
    ) -> Result<Response<Self::WatchUpdatesStream>, Status> {
        let peer = Peer::of(&request)?;
        let paused = peer.session.paused.subscribe();
        let view = ClientView::nothing(&self.shared.lock().await.model, peer.redact);
        let (messages, stream) = Outlet::new(1, peer.session.stalled);
        tokio::spawn(updates(self.shared.clone(), view, paused, messages));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type WatchTaskDetailsStream = Stream<TaskDetails>;

    async fn watch_task_details(
        &self,
        request: Request<TaskDetailsRequest>,
    ) -> Result<Response<Self::WatchTaskDetailsStream>, Status> {
        let Some(Id { id }) = request.get_ref().id else {
            return Err(Status::invalid_argument("id: missing; name a task"));
        };
        // Whoever hangs up meanwhile must not take with him what was told.
        let shared = Arc::clone(&self.shared);
        let born = async move { look(&shared, |model| model.tasks.born(id)).await };
        let failed = |_| Status::internal("the look has failed: a bug");
        let born = tokio::spawn(born).await.map_err(failed)??;
        let born = born.ok_or_else(|| Status::not_found(format!("no task has the number {id}")))?;
        let (messages, stream) = Outlet::new(1, Peer::of(&request)?.session.stalled);
        tokio::spawn(details(self.shared.clone(), id, born, messages));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type WatchStateStream = Stream<State>;

    async fn watch_state(
        &self,
        request: Request<StateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        let session = &Peer::of(&request)?.session;
        let paused = session.paused.subscribe();
        let (messages, stream) = Outlet::new(1, session.stalled);
        tokio::spawn(states(paused, messages));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn pause(
        &self,
        request: Request<PauseRequest>,
    ) -> Result<Response<PauseResponse>, Status> {
        set_paused(&Peer::of(&request)?.session, true);
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<ResumeResponse>, Status> {
        set_paused(&Peer::of(&request)?.session, false);
        Ok(Response::new(ResumeResponse {}))
    }
}

/// Tells it too if nothing changes: the client waits for the answer with its header at PAUSING.
fn set_paused(session: &Session, paused: bool) {
    session.paused.send_replace(paused);
}

async fn updates(
    shared: Arc<Mutex<Shared<impl Process>>>,
    mut view: ClientView,
    paused: watch::Receiver<bool>,
    messages: Outlet<Update>,
) {
    let mut ticks = interval(INTERVAL);
    // A slow client gets fewer messages, and what it missed in the next one.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = messages.closed() => return,
        }
        if *paused.borrow() {
            continue;
        }
        // Before looking.
        let Some(room) = messages.room().await else {
            return;
        };
        if *paused.borrow() {
            continue;
        }
        let updates = match look(&shared, |model| view.updates(model)).await {
            Ok(updates) => updates,
            Err(status) => return room.send(Err(status)),
        };
        let mut updates = updates.into_iter();
        if let Some(first) = updates.next() {
            room.send(Ok(first));
        }
        for update in updates {
            if !messages.send(Ok(update)).await {
                return;
            }
        }
    }
}

/// The histograms of a task, until it ends.
async fn details(
    shared: Arc<Mutex<Shared<impl Process>>>,
    id: u64,
    born: u64,
    messages: Outlet<TaskDetails>,
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = messages.closed() => return,
        }
        let details = look(&shared, |model| {
            let task = model.tasks.get(id)?;
            (model.tasks.born(id) == Some(born)).then(|| TaskDetails {
                task_id: Some(Id { id }),
                now: Some(model.anchor.timestamp(model.sampled_ns)),
                scheduled_times_histogram: Some(task.wake_latency.message()),
                poll_times_histogram: Some(PollTimesHistogram::Histogram(task.run_time.message())),
            })
        })
        .await;
        let Some(message) = details.transpose() else {
            return;
        };
        if !messages.send(message).await {
            return;
        }
    }
}

/// Whether the connection is paused, at once and whenever that was asked for. The stream does not
/// end before the connection does: the client would take that for its end.
async fn states(mut paused: watch::Receiver<bool>, messages: Outlet<State>) {
    loop {
        let temporality = match *paused.borrow_and_update() {
            true => Temporality::Paused,
            false => Temporality::Live,
        };
        let state = State {
            temporality: temporality.into(),
        };
        if !messages.send(Ok(state)).await {
            return;
        }
        tokio::select! {
            changed = paused.changed() => if changed.is_err() { return },
            () = messages.closed() => return,
        }
    }
}
