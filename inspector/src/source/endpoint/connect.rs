//! Opening a connection and shaking hands: who answers, and do we speak the same protocol.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use netpoller_proto::PROTOCOL;
use netpoller_proto::v1::{GetServerRequest, GetServerResponse};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::access::Access;
use super::gate::{Client, Transport, transport};
use super::peer::{ForeignPeer, Peer};
use super::refusal::{Asked, Doing, of_connection};
use crate::failure::Failure;
use crate::source::cursor::Cursor;
use crate::source::target::{Target, UnixSocket};

/// How long a TLS endpoint is listened to before it is spoken to.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Nobody is asked for a sign of life more often than that, or given less time for it, whatever
/// `--timeout` says.
const SHORTEST_SILENCE: Duration = Duration::from_millis(500);

/// An open connection to a process that speaks our protocol.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Asks. Whoever wants to know something calls a method of the connection.
    pub(super) client: Client,
    /// Who answered.
    pub(crate) server: GetServerResponse,
    /// Where.
    pub(crate) target: Target,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// Who the kernel says it is.
    pub(crate) peer: Peer,
    /// Of a recording, the moment at which it is looked at.
    pub(super) cursor: Option<Arc<Cursor>>,
}

/// Connects and checks the version of the protocol.
pub(crate) async fn connect(target: &Target, timeout: Duration) -> Result<Connection, Failure> {
    let peer = Peer::default();
    let attempt = async {
        let client = Client::new(open(target, timeout, &peer).await?);
        greet(client, target, timeout, &peer).await
    };
    greeting(target, timeout, &peer).timely(attempt).await?
}

/// The same over a channel that is there already, with nothing to show to whoever is at its end.
pub(in crate::source) async fn connect_over(
    channel: Channel,
    target: &Target,
    timeout: Duration,
    peer: &Peer,
) -> Result<Connection, Failure> {
    let client = Client::new(transport(channel, Access::default().credentials()?));
    let attempt = greet(client, target, timeout, peer);
    greeting(target, timeout, peer).timely(attempt).await?
}

async fn greet(
    mut client: Client,
    target: &Target,
    timeout: Duration,
    peer: &Peer,
) -> Result<Connection, Failure> {
    let server = match client.get_server(GetServerRequest {}).await {
        Ok(server) => server,
        Err(refusal) => return Err(greeting(target, timeout, peer).failure(&refusal).await),
    };
    if server.protocol != PROTOCOL {
        return Err(Failure::Incompatible(format!(
            "{target} (pid {}, netpoller {}) speaks version {} of the inspection protocol, this command speaks \
             version {PROTOCOL}\ninstall the `netpoller` command of the same release as the service",
            server.pid, server.version, server.protocol
        )));
    }
    Ok(Connection {
        client,
        server,
        target: target.clone(),
        timeout,
        peer: peer.clone(),
        cursor: None,
    })
}

fn greeting<'a>(target: &'a Target, timeout: Duration, peer: &'a Peer) -> Asked<'a> {
    Asked {
        target,
        peer,
        timeout,
        what: "its first answer",
        doing: Doing::Greeting,
    }
}

/// Nobody answered in time.
pub(in crate::source) fn silent(target: &Target, timeout: Duration, peer: &Peer) -> Failure {
    greeting(target, timeout, peer).late()
}

/// A client without anything read yet. What is served there, the caller must know.
pub(super) async fn open(
    target: &Target,
    timeout: Duration,
    peer: &Peer,
) -> Result<Transport, Failure> {
    let (endpoint, credentials) = match target {
        // The authority is never used to connect, but servers compare it with an allow-list of
        // hosts.
        Target::Unix(_) => (
            Endpoint::from_static("http://localhost"),
            Access::default().credentials()?,
        ),
        Target::Tcp(tcp) => (Endpoint::from(tcp.uri.clone()), tcp.credentials()?),
        Target::Process(_) | Target::File(_) => return Err(none(target)),
    };
    // A process that is stopped keeps its connections and says nothing: it is asked for a sign of
    // life.
    let endpoint = endpoint
        .http2_keep_alive_interval(timeout.max(SHORTEST_SILENCE))
        .keep_alive_timeout(timeout.max(SHORTEST_SILENCE))
        .keep_alive_while_idle(true);
    let channel = match target {
        Target::Unix(socket) => {
            let (socket, peer) = (socket.clone(), peer.clone());
            let connector = service_fn(move |_| {
                let (socket, peer) = (socket.clone(), peer.clone());
                async move { unix(socket, &peer).await.map(TokioIo::new) }
            });
            endpoint.connect_with_connector(connector).await
        }
        Target::Tcp(tcp) if tcp.is_tls() => {
            let (tls, name) = (tcp.access.tls()?, tcp.name()?);
            let address = tcp.address();
            let connector = service_fn(move |_| {
                let (tls, name, address) = (tls.clone(), name.clone(), address.clone());
                async move {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    accepted(tls.connect(name, stream).await?)
                        .await
                        .map(TokioIo::new)
                }
            });
            endpoint.connect_with_connector(connector).await
        }
        Target::Tcp(_) => endpoint.tcp_nodelay(true).connect().await,
        Target::Process(_) | Target::File(_) => return Err(none(target)),
    };
    let channel = channel.map_err(|error| of_connection(target, &error))?;
    Ok(transport(channel, credentials))
}

/// There is nobody to act on, or to ask over a connection.
fn none(target: &Target) -> Failure {
    let (reason, advice) = match target {
        Target::File(_) => (
            "it is a recording, in which nothing can be done",
            "name the process itself",
        ),
        _ => (
            "the process has no endpoint",
            "start the service with its inspection endpoint",
        ),
    };
    Failure::Connect {
        target: target.to_string(),
        reason: reason.to_owned(),
        advice: advice.to_owned(),
    }
}

async fn unix(socket: UnixSocket, peer: &Peer) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket.path).await?;
    peer.note(&stream);
    if let Some(expected) = socket.peer {
        // Of the moment at which it began to listen, and not to be feigned.
        let uid = stream.peer_cred()?.uid();
        if uid != expected {
            return Err(io::Error::other(ForeignPeer { expected, uid }));
        }
    }
    Ok(stream)
}

/// Waits for the endpoint's first word.
///
/// With TLS 1.3 a client is done before the server has looked at its certificate. If that is
/// refused, the reason arrives when hyper is reading, and is lost there. Our endpoint speaks first;
/// another one need not, and is not waited for.
async fn accepted(stream: TlsStream<TcpStream>) -> io::Result<BufReader<TlsStream<TcpStream>>> {
    let mut stream = BufReader::new(stream);
    match tokio::time::timeout(FIRST_WORD, stream.fill_buf()).await {
        Ok(Ok([])) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(stream),
    }
}
