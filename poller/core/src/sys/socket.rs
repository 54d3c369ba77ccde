//! Socket calls that the fd layer needs: accept, connect and what they ask the kernel afterwards.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};

use socket2::{SockAddr, SockRef};

use super::syscall;

fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the floor above keeps `fd` open for as long as a call of this file runs, and no
    // borrow leaves the file.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// accept4(2): the connection, non-blocking and closed on exec, and its peer.
pub(crate) fn accept(fd: RawFd) -> io::Result<(OwnedFd, SockAddr)> {
    // SAFETY: the kernel writes address and length; a descriptor that is returned is new and ours.
    unsafe {
        let (connection, peer) = SockAddr::try_init(|storage, length| {
            syscall!(libc::accept4(
                fd,
                storage.cast(),
                length,
                libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK
            ))
        })?;
        Ok((OwnedFd::from_raw_fd(connection), peer))
    }
}

/// connect(2).
pub(crate) fn connect(fd: RawFd, to: &SockAddr) -> io::Result<()> {
    // SAFETY: `to` is valid for its length.
    syscall!(unsafe { libc::connect(fd, to.as_ptr().cast(), to.len()) })?;
    Ok(())
}

/// SO_ERROR, which reading clears.
pub(crate) fn take_error(fd: RawFd) -> io::Result<Option<io::Error>> {
    SockRef::from(&borrow(fd)).take_error()
}

/// getpeername(2).
pub(crate) fn peer_addr(fd: RawFd) -> io::Result<SockAddr> {
    SockRef::from(&borrow(fd)).peer_addr()
}

/// The peer of a connection that is under way, which getpeername(2) does not tell yet
/// (SO_PEERNAME).
pub(crate) fn connecting_peer(fd: RawFd) -> io::Result<SockAddr> {
    let ask = |room: usize| {
        // SAFETY: the kernel writes at most as many bytes as the length says, which the storage
        // has, and the family among them.
        unsafe {
            SockAddr::try_init(|storage, length| {
                *length = room as libc::socklen_t;
                syscall!(libc::getsockopt(
                    fd,
                    libc::SOL_SOCKET,
                    libc::SO_PEERNAME,
                    storage.cast(),
                    length
                ))
            })
        }
    };
    // It refuses to write more than the address has.
    ask(size_of::<libc::sockaddr_in6>())
        .or_else(|_| ask(size_of::<libc::sockaddr_in>()))
        .map(|(_, address)| address)
}

/// getsockname(2).
pub(crate) fn local_addr(fd: RawFd) -> io::Result<SockAddr> {
    SockRef::from(&borrow(fd)).local_addr()
}

/// getsockname(2) of a Unix socket, as std reads it: also a name that fills all 108 bytes.
pub(crate) fn unix_local_addr(fd: RawFd) -> io::Result<UnixAddr> {
    std_unix(fd).local_addr()
}

/// getpeername(2) of a Unix socket, as std reads it.
pub(crate) fn unix_peer_addr(fd: RawFd) -> io::Result<UnixAddr> {
    std_unix(fd).peer_addr()
}

/// Not closed when it is dropped. Neither call asks of which type the socket is.
fn std_unix(fd: RawFd) -> ManuallyDrop<UnixStream> {
    // SAFETY: as in `borrow`; the descriptor stays the caller's, for nothing drops what is
    // returned.
    ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(fd) })
}

/// shutdown(2).
pub(crate) fn shutdown(fd: RawFd, how: std::net::Shutdown) -> io::Result<()> {
    SockRef::from(&borrow(fd)).shutdown(how)
}

/// Runs `f` with socket options of `fd`.
pub(crate) fn with_options<R>(
    fd: RawFd,
    f: impl FnOnce(SockRef<'_>) -> io::Result<R>,
) -> io::Result<R> {
    f(SockRef::from(&borrow(fd)))
}
