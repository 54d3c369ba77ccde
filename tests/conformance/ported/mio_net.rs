//! mio's tests of sockets: resets, failed connections, writes before and after a deregistration,
//! datagrams edge by edge.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use netpoller::net::{TcpStream, UdpSocket};
use netpoller::{Counter, Direction, Kind, Poller};
use netpoller_tests::{
    Lane, assert_blocked, assert_errno, is_parked, loopback, new_poller, pause, run, tcp_pair,
    udp_pair,
};

use super::support::poll_now;

/// mio tests/tcp.rs connection_reset_by_peer: the reset came before the socket was registered; the
/// first edge tells of it, and a read finds no bytes.
#[test]
fn connection_reset_by_peer() {
    run(async |_| {
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        socket2::SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        let server = TcpStream::from_std(server).unwrap();
        server.readable().await.unwrap();
        assert_errno(server.read(&mut [0; 16]).await, libc::ECONNRESET);
        assert_eq!(server.read(&mut [0; 16]).await.unwrap(), 0, "told once");
    });
}

/// mio tests/tcp.rs connect_error: a refused connection makes the socket writable, with an error
/// that is there once; nothing more is heard of it.
#[test]
fn connect_error() {
    let poller = new_poller();
    let nobody = std::net::TcpListener::bind(loopback()).unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let kind = socket2::Type::STREAM.nonblocking();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
    let _ = socket.connect(&address.into());
    let desc = poller.open(socket.as_fd(), Kind::Tcp).unwrap();
    poll_now(&poller);
    assert_eq!(desc.reset(Direction::Write), Ok(true));
    let error = socket.take_error().unwrap().expect("it was refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(socket.take_error().unwrap().is_none());
    poll_now(&poller);
    assert_eq!(desc.reset(Direction::Write), Ok(false), "no more events");
}

/// mio tests/tcp.rs write_error: writes to a peer that is gone end with an error, also those that
/// have to wait before they learn of it.
#[test]
fn write_error() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        drop(b);
        let error = loop {
            if let Err(error) = a.write(&[0; 1024]).await {
                break error;
            }
        };
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{error}"
        );
    });
}

/// mio tests/tcp.rs write_then_deregister: what was written before its socket was deregistered
/// arrives.
#[test]
fn write_then_deregister() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 10];
        let mut read = Box::pin(b.read(&mut buf));
        assert!(is_parked(&mut read).await);
        a.write_all(&[1, 2, 3, 4]).await.unwrap();
        let a = a.into_owned_fd().unwrap();
        assert_eq!(read.await.unwrap(), 4);
        assert_eq!(buf[..4], [1, 2, 3, 4]);
        drop(a);
    });
}

/// mio tests/tcp.rs tcp_no_events_after_deregister: data, and the end, of a socket that is no
/// longer registered are told to nobody; they are found by whoever reads it otherwise.
#[test]
fn tcp_no_events_after_deregister() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        pause(&poller, Duration::from_millis(1)).await;
        let a = std::net::TcpStream::from(a.into_owned_fd().unwrap());
        let incoming = || poller.stats().counter(Counter::EventsIn);
        let before = incoming();
        b.write_all(b"for nobody").await.unwrap();
        drop(b);
        pause(&poller, Duration::from_millis(1)).await;
        assert_eq!(incoming(), before);
        assert_eq!(poller.stats().counter(Counter::StaleEvents), 0);
        assert_eq!((&a).read(&mut [0; 16]).unwrap(), 10);
        assert_eq!((&a).read(&mut [0; 16]).unwrap(), 0);
    });
}

/// mio tests/tcp.rs multiple_writes_immediate_success: writes that find room do not wait, however
/// many there are after one edge.
#[test]
fn multiple_writes_immediate_success() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let reading = Lane::block_on(&poller, move || async move {
            let (mut buf, mut received) = ([0; 1024], 0);
            while received < 16 * 1024 {
                let n = b.read(&mut buf).await.unwrap();
                assert!(buf[..n].iter().all(|byte| *byte == 1));
                received += n;
            }
        });
        for _ in 0..16 {
            let mut write = pin!(a.write_all(&[1; 1024]));
            assert!(!is_parked(&mut write).await);
        }
        reading.join();
    });
}

/// mio tests/tcp_stream.rs hup_event_on_disconnect: a peer that is gone hangs up, which wakes the
/// reader and the writer alike.
#[test]
fn hup_event_on_disconnect() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let all = netpoller_tests::full();
        let (mut byte, hups) = ([0; 1], || poller.stats().counter(Counter::EventsHup));
        {
            let mut read = pin!(a.read(&mut byte));
            let mut write = pin!(a.write_all(&all));
            assert!(is_parked(&mut read).await);
            assert!(is_parked(&mut write).await);
            assert_eq!(hups(), 0);
            // With bytes that nobody has read, so that close resets.
            drop(b);
            assert!(write.await.is_err());
            let _ = read.await;
        }
        assert!(hups() > 0);
    });
}

/// mio tests/udp_socket.rs et_behavior_recv: a datagram that was not received is not told of again;
/// one that comes after it is, and then both are there.
#[test]
fn et_behavior_recv() {
    let poller = new_poller();
    let socket = std::net::UdpSocket::bind(loopback()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let sender = std::net::UdpSocket::bind(loopback()).unwrap();
    let desc = poller.open(socket.as_fd(), Kind::Udp).unwrap();
    poll_now(&poller);
    let is_told = || {
        poll_now(&poller);
        desc.reset(Direction::Read).unwrap()
    };
    assert!(!is_told());
    for _ in 0..2 {
        sender
            .send_to(b"Hello world!", socket.local_addr().unwrap())
            .unwrap();
        assert!(is_told());
        assert!(!is_told(), "an edge, not a level");
    }
    for _ in 0..2 {
        assert_eq!(socket.recv(&mut [0; 20]).unwrap(), 12);
    }
    assert_eq!(
        socket.recv(&mut [0; 20]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert!(!is_told());
}

/// mio tests/udp_socket.rs et_behavior_recv_from: the same of whole operations: two datagrams after
/// one edge are two receives, of which only the third waits.
#[test]
fn et_behavior_recv_from() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        let from = a.local_addr().unwrap();
        let mut buf = [0; 20];
        a.send(b"Hello world!").await.unwrap();
        a.send(b"Hello mars!").await.unwrap();
        pause(&poller, Duration::from_millis(1)).await;
        assert_eq!(b.recv_from(&mut buf).await.unwrap(), (12, from));
        assert_eq!(b.recv_from(&mut buf).await.unwrap(), (11, from));
        let mut third = pin!(b.recv_from(&mut buf));
        assert_blocked(&poller, &mut third).await;
        a.send(b"again").await.unwrap();
        assert_eq!(third.await.unwrap(), (5, from));
    });
}

/// mio tests/udp_socket.rs empty_datagram: a datagram without bytes wakes the receiver that waits
/// for it, and has an address.
#[test]
fn empty_datagram() {
    run(async |_| {
        let a = UdpSocket::bind(loopback()).unwrap();
        let b = UdpSocket::bind(loopback()).unwrap();
        let mut buf = [0; 10];
        let mut receive = pin!(b.recv_from(&mut buf));
        assert!(is_parked(&mut receive).await);
        assert_eq!(a.send_to(b"", b.local_addr().unwrap()).await.unwrap(), 0);
        assert_eq!(receive.await.unwrap(), (0, a.local_addr().unwrap()));
    });
}

/// mio tests/tcp.rs connect_then_close: a client learns of the end of a connection that was
/// accepted and dropped, while its own connect may still be on its way.
#[test]
fn connect_then_close() {
    run(async |_| {
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut dial = pin!(TcpStream::connect(address));
        assert!(is_parked(&mut dial).await);
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"x").unwrap();
        drop(server);
        let client = dial.await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(client.read(&mut buf).await.unwrap(), 1);
        assert_eq!(client.read(&mut buf).await.unwrap(), 0);
    });
}
