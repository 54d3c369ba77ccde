//! Addresses between the kernel's form and std's.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
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
pub(super) fn unix(addr: &SockAddr) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    if let Some(path) = addr.as_pathname() {
        SocketAddr::from_pathname(path)
    } else if let Some(name) = addr.as_abstract_namespace() {
        SocketAddr::from_abstract_name(name)
    } else {
        // The address of a socket without a name.
        SocketAddr::from_pathname("")
    }
}

/// The address of a Unix socket at `path`.
pub(super) fn at_path(path: &Path) -> io::Result<SockAddr> {
    SockAddr::unix(path).map_err(|error| {
        crate::error::while_doing(format_args!("socket path {}", path.display()), error)
    })
}

/// A socket, non-blocking and closed on exec.
pub(super) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), protocol)
        .map_err(|error| crate::error::while_doing("cannot make a socket", error))
}

/// A connected pair of Unix sockets.
pub(super) fn pair(kind: Type) -> io::Result<(OwnedFd, OwnedFd)> {
    let (a, b) = Socket::pair(Domain::UNIX, kind.nonblocking(), None)
        .map_err(|error| crate::error::while_doing("cannot make a pair of sockets", error))?;
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
