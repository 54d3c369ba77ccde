//! Why the endpoint did not start, and what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The endpoint was not started. No socket of it is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A TCP address that other machines can reach.
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A name in the abstract namespace, which has no permissions.
    Abstract {
        /// The name.
        path: PathBuf,
    },
    /// The directory of the socket cannot be trusted.
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: DirectoryProblem,
    },
    /// Something that is not a socket lies where the socket would.
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The socket there belongs to another user.
    ForeignSocket {
        /// The socket.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Somebody listens on the socket.
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// A system call failed.
    Io {
        /// What was being done.
        action: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a directory cannot be trusted with the socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DirectoryProblem {
    /// It is no directory.
    NotADirectory,
    /// It is a symbolic link.
    SymbolicLink,
    /// Another user owns it.
    ForeignOwner {
        /// The owner.
        uid: u32,
    },
    /// Other users may enter it, or put files there.
    Open {
        /// Its permissions.
        mode: u32,
    },
}

impl StartError {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inspection endpoint: ")?;
        match self {
            Self::NotLoopback { address } => write!(
                f,
                "{address} can be reached from other machines, and the endpoint does not ask who calls; listen on \
                 127.0.0.1 or on a Unix socket, and forward it with ssh -L"
            ),
            Self::Abstract { path } => write!(
                f,
                "{} is an abstract name, which every user may connect to; use the path of a file",
                path.display()
            ),
            Self::Directory { path, problem } => {
                let path = path.display();
                match problem {
                    DirectoryProblem::NotADirectory => write!(
                        f,
                        "{path} is not a directory; remove it, or name another with unix:PATH"
                    ),
                    DirectoryProblem::SymbolicLink => write!(
                        f,
                        "the directory {path} is a symbolic link, which could be made to lead elsewhere; name the \
                         directory that it leads to with unix:PATH"
                    ),
                    DirectoryProblem::ForeignOwner { uid } => write!(
                        f,
                        "the directory {path} belongs to user {uid}, who could replace the socket; name another with \
                         unix:PATH"
                    ),
                    DirectoryProblem::Open { mode } => write!(
                        f,
                        "the directory {path} is open to other users (mode {mode:03o}); chmod 700 {path}, or name \
                         another with unix:PATH"
                    ),
                }
            }
            Self::NotASocket { path } => write!(
                f,
                "{} exists and is not a socket; it is left alone: remove it, or name another path",
                path.display()
            ),
            Self::ForeignSocket { path, uid } => write!(
                f,
                "the socket {} belongs to user {uid}; it is left alone: name another path",
                path.display()
            ),
            Self::InUse { path } => write!(
                f,
                "somebody listens on {} already (perhaps this process); name another path",
                path.display()
            ),
            Self::Io { action, source } => write!(f, "cannot {action}: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            StartError::Io { source, .. } => source.kind(),
            StartError::InUse { .. } => io::ErrorKind::AddrInUse,
            StartError::NotLoopback { .. } | StartError::Abstract { .. } => {
                io::ErrorKind::InvalidInput
            }
            _ => io::ErrorKind::PermissionDenied,
        };
        io::Error::new(kind, error)
    }
}
