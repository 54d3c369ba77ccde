//! Unix sockets: streams, datagrams and seqpackets.

mod datagram;
mod listener;
mod message;
mod seqpacket;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{UnixIncoming, UnixListener};
pub use message::Message;
pub use seqpacket::{UnixSeqpacket, UnixSeqpacketListener};
pub use stream::UnixStream;

use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::path::Path;
use std::pin::pin;

use socket2::{Domain, Type};

use crate::budget;
use crate::desc::Kind;
use crate::driver::{self, Later};
use crate::error::{NotRegistered, context};
use crate::fd::{self, Fd, Options};
use crate::net::addr;
use crate::poller::Poller;

/// Registers a Unix socket.
fn register(
    poller: &Poller,
    fd: OwnedFd,
    kind: Kind,
    location: &'static Location<'static>,
) -> Result<Fd, NotRegistered<OwnedFd>> {
    match driver::prepare(poller) {
        Ok(()) => Fd::new(poller, fd, Options::new(kind), location),
        Err(error) => Err(NotRegistered { inner: fd, error }),
    }
}

/// Two connected sockets, registered.
fn pair(ty: Type, kind: Kind, location: &'static Location<'static>) -> io::Result<(Fd, Fd)> {
    let poller = driver::current()?;
    let (a, b) = addr::pair(ty)?;
    let a = register(&poller, a, kind, location)?;
    let b = register(&poller, b, kind, location)?;
    Ok((a, b))
}

/// A socket that listens at `path`, registered.
fn listen(
    poller: &Poller,
    path: &Path,
    ty: Type,
    location: &'static Location<'static>,
) -> io::Result<Fd> {
    let bind = || {
        let socket = addr::socket(Domain::UNIX, ty, None)?;
        socket.bind(&addr::at_path(path)?)?;
        socket.listen(4096)?;
        Ok(socket.into())
    };
    let fd = bind()
        .map_err(|error| context(format_args!("cannot listen on {}", path.display()), error))?;
    Ok(register(poller, fd, Kind::UnixListener, location)?)
}

/// A socket connected to `path`, registered.
async fn connect(
    poller: Later,
    path: &Path,
    ty: Type,
    kind: Kind,
    location: &'static Location<'static>,
) -> io::Result<Fd> {
    // All of it is one operation, for it may fail before it comes to the descriptor.
    let mut dialling = pin!(dial(poller, path, ty, kind, location));
    budget::cooperative(|cx| dialling.as_mut().poll(cx), || {}).await
}

async fn dial(
    poller: Later,
    path: &Path,
    ty: Type,
    kind: Kind,
    location: &'static Location<'static>,
) -> io::Result<Fd> {
    let failed = |error| context(format_args!("cannot connect to {}", path.display()), error);
    let to = addr::at_path(path)?;
    let socket = addr::socket(Domain::UNIX, ty, None).map_err(failed)?;
    let fd = register(&poller.get()?, socket.into(), kind, location)?;
    fd::connect(&fd, &to, location).await.map_err(failed)?;
    Ok(fd)
}

/// Addresses of both ends.
macro_rules! unix_addresses {
    ($type:ident) => {
        impl $type {
            /// Returns its own address; unnamed for one end of a pair.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed), or what `getsockname(2)` said.
            pub fn local_addr(&self) -> std::io::Result<std::os::unix::net::SocketAddr> {
                self.fd.with(crate::sys::socket::unix_local_addr)
            }

            /// Address of the peer; unnamed for a client that did not bind.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed), or what `getpeername(2)` said.
            pub fn peer_addr(&self) -> std::io::Result<std::os::unix::net::SocketAddr> {
                self.fd.with(crate::sys::socket::unix_peer_addr)
            }

            /// Ends one direction, or both.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed), or what `shutdown(2)` said.
            pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
                self.fd.with(|fd| crate::sys::socket::shutdown(fd, how))
            }
        }
    };
}

/// Messages with their boundaries.
macro_rules! message_methods {
    ($type:ident) => {
        impl $type {
            /// Receives a message. What does not fit into `buf` is lost.
            ///
            /// # Errors
            ///
            /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded),
            /// [`Error::Closed`](crate::Error::Closed), or what the kernel said.
            #[track_caller]
            pub fn recv<'a>(
                &'a self,
                buf: &'a mut [u8],
            ) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd.read(buf, std::panic::Location::caller())
            }

            /// Sends a message, whole.
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv).
            #[track_caller]
            pub fn send<'a>(
                &'a self,
                buf: &'a [u8],
            ) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd.write(buf, std::panic::Location::caller())
            }
        }
    };
}

pub(crate) use {message_methods, unix_addresses};
