//! Pollers, and connected pairs on them.

use std::net::{Ipv4Addr, SocketAddr};

use netpoller::Poller;
use netpoller::net::{TcpStream, UdpSocket, UnixStream};
use socket2::{Domain, SockRef, Socket, Type};

/// A listener whose queue is full, so that the kernel answers no further connection; and those that
/// fill it.
///
/// # Panics
///
/// If there are no sockets to be had.
#[track_caller]
pub fn deaf() -> (Socket, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&loopback().into()).expect("a port");
    listener.listen(0).expect("a queue");
    let address = listener.local_addr().expect("its address");
    let fill = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).expect("a socket");
        let _ = socket.connect(&address);
        socket
    };
    (listener, (0..4).map(fill).collect())
}

/// Any port of the loopback address.
pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A poller of one's own.
#[track_caller]
pub fn new_poller() -> Poller {
    Poller::builder().build().expect("a poller")
}

/// Two connected TCP sockets of std's.
#[track_caller]
pub fn std_tcp_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(loopback()).expect("a listener");
    let address = listener.local_addr().expect("its address");
    let client = std::net::TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("the other end");
    (client, server)
}

/// A TCP socket on `poller`, and its peer as std has it.
#[track_caller]
pub fn tcp_and_peer(poller: &Poller) -> (TcpStream, std::net::TcpStream) {
    let (ours, peer) = std_tcp_pair();
    let ours = poller.in_scope(|| TcpStream::from_std(ours));
    (ours.expect("registration"), peer)
}

/// Two connected TCP sockets on `poller`.
#[track_caller]
pub fn tcp_pair(poller: &Poller) -> (TcpStream, TcpStream) {
    let (ours, peer) = tcp_and_peer(poller);
    let peer = poller.in_scope(|| TcpStream::from_std(peer));
    (ours, peer.expect("registration"))
}

/// Two connected Unix sockets on `poller`.
#[track_caller]
pub fn unix_pair(poller: &Poller) -> (UnixStream, UnixStream) {
    let _entered = poller.enter();
    UnixStream::pair().expect("a pair")
}

/// Two UDP sockets on `poller` that know each other.
#[track_caller]
pub fn udp_pair(poller: &Poller) -> (UdpSocket, UdpSocket) {
    let _entered = poller.enter();
    let bind = || UdpSocket::bind(loopback()).expect("a socket");
    let (a, b) = (bind(), bind());
    a.connect(b.local_addr().expect("address"))
        .expect("connect");
    b.connect(a.local_addr().expect("address"))
        .expect("connect");
    (a, b)
}

/// Makes the buffers of a TCP connection small, so that a few kilobytes fill it.
#[track_caller]
pub fn small_buffers(a: &TcpStream, b: &TcpStream) {
    for stream in [a, b] {
        let set = |socket: SockRef<'_>| {
            socket.set_send_buffer_size(4096)?;
            socket.set_recv_buffer_size(4096)
        };
        stream.with_options(set).expect("buffer sizes");
    }
}

/// More bytes than any connection takes while nobody reads.
pub fn full() -> Vec<u8> {
    vec![0x5a; 32 << 20]
}
