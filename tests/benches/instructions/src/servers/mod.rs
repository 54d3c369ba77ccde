//! The servers that are compared. All do the same with a connection, as the documentation of each
//! would have it.
//!
//! | file | holds |
//! |---|---|
//! | `rounds` | the beginning and the end of a round, for servers of tasks |
//! | `netpoller` | ours, inside tokio, inline and beside a thread |
//! | `bare` | epoll and the system calls, nothing else |
//! | `mio`, `smol`, `tokio` | the peers |

mod bare;
mod mio;
mod netpoller;
mod rounds;
mod smol;
mod tokio;

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use clap::ValueEnum;

/// Connections, all of which are busy in each round.
pub(crate) const CONNECTIONS: usize = 64;
/// Bytes of a request.
pub(crate) const REQUEST: usize = 64;

/// What is done with each connection in each round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(crate) enum Case {
    /// Read a request, write it back, wait for the next.
    Request,
    /// Read a request, wait for the next: a wait and its wake.
    Wait,
    /// A request, with a new deadline for its read.
    Deadline,
    /// Register a new socket, deregister and close it.
    Open,
}

/// Serves `case` on `connections` until the load ends.
type Serve = fn(case: Case, connections: Vec<TcpStream>) -> io::Result<()>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(crate) enum Server {
    Bare,
    Mio,
    Tokio,
    Smol,
    NetpollerTokio,
    NetpollerInline,
    NetpollerThread,
}

impl Server {
    /// Whose figures are written down: ours, where one thread does all. Where two take turns, the
    /// kernel decides how many events a wait finds.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Server::NetpollerTokio | Server::NetpollerInline)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Server::Bare => "bare",
            Server::Mio => "mio",
            Server::Tokio => "tokio",
            Server::Smol => "smol",
            Server::NetpollerTokio => "netpoller-tokio",
            Server::NetpollerInline => "netpoller-inline",
            Server::NetpollerThread => "netpoller-thread",
        }
    }

    /// `None` where there is nothing to compare with: a loop of epoll has no deadlines.
    pub(crate) fn serves(self, case: Case) -> bool {
        case != Case::Deadline || !matches!(self, Server::Bare | Server::Mio)
    }

    pub(crate) fn serve(self) -> Serve {
        match self {
            Server::Bare => bare::serve,
            Server::Mio => mio::serve,
            Server::Tokio => tokio::serve,
            Server::Smol => smol::serve,
            Server::NetpollerTokio => netpoller::tokio,
            Server::NetpollerInline => netpoller::inline,
            Server::NetpollerThread => netpoller::thread,
        }
    }
}

/// A new socket, as the kernel makes it.
fn new_socket() -> io::Result<UnixStream> {
    let (socket, _) = UnixStream::pair()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
