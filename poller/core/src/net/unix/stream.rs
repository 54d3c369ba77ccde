//! [`UnixStream`].

use std::io;
use std::panic::Location;
use std::path::Path;

use socket2::Type;

use super::{message::message_io, unix_addresses};
use crate::desc::Kind;
use crate::driver::{self, Later};
use crate::error::NotRegistered;
use crate::fd::{Fd, Options};
use crate::net::{Blocking, descriptor_methods, stream_methods, stream_traits};

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
        let (poller, location) = (Later::new(), Location::caller());
        async move {
            let (path, kind) = (path.as_ref(), Kind::Unix);
            let fd = super::connect(poller, path, Type::STREAM, kind, location).await?;
            Ok(Self { fd })
        }
    }

    /// Makes two connected streams.
    ///
    /// # Errors
    ///
    /// If they cannot be made or registered.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = super::pair(Type::STREAM, Kind::Unix, Location::caller())?;
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
    ) -> Result<Self, NotRegistered<std::os::unix::net::UnixStream>> {
        let poller = match driver::current() {
            Ok(poller) => poller,
            Err(error) => {
                return Err(NotRegistered {
                    inner: stream,
                    error,
                });
            }
        };
        let options = Options::new(Kind::Unix);
        Fd::adopt(&poller, stream.into(), options, Location::caller())
            .map(|fd| Self { fd })
            .map_err(|refused| refused.map(Into::into))
    }

    /// Returns the same connection as one that parks the thread, with std's `Read` and `Write` and
    /// the same deadlines.
    pub fn blocking(&self) -> Blocking<'_, Self> {
        Blocking::new(self)
    }
}
