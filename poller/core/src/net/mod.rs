//! Sockets. Their methods take `&self`, so one socket serves several tasks; those that read at the
//! same time take turns in the order in which they came, and so do those that write. Who is called
//! and does not run is passed by the others.
//!
//! Every socket belongs to the poller that is the current one when it is made: one of yours within
//! [`enter`](crate::Poller::enter), [`in_scope`](crate::Poller::in_scope) and
//! [`block_on_poller`](crate::block_on_poller), else the runtime's own in tokio and the global one
//! elsewhere (see [`driver`](crate::driver)). A connection belongs to the current poller of who
//! accepted it, or to that of its listener if the user has chosen that one.
//!
//! # Deadlines
//!
//! Deadlines are absolute and hold for operations that already wait as well as for those to come.
//! An operation that meets one fails with
//! [`io::ErrorKind::TimedOut`](std::io::ErrorKind::TimedOut); the socket can be used again once
//! another deadline is set. They never fire early.
//!
//! # Cancel safety
//!
//! Dropping the future of an operation takes nothing from the socket: an operation either was done,
//! and its future has returned, or was not. The exceptions are `write_all`, which may have written
//! a part, and `connect`, which gives up.
#![forbid(unsafe_code)]

// | file | holds |
// |---|---|
// | `tcp`, `udp`, `unix` | the sockets |
// | `macros`, `traits` | methods that they have in common, and the traits of the runtimes |
// | `blocking` | handles that park the thread |
// | `addr`, `resolve` | addresses between the kernel's form and std's, and the looking up of names |
// | `accept` | what an accept that has failed says |

mod accept;
mod addr;
mod blocking;
mod macros;
mod resolve;
mod tcp;
mod traits;
mod udp;
mod unix;

pub use crate::fd::{Closing, WriteAllError};
pub use blocking::Blocking;
pub use resolve::ToSocketAddrs;
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{
    Message, UnixDatagram, UnixIncoming, UnixListener, UnixSeqpacket, UnixSeqpacketListener,
    UnixStream,
};

pub(crate) use blocking::{HasFd, write_all as blocking_write_all};
pub(crate) use macros::{descriptor_methods, stream_methods};
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
pub(crate) use traits::end_of_writing;
pub(crate) use traits::stream_traits;
