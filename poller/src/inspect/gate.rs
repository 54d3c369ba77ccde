//! What stands before every service of a listener: is this a gRPC client, may it call, and is there room for what it asks.
//!
//! A request passes, in this order: its form (`request`), its token (`token`), the rate of calls that change something
//! (`rate`), and a place if it streams (`subscription`). What services there are behind it depends on the listener; those
//! of another one are not there at all, and answer UNIMPLEMENTED.

use std::convert::Infallible;
use std::sync::Arc;

use tonic::body::Body;
use tonic::codegen::http::{HeaderValue, Request, Response, header};
use tonic::codegen::{Context, Poll, Service};
use tonic::service::Routes;
use tonic::{Code, Status};

use super::connection::{Peer, Transport};
use super::limits::Limits;
use super::notice;
use super::rate::Rate;
use super::request::{self, Refusal};
use super::subscription::{self, Class, Places, Pools};
use super::token::Token;
use crate::host::posture;

/// What whoever reaches a listener may do.
#[derive(Debug)]
pub(super) enum Privilege {
    /// Look.
    Inspect,
    /// Change. Each call is counted and noted.
    Control(ControlRates),
}

/// How often `Control` is called, and how often it is noted that it was not.
#[derive(Debug)]
pub(super) struct ControlRates {
    calls: Rate,
    /// Whoever does not pass must not be able to fill the log.
    refusals: Rate,
}

impl ControlRates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            calls: Rate::new(limits.control_rate),
            refusals: Rate::new(limits.control_rate),
        }
    }
}

/// On what terms requests are let in.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) privilege: Privilege,
    /// Whoever comes over TCP has to show it.
    pub(super) token: Option<Token>,
    /// Names of the endpoint, beside numbers and localhost.
    pub(super) hosts: Vec<String>,
    pub(super) limits: Limits,
    /// Places for the streams of all connections.
    pub(super) pools: Arc<Pools>,
}

/// What a call of `Control` was about; the service puts it into the extensions of its answer, for the log.
#[derive(Clone, Debug)]
pub(super) struct Subject(pub(super) String);

/// The services of a listener behind their gate.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    routes: Routes,
    policy: Arc<Policy>,
}

/// Why a request did not pass: it is no gRPC, or gRPC says why.
enum Stop {
    Http(Refusal),
    Grpc(Status),
}

impl Gate {
    pub(super) fn new(routes: Routes, policy: Policy) -> Self {
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
        // Over TLS the client has compared the name with the certificate, and nobody can be made to call us by another
        // one. On a Unix socket it has no meaning at all.
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

    /// What bounds a call that is to change something. To ask whether the service is healthy, every few seconds, changes
    /// nothing.
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
        if !passed && !rates.refusals.take() {
            return;
        }
        let outcome = match status {
            _ if is_ok => "ok".to_owned(),
            Some(status) => format!("{:?}: {}", status.code(), status.message()),
            None => response.status().to_string(),
        };
        let subject = response
            .extensions()
            .get::<Subject>()
            .map_or(String::new(), |Subject(subject)| format!(" {subject}"));
        let peer = &peer.session.peer;
        notice::say(&format!("control: {path}{subject} by {peer}: {outcome}"));
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
                // For a client that does speak gRPC, as one does who calls us by a name that we do not know. A reason of
                // ours is always a header's value.
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
        let answer = self.routes.call(request);
        Box::pin(async move {
            let response = answer.await?;
            policy.note(&path, &peer, &response, true);
            Ok(response
                .map(|body| subscription::hold(body, places, peer.session, policy.limits.stalled)))
        })
    }
}
