//! The calls that move bytes: one try each, with errors as the kernel gives them. EAGAIN and EINTR
//! loops are in `fd/`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::{Room, syscall};

/// Most slices a vectored call takes at once (IOV_MAX on Linux). Of a stream the rest is left for
/// the next call; a message with more is refused by the kernel (EMSGSIZE), for cutting it would
/// make it another one.
pub(crate) const IOV_MAX: usize = 1024;

/// read(2) of at most `most` bytes.
#[inline]
pub(crate) fn read(fd: RawFd, room: &mut (impl Room + ?Sized), most: usize) -> io::Result<usize> {
    let length = room.size().min(most);
    // SAFETY: the room is valid for writes of its size.
    let n = syscall!(unsafe { libc::read(fd, room.start().cast(), length) })? as usize;
    // SAFETY: the kernel has written them.
    unsafe { room.filled(n) };
    Ok(n)
}

/// write(2).
#[inline]
pub(crate) fn write(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: `buf` is valid for reads of its length.
    syscall!(unsafe { libc::write(fd, buf.as_ptr().cast(), buf.len()) }).map(|n| n as usize)
}

/// recv(2) of at most `most` bytes. With MSG_TRUNC in `flags` it may have seen more than it has
/// written.
#[inline]
pub(crate) fn recv(
    fd: RawFd,
    room: &mut (impl Room + ?Sized),
    most: usize,
    flags: i32,
) -> io::Result<usize> {
    let length = room.size().min(most);
    // SAFETY: the room is valid for writes of its size.
    let n = syscall!(unsafe { libc::recv(fd, room.start().cast(), length, flags) })? as usize;
    // SAFETY: the kernel has written them, and no more than it was given room for.
    unsafe { room.filled(n.min(length)) };
    Ok(n)
}

/// send(2) with MSG_NOSIGNAL: a library must not kill its process with SIGPIPE.
#[inline]
pub(crate) fn send(fd: RawFd, buf: &[u8], flags: i32) -> io::Result<usize> {
    // SAFETY: `buf` is valid for reads of its length.
    syscall!(unsafe {
        libc::send(
            fd,
            buf.as_ptr().cast(),
            buf.len(),
            flags | libc::MSG_NOSIGNAL,
        )
    })
    .map(|n| n as usize)
}

/// readv(2).
pub(crate) fn readv(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(IOV_MAX);
    // SAFETY: `IoSliceMut` has the layout of `iovec`, and each is valid for writes.
    syscall!(unsafe { libc::readv(fd, bufs.as_mut_ptr().cast(), count as i32) }).map(|n| n as usize)
}

/// writev(2), for what is not a socket.
pub(crate) fn writev(fd: RawFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(IOV_MAX);
    // SAFETY: `IoSlice` has the layout of `iovec`, and each is valid for reads.
    syscall!(unsafe { libc::writev(fd, bufs.as_ptr().cast(), count as i32) }).map(|n| n as usize)
}

/// sendmsg(2) of `bufs` and `control` with MSG_NOSIGNAL, to `to` where given.
pub(crate) fn sendmsg(
    fd: RawFd,
    bufs: &[IoSlice<'_>],
    to: Option<&socket2::SockAddr>,
    control: &[u8],
) -> io::Result<usize> {
    let mut message = empty_message();
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = bufs.len() as _;
    if let Some(to) = to {
        message.msg_name = to.as_ptr().cast_mut().cast();
        message.msg_namelen = to.len();
    }
    if !control.is_empty() {
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = control.len() as _;
    }
    // SAFETY: every pointer in `message` is valid for its length through the call, and sendmsg only
    // reads behind them.
    syscall!(unsafe { libc::sendmsg(fd, &message, libc::MSG_NOSIGNAL) }).map(|n| n as usize)
}

/// What [`recvmsg`] found.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    pub(crate) control_bytes: usize,
    pub(crate) flags: i32,
}

/// recvmsg(2) into `bufs` and `control`. Descriptors that arrive in control messages are closed on
/// exec.
pub(crate) fn recvmsg(
    fd: RawFd,
    bufs: &mut [IoSliceMut<'_>],
    control: &mut [u8],
    flags: i32,
) -> io::Result<Received> {
    let mut message = empty_message();
    message.msg_iov = bufs.as_mut_ptr().cast();
    message.msg_iovlen = bufs.len() as _;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
    }
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: every pointer in `message` is valid for its length through the call.
    let bytes = syscall!(unsafe { libc::recvmsg(fd, &mut message, flags) })? as usize;
    Ok(Received {
        bytes,
        // A usize with glibc, 32 bits with musl.
        control_bytes: message.msg_controllen as _,
        flags: message.msg_flags,
    })
}

fn empty_message() -> libc::msghdr {
    // SAFETY: all zero is a valid msghdr: null pointers with zero lengths.
    unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() }
}

/// recvfrom(2).
pub(crate) fn recv_from(
    fd: RawFd,
    buf: &mut [u8],
    flags: i32,
) -> io::Result<(usize, socket2::SockAddr)> {
    // SAFETY: `buf` is valid for writes of its length; the kernel writes address and length.
    unsafe {
        socket2::SockAddr::try_init(|storage, length| {
            let n = syscall!(libc::recvfrom(
                fd,
                buf.as_mut_ptr().cast(),
                buf.len(),
                flags,
                storage.cast(),
                length
            ))?;
            Ok(n as usize)
        })
    }
}

/// sendto(2) with MSG_NOSIGNAL.
pub(crate) fn send_to(fd: RawFd, buf: &[u8], to: &socket2::SockAddr) -> io::Result<usize> {
    let (data, length) = (buf.as_ptr().cast(), buf.len());
    // SAFETY: `buf` and `to` are valid for reads of their lengths.
    syscall!(unsafe {
        libc::sendto(
            fd,
            data,
            length,
            libc::MSG_NOSIGNAL,
            to.as_ptr().cast(),
            to.len(),
        )
    })
    .map(|n| n as usize)
}

/// pipe2(2), both ends non-blocking and closed on exec: read end, write end.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: `fds` has room for two.
    syscall!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    // SAFETY: both are new and ours.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Sets O_NONBLOCK where it is not set.
pub(crate) fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = syscall!(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK == 0 {
        // SAFETY: no pointers.
        syscall!(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    }
    Ok(())
}

/// A second descriptor of the same open file, closed on exec.
pub(crate) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a descriptor that is returned is new and ours.
    unsafe {
        Ok(OwnedFd::from_raw_fd(syscall!(libc::fcntl(
            fd,
            libc::F_DUPFD_CLOEXEC,
            0
        ))?))
    }
}

/// What poll(2) says about `fd` now, without waiting. Asks the kernel itself, not what epoll
/// remembered.
pub(crate) fn poll_now(fd: RawFd, events: i16) -> io::Result<i16> {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one valid pollfd.
    syscall!(unsafe { libc::poll(&mut poll, 1, 0) })?;
    Ok(poll.revents)
}

/// A descriptor kept in reserve, so that at the limit of open files there is one to give up.
pub(crate) fn reserve_descriptor() -> io::Result<OwnedFd> {
    std::fs::File::open("/dev/null").map(OwnedFd::from)
}
