//! Why a connection came to nothing, in words, and what to do about it.

use std::error::Error;
use std::io;
use std::os::unix::fs::FileTypeExt;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage};
use tonic::Code;

use super::Target;
use super::gate::Refusal;
use super::peer::ForeignPeer;
use crate::failure::Failure;

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

/// Something answered the connection, but not the first request.
pub(super) fn of_first_request(target: &Target, refusal: &Refusal) -> Failure {
    if let Some(failure) = refusal
        .source()
        .and_then(|error| of_tls(target, &causes(error)))
    {
        return failure;
    }
    match refusal.code() {
        Code::Unimplemented => Failure::Incompatible(format!(
            "{target} speaks gRPC, but does not serve netpoller.v1.Inspector; is it the inspection endpoint?"
        )),
        Code::Unauthenticated => {
            let advice = match target {
                Target::Tcp(tcp) if tcp.access.token_file.is_some() => {
                    "the token in --token-file is not the one that the endpoint has; ask whoever runs the service for it"
                }
                _ => {
                    "name the file that holds the token with --token-file PATH; whoever runs the service has it"
                }
            };
            connect(target, &refusal.reason(), advice)
        }
        Code::PermissionDenied => connect(
            target,
            &refusal.reason(),
            "call the endpoint by its address, or run the command as the user of the service",
        ),
        _ => connect(target, &refusal.reason(), stranger(target)),
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
