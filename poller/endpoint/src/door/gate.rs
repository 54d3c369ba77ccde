//! What stands before every service of a listener: is this a gRPC client, may it call, and is there
//! room for what it asks.
//!
//! A request passes, in this order: its form (`request`), its token (`token`), the rate of calls
//! that change something (`rate`), and a place if it streams (`subscription`). What services there
//! are behind it depends on the listener; those of another one are not there at all, and answer
//! UNIMPLEMENTED.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netpoller_host::posture;
use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tonic::codegen::{Context, Poll, Service};
use tonic::service::Routes;
use tonic::{Code, Status};

use super::connection::{Peer, Transport};
use super::rate::Rate;
use super::request::{self, Refusal};
use super::subscription::{self, Class, Held, Places, Pools};
use super::token::Token;
use crate::limits::Limits;
use crate::notice;

/// What whoever reaches a listener may do.
#[derive(Debug)]
pub(crate) enum Privilege {
    /// Look.
    Inspect,
    /// Change. Each call is counted and noted.
    Control(ControlRates),
}

/// How often `Control` is called, and how often it is noted that it was not.
#[derive(Debug)]
pub(crate) struct ControlRates {
    calls: Rate,
    refusals: Arc<Refusals>,
}

impl ControlRates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            calls: Rate::new(limits.control_rate),
            refusals: Arc::default(),
        }
    }
}

/// Whoever does not pass must not be able to fill the log: the first of a second has a line, the
/// others are counted in the next.
#[derive(Debug, Default)]
struct Refusals {
    /// Since the last line was written; `None` if that is more than a second ago.
    more: Mutex<Option<u64>>,
}

impl Refusals {
    const INTERVAL: Duration = Duration::from_secs(1);

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.more.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(self: &Arc<Self>, line: impl FnOnce() -> String) {
        let mut more = self.lock();
        if let Some(more) = &mut *more {
            *more += 1;
            return;
        }
        *more = Some(0);
        drop(more);
        notice::say(&line());
        let refusals = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Self::INTERVAL).await;
                let count = {
                    let mut more = refusals.lock();
                    let count = more.unwrap_or_default();
                    *more = (count > 0).then_some(0);
                    count
                };
                if count == 0 {
                    return;
                }
                notice::say(&format!("control: and {count} more that did not pass"));
            }
        });
    }
}

/// Longest part of what a caller sends, in bytes, that is written to the log.
const NOTED: usize = 128;

/// `text`, cut where it is too long for the log.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= NOTED {
        return text.into();
    }
    let mut end = NOTED;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end]).into()
}

/// The method that was called, as far as it is one of ours.
fn method(path: &str) -> &str {
    match path {
        "/netpoller.v1.Control/Evict" | "/netpoller.v1.Control/Break" => path,
        _ => "unknown method",
    }
}

/// On what terms requests are let in.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) privilege: Privilege,
    /// Whoever comes over TCP has to show it.
    pub(crate) token: Option<Token>,
    /// Names of the endpoint, beside numbers and localhost.
    pub(crate) hosts: Vec<String>,
    pub(crate) limits: Limits,
    /// Places for the streams of all connections of the listener.
    pub(crate) pools: Pools,
}

/// What a call of `Control` was about; the service puts it into the extensions of its answer, for
/// the log.
#[derive(Clone, Debug)]
pub(crate) struct Subject(pub(crate) String);

/// The services of a listener behind their gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    routes: Routes,
    policy: Arc<Policy>,
}

/// Why a request did not pass: it is no gRPC, or gRPC says why.
enum Stop {
    Http(Refusal),
    Grpc(Status),
}

/// Whether the answer is a page of the table, or as large.
fn is_page(path: &str) -> bool {
    path == "/netpoller.v1.Inspector/ListDescriptors" || path == "/netpoller.v1.Inspector/ListSites"
}

impl Gate {
    pub(crate) fn new(routes: Routes, policy: Policy) -> Self {
        Self {
            routes: routes.prepare(),
            policy: Arc::new(policy),
        }
    }
}

impl Policy {
    /// The places that the answer will hold, if it streams.
    fn admit(&self, request: &Request<Body>, peer: &Peer) -> Result<Option<Places>, Stop> {
        let session = &peer.session;
        // Over TLS the client has compared the name with the certificate, and nobody can be made to
        // call us by another one. On a Unix socket it has no meaning at all.
        let hosts = (session.transport == Transport::Tcp).then_some(&self.hosts[..]);
        request::check(request, hosts).map_err(Stop::Http)?;
        if session.transport != Transport::Unix
            && let Some(token) = &self.token
            && !token.is_shown(request.headers())
        {
            return Err(Stop::Grpc(Status::unauthenticated(
                "the endpoint asks for a token, as `authorization: Bearer TOKEN`, and this is not it",
            )));
        }
        session.admit();
        if let Some(rates) = self.rates(request.uri().path())
            && !rates.calls.take()
        {
            return Err(Stop::Grpc(Status::resource_exhausted(format!(
                "more than {} calls of Control a second; wait",
                self.limits.control_rate
            ))));
        }
        let Some(class) = Class::of(request.uri().path()) else {
            return Ok(None);
        };
        Places::take(session, class, &self.pools, &self.limits)
            .map(Some)
            .map_err(Stop::Grpc)
    }

    /// What bounds a call that is to change something. To ask whether the service is healthy, every
    /// few seconds, changes nothing.
    fn rates(&self, path: &str) -> Option<&ControlRates> {
        match &self.privilege {
            Privilege::Control(rates) if !path.starts_with("/grpc.health.v1.") => Some(rates),
            _ => None,
        }
    }

    /// Counts and notes a call that was to change something.
    fn note(&self, path: &str, peer: &Peer, response: &Response<Body>, passed: bool) {
        let Some(rates) = self.rates(path) else {
            return;
        };
        let status = Status::from_header_map(response.headers());
        let is_ok = response.status().is_success()
            && status
                .as_ref()
                .is_none_or(|status| status.code() == Code::Ok);
        posture::count_control(is_ok);
        let line = || {
            let outcome = match &status {
                _ if is_ok => "ok".to_owned(),
                Some(status) => format!("{:?}: {}", status.code(), cut(status.message())),
                None => response.status().to_string(),
            };
            let subject = response.extensions().get::<Subject>();
            let subject = subject.map_or(String::new(), |Subject(subject)| {
                format!(" {}", cut(subject))
            });
            let (method, peer) = (method(path), &peer.session.peer);
            format!("control: {method}{subject} by {peer}: {outcome}")
        };
        if passed {
            notice::say(&line());
        } else {
            rates.refusals.say(line);
        }
    }
}

impl Stop {
    fn answer(self) -> Response<Body> {
        match self {
            Stop::Grpc(status) => status.into_http(),
            Stop::Http((status, reason)) => {
                let mut response = Response::new(Body::new(reason.to_owned()));
                *response.status_mut() = status;
                let headers = response.headers_mut();
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                headers.insert(header::CONTENT_TYPE, text);
                headers.insert(
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                );
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                // For a client that does speak gRPC, as one does who calls us by a name that we do
                // not know. A reason of ours is always a header's value.
                let _ = Status::permission_denied(reason.trim_end()).add_header(headers);
                response
            }
        }
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.routes, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let policy = self.policy.clone();
        let Some(peer) = request.extensions().get::<Peer>().cloned() else {
            // Every connection has one; without it nothing is known of who asks.
            let status = Status::internal("the endpoint does not know who calls: a bug");
            return Box::pin(async { Ok(status.into_http()) });
        };
        let path = request.uri().path().to_owned();
        let places = match policy.admit(&request, &peer) {
            Ok(places) => places,
            Err(stop) => {
                let response = stop.answer();
                policy.note(&path, &peer, &response, false);
                return Box::pin(async { Ok(response) });
            }
        };
        let under_way = Some(peer.session.seat.begin());
        let mut routes = self.routes.clone();
        Box::pin(async move {
            let page = match is_page(&path) {
                // The semaphore is never closed.
                true => peer.session.pages.clone().acquire_owned().await.ok(),
                false => None,
            };
            let response = routes.call(request).await?;
            policy.note(&path, &peer, &response, true);
            let held = Held {
                places,
                page,
                under_way,
            };
            Ok(response.map(|body| subscription::hold(body, held, peer.session, &policy.limits)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sends_is_cut_between_two_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(NOTED)), "x".repeat(NOTED));
        assert_eq!(cut(&"x".repeat(15_000)), format!("{}…", "x".repeat(NOTED)));
        assert_eq!(
            cut(&"é".repeat(NOTED)),
            format!("{}…", "é".repeat(NOTED / 2))
        );
        let odd = format!("x{}", "é".repeat(NOTED));
        assert_eq!(cut(&odd), format!("x{}…", "é".repeat(NOTED / 2 - 1)));
    }
}
