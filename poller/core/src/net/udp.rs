//! [`UdpSocket`].

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::panic::Location;

use socket2::{Domain, Protocol, Type};

use crate::desc::Kind;
use crate::error::context;
use crate::fd::{Fd, Options};
use crate::net::{addr, descriptor_methods};
use crate::{driver, sys};

/// A UDP socket. A datagram longer than the buffer is cut without notice, as by `recv(2)`.
#[derive(Debug)]
pub struct UdpSocket {
    fd: Fd,
}

descriptor_methods!(UdpSocket);

impl UdpSocket {
    /// Binds to the first of `addr`'s addresses that can be had.
    ///
    /// # Errors
    ///
    /// Names the address and what to do about it.
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let poller = driver::current()?;
        let fd = addr::first_of(addr, |addr| {
            bind(addr).map_err(|e| context(format_args!("cannot bind to {addr}"), e))
        })?;
        driver::prepare(&poller)?;
        let fd = Fd::new(&poller, fd, Options::new(Kind::Udp), Location::caller())?;
        Ok(Self { fd })
    }

    /// Returns its own address.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `getsockname(2)` said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd
            .with(|fd| addr::internet(&sys::socket::local_addr(fd)?))
    }

    /// Fixes the peer for [`UdpSocket::send`] and [`UdpSocket::recv`]. Does not wait: UDP has no
    /// handshake.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed), or what `connect(2)` said.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.fd
            .with(|fd| sys::socket::connect(fd, &peer.into()))
            .map_err(|error| context(format_args!("cannot connect to {peer}"), error))
    }

    /// Receives a datagram; 0 is one without bytes.
    ///
    /// # Errors
    ///
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded),
    /// [`Error::Closed`](crate::Error::Closed), or what the kernel said.
    #[track_caller]
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.fd.read(buf, Location::caller())
    }

    /// Receives a datagram and says who sent it.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv`].
    #[track_caller]
    pub fn recv_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + 'a {
        self.recv_from_at(buf, Location::caller())
    }

    async fn recv_from_at(
        &self,
        buf: &mut [u8],
        location: &'static Location<'static>,
    ) -> io::Result<(usize, SocketAddr)> {
        let (n, from) = self.fd.recv_from(buf, 0, location).await?;
        Ok((n, addr::internet(&from)?))
    }

    /// Sends a datagram to the peer of [`UdpSocket::connect`].
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv`].
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.fd.write(buf, Location::caller())
    }

    /// Sends a datagram to `to`.
    ///
    /// # Errors
    ///
    /// As [`UdpSocket::recv`].
    #[track_caller]
    pub fn send_to<'a>(
        &'a self,
        buf: &'a [u8],
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        let location = Location::caller();
        async move { self.fd.send_to(buf, &to.into(), location).await }
    }
}

fn bind(addr: SocketAddr) -> io::Result<OwnedFd> {
    let socket = addr::socket(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}
