//! Where the endpoint listens.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on. As text: `unix:PATH`, `tcp:ADDRESS:PORT`, or `default`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Listen {
    /// `$XDG_RUNTIME_DIR/netpoller/<pid>-<starttime>.sock`, or the same in `/tmp/netpoller-<uid>/`,
    /// where the inspector finds it.
    #[default]
    Default,
    /// A Unix socket at this path, with mode 0600. Its directory is made, with mode 0700, if it is
    /// not there; else it must belong to this user or to root, be no symbolic link, and be writable
    /// by its owner alone unless it is sticky, as /tmp is. The directories above it are not looked
    /// at.
    Unix(PathBuf),
    /// TCP; port 0 for any. On a loopback address other users of the machine can connect: prefer a
    /// Unix socket. Any other address has to be secured, see
    /// [`Builder::listen`](crate::Builder::listen).
    Tcp(SocketAddr),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Default => f.write_str("default"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// The text is not an address to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseListenError {
    text: String,
}

impl fmt::Display for ParseListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an address: write unix:PATH, or tcp:127.0.0.1:PORT",
            self.text
        )
    }
}

impl std::error::Error for ParseListenError {}

impl FromStr for Listen {
    type Err = ParseListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseListenError {
            text: text.to_owned(),
        };
        if text == "default" {
            return Ok(Listen::Default);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            // unix:///path is how other gRPC tools write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(error())
            } else {
                Ok(Listen::Unix(path.into()))
            };
        }
        let address = text.strip_prefix("tcp:").ok_or_else(error)?;
        // No resolver: a name could resolve to anything.
        if let Some(port) = address.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| error())?;
            return Ok(Listen::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        address.parse().map(Listen::Tcp).map_err(|_| error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_and_anything_else_is_refused_with_advice() {
        for text in [
            "default",
            "unix:/run/x.sock",
            "tcp:127.0.0.1:4242",
            "tcp:[::1]:0",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///run/x".parse(), Ok(Listen::Unix("/run/x".into())));
        assert_eq!(
            "tcp:localhost:1".parse::<Listen>().unwrap().to_string(),
            "tcp:127.0.0.1:1"
        );
        for text in ["", "unix:", "tcp:", "tcp:example.org:1", "127.0.0.1:1"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains("unix:PATH"), "{error}");
        }
    }
}
