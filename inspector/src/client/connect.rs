//! Opening a connection and shaking hands: who answers, and do we speak the same protocol.

use std::error::Error as _;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use netpoller_proto::PROTOCOL;
use netpoller_proto::v1::inspector_client::InspectorClient;
use netpoller_proto::v1::{GetServerRequest, GetServerResponse};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::Target;
use crate::failure::Failure;

/// The server promises 1 MiB; a later one may be more generous, but not without bound.
const LARGEST_MESSAGE: usize = 64 << 20;

/// Advice when a connection was accepted and came to nothing.
const STRANGER: &str =
    "something listens there, but it is not an inspection endpoint, or it refuses this user";

/// An open connection to a process that speaks our protocol.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Asks.
    pub(crate) client: InspectorClient<Channel>,
    /// Who answered.
    pub(crate) server: GetServerResponse,
    /// Where.
    pub(crate) target: Target,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
}

/// Connects and checks the version of the protocol.
pub(crate) async fn connect(target: &Target, timeout: Duration) -> Result<Connection, Failure> {
    let attempt = async {
        let channel = open(target)
            .await
            .map_err(|error| refused(target, &error))?;
        let mut client = InspectorClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let server = client
            .get_server(GetServerRequest {})
            .await
            .map_err(|status| stranger(target, &status))?
            .into_inner();
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
        })
    };
    match tokio::time::timeout(timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(silent(target, timeout)),
    }
}

/// Nobody answered in time.
pub(super) fn silent(target: &Target, timeout: Duration) -> Failure {
    Failure::Timeout {
        target: target.to_string(),
        what: "the first request",
        after: timeout,
    }
}

pub(super) async fn open(target: &Target) -> Result<Channel, tonic::transport::Error> {
    match target {
        Target::Tcp(uri) => {
            Endpoint::from(uri.clone())
                .tcp_nodelay(true)
                .connect()
                .await
        }
        Target::Unix(path) => {
            let path = path.clone();
            // The authority is never used to connect, but servers compare it with an allow-list of hosts.
            Endpoint::from_static("http://localhost")
                .connect_with_connector(tower::service_fn(move |_| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                }))
                .await
        }
    }
}

pub(super) fn refused(target: &Target, error: &tonic::transport::Error) -> Failure {
    let mut reason = error.to_string();
    let mut kind = None;
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = error.to_string();
        kind = error
            .downcast_ref::<io::Error>()
            .map(io::Error::kind)
            .or(kind);
        cause = error.source();
    }
    if let Target::Unix(path) = target
        && kind == Some(io::ErrorKind::ConnectionRefused)
        && std::fs::metadata(path).is_ok_and(|file| !file.file_type().is_socket())
    {
        return Failure::Connect {
            target: target.to_string(),
            reason: "this is not a socket".into(),
            advice: "`netpoller targets` lists what can be inspected".into(),
        };
    }
    let advice = match (kind, target) {
        (Some(io::ErrorKind::NotFound), _) => {
            "no such socket: the service is not running, or it does not start its inspection endpoint\n\
             `netpoller targets` lists what can be inspected"
        }
        (Some(io::ErrorKind::PermissionDenied), _) => {
            "the socket belongs to another user: run the command as that user"
        }
        (
            Some(
                io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::UnexpectedEof,
            ),
            _,
        ) => STRANGER,
        (Some(io::ErrorKind::ConnectionRefused), Target::Unix(_)) => {
            "the socket is left over from a process that has ended; `netpoller targets` lists what can be inspected"
        }
        _ => {
            "check that the service is running, that its inspection endpoint is started, and that the address is right"
        }
    };
    Failure::Connect {
        target: target.to_string(),
        reason,
        advice: advice.into(),
    }
}

/// Something answered the connection, but not the first request.
fn stranger(target: &Target, status: &Status) -> Failure {
    match status.code() {
        Code::Unimplemented => Failure::Incompatible(format!(
            "{target} speaks gRPC, but does not serve netpoller.v1.Inspector; is it the inspection endpoint?"
        )),
        Code::Unauthenticated | Code::PermissionDenied => Failure::Connect {
            target: target.to_string(),
            reason: status.message().to_owned(),
            advice: "the endpoint refuses this user; run the command as the user of the service"
                .into(),
        },
        _ => Failure::Connect {
            target: target.to_string(),
            reason: describe(status),
            advice: STRANGER.into(),
        },
    }
}

/// The innermost reason of a status: the outer ones say "transport error".
pub(crate) fn describe(status: &Status) -> String {
    let mut reason = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    if reason.is_empty() {
        status.code().description().to_owned()
    } else {
        reason
    }
}
