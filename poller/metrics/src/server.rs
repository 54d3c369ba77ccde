//! A small server for the exposition: one path, read only, on a thread of its own.
//!
//! Loopback is no boundary for a browser: a page from anywhere can send requests to 127.0.0.1, and
//! by DNS rebinding even read the answers. So a request must name a host that we are known by, and
//! one that says that another site's page sent it is refused.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use netpoller_core::internals::advice;
use netpoller_host::{Backoff, HostThread, Place, Places, Reserve, name_us};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Stream, Visit, refused_head};
use super::process::count_request;
use super::route::{self, refuse};
use super::watch;

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Those who are told at a time that there is no room. Who comes beyond that is told nothing.
const MAX_TOLD: usize = 16;

/// How much of the server anybody may have, and for how long. A test makes some small.
#[derive(Clone, Debug)]
struct Limits {
    /// Connections at a time. When another one comes the idlest goes; so those that are left open,
    /// as Prometheus leaves its own, keep nobody out.
    connections: usize,
    /// A connection that answers, and gets nothing written for so long, counts as idle.
    patience: Duration,
    /// From the beginning of a connection, or of a request, to the end of its head.
    head: Duration,
    /// A peer that takes nothing of an answer for so long is disconnected.
    write: Duration,
    /// Between two requests: longer than the usual intervals of scrapes, up to a minute.
    idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16,
            patience: Duration::from_secs(1),
            head: Duration::from_secs(5),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(75),
        }
    }
}

/// Makes a [`Server`].
#[derive(Clone, Debug)]
pub struct Builder {
    address: SocketAddr,
    hosts: Vec<String>,
    allow_remote: bool,
    limits: Limits,
}

/// The server was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address that other machines can reach, and nobody has said that they may.
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A system call failed.
    Io {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback { address } => write!(
                f,
                "metrics server: {address} can be reached from other machines, and the server does not ask who calls; \
                 listen on 127.0.0.1, or say allow_remote(true) if the network keeps others out"
            ),
            Self::Io { address, source } => {
                let advice = advice(source);
                write!(
                    f,
                    "metrics server: cannot listen on {address}: {source}{advice}"
                )
            }
        }
    }
}

// An error is not left in the middle of anything, whatever lies inside.
impl std::panic::UnwindSafe for StartError {}
impl std::panic::RefUnwindSafe for StartError {}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::NotLoopback { .. } => None,
        }
    }
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            StartError::NotLoopback { .. } => io::ErrorKind::InvalidInput,
            StartError::Io { source, .. } => source.kind(),
        };
        io::Error::new(kind, error)
    }
}

impl Builder {
    /// Allows an address that other machines can reach. The exposition has no addresses, labels or
    /// payload in it, but it tells how busy the service is.
    #[must_use]
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.allow_remote = allow;
        self
    }

    /// Answers requests for this host too: the name by which Prometheus reaches it, without the
    /// port. Numbers and `localhost` need not be named; any other name could be one that somebody
    /// made resolve to this machine.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Binds, and starts the thread that serves.
    ///
    /// # Errors
    ///
    /// [`StartError`] says which address, what is wrong with it and what to do.
    pub fn start(self) -> Result<Server, StartError> {
        let Self {
            address,
            hosts,
            allow_remote,
            limits,
        } = self;
        if !address.ip().is_loopback() && !allow_remote {
            return Err(StartError::NotLoopback { address });
        }
        let failed = |source| StartError::Io { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let house = House {
            hosts,
            limits,
            reserve: Reserve::default(),
        };
        let serve = move || serve(listener, Arc::new(house));
        let thread = HostThread::spawn("netpoller-metrics", serve).map_err(failed)?;
        Ok(Server {
            address,
            _thread: thread,
        })
    }
}

/// The running server. Dropping it closes all connections and ends its thread.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = netpoller::prometheus::Server::builder("127.0.0.1:9464".parse()?).start()?;
/// println!("metrics at {}", metrics.url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _thread: HostThread,
}

impl Server {
    /// Returns a builder of a server on `address`, which is loopback unless
    /// [`Builder::allow_remote`] says otherwise; port 0 for any.
    pub fn builder(address: SocketAddr) -> Builder {
        Builder {
            address,
            hosts: Vec::new(),
            allow_remote: false,
            limits: Limits::default(),
        }
    }

    /// Returns where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns what to give to Prometheus, or to curl, on this machine: where it listens on all
    /// addresses, by that of loopback. Others call it by any address of the machine, or by a name
    /// that [`Builder::host`] allows.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!(
            "http://{}/metrics",
            SocketAddr::new(ip, self.address.port())
        )
    }
}

/// What all connections have in common.
#[derive(Debug)]
struct House {
    hosts: Vec<String>,
    limits: Limits,
    reserve: Reserve,
}

async fn serve(listener: std::net::TcpListener, house: Arc<House>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    tokio::spawn(watch());
    let places = Places::new(house.limits.connections, Some(house.limits.patience));
    let told = Arc::new(Semaphore::new(MAX_TOLD));
    let mut backoff = Backoff::new(house.reserve.clone());
    loop {
        // Whoever came before is answered first, else a crowd that comes at once would push itself
        // out.
        yield_now().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => match backoff.wait(&error, &listener).await {
                Some(fd) => match TcpStream::from_std(fd.into()) {
                    Ok(stream) => stream,
                    Err(_) => continue,
                },
                None => continue,
            },
        };
        backoff.reset();
        let stream = Stream::new(stream, house.reserve.clone());
        if let Some(place) = places.take() {
            tokio::spawn(connection(stream, place, house.clone()));
            continue;
        }
        count_request(StatusCode::SERVICE_UNAVAILABLE.as_u16());
        if let Ok(turn) = told.clone().try_acquire_owned() {
            tokio::spawn(async move {
                let _turn = turn;
                let _ = timeout(Duration::from_secs(1), no_room(stream)).await;
            });
        }
    }
}

/// Looks for faults, for as long as the server runs.
async fn watch() {
    loop {
        // Who looks may find a bug of ours, which must not end what is served.
        let next = std::panic::catch_unwind(watch::look);
        let rest = Instant::now() + Duration::from_secs(1);
        sleep_until(next.map_or(rest, Instant::from_std).max(rest)).await;
    }
}

/// Says so, and waits for the other end to have read it: what is closed with a request unread in it
/// takes the answer with it.
async fn no_room(mut stream: Stream) -> io::Result<()> {
    let reason = "all connections are busy; try again\n";
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
                cache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\n";
    let length = reason.len();
    let answer = format!("{head}content-length: {length}\r\n\r\n{reason}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

async fn connection(stream: Stream, place: Place, house: Arc<House>) {
    let Limits {
        head, write, idle, ..
    } = house.limits;
    let visit = Visit::new(place.seat().clone());
    let service = service_fn(|request: Request<_>| {
        visit.answer();
        let response = respond(&request, &house.hosts);
        count_request(response.status().as_u16());
        async move { Ok::<_, Infallible>(response) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream.of(visit.clone())), service);
    let mut served = std::pin::pin!(served);
    let mut dismissed = std::pin::pin!(place.seat().dismissed());
    loop {
        let due = visit.due(head, write, idle);
        tokio::select! {
            // A peer that breaks off has nobody to tell. One that speaks something else was told by
            // hyper.
            end = &mut served => {
                if let Err(error) = end && error.is_parse() {
                    count_request(refused_head(&error));
                }
                return;
            }
            () = &mut dismissed => return,
            () = sleep_until(due) => if visit.due(head, write, idle) <= Instant::now() {
                return;
            },
        }
    }
}

fn respond<B>(request: &Request<B>, hosts: &[String]) -> Response<Full<Bytes>> {
    let headers = request.headers();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !names_us(request, hosts) {
        refuse(
            StatusCode::FORBIDDEN,
            "this server is not known by that Host; call it by its address, or see Builder::host\n",
        )
    } else if from_another_site(headers) {
        refuse(
            StatusCode::FORBIDDEN,
            "requests from web pages are refused\n",
        )
    } else if headers.contains_key(header::TRANSFER_ENCODING) {
        // Where the body ends is what proxies and servers disagree about, and nothing here has one.
        refuse(StatusCode::BAD_REQUEST, "no request here has a body\n")
    } else if request.uri().path() != "/metrics" {
        refuse(StatusCode::NOT_FOUND, "there is only /metrics\n")
    } else if !is_read {
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    } else {
        // hyper leaves the body out of the answer to HEAD.
        route::respond(request)
    }
}

/// Exactly one Host, and it is ours; so is the one of a request in absolute form, which is the one
/// that counts.
fn names_us<B>(request: &Request<B>, hosts: &[String]) -> bool {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return false;
    };
    let authority = request.uri().authority().map(|it| it.as_str());
    name_us(
        std::iter::once(host.to_str().unwrap_or_default()).chain(authority),
        hosts,
    )
}

/// A browser says so, one way or the other.
fn from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(header::ORIGIN)
        || matches!(site, Some(site) if site != b"none" && site != b"same-origin")
}

#[cfg(test)]
mod tests;
