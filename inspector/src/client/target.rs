//! What `--target` can say.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tonic::transport::Uri;

/// What can be written.
const FORMS: &str = "write unix:PATH, /path, http://host:port, tcp:host:port or pid:N";

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP, as `http://host:port`.
    Tcp(Uri),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(uri) => write!(f, "{}", uri.to_string().trim_end_matches('/')),
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
}

impl FromStr for TargetSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tcp = |address: &str| {
            let uri: Uri = format!("http://{address}")
                .parse()
                .map_err(|error| format!("{error}"))?;
            match (uri.host(), uri.port_u16()) {
                (Some(host), Some(_)) if !host.is_empty() => Ok(Self::At(Target::Tcp(uri))),
                _ => Err("write the address as http://host:port".to_owned()),
            }
        };
        if let Some(path) = text.strip_prefix("unix:") {
            // unix:///path is how other gRPC tools write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("the path of the socket is missing".into());
            }
            return Ok(Self::At(Target::Unix(path.into())));
        }
        if let Some(address) = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("tcp:"))
        {
            return tcp(address.trim_end_matches('/'));
        }
        if let Some(pid) = text.strip_prefix("pid:") {
            return pid
                .parse()
                .map(Self::Pid)
                .map_err(|_| format!("`{pid}` is no process id"));
        }
        if text.starts_with("https://") {
            return Err(
                "TLS is not supported yet; use the Unix socket, or http:// through an ssh tunnel"
                    .into(),
            );
        }
        // `./a:b` is a path; `shm:/x` and `uinx:/x` are schemes that nobody knows.
        if let Some((scheme, _)) = text.split_once(':')
            && text.contains('/')
            && !scheme.contains('/')
        {
            return Err(format!("there is no scheme `{scheme}:`; {FORMS}"));
        }
        if text.contains('/') {
            return Ok(Self::At(Target::Unix(text.into())));
        }
        Err(FORMS.into())
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
            ("http://127.0.0.1:6669", "http://127.0.0.1:6669"),
            ("http://[::1]:6669/", "http://[::1]:6669"),
            ("tcp:127.0.0.1:6669", "http://127.0.0.1:6669"),
        ] {
            match text.parse() {
                Ok(TargetSpec::At(target)) => assert_eq!(target.to_string(), written),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!("pid:42".parse(), Ok(TargetSpec::Pid(42)));
    }

    #[test]
    fn what_is_no_target_is_refused_with_a_hint() {
        for text in [
            "",
            "unix:",
            "pid:x",
            "localhost",
            "shm:/x",
            "http://",
            "http://host",
            "https://host:1",
        ] {
            let hint = text.parse::<TargetSpec>().expect_err(text);
            assert!(!hint.is_empty(), "{text}");
        }
    }
}
