//! A small server for the exposition: one path, read only, on a thread of its own.
//!
//! Loopback is no boundary for a browser: a page from anywhere can send requests to 127.0.0.1, and by DNS rebinding even
//! read the answers. So a request must name a host that we are known by, and one that says that another site's page sent
//! it is refused.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::text::{CONTENT_TYPE, SCRAPE_ERRORS, encode};
use crate::host::{Backoff, HostThread};

/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// Time for the head of a request, and for a whole connection.
const HEAD_TIME: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// Makes a [`Server`].
#[derive(Clone, Debug)]
pub struct Builder {
    address: SocketAddr,
    hosts: Vec<String>,
    allow_remote: bool,
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
                write!(
                    f,
                    "metrics server: cannot listen on {address}: {source}; choose another port, or 0 for any"
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
    /// Allows an address that other machines can reach. The exposition has no addresses, labels or payload in it, but it
    /// tells how busy the service is.
    #[must_use]
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.allow_remote = allow;
        self
    }

    /// Answers requests for this host too: the name by which Prometheus reaches it, without the port.
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
            mut hosts,
            allow_remote,
        } = self;
        if !address.ip().is_loopback() && !allow_remote {
            return Err(StartError::NotLoopback { address });
        }
        let failed = |source| StartError::Io { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        hosts.push(host_of(&address.to_string()).to_owned());
        let thread = HostThread::spawn("netpoller-metrics", move || serve(listener, hosts))
            .map_err(failed)?;
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
    /// A server on `address`, which is loopback unless [`Builder::allow_remote`] says otherwise; port 0 for any.
    pub fn builder(address: SocketAddr) -> Builder {
        Builder {
            address,
            hosts: Vec::new(),
            allow_remote: false,
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What to give to Prometheus, or to curl.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

async fn serve(listener: std::net::TcpListener, hosts: Vec<String>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let hosts = Arc::new(hosts);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut backoff = Backoff::default();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                backoff.wait(&error).await;
                continue;
            }
        };
        backoff.reset();
        // Beyond the limit: closed at once.
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        let hosts = hosts.clone();
        tokio::spawn(async move {
            let _place = place;
            let _ = timeout(CONNECTION_TIME, connection(stream, &hosts)).await;
        });
    }
}

async fn connection(stream: TcpStream, hosts: &[String]) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, hosts);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A peer that breaks off, or speaks something else, has nobody to tell.
    let _ = served.await;
}

fn respond(request: &Request<Incoming>, hosts: &[String]) -> Response<String> {
    let headers = request.headers();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !names_us(headers, hosts) {
        refuse(
            StatusCode::FORBIDDEN,
            "this server is not known by that Host; see Builder::host\n",
        )
    } else if from_another_site(headers) {
        refuse(
            StatusCode::FORBIDDEN,
            "requests from web pages are refused\n",
        )
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
        match std::panic::catch_unwind(encode) {
            Ok(text) => answer(StatusCode::OK, CONTENT_TYPE, text),
            Err(_) => {
                SCRAPE_ERRORS.fetch_add(1, Ordering::Relaxed);
                refuse(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the tables could not be read: a bug\n",
                )
            }
        }
    }
}

fn refuse(status: StatusCode, reason: &str) -> Response<String> {
    answer(status, "text/plain; charset=utf-8", reason.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Exactly one Host, and it is one of `hosts`.
fn names_us(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut named = headers.get_all(header::HOST).iter();
    match (
        named.next().and_then(|host| host.to_str().ok()),
        named.next(),
    ) {
        (Some(host), None) => hosts
            .iter()
            .any(|ours| ours.eq_ignore_ascii_case(host_of(host))),
        _ => false,
    }
}

/// A browser says so, one way or the other.
fn from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(header::ORIGIN)
        || matches!(site, Some(site) if site != b"none" && site != b"same-origin")
}

/// `host:port` without the port. An IPv6 address is in brackets and keeps them.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use std::io::{Read, Write};
    use std::net;

    use super::*;

    fn start() -> Server {
        Server::builder("127.0.0.1:0".parse().unwrap())
            .start()
            .unwrap()
    }

    /// Sends `head` and gives back the whole answer.
    fn ask(server: &Server, head: &str) -> String {
        let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(300)))
            .unwrap();
        write!(
            stream,
            "{}\r\nConnection: close\r\n\r\n",
            head.trim_end().replace('\n', "\r\n")
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn status(answer: &str) -> &str {
        answer.split_whitespace().nth(1).unwrap()
    }

    #[test]
    fn metrics_are_at_their_path_and_nothing_else_is_anywhere() {
        let poller = crate::Poller::builder().name("served").build().unwrap();
        let server = start();
        let answer = ask(&server, "GET /metrics HTTP/1.1\nHost: localhost:9464");
        assert_eq!(status(&answer), "200");
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4"),
            "{answer}"
        );
        assert!(answer.contains("x-content-type-options: nosniff"));
        assert!(answer.contains("netpoller_waits_total{poller=\"served\",mode=\"block\"} 0\n"));
        let head = ask(&server, "HEAD /metrics HTTP/1.1\nHost: 127.0.0.1");
        assert_eq!((status(&head), head.ends_with("\r\n\r\n")), ("200", true));
        for path in ["/", "/metrics/", "/debug/pprof", "//metrics", "/Metrics"] {
            assert_eq!(
                status(&ask(
                    &server,
                    &format!("GET {path} HTTP/1.1\nHost: localhost")
                )),
                "404",
                "{path}"
            );
        }
        let posted = ask(
            &server,
            "POST /metrics HTTP/1.1\nHost: localhost\nContent-Length: 0",
        );
        assert_eq!(status(&posted), "405");
        assert!(posted.contains("allow: GET, HEAD"));
        drop(poller);
    }

    #[test]
    fn a_web_page_cannot_read_metrics_even_with_a_name_that_resolves_to_loopback() {
        let server = start();
        let get = |headers: &str| {
            status(&ask(&server, &format!("GET /metrics HTTP/1.1\n{headers}"))).to_owned()
        };
        assert_eq!(get("Host: evil.example"), "403");
        assert_eq!(get("Host: evil.example:9464"), "403");
        assert_eq!(get("Host: localhost\nHost: evil.example"), "403");
        assert_eq!(get("Host: localhost\nOrigin: http://evil.example"), "403");
        assert_eq!(get("Host: localhost\nSec-Fetch-Site: cross-site"), "403");
        assert_eq!(get("Host: localhost\nSec-Fetch-Site: none"), "200");
        assert_eq!(get(&format!("Host: {}", server.local_addr())), "200");
        assert_eq!(get("Host: [::1]:80"), "200");
    }

    #[test]
    fn a_name_can_be_allowed() {
        let server = Server::builder("127.0.0.1:0".parse().unwrap())
            .host("node7.example")
            .start()
            .unwrap();
        assert_eq!(
            status(&ask(
                &server,
                "GET /metrics HTTP/1.1\nHost: node7.example:9464"
            )),
            "200"
        );
    }

    #[test]
    fn an_address_that_others_can_reach_must_be_allowed() {
        let error = Server::builder("0.0.0.0:0".parse().unwrap())
            .start()
            .unwrap_err();
        assert!(error.to_string().contains("allow_remote"), "{error}");
        Server::builder("0.0.0.0:0".parse().unwrap())
            .allow_remote(true)
            .start()
            .unwrap();
    }

    #[test]
    fn silent_connections_do_not_keep_a_scrape_out_for_long() {
        let server = start();
        let silent: Vec<_> = (0..MAX_CONNECTIONS + 4)
            .map(|_| net::TcpStream::connect(server.local_addr()).unwrap())
            .collect();
        let began = std::time::Instant::now();
        loop {
            let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
            let mut answer = String::new();
            let _ = stream.write_all(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            );
            if stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200") {
                break;
            }
            assert!(began.elapsed() < 60 * HEAD_TIME, "places were not given up");
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(silent);
    }
}
