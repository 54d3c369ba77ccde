//! Streams that go on: how many there may be, and what happens to one that nobody reads.
//!
//! The place of a stream is held by the body of its answer, so every service that streams is
//! bounded in the same way, and the place is free when the stream is gone, whatever ended it.
//!
//! HTTP/2 lets a client keep a stream open and take nothing from it. hyper does not ask for the
//! next frame then, and a body cannot end what is not asked. But it knows: it was asked, gave a
//! frame, and was not asked again. After a time the whole connection is broken off.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use netpoller_host::UnderWay;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::HeaderMap;

use super::connection::Session;
use crate::limits::Limits;

/// What a stream is. Each class has places of its own: a tokio-console needs three, and must not
/// take them from those who use the inspector; nor may a tool that is left open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// Of the inspector.
    Watch,
    /// Of tools that know nothing of netpoller. It ends when it has nothing to say for a time, and
    /// such a tool asks again; until then it does not keep its connection's place either.
    Tool,
    /// The updates of a tokio-console.
    Console,
    /// Whether it is paused.
    ConsoleState,
    /// The task that it shows in detail.
    TaskDetails,
}

impl Class {
    /// That of a method that streams its answer, which may then go on for as long as the client
    /// likes.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/netpoller.v1.Inspector/Watch"
            | "/netpoller.v1.Inspector/WatchLatencies"
            | "/netpoller.v1.Inspector/WatchTransitions" => Self::Watch,
            "/grpc.health.v1.Health/Watch"
            | "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
            | "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => Self::Tool,
            "/rs.tokio.console.instrument.Instrument/WatchUpdates" => Self::Console,
            "/rs.tokio.console.instrument.Instrument/WatchState" => Self::ConsoleState,
            "/rs.tokio.console.instrument.Instrument/WatchTaskDetails" => Self::TaskDetails,
            _ => return None,
        })
    }

    fn limit(self, limits: &Limits) -> usize {
        match self {
            Self::Watch => limits.subscribers,
            Self::Tool => limits.tools,
            Self::Console | Self::ConsoleState => limits.consoles,
            Self::TaskDetails => limits.details,
        }
    }

    /// There are `limit` streams of this class already.
    fn refusal(self, limit: usize) -> String {
        match self {
            Self::Watch => {
                format!("{limit} clients watch already; stop one of them, or ask for pages instead")
            }
            Self::Tool => {
                format!(
                    "{limit} clients ask what there is, or how it is, already; ask again in a moment"
                )
            }
            Self::Console | Self::ConsoleState => {
                format!("{limit} tokio-consoles are attached already; quit one of them")
            }
            Self::TaskDetails => {
                format!("{limit} tasks are shown in detail already; leave the view of one of them")
            }
        }
    }
}

/// The places of all connections of a listener. Those of another one have others: whoever may
/// connect to this one must not shut out whoever may connect to that.
#[derive(Debug)]
pub(crate) struct Pools {
    watch: Arc<Semaphore>,
    tools: Arc<Semaphore>,
    console: Arc<Semaphore>,
    console_state: Arc<Semaphore>,
    task_details: Arc<Semaphore>,
}

impl Pools {
    pub(crate) fn new(limits: &Limits) -> Self {
        let pool = |class: Class| Arc::new(Semaphore::new(class.limit(limits)));
        Self {
            watch: pool(Class::Watch),
            tools: pool(Class::Tool),
            console: pool(Class::Console),
            console_state: pool(Class::ConsoleState),
            task_details: pool(Class::TaskDetails),
        }
    }

    fn of(&self, class: Class) -> &Arc<Semaphore> {
        match class {
            Class::Watch => &self.watch,
            Class::Tool => &self.tools,
            Class::Console => &self.console,
            Class::ConsoleState => &self.console_state,
            Class::TaskDetails => &self.task_details,
        }
    }
}

/// The right to stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Places {
    class: Class,
    _of_connection: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    /// Takes a place of the connection, and one of all for streams of this class.
    pub(super) fn take(
        session: &Session,
        class: Class,
        pools: &Pools,
        limits: &Limits,
    ) -> Result<Self, Status> {
        let of_connection = session.subscriptions.clone().try_acquire_owned();
        let of_all = pools.of(class).clone().try_acquire_owned();
        match (of_connection, of_all) {
            (Ok(of_connection), Ok(of_all)) => Ok(Self {
                class,
                _of_connection: of_connection,
                _of_all: of_all,
            }),
            (Err(_), _) => Err(Status::resource_exhausted(format!(
                "this connection has {} streams already; end one of them",
                limits.subscriptions
            ))),
            (_, Err(_)) => Err(Status::resource_exhausted(
                class.refusal(class.limit(limits)),
            )),
        }
    }
}

/// When the frame was given after which the body was not asked again; of one that was never asked,
/// when it was made. hyper 1.12 asks once before it looks whether the client has a window, and
/// others do not ask at all while it has none.
#[derive(Debug)]
struct Given(Mutex<Option<Instant>>);

impl Given {
    fn now() -> Self {
        Self(Mutex::new(Some(Instant::now())))
    }

    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer holds until it was taken.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) places: Option<Places>,
    /// That of a page.
    #[allow(dead_code, reason = "it is for its end")]
    pub(super) page: Option<OwnedSemaphorePermit>,
    /// The connection is not idle.
    pub(super) under_way: Option<UnderWay>,
}

/// The body of an answer.
struct Subscription {
    body: Body,
    given: Arc<Given>,
    watchdog: AbortHandle,
    /// Of one that ends when it has nothing to say.
    idle: Option<Idle>,
    _held: Held,
}

/// How long there was nothing to say.
struct Idle {
    limit: Duration,
    ends: Pin<Box<Sleep>>,
    ended: bool,
}

/// Makes the body hold what it has to, and break the connection off when it is not read for
/// `limits.stalled`. A page that nobody takes is up to a megabyte, so one that does not stream is
/// watched too, without a place.
pub(super) fn hold(body: Body, mut held: Held, session: Arc<Session>, limits: &Limits) -> Body {
    let given = Arc::new(Given::now());
    let watchdog = tokio::spawn(watch(given.clone(), session, limits.stalled)).abort_handle();
    let is_tool = held
        .places
        .as_ref()
        .is_some_and(|it| it.class == Class::Tool);
    if is_tool {
        held.under_way = None;
    }
    Body::new(Subscription {
        body,
        given,
        watchdog,
        idle: is_tool.then(|| Idle {
            limit: limits.idle,
            ends: Box::pin(tokio::time::sleep(limits.idle)),
            ended: false,
        }),
        _held: held,
    })
}

impl Idle {
    /// The end of a stream that has nothing to say now, if it had nothing to say for long enough.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        ready!(self.ends.as_mut().poll(cx));
        self.ended = true;
        let status = Status::unavailable(format!(
            "nothing was asked, and nothing has changed, for {:?}; ask again",
            self.limit
        ));
        let mut trailers = HeaderMap::new();
        // A reason of ours is always a header's value.
        Poll::Ready(
            status
                .add_header(&mut trailers)
                .ok()
                .map(|()| Ok(Frame::trailers(trailers))),
        )
    }
}

async fn watch(given: Arc<Given>, session: Arc<Session>, stalled: Duration) {
    loop {
        let due = given.get().unwrap_or_else(Instant::now) + stalled;
        sleep_until(due).await;
        if given.get().is_some_and(|at| at + stalled <= Instant::now()) {
            session.break_off();
            return;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

impl http_body::Body for Subscription {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.idle.as_ref().is_some_and(|idle| idle.ended) {
            return Poll::Ready(None);
        }
        self.given.set(None);
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(idle) = &mut self.idle {
                    let next = Instant::now() + idle.limit;
                    idle.ends.as_mut().reset(next);
                }
                frame
            }
            Poll::Pending => match &mut self.idle {
                Some(idle) => ready!(idle.poll_end(cx)),
                None => return Poll::Pending,
            },
        };
        self.given.set(Some(Instant::now()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() || self.idle.as_ref().is_some_and(|idle| idle.ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tonic::transport::server::Connected;

    use super::*;
    use crate::fixture::connection;

    const STALLED: Duration = Duration::from_secs(30);

    /// Always has a frame, or never.
    struct Source {
        has_frames: bool,
    }

    impl http_body::Body for Source {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            if self.has_frames {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
            } else {
                Poll::Pending
            }
        }
    }

    /// How long a connection lasts whose answer is asked for frames so often, and then not again.
    /// Time passes as soon as nobody has anything to do.
    fn lasts(has_frames: bool, asked: usize) -> Option<Duration> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (mut connection, _theirs) = connection();
            let session = connection.connect_info().session;
            session.admit();
            let body = Body::new(Source { has_frames });
            let limits = Limits {
                stalled: STALLED,
                ..Limits::default()
            };
            let mut body = hold(body, Held::default(), session, &limits);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            for _ in 0..asked {
                let frame = http_body::Body::poll_frame(Pin::new(&mut body), &mut cx);
                assert_eq!(frame.is_ready(), has_frames);
            }
            let began = Instant::now();
            let end = tokio::time::timeout(10 * STALLED, connection.read_u8()).await;
            end.ok().map(|read| {
                let error = read.expect_err("nobody says anything");
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
                began.elapsed()
            })
        })
    }

    #[test]
    fn an_answer_that_is_not_asked_for_its_next_frame_ends_the_connection() {
        let once = lasts(true, 1).expect("it ends");
        assert!((STALLED..2 * STALLED).contains(&once), "{once:?}");
        let several = lasts(true, 3).expect("it ends");
        assert!((STALLED..2 * STALLED).contains(&several), "{several:?}");
    }

    #[test]
    fn an_answer_that_is_never_asked_at_all_ends_the_connection() {
        for has_frames in [true, false] {
            let never = lasts(has_frames, 0).expect("it ends");
            assert!((STALLED..2 * STALLED).contains(&never), "{never:?}");
        }
    }

    #[test]
    fn an_answer_that_has_nothing_to_say_yet_ends_nothing() {
        assert_eq!(lasts(false, 1), None);
    }

    #[test]
    fn every_stream_of_the_protocol_needs_a_place() {
        let proto = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../proto/netpoller/v1/inspector.proto"
        );
        let proto = std::fs::read_to_string(proto).expect("the protocol");
        let mut service = "";
        let mut streams = 0;
        for line in proto.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("service ") {
                service = name.trim_end_matches([' ', '{']);
            }
            let Some(method) = line.strip_prefix("rpc ") else {
                continue;
            };
            let name = method.split('(').next().unwrap_or_default();
            let streaming = method.contains("returns (stream ");
            let path = format!("/netpoller.v1.{service}/{name}");
            assert_eq!(Class::of(&path).is_some(), streaming, "{path}");
            streams += usize::from(streaming);
        }
        assert!(streams >= 2, "the protocol has streams");
    }
}
