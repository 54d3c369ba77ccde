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
use std::sync::atomic::Ordering;
use std::time::Duration;

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
use super::text::{CONTENT_TYPE, SCRAPE_ERRORS, count_request, encode};

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

    /// For tests, which have not the time to wait for limits that are meant for people.
    #[cfg(test)]
    fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
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

fn respond<B>(request: &Request<B>, hosts: &[String]) -> Response<String> {
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
        ask_at(server.local_addr().port(), head)
    }

    fn ask_at(port: u16, head: &str) -> String {
        let mut stream = net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(300)))
            .unwrap();
        write!(
            stream,
            "{}\r\nConnection: close\r\n\r\n",
            head.trim_end().replace('\n', "\r\n")
        )
        .unwrap();
        let mut answer = Vec::new();
        // A request that was not read to its end may end in a reset, after its answer.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn status(answer: &str) -> &str {
        answer.split_whitespace().nth(1).unwrap()
    }

    #[test]
    fn metrics_are_at_their_path_and_nothing_else_is_anywhere() {
        let poller = netpoller_core::Poller::builder()
            .name("served")
            .build()
            .unwrap();
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
    fn every_number_is_ours_and_no_name_is() {
        let server = Server::builder("0.0.0.0:0".parse().unwrap())
            .allow_remote(true)
            .start()
            .unwrap();
        let port = server.local_addr().port();
        assert_eq!(server.url(), format!("http://127.0.0.1:{port}/metrics"));
        // As Prometheus does that was given an address of this machine.
        let mut stream = net::TcpStream::connect(("127.0.0.2", port)).unwrap();
        let head = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.2:{port}\r\n");
        write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(status(&answer), "200");
        let get = |host: &str| {
            let head = format!("GET /metrics HTTP/1.1\nHost: {host}");
            status(&ask_at(port, &head)).to_owned()
        };
        for ours in ["10.1.2.3", "192.0.2.1:9464", "[2001:db8::7]:80", "[::1]"] {
            assert_eq!(get(ours), "200", "{ours}");
        }
        for foreign in [
            "node7.example",
            "127.0.0.1.evil.example",
            "[evil.example]",
            "::1",
            "127.1",
            "evil@127.0.0.1",
            "",
        ] {
            assert_eq!(get(foreign), "403", "{foreign}");
        }
    }

    #[test]
    fn a_request_in_absolute_form_has_to_name_us_too() {
        let server = start();
        let get = |of: &str| {
            let head = format!("GET {of}/metrics HTTP/1.1\nHost: localhost");
            status(&ask(&server, &head)).to_owned()
        };
        assert_eq!(get("http://evil.example"), "403");
        assert_eq!(get("http://evil.example:9464"), "403");
        assert_eq!(get("http://localhost"), "200");
        assert_eq!(get("http://192.0.2.1:9464"), "200");
    }

    #[test]
    fn a_request_whose_length_is_in_doubt_is_refused() {
        let server = start();
        let get = |headers: &str| {
            let head = format!("GET /metrics HTTP/1.1\nHost: localhost\n{headers}");
            let answer = ask(&server, &head);
            status(&answer).to_owned()
        };
        for headers in [
            "Transfer-Encoding: chunked\nContent-Length: 3",
            "Content-Length: 3\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
        ] {
            assert_eq!(get(headers), "400", "{headers}");
        }
        assert_eq!(get("Content-Length: 0"), "200");
    }

    /// How often the server of any test has answered so.
    fn answered(code: &str) -> u64 {
        let text = encode();
        let series = format!("netpoller_scrape_requests_total{{code=\"{code}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap().parse().unwrap()
    }

    #[test]
    fn answers_are_counted_by_their_code() {
        let server = start();
        let before = ["200", "400", "403", "404", "405", "431"].map(|code| (code, answered(code)));
        for head in [
            "GET /metrics HTTP/1.1\nHost: localhost",
            "GET /metrics HTTP/1.1\nHost: evil.example",
            "GET /other HTTP/1.1\nHost: localhost",
            "PUT /metrics HTTP/1.1\nHost: localhost",
            "no request at all",
            &format!("GET /metrics HTTP/1.1\nX: {}", "x".repeat(MAX_HEAD)),
        ] {
            ask(&server, head);
        }
        for (code, before) in before {
            // The last of them when the connection has ended, which is after its answer.
            while answered(code) == before {
                std::thread::yield_now();
            }
        }
    }

    // The next two ask for a path that is not there: the exposition of all pollers of all tests
    // takes long.

    /// One that asks once and stays, as Prometheus does.
    fn stay(server: &Server) -> net::TcpStream {
        let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
        let time = Some(Duration::from_secs(300));
        stream.set_read_timeout(time).unwrap();
        stream
            .write_all(b"HEAD /other HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        stream
    }

    #[test]
    fn connections_that_are_left_open_keep_nobody_out_and_the_idlest_goes() {
        let server = start();
        let limit = Limits::default().connections;
        let mut open: Vec<_> = (0..limit).map(|_| stay(&server)).collect();
        for _ in 0..limit + 1 {
            open.push(stay(&server));
        }
        // The first of all has been closed, without a word; the last is there and is answered
        // again.
        assert_eq!(open[0].read(&mut [0]).unwrap_or(0), 0);
        let mut last = open.pop().unwrap();
        last.write_all(b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = [0; 12];
        last.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
    }

    #[test]
    fn connections_that_say_nothing_or_half_a_head_keep_nobody_out() {
        let server = start();
        let limit = Limits::default().connections;
        let _silent: Vec<_> = (0..2 * limit)
            .map(|number| {
                let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
                stream.write_all(&b"GET /metrics"[..number % 12]).unwrap();
                stream
            })
            .collect();
        let answer = ask(&server, "GET /metrics HTTP/1.1\nHost: localhost");
        assert_eq!(status(&answer), "200");
    }

    #[test]
    fn a_head_that_does_not_end_ends_the_connection() {
        let server = with(Limits {
            head: Duration::from_millis(50),
            ..Limits::default()
        });
        let mut open = vec![net::TcpStream::connect(server.local_addr()).unwrap()];
        open.push(net::TcpStream::connect(server.local_addr()).unwrap());
        open[1].write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        for mut stream in open {
            stream
                .set_read_timeout(Some(Duration::from_secs(300)))
                .unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
    }

    fn with(limits: Limits) -> Server {
        let builder = Server::builder("127.0.0.1:0".parse().unwrap());
        builder.limits(limits).start().unwrap()
    }

    /// Asks for far more than there is room for, and reads nothing.
    fn ask_and_read_nothing(server: &Server) -> net::TcpStream {
        let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4000);
        // As much as there is room for.
        let _ = stream.write(request.as_bytes());
        stream
    }

    /// The status of the next request, 404 if it was answered; none if it was cut off.
    fn next(server: &Server) -> Option<String> {
        let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
        let time = Some(Duration::from_secs(300));
        stream.set_read_timeout(time).unwrap();
        stream
            .write_all(b"GET /other HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_whitespace().nth(1).map(str::to_owned)
    }

    #[test]
    fn who_comes_while_all_are_answered_is_told_so_and_counted() {
        let server = with(Limits {
            connections: 2,
            patience: Duration::MAX,
            write: Duration::from_secs(600),
            ..Limits::default()
        });
        let before = answered("503");
        let mut busy: Vec<_> = (0..2).map(|_| ask_and_read_nothing(&server)).collect();
        // Until both are stuck in an answer.
        while next(&server).as_deref() != Some("503") {
            std::thread::yield_now();
        }
        assert!(answered("503") > before);
        drop(busy.pop());
        while next(&server).as_deref() != Some("404") {
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_asks_and_reads_nothing_keeps_nobody_out() {
        // By the one rule or by the other.
        let by_patience = Limits {
            patience: Duration::from_millis(50),
            write: Duration::from_secs(600),
            ..Limits::default()
        };
        let by_write = Limits {
            patience: Duration::MAX,
            write: Duration::from_millis(50),
            ..Limits::default()
        };
        for limits in [by_patience, by_write] {
            let server = with(limits);
            let _busy: Vec<_> = (0..16).map(|_| ask_and_read_nothing(&server)).collect();
            let served = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while next(&server).as_deref() != Some("404") {
                        std::thread::yield_now();
                    }
                    served.0.send(()).unwrap();
                });
                served
                    .1
                    .recv_timeout(Duration::from_secs(600))
                    .expect("they keep it out");
            });
        }
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_answered_or_told_that_there_is_no_room() {
        let server = start();
        let scrape = || next(&server);
        let statuses: Vec<_> = std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..100).map(|_| scope.spawn(scrape)).collect();
            crowd
                .into_iter()
                .map(|client| client.join().unwrap())
                .collect()
        });
        let count = |code| statuses.iter().filter(|it| it.as_deref() == code).count();
        assert!(count(Some("404")) > 0, "{statuses:?}");
        assert_eq!(count(Some("404")) + count(Some("503")) + count(None), 100);
    }

    #[test]
    #[ignore = "needs prometheus"]
    fn prometheus_scrapes_it_by_an_address_of_the_machine() {
        use std::io::BufRead;
        use std::process::{Command, Stdio};

        let server = Server::builder("0.0.0.0:0".parse().unwrap())
            .allow_remote(true)
            .start()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        let port = server.local_addr().port();
        let text = format!(
            "scrape_configs:\n- job_name: byip\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['127.0.0.2:{port}']\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut prometheus = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = io::BufReader::new(prometheus.stderr.take().unwrap()).lines();
        let at = |line: &str| -> Option<u16> {
            let (_, port) = line.split_once("127.0.0.1:")?;
            let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().filter(|port| *port > 0)
        };
        let own = log.find_map(|line| at(&line.unwrap())).unwrap();
        std::thread::spawn(move || log.for_each(drop));
        let up = || {
            let mut stream = net::TcpStream::connect(("127.0.0.1", own)).ok()?;
            let request = "GET /api/v1/query?query=up HTTP/1.0\r\nHost: localhost\r\n\r\n";
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            let (_, value) = answer.split_once("\"value\":[")?;
            value.split('"').nth(1).map(str::to_owned)
        };
        let seen = loop {
            match up() {
                Some(up) => break up,
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        };
        prometheus.kill().unwrap();
        prometheus.wait().unwrap();
        assert_eq!(seen, "1");
    }
}
