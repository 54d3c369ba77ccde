//! Addresses between the kernel's form and std's.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The internet address in `addr`.
pub(super) fn internet(addr: &SockAddr) -> io::Result<SocketAddr> {
    addr.as_socket().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the kernel gave no internet address",
        )
    })
}

/// The Unix address in `addr`, in std's form.
///
/// A path may fill all 108 bytes that there are, without a NUL behind it (unix(7), BUGS). std has
/// such addresses and makes none from a path, so they come out unnamed here: by then a connection
/// or a datagram was taken, which must not be lost over the name of its sender.
pub(super) fn unix(addr: &SockAddr) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let named = if let Some(path) = addr.as_pathname() {
        SocketAddr::from_pathname(path)
    } else if let Some(name) = addr.as_abstract_namespace() {
        SocketAddr::from_abstract_name(name)
    } else {
        return SocketAddr::from_pathname("");
    };
    named.or_else(|_| SocketAddr::from_pathname(""))
}

/// The address of a Unix socket at `path`; with a NUL in front it is a name of the abstract
/// namespace.
///
/// # Errors
///
/// A NUL within a path would end it there, and name another socket.
pub(super) fn at_path(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    let made = if bytes.first().is_some_and(|first| *first != 0) && bytes.contains(&0) {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a path has no NUL within; only the first byte may be one, for an abstract name",
        ))
    } else {
        SockAddr::unix(path)
    };
    made.map_err(|error| {
        crate::error::context(format_args!("socket path {}", path.display()), error)
    })
}

/// A socket, non-blocking and closed on exec.
pub(super) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), protocol)
        .map_err(|error| crate::error::context("cannot make a socket", error))
}

/// A connected pair of Unix sockets.
pub(super) fn pair(kind: Type) -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = Socket::pair(Domain::UNIX, kind.nonblocking(), None)
        .map_err(|error| crate::error::context("cannot make a pair of sockets", error))?;
    Ok((a.into(), b.into()))
}

/// The first of `addrs` that `f` accepts, or the last error.
pub(super) fn first_of<T>(
    addrs: impl std::net::ToSocketAddrs,
    mut f: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addrs.to_socket_addrs()? {
        match f(addr) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")))
}
