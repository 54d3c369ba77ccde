//! What `--target` can say.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::Uri;

use super::at::At;
use super::endpoint::{Access, Credentials};
use crate::failure::Failure;
use crate::foreign;

/// What can be written.
pub(super) const FORMS: &str = "write unix:PATH, /path, http://host:port, https://host:port, tcp:host:port, pid:N, file:RECORDING or the name of a process";

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A Unix socket.
    Unix(UnixSocket),
    /// TCP.
    Tcp(Tcp),
    /// None: the process with this id is read from outside.
    Process(u32),
    /// None: a recording tells how it was.
    File(Recorded),
}

/// A recording, and the moment at which it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) path: PathBuf,
    /// Not part of the text of a target: it comes from another flag.
    pub(crate) at: Option<At>,
}

/// A path, and who must answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnixSocket {
    pub(crate) path: PathBuf,
    /// The user as whom it must listen, where the path was not given by whoever asks but found.
    pub(crate) peer: Option<u32>,
}

impl<P: Into<PathBuf>> From<P> for UnixSocket {
    fn from(path: P) -> Self {
        Self {
            path: path.into(),
            peer: None,
        }
    }
}

/// An address, and what is shown to whoever listens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tcp {
    /// `http://host:port`, or `https://host:port`.
    pub(crate) uri: Uri,
    /// Not part of the text of a target: it comes from other flags.
    pub(crate) access: Box<Access>,
}

impl Tcp {
    /// Whether it is to be spoken to over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// What every request shows. A token is not sent through a network that anybody may listen to.
    pub(super) fn credentials(&self) -> Result<Credentials, Failure> {
        if self.access.token_file.is_some() && !self.is_tls() && !self.is_loopback() {
            let flag = match self.access.acts {
                true => "--control-token-file (NETPOLLER_CONTROL_TOKEN_FILE)",
                false => "--token-file (NETPOLLER_TOKEN_FILE)",
            };
            return Err(Failure::Usage(format!(
                "the token would go to {} in clear, for everybody on the way to read: use https://, or leave out \
                 {flag}; http:// with a token is for the loopback alone, as at the near end \
                 of a tunnel",
                Target::Tcp(self.clone())
            )));
        }
        self.access.credentials()
    }

    /// Whether what is sent stays on this machine.
    fn is_loopback(&self) -> bool {
        let host = self.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Host and port, for the resolver.
    pub(super) fn address(&self) -> String {
        self.uri
            .authority()
            .map_or(String::new(), |authority| authority.to_string())
    }

    /// The name that must be in the certificate.
    pub(super) fn name(&self) -> Result<ServerName<'static>, Failure> {
        let host = self.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.access.tls_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| {
            Failure::Usage(format!(
                "`{name}` cannot be the name in a certificate: say a host name or an address with --tls-name"
            ))
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The path may have been found where others can write.
            Self::Unix(socket) => {
                let path = socket.path.display().to_string();
                write!(f, "unix:{}", foreign::visible(&path))
            }
            Self::Tcp(tcp) => write!(f, "{}", tcp.uri.to_string().trim_end_matches('/')),
            Self::Process(pid) => write!(f, "pid:{pid}"),
            Self::File(file) => {
                let path = file.path.display().to_string();
                write!(f, "file:{}", foreign::visible(&path))
            }
        }
    }
}

/// An endpoint, or a process whose endpoint is still to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetSpec {
    /// An endpoint.
    At(Target),
    /// The endpoint of a local process.
    Pid(u32),
    /// The endpoint of the only local process with this name.
    Name(String),
}

impl Target {
    /// The same, with what the flags say of remote access.
    pub(crate) fn with_access(self, access: &Access) -> Self {
        match self {
            Self::Tcp(tcp) => Self::Tcp(Tcp {
                access: Box::new(access.clone()),
                ..tcp
            }),
            other => other,
        }
    }
}

impl TargetSpec {
    /// Whether it is to be spoken to over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::At(Target::Tcp(tcp)) if tcp.is_tls())
    }

    /// The same, with what the flags say of remote access.
    pub(crate) fn with_access(self, access: &Access) -> Self {
        match self {
            Self::At(target) => Self::At(target.with_access(access)),
            other => other,
        }
    }

    /// A recording at another moment than its end; `None` if it is none.
    pub(crate) fn with_moment(self, at: At) -> Option<Self> {
        match self {
            Self::At(Target::File(file)) => Some(Self::At(Target::File(Recorded {
                at: Some(at),
                ..file
            }))),
            _ => None,
        }
    }
}

impl FromStr for TargetSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tcp = |scheme: &str, address: &str| {
            let uri: Uri = format!("{scheme}://{address}")
                .parse()
                .map_err(|error| format!("{error}"))?;
            match (uri.host(), uri.port_u16()) {
                (Some(host), Some(_)) if !host.is_empty() => Ok(Self::At(Target::Tcp(Tcp {
                    uri,
                    access: Box::default(),
                }))),
                _ => Err(format!("write the address as {scheme}://host:port")),
            }
        };
        if let Some(path) = text.strip_prefix("unix:") {
            // unix:///path is how other gRPC tools write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("the path of the socket is missing".into());
            }
            return Ok(Self::At(Target::Unix(PathBuf::from(path).into())));
        }
        if let Some(address) = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("tcp:"))
        {
            return tcp("http", address.trim_end_matches('/'));
        }
        if let Some(address) = text.strip_prefix("https://") {
            return tcp("https", address.trim_end_matches('/'));
        }
        let recorded = |path: &str| {
            let (path, at) = (PathBuf::from(path), None);
            Ok(Self::At(Target::File(Recorded { path, at })))
        };
        if let Some(path) = text.strip_prefix("file:") {
            return match path.strip_prefix("//").unwrap_or(path) {
                "" => Err("the path of the recording is missing".into()),
                path => recorded(path),
            };
        }
        if let Some(pid) = text.strip_prefix("pid:") {
            return pid
                .parse()
                .map(Self::Pid)
                .map_err(|_| format!("`{pid}` is no process id"));
        }
        if text.ends_with(".npl") {
            return recorded(text);
        }
        // `./a:b` is a path; `shm:/x` and `uinx:/x` are schemes that nobody knows.
        if let Some((scheme, _)) = text.split_once(':')
            && text.contains('/')
            && !scheme.contains('/')
        {
            return Err(format!("there is no scheme `{scheme}:`; {FORMS}"));
        }
        if text.contains('/') {
            return Ok(Self::At(Target::Unix(PathBuf::from(text).into())));
        }
        // What is a number, or has a port, was meant to be something else.
        if text.is_empty() || text.contains(':') {
            return Err(FORMS.into());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("write a process id as pid:{text}"));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_written() {
        for (text, written) in [
            ("unix:/run/x.sock", "unix:/run/x.sock"),
            ("unix:///run/x.sock", "unix:/run/x.sock"),
            ("/run/x.sock", "unix:/run/x.sock"),
            ("./x.sock", "unix:./x.sock"),
            ("./a:b", "unix:./a:b"),
            ("file:/tmp/x", "file:/tmp/x"),
            ("file:///tmp/x", "file:/tmp/x"),
            ("yesterday.npl", "file:yesterday.npl"),
            ("http://127.0.0.1:6669", "http://127.0.0.1:6669"),
            ("http://[::1]:6669/", "http://[::1]:6669"),
            ("tcp:127.0.0.1:6669", "http://127.0.0.1:6669"),
            ("https://node7.example:6670/", "https://node7.example:6670"),
        ] {
            match text.parse() {
                Ok(TargetSpec::At(target)) => assert_eq!(target.to_string(), written),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!("pid:42".parse(), Ok(TargetSpec::Pid(42)));
        let name = TargetSpec::Name("my-service".into());
        assert_eq!("my-service".parse(), Ok(name));
    }

    #[test]
    fn what_is_no_target_is_refused_with_a_hint() {
        for text in [
            "",
            "unix:",
            "file:",
            "pid:x",
            "localhost:6669",
            "4242",
            "shm:/x",
            "http://",
            "http://host",
            "https://host",
        ] {
            let hint = text.parse::<TargetSpec>().expect_err(text);
            assert!(!hint.is_empty(), "{text}");
        }
    }
}
