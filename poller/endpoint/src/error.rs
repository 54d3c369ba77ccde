//! Why the endpoint did not start, and what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The endpoint was not started. No socket of it is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A TCP address that other machines can reach, in plain text.
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A TCP address that other machines can reach, with TLS, but whoever comes is let in.
    AnybodyMayCall {
        /// The address.
        address: SocketAddr,
    },
    /// `Control` was to listen on TCP, and no token of its own is asked for there.
    ControlWithoutToken {
        /// The address.
        address: SocketAddr,
    },
    /// Whoever may look may also change: the token of `Control` is the one of the other listeners.
    SameToken,
    /// A file with a secret is not one.
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: SecretProblem,
    },
    /// A certificate or a key cannot be used.
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
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
    /// Another process writes to the file of the black box.
    BlackBoxInUse {
        /// The file.
        path: PathBuf,
    },
    /// Something else than a recording lies where the black box would.
    NotARecording {
        /// The file.
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

/// Why a file is no place for a secret, or has none in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SecretProblem {
    /// It is no regular file.
    NotAFile,
    /// Another user owns it.
    ForeignOwner {
        /// The owner.
        uid: u32,
    },
    /// Other users may read or write it.
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// The token has less than 128 bits.
    TooShort,
    /// The token repeats itself, or has few different characters: it has less than 128 bits
    /// although it is long.
    Guessable,
    /// The token has characters in it that a header cannot carry.
    NotText,
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
                "{address} can be reached from other machines, who could read along and call; listen on 127.0.0.1 or on \
                 a Unix socket and forward it with ssh -L, or secure it: tls(…) with client_ca(…) or token_file(…)"
            ),
            Self::AnybodyMayCall { address } => write!(
                f,
                "{address} can be reached from other machines, and TLS alone does not ask who calls; add client_ca(…), \
                 for certificates of clients, or token_file(…)"
            ),
            Self::ControlWithoutToken { address } => write!(
                f,
                "whoever reaches {address} could evict descriptors; let Control listen on a Unix socket, or add \
                 control_token_file(…) with a token of its own"
            ),
            Self::SameToken => f.write_str(
                "the token of Control is that of the other listeners, so that whoever may look may also evict; make \
                 another one: openssl rand -hex 32",
            ),
            Self::Secret { path, problem } => {
                let path = path.display();
                match problem {
                    SecretProblem::NotAFile => {
                        write!(f, "{path} is no regular file; name the file with the secret")
                    }
                    SecretProblem::ForeignOwner { uid } => write!(
                        f,
                        "{path} belongs to user {uid}, who knows what is in it and can change it; chown it to the user \
                         of this process"
                    ),
                    SecretProblem::Open { mode } => write!(
                        f,
                        "{path} holds a secret and is open to other users (mode {mode:03o}); chmod 600 {path}, and \
                         replace the secret if others may have read it"
                    ),
                    SecretProblem::TooShort => write!(
                        f,
                        "the token in {path} has less than 128 bits; make one with: openssl rand -hex 32"
                    ),
                    SecretProblem::Guessable => write!(
                        f,
                        "the token in {path} repeats itself or has few different characters, and so less than 128 bits; \
                         make one with: openssl rand -hex 32"
                    ),
                    SecretProblem::NotText => write!(
                        f,
                        "the token in {path} has blanks or characters beyond ASCII in it; make one with: openssl rand \
                         -hex 32"
                    ),
                }
            }
            Self::Tls { path, reason } => {
                write!(f, "{} cannot be used for TLS: {reason}", path.display())
            }
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
            Self::BlackBoxInUse { path } => write!(
                f,
                "another process, or this one, writes to {} already; name another path, such as one with the number of \
                 the process in it",
                path.display()
            ),
            Self::NotARecording { path } => write!(
                f,
                "{} exists and is not a recording; it is left alone: remove it, or name another path",
                path.display()
            ),
            Self::Io { action, source } => write!(f, "cannot {action}: {source}"),
        }
    }
}

// An error is not left in the middle of anything, whatever lies inside.
impl std::panic::UnwindSafe for StartError {}
impl std::panic::RefUnwindSafe for StartError {}

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
            StartError::BlackBoxInUse { .. } => io::ErrorKind::ResourceBusy,
            StartError::NotLoopback { .. }
            | StartError::AnybodyMayCall { .. }
            | StartError::ControlWithoutToken { .. }
            | StartError::SameToken
            | StartError::Tls { .. }
            | StartError::Abstract { .. } => io::ErrorKind::InvalidInput,
            StartError::NotARecording { .. } => io::ErrorKind::AlreadyExists,
            _ => io::ErrorKind::PermissionDenied,
        };
        io::Error::new(kind, error)
    }
}
