//! The endpoint as the program holds it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use netpoller_core::view;
use netpoller_host::posture::Insecure;
use netpoller_host::{HostThread, Reserve};
use netpoller_proto::v1::inspector_server::{Inspector, InspectorServer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;

use crate::door::gate::{ControlRates, Gate, Policy, Privilege};
use crate::door::incoming::{Door, Listener, accept_loop};
use crate::door::listen::Listen;
use crate::door::socket::{Purpose, SocketFile};
use crate::door::subscription::Pools;
#[cfg(feature = "tls")]
use crate::door::tls::Tls;
use crate::door::token::Token;
use crate::error::StartError;
use crate::limits::{Limits, MAX_HEADERS, MAX_REQUEST, MAX_RESETS, MAX_STREAMS};
use crate::methods::control::control_service;
use crate::methods::server::remember_process;
use crate::methods::turns::Common;
use crate::notice;
use crate::reflection::{health_service, reflection_alpha_service, reflection_service};
use crate::service::service;

/// Makes a [`Server`].
///
/// Without a word it listens on a private Unix socket. For other machines, say who may call and let
/// nobody read along:
///
/// ```no_run
/// # #[cfg(feature = "tls")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use netpoller::inspect::{Listen, Server, Tls};
///
/// let _endpoint = Server::builder()
///     .listen(Listen::Default)
///     .listen("tcp:0.0.0.0:6670".parse()?)
///     .tls(Tls::from_pem("/etc/service/tls.crt", "/etc/service/tls.key")?)
///     .client_ca("/etc/service/inspectors.crt")
///     .start()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tls"))]
/// # fn main() {}
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    listen: Vec<Listen>,
    control: Vec<Listen>,
    expose_addresses: bool,
    allow_insecure: bool,
    hosts: Vec<String>,
    token_file: Option<PathBuf>,
    control_token_file: Option<PathBuf>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    #[cfg(feature = "tls")]
    client_ca: Option<PathBuf>,
    /// What is told in place of this process. It is only cloned here, whole or not at all.
    told: Option<AssertUnwindSafe<Routes>>,
    pub(super) limits: Limits,
}

impl Builder {
    /// Listens here. Can be said several times; said never, it is [`Listen::Default`].
    ///
    /// A TCP address that is not loopback has to be secured: by TLS, and by [`Builder::token_file`]
    /// or certificates of clients. Else [`Builder::start`] refuses.
    #[must_use]
    pub fn listen(mut self, address: Listen) -> Self {
        self.listen.push(address);
        self
    }

    /// Serves `netpoller.v1.Control` here, by which descriptors can be evicted; without it nothing
    /// can be changed from outside. Can be said several times. [`Listen::Default`] is
    /// `<pid>-<starttime>.control.sock`, beside the socket of the inspector.
    ///
    /// Nothing else is served here, and `Control` nowhere else: whoever may look is not by that
    /// alone one who may change. Each call is counted and written to stderr (of those that do not
    /// pass one a second, and how many more there were), and at most 20 a second are answered. On
    /// TCP, loopback too, callers have to show a token of its own: [`Builder::control_token_file`].
    #[must_use]
    pub fn control(mut self, address: Listen) -> Self {
        self.control.push(address);
        self
    }

    /// Shows the addresses of sockets over TCP too, where every user of the machine may look.
    /// Without it they are replaced by a number that is the same for the same address. On a Unix
    /// socket, which only this user can connect to, they are always shown.
    #[must_use]
    pub fn expose_addresses(mut self, expose: bool) -> Self {
        self.expose_addresses = expose;
        self
    }

    /// Asks those who come over TCP for the token in this file, as `authorization: Bearer TOKEN`.
    /// The file must belong to this user, or to root, and be open to nobody else; the token has 128
    /// bits or more and is read once, at the start:
    ///
    /// ```sh
    /// (umask 077; openssl rand -hex 32 > token)
    /// ```
    ///
    /// On loopback it can be used without TLS. Those who come to a Unix socket are known by their
    /// user id and not asked.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// As [`Builder::token_file`], for those who call [`Builder::control`] over TCP. It must be
    /// another token.
    #[must_use]
    pub fn control_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.control_token_file = Some(path.into());
        self
    }

    /// Speaks TLS, 1.2 or 1.3, on every TCP address.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Lets in, over TLS, only clients with a certificate of one of the authorities in this file
    /// (PEM). Make an authority for inspectors alone: whoever has any certificate of it may look.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(path.into());
        self
    }

    /// Answers requests for this host too, on TCP without TLS: the name, without the port, by which
    /// clients reach it. Numbers and `localhost` need not be named; any other name could be one
    /// that somebody made resolve to this machine.
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Listens where other machines can reach it even if they are not asked who they are, or others
    /// can read along. It is written to stderr, and `netpoller_introspection_insecure` counts it in
    /// the metrics. It does not extend to [`Builder::control`].
    #[must_use]
    pub fn allow_insecure(mut self) -> Self {
        self.allow_insecure = true;
        self
    }

    /// Tells what `inspector` says, behind the same doors, in place of this process; for the
    /// command, which tells a recording. It has to hide addresses itself where it should.
    #[doc(hidden)]
    #[must_use]
    pub fn tell(mut self, inspector: impl Inspector) -> Self {
        let service = InspectorServer::new(inspector).max_decoding_message_size(MAX_REQUEST);
        let told = self.told.take().unwrap_or_default();
        self.told = Some(AssertUnwindSafe(told.0.add_service(service)));
        self
    }

    /// Tells tokio-console what `teller` says, beside that.
    #[cfg(feature = "console")]
    #[doc(hidden)]
    #[must_use]
    pub fn tell_console(mut self, teller: impl crate::console::Teller) -> Self {
        let service = crate::console::service_of_told(teller);
        let told = self.told.take().unwrap_or_default();
        self.told = Some(AssertUnwindSafe(told.0.add_service(service)));
        self
    }

    /// Binds, and starts the thread that serves.
    ///
    /// # Errors
    ///
    /// [`StartError`] says which address, what is wrong with it and what to do. No socket is left
    /// behind then, though a directory that was made for one is.
    pub fn start(mut self) -> Result<Server, StartError> {
        // The anchor of the clock is the zero of everything shown; take it before anybody asks.
        view::started_at_ns();
        remember_process();
        if self.listen.is_empty() {
            self.listen.push(Listen::Default);
        }
        let token = self.token_file.as_deref().map(Token::from_file);
        let token = token.transpose()?;
        let control_token = self.control_token_file.as_deref().map(Token::from_file);
        let control_token = control_token.transpose()?;
        if let (Some(token), Some(control)) = (&token, &control_token)
            && token.is_same(control)
        {
            return Err(StartError::SameToken);
        }
        let mut bound = Bound::default();
        for address in &self.listen {
            if let Listen::Tcp(address) = address {
                bound.insecure.extend(self.secured(*address, &token)?);
            }
            bound.bind(address, Purpose::Inspect)?;
        }
        for address in &self.control {
            if let Listen::Tcp(address) = address {
                self.control_secured(*address, &control_token)?;
            }
            bound.bind(address, Purpose::Control)?;
        }
        let door = Door {
            redact_tcp: !self.expose_addresses,
            limits: self.limits.clone(),
            reserve: Reserve::default(),
            #[cfg(feature = "tls")]
            tls: match &self.tls {
                Some(tls) => Some(tls.acceptor(self.client_ca.as_deref())?),
                None => None,
            },
        };
        let Bound {
            inspectors,
            controls,
            files,
            targets,
            control_targets,
            insecure,
        } = bound;
        // All that is bounded is bounded for each listener, so that whoever may connect to one
        // shuts nobody out of another.
        let policy = |privilege, token: &Option<Token>| Policy {
            privilege,
            token: token.clone(),
            hosts: self.hosts.clone(),
            limits: self.limits.clone(),
            pools: Pools::new(&self.limits),
        };
        let services = InspectServices::new(self.told.take().map(|it| it.0));
        let inspectors = inspectors.into_iter().map(|socket| {
            let policy = policy(Privilege::Inspect, &token);
            (socket, Gate::new(services.routes(), policy))
        });
        let controls = controls.into_iter().map(|socket| {
            let privilege = Privilege::Control(ControlRates::new(&self.limits));
            let policy = policy(privilege, &control_token);
            (socket, Gate::new(control_services(), policy))
        });
        let listeners: Vec<_> = inspectors.chain(controls).collect();
        let thread = HostThread::spawn("netpoller-inspect", move || async move {
            let mut serving = JoinSet::new();
            for (socket, gate) in listeners {
                serving.spawn(serve(socket, door.clone(), gate));
            }
            while serving.join_next().await.is_some() {}
        })
        .map_err(StartError::io("start the thread of the endpoint"))?;
        Ok(Server {
            targets,
            control_targets,
            _thread: thread,
            _files: files,
            _insecure: insecure,
        })
    }

    /// Whether whoever comes to `address` is asked who they are, where nobody can read along. If
    /// not, and that is allowed, it is told.
    fn secured(
        &self,
        address: SocketAddr,
        token: &Option<Token>,
    ) -> Result<Option<Insecure>, StartError> {
        let is_asked = token.is_some() || self.asks_for_certificates();
        if address.ip().is_loopback() || (self.has_tls() && is_asked) {
            return Ok(None);
        }
        let error = if self.has_tls() {
            StartError::AnybodyMayCall { address }
        } else {
            StartError::NotLoopback { address }
        };
        if !self.allow_insecure {
            return Err(error);
        }
        notice::say(&format!("INSECURE, as allow_insecure() says: {error}"));
        Ok(Some(Insecure::new()))
    }

    fn control_secured(
        &self,
        address: SocketAddr,
        token: &Option<Token>,
    ) -> Result<(), StartError> {
        if token.is_none() {
            return Err(StartError::ControlWithoutToken { address });
        }
        if !address.ip().is_loopback() && !self.has_tls() {
            return Err(StartError::NotLoopback { address });
        }
        Ok(())
    }

    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    fn asks_for_certificates(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.client_ca.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

/// The services of those who look.
struct InspectServices {
    /// What the listeners have in common: there is one thread, and one kernel.
    common: Arc<Common>,
    /// What is told in place of this process.
    told: Option<Routes>,
    /// It keeps what has ended, once for all.
    #[cfg(feature = "console")]
    console: console_api::instrument::instrument_server::InstrumentServer<
        crate::console::Service<crate::console::Live>,
    >,
}

impl InspectServices {
    fn new(told: Option<Routes>) -> Self {
        Self {
            common: Arc::default(),
            told,
            #[cfg(feature = "console")]
            console: crate::console::service(),
        }
    }

    /// Those of one listener.
    fn routes(&self) -> Routes {
        let routes = match &self.told {
            Some(told) => told.clone(),
            None => {
                let routes = Routes::new(service(self.common.clone()));
                #[cfg(feature = "console")]
                let routes = routes.add_service(self.console.clone());
                routes
            }
        };
        let routes = routes.add_service(health_service());
        let reflection = reflection_service().into_iter();
        let alpha = reflection_alpha_service().into_iter();
        let routes = reflection.fold(routes, Routes::add_service);
        alpha.fold(routes, Routes::add_service)
    }
}

/// The services of those who change.
fn control_services() -> Routes {
    Routes::new(control_service()).add_service(health_service())
}

/// The running endpoint. Dropping it closes all connections, ends its thread and removes its
/// sockets.
pub struct Server {
    targets: Vec<String>,
    control_targets: Vec<String>,
    // In this order: nobody serves any more when the files are removed.
    _thread: HostThread,
    _files: Vec<SocketFile>,
    _insecure: Vec<Insecure>,
}

impl Server {
    /// Returns a builder, to say where it listens before it starts.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns what to give to the inspector's `--target`: `unix:/…` or `tcp:127.0.0.1:…`. The
    /// first, if it listens on several.
    pub fn target(&self) -> &str {
        self.targets.first().map_or("", String::as_str)
    }

    /// Returns all addresses on which it listens.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// Returns all addresses on which it serves `Control`.
    pub fn control_targets(&self) -> &[String] {
        &self.control_targets
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("targets", &self.targets)
            .field("control_targets", &self.control_targets)
            .finish_non_exhaustive()
    }
}

/// What was bound so far. Dropped, it leaves nothing behind.
#[derive(Default)]
struct Bound {
    inspectors: Vec<Socket>,
    controls: Vec<Socket>,
    files: Vec<SocketFile>,
    targets: Vec<String>,
    control_targets: Vec<String>,
    insecure: Vec<Insecure>,
}

impl Bound {
    fn bind(&mut self, address: &Listen, purpose: Purpose) -> Result<(), StartError> {
        let (target, socket) = match address {
            Listen::Default => self.adopt(SocketFile::bind_default(purpose)?),
            Listen::Unix(path) => self.adopt(SocketFile::bind(path)?),
            Listen::Tcp(address) => {
                let (listener, address) = bind_tcp(*address)?;
                (format!("tcp:{address}"), Socket::Tcp(listener))
            }
        };
        let (sockets, targets) = match purpose {
            Purpose::Inspect => (&mut self.inspectors, &mut self.targets),
            Purpose::Control => (&mut self.controls, &mut self.control_targets),
        };
        sockets.push(socket);
        targets.push(target);
        Ok(())
    }

    fn adopt(
        &mut self,
        (file, listener): (SocketFile, std::os::unix::net::UnixListener),
    ) -> (String, Socket) {
        let target = format!("unix:{}", file.path().display());
        self.files.push(file);
        (target, Socket::Unix(listener))
    }
}

/// Bound, but not yet known to a runtime.
enum Socket {
    Unix(std::os::unix::net::UnixListener),
    Tcp(std::net::TcpListener),
}

impl Socket {
    fn listen(self) -> io::Result<Listener> {
        match self {
            Socket::Unix(listener) => {
                tokio::net::UnixListener::from_std(listener).map(Listener::Unix)
            }
            Socket::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Listener::Tcp),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let bind = || -> io::Result<_> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(StartError::io(format!("listen on tcp:{address}")))
}

/// Serves what lies behind `gate` on `socket`.
async fn serve(socket: Socket, door: Door, gate: Gate) {
    let Ok(listener) = socket.listen() else {
        return;
    };
    let (accepted, incoming) = mpsc::channel(1);
    let limits = door.limits.clone();
    let accepting = tokio::spawn(accept_loop(listener, door, accepted));
    let served = tonic::transport::Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_keepalive_interval(Some(limits.ping_interval))
        .http2_keepalive_timeout(Some(limits.ping))
        .timeout(limits.answer)
        .serve_with_incoming(gate, ReceiverStream::new(incoming));
    // Ends with the accept loop; an error of one connection does not end it.
    let _ = served.await;
    accepting.abort();
}
