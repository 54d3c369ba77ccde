//! What an error means to whoever asked: why a connection came to nothing, or a request was
//! refused, in words, and what to do about it.

use std::error::Error;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use netpoller_proto::v1::GetServerResponse;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage};
use tonic::Code;

use super::gate::Refusal;
use super::peer::{ForeignPeer, Peer};
use crate::failure::Failure;
use crate::source::target::Target;

/// Advice when a connection was accepted and came to nothing.
const STRANGER: &str =
    "something listens there, but it is not an inspection endpoint, or it refuses this user";
/// The same, where it may be that TLS was expected.
const STRANGER_OVER_TCP: &str = "something listens there, but it is not an inspection endpoint, or it speaks TLS (try https:// with --tls-ca), \
     or it has as many connections as it takes";

/// The errors that an error came from, the outermost first. An [`io::Error`] does not count the
/// error in it as its source.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = vec![error];
    let mut last = error;
    loop {
        let inner = last
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        match inner.or_else(|| last.source()) {
            Some(next) => {
                causes.push(next);
                last = next;
            }
            None => return causes,
        }
    }
}

/// Nobody was there, or the connection was not made.
pub(super) fn of_connection(target: &Target, error: &(dyn Error + 'static)) -> Failure {
    let causes = causes(error);
    if let Some(failure) = of_tls(target, &causes) {
        return failure;
    }
    let reason = causes.last().map(ToString::to_string).unwrap_or_default();
    let kind = causes
        .iter()
        .rev()
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    if causes.iter().any(|cause| cause.is::<ForeignPeer>()) {
        return connect(
            target,
            &reason,
            "somebody has put a socket with a false name there; it was not spoken to",
        );
    }
    if let Target::Unix(socket) = target
        && kind == Some(io::ErrorKind::ConnectionRefused)
        && std::fs::metadata(&socket.path).is_ok_and(|file| !file.file_type().is_socket())
    {
        return connect(
            target,
            "this is not a socket",
            "`netpoller targets` lists what can be inspected",
        );
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
        ) => stranger(target),
        (Some(io::ErrorKind::ConnectionRefused), Target::Unix(_)) => {
            "the socket is left over from a process that has ended; `netpoller targets` lists what can be inspected"
        }
        _ => {
            "check that the service is running, that its inspection endpoint is started, and that the address is right"
        }
    };
    connect(target, &reason, advice)
}

/// What was being done when it was refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing<'a> {
    /// The first request: whoever listens there may be anything.
    Greeting,
    /// Asking a process that has said who it is.
    Asking(&'a GetServerResponse),
    /// Asking it to look for faults.
    Diagnosing(&'a GetServerResponse),
    /// Acting on a process.
    Acting,
}

/// Who is asked, for what, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) target: &'a Target,
    pub(super) peer: &'a Peer,
    pub(super) timeout: Duration,
    /// What it is called in messages.
    pub(super) what: &'static str,
    pub(super) doing: Doing<'a>,
}

impl Asked<'_> {
    /// What is answered, in time.
    pub(super) async fn answer<T>(
        self,
        call: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Failure> {
        match self.timely(call).await? {
            Ok(answer) => Ok(answer),
            Err(refusal) => Err(self.failure(&refusal).await),
        }
    }

    /// What comes of it in time.
    pub(super) async fn timely<T>(self, call: impl Future<Output = T>) -> Result<T, Failure> {
        let result = tokio::time::timeout(self.timeout, call).await;
        result.map_err(|_| self.late())
    }

    /// Nothing came in time.
    pub(super) fn late(self) -> Failure {
        Failure::Timeout {
            target: self.target.to_string(),
            what: self.what,
            after: self.timeout,
            trouble: self.peer.trouble(),
        }
    }

    /// What an error means to whoever asked. There is no other place that turns a status into a
    /// failure.
    pub(super) async fn failure(self, refusal: &Refusal) -> Failure {
        let (target, what) = (self.target, self.what);
        if let Some(failure) = self.broken(refusal).await {
            return failure;
        }
        let reason = refusal.reason();
        let connect = |advice| connect(target, &reason, advice);
        match (self.doing, refusal.code()) {
            (Doing::Greeting, Code::Unimplemented) => Failure::Incompatible(format!(
                "{target} speaks gRPC, but does not serve netpoller.v1.Inspector; is it the inspection endpoint?"
            )),
            (Doing::Asking(server), Code::Unimplemented) => Failure::Incompatible(format!(
                "{target} (pid {}, netpoller {}) does not have {what}: its library is older than this command",
                server.pid, server.version
            )),
            (Doing::Diagnosing(server), Code::Unimplemented) => Failure::Incompatible(format!(
                "{target} (netpoller {}) cannot diagnose itself; a later version of the library can",
                server.version
            )),
            (Doing::Acting, Code::Unimplemented) => self::connect(
                target,
                "it does not serve netpoller.v1.Control",
                "an inspection endpoint shows and does not act; the program must open a control endpoint of its own",
            ),
            (Doing::Greeting, Code::Unauthenticated) => connect(match target {
                Target::Tcp(tcp) if tcp.access.token_file.is_some() => {
                    "the token in --token-file is not the one that the endpoint has; ask whoever runs the service for it"
                }
                _ => {
                    "name the file that holds the token with --token-file PATH; whoever runs the service has it"
                }
            }),
            (Doing::Acting, Code::Unauthenticated) => connect(
                "name the file that holds the token of the control endpoint with --control-token-file PATH; it is \
                 not that of the inspection endpoint",
            ),
            (Doing::Greeting, Code::PermissionDenied) => connect(
                "call the endpoint by its address, or run the command as the user of the service",
            ),
            (Doing::Acting, Code::Unavailable | Code::PermissionDenied) => {
                connect("check the address, and that the control endpoint lets this user in")
            }
            (Doing::Greeting, _) => connect(stranger(target)),
            // So it says that its own time is over; nobody else cancels a question but who asks.
            (Doing::Asking(_) | Doing::Diagnosing(_), Code::Cancelled) => Failure::GaveUp {
                target: target.to_string(),
                what,
            },
            (Doing::Diagnosing(_), Code::InvalidArgument) => {
                Failure::Usage(format!("{target} refuses: {reason}"))
            }
            (Doing::Diagnosing(_), _) => {
                Failure::Runtime(format!("{target} does not diagnose itself: {reason}"))
            }
            (_, Code::NotFound) => Failure::NotFound(reason),
            (_, Code::InvalidArgument) => Failure::Usage(reason),
            (Doing::Asking(_), _) => {
                Failure::Runtime(format!("{target} does not give {what}: {reason}"))
            }
            (Doing::Acting, _) => Failure::Runtime(format!("{target} refuses {what}: {reason}")),
        }
    }

    /// If it was the connection that failed, why.
    async fn broken(self, refusal: &Refusal) -> Option<Failure> {
        let lost = |reason: &str, trouble| Failure::lost(self.target.to_string(), reason, trouble);
        match (self.doing, refusal.source()) {
            // Whether it has ended meanwhile is of interest where nobody has answered.
            (Doing::Greeting, Some(error)) => match self.peer.trouble() {
                Some(trouble) => Some(lost("", Some(trouble))),
                None => of_tls(self.target, &causes(error)),
            },
            (Doing::Greeting | Doing::Acting, None) => None,
            (Doing::Asking(_) | Doing::Diagnosing(_), None)
                if refusal.code() != Code::Unavailable =>
            {
                None
            }
            _ => {
                let trouble = self.peer.trouble_soon().await;
                Some(lost(&refusal.reason(), trouble))
            }
        }
    }
}

/// If it was TLS that failed, who did not like what.
fn of_tls(target: &Target, causes: &[&(dyn Error + 'static)]) -> Option<Failure> {
    let error = causes
        .iter()
        .find_map(|error| error.downcast_ref::<TlsError>())?;
    let advice = match error {
        TlsError::InvalidCertificate(certificate) => match certificate {
            // An authority of the same name and another key is told by the signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the endpoint's certificate is not of the authority in --tls-ca: name the right one, or you are talking to \
                 somebody else"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the endpoint's certificate is for another name: call it by that, or say it with --tls-name NAME"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the endpoint's certificate has expired: it needs a new one, or the clock of this machine is wrong"
            }
            _ => "the endpoint's certificate cannot be trusted",
        },
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            "the endpoint asks for a certificate: --tls-cert PATH and --tls-key PATH"
        }
        TlsError::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::DecryptError
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied,
        ) => {
            "the endpoint does not accept the certificate of --tls-cert; it must be of the authority that the service trusts"
        }
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what listens there does not speak TLS: try http://"
        }
        _ => "the TLS handshake failed; is it the inspection endpoint?",
    };
    Some(connect(target, &format!("TLS: {error}"), advice))
}

fn stranger(target: &Target) -> &'static str {
    match target {
        Target::Tcp(tcp) if !tcp.is_tls() => STRANGER_OVER_TCP,
        _ => STRANGER,
    }
}

fn connect(target: &Target, reason: &str, advice: &str) -> Failure {
    Failure::Connect {
        target: target.to_string(),
        reason: reason.to_owned(),
        advice: advice.to_owned(),
    }
}
