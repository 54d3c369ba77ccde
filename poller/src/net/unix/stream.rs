//! [`UnixStream`].

use std::io;
use std::panic::Location;
use std::path::Path;

use socket2::Type;

use super::{message::message_io, unix_addresses};
use crate::desc::Kind;
use crate::driver::{self, Later};
use crate::fd::{Fd, Options};
use crate::net::{Blocking, descriptor_methods, stream_methods, stream_traits};
use crate::poller::Poller;

/// A Unix stream connection.
#[derive(Debug)]
pub struct UnixStream {
    pub(super) fd: Fd,
}

descriptor_methods!(UnixStream);
stream_methods!(UnixStream);
stream_traits!(UnixStream);
unix_addresses!(UnixStream);
message_io!(UnixStream);

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// Names the path: nobody listens, not allowed, and so on.
    #[track_caller]
    pub fn connect<'a>(path: impl AsRef<Path> + 'a) -> impl Future<Output = io::Result<Self>> + 'a {
        Self::connect_at(Later::new(), path, Location::caller())
    }

    /// [`UnixStream::connect`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`UnixStream::connect`].
    #[track_caller]
    pub fn connect_on<'a, P: AsRef<Path> + 'a>(
        poller: &Poller,
        path: P,
    ) -> impl Future<Output = io::Result<Self>> + use<'a, P> {
        Self::connect_at(Later::named(poller), path, Location::caller())
    }

    async fn connect_at(
        poller: Later,
        path: impl AsRef<Path>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let fd = super::connect(poller, path.as_ref(), Type::STREAM, Kind::Unix, location).await?;
        Ok(Self { fd })
    }

    /// Two connected streams.
    ///
    /// # Errors
    ///
    /// If they cannot be made or registered.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        Self::pair_at(&driver::current()?, Location::caller())
    }

    /// [`UnixStream::pair`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`UnixStream::pair`].
    #[track_caller]
    pub fn pair_on(poller: &Poller) -> io::Result<(Self, Self)> {
        Self::pair_at(poller, Location::caller())
    }

    fn pair_at(poller: &Poller, location: &'static Location<'static>) -> io::Result<(Self, Self)> {
        let (a, b) = super::pair(poller, Type::STREAM, Kind::Unix, location)?;
        Ok((Self { fd: a }, Self { fd: b }))
    }

    /// Takes over a connection of std, making it non-blocking.
    ///
    /// # Errors
    ///
    /// If it cannot be registered; it is given back then.
    #[track_caller]
    pub fn from_std(
        stream: std::os::unix::net::UnixStream,
    ) -> Result<Self, (std::os::unix::net::UnixStream, io::Error)> {
        match driver::current() {
            Ok(poller) => Self::from_std_at(&poller, stream, Location::caller()),
            Err(error) => Err((stream, error)),
        }
    }

    /// [`UnixStream::from_std`] with a poller of your own.
    ///
    /// # Errors
    ///
    /// As [`UnixStream::from_std`].
    #[track_caller]
    pub fn from_std_on(
        poller: &Poller,
        stream: std::os::unix::net::UnixStream,
    ) -> Result<Self, (std::os::unix::net::UnixStream, io::Error)> {
        Self::from_std_at(poller, stream, Location::caller())
    }

    fn from_std_at(
        poller: &Poller,
        stream: std::os::unix::net::UnixStream,
        location: &'static Location<'static>,
    ) -> Result<Self, (std::os::unix::net::UnixStream, io::Error)> {
        match Fd::adopt(poller, stream.into(), Options::new(Kind::Unix), location) {
            Ok(fd) => Ok(Self { fd }),
            Err((fd, error)) => Err((fd.into(), error)),
        }
    }

    /// The same connection as one that parks the thread, with std's `Read` and `Write` and the same deadlines.
    pub fn blocking(&self) -> Blocking<'_, Self> {
        Blocking::new(self)
    }
}
