//! The endpoint as the program holds it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::error::StartError;
use super::incoming::{Listener, MAX_CONNECTIONS, accept_loop};
use super::listen::Listen;
use super::reflection::{health_service, reflection_alpha_service, reflection_service};
use super::service::service;
use super::socket::SocketFile;
use crate::host::HostThread;

/// Requests at a time on one connection. tonic sets no limit unless told.
const MAX_STREAMS: u32 = 16;
/// Streams reset by the peer before they were accepted (rapid reset, CVE-2023-44487).
const MAX_RESETS: usize = 20;
/// Headers of one request.
const MAX_HEADERS: u32 = 16 * 1024;
/// Time for one answer, or for the beginning of a stream.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// A peer that is gone without a word is found out by a ping.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIME: Duration = Duration::from_secs(20);

/// Makes a [`Server`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    listen: Vec<Listen>,
    expose_addresses: bool,
}

impl Builder {
    /// Listens here. Can be said several times; said never, it is [`Listen::Default`].
    #[must_use]
    pub fn listen(mut self, address: Listen) -> Self {
        self.listen.push(address);
        self
    }

    /// Shows the addresses of sockets over TCP too, where every user of the machine may look. Without it they are replaced
    /// by a number that is the same for the same address. On a Unix socket, which only this user can connect to, they are
    /// always shown.
    #[must_use]
    pub fn expose_addresses(mut self, expose: bool) -> Self {
        self.expose_addresses = expose;
        self
    }

    /// Binds, and starts the thread that serves.
    ///
    /// # Errors
    ///
    /// [`StartError`] says which address, what is wrong with it and what to do. No socket is left behind then, though a
    /// directory that was made for one is.
    pub fn start(self) -> Result<Server, StartError> {
        // The anchor of the clock is the zero of everything shown; take it before anybody asks.
        crate::clock::anchor();
        let addresses = if self.listen.is_empty() {
            vec![Listen::Default]
        } else {
            self.listen
        };
        let mut listeners = Vec::new();
        let mut files = Vec::new();
        let mut targets = Vec::new();
        for address in addresses {
            let (file, listener) = match &address {
                Listen::Default => SocketFile::bind_default()?,
                Listen::Unix(path) => SocketFile::bind(path)?,
                Listen::Tcp(address) => {
                    let (listener, address) = bind_tcp(*address)?;
                    targets.push(format!("tcp:{address}"));
                    listeners.push(Bound::Tcp(listener));
                    continue;
                }
            };
            targets.push(format!("unix:{}", file.path().display()));
            files.push(file);
            listeners.push(Bound::Unix(listener));
        }
        let redact_tcp = !self.expose_addresses;
        let thread = HostThread::spawn("netpoller-inspect", move || serve(listeners, redact_tcp))
            .map_err(StartError::io("start the thread of the endpoint"))?;
        Ok(Server {
            targets,
            _thread: thread,
            _files: files,
        })
    }
}

/// The running endpoint. Dropping it closes all connections, ends its thread and removes its sockets.
pub struct Server {
    targets: Vec<String>,
    // In this order: nobody serves any more when the files are removed.
    _thread: HostThread,
    _files: Vec<SocketFile>,
}

impl Server {
    /// To say where it listens before it starts.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What to give to the inspector's `--target`: `unix:/…` or `tcp:127.0.0.1:…`. The first, if it listens on several.
    pub fn target(&self) -> &str {
        self.targets.first().map_or("", String::as_str)
    }

    /// All addresses on which it listens.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// Bound, but not yet known to a runtime.
enum Bound {
    Unix(std::os::unix::net::UnixListener),
    Tcp(std::net::TcpListener),
}

impl Bound {
    fn listen(self) -> io::Result<Listener> {
        match self {
            Bound::Unix(listener) => {
                tokio::net::UnixListener::from_std(listener).map(Listener::Unix)
            }
            Bound::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Listener::Tcp),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback { address });
    }
    let bind = || -> io::Result<_> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(StartError::io(format!("listen on tcp:{address}")))
}

async fn serve(listeners: Vec<Bound>, redact_tcp: bool) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (accepted, incoming) = mpsc::channel(1);
    for listener in listeners
        .into_iter()
        .filter_map(|bound| bound.listen().ok())
    {
        tokio::spawn(accept_loop(
            listener,
            redact_tcp,
            places.clone(),
            accepted.clone(),
        ));
    }
    drop(accepted);
    let served = tonic::transport::Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIME))
        .timeout(ANSWER_TIME)
        .add_service(service())
        .add_service(health_service())
        .add_optional_service(reflection_service())
        .add_optional_service(reflection_alpha_service())
        .serve_with_incoming(ReceiverStream::new(incoming));
    // Ends with the last listener; an error of one connection does not end it.
    let _ = served.await;
}
