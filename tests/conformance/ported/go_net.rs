//! Go's net package: half closes of messages, calls of the user's own, datagrams without room.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::time::Duration;

use netpoller::net::UnixSeqpacket;
use netpoller::pollable::Pollable;
use netpoller::{Error, Poller, Sides};
use netpoller_tests::{
    assert_errno, assert_timeout, is_parked, loopback, past, run, soon, tcp_pair, udp_pair,
};

/// A connection whose ends are std's.
fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Go net/net_test.go TestCloseRead, over unixpacket: who has shut the reading side down reads the
/// end, whatever is sent, and can still send; the peer's sends fail.
#[test]
fn close_read_of_a_seqpacket() {
    run(async |_| {
        let (a, b) = UnixSeqpacket::pair().unwrap();
        let mut buf = [0; 16];
        {
            let mut receive = pin!(a.recv(&mut buf));
            assert!(is_parked(&mut receive).await);
            a.shutdown(Shutdown::Read).unwrap();
            assert_eq!(receive.await.unwrap(), 0);
        }
        assert_eq!(a.recv(&mut buf).await.unwrap(), 0);
        a.send(b"still here").await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 10);
        assert_errno(b.send(b"x").await, libc::EPIPE);
    });
}

/// Go net/rawconn_test.go TestRawConnReadWrite: calls of the user's own, made again when the kernel
/// has said EAGAIN.
#[test]
fn raw_conn_read_write() {
    run(async |_| {
        let (a, b) = std_pair();
        let a = Pollable::new(a).unwrap();
        let b = Pollable::new(b).unwrap();
        let mut calls = 0;
        {
            let mut buf = [0; 32];
            let mut read = pin!(a.read_with(|mut socket| {
                calls += 1;
                socket.read(&mut buf)
            }));
            assert!(is_parked(&mut read).await);
            let n = b
                .write_with(|mut socket| socket.write(b"HELLO"))
                .await
                .unwrap();
            assert_eq!((n, read.await.unwrap()), (5, 5));
        }
        assert_eq!(calls, 2, "once before it waited, once after");
        // An error other than EAGAIN ends it, and so does the first success.
        let error = a
            .read_with(|_| Err::<(), _>(std::io::Error::from_raw_os_error(libc::EIO)))
            .await;
        assert_errno(error, libc::EIO);
    });
}

/// Go net/rawconn_test.go TestRawConnReadWrite/Deadline: with a deadline in the past the call is
/// not made at all; one that comes ends a call that waits.
#[test]
fn raw_conn_read_write_deadline() {
    run(async |_| {
        let (a, _b) = std_pair();
        let a = Pollable::new(a).unwrap();
        a.set_deadline(past(), Sides::Both).unwrap();
        let never = |_: &_| -> std::io::Result<()> { panic!("the deadline has passed") };
        for _ in 0..3 {
            assert_timeout(a.read_with(never).await);
            assert_timeout(a.write_with(never).await);
        }
        a.set_deadline(None, Sides::Both).unwrap();
        a.set_deadline(soon(), Sides::Read).unwrap();
        assert_timeout(a.read_with(|mut socket| socket.read(&mut [0; 8])).await);
        assert_eq!(
            a.write_with(|mut socket| socket.write(b"x")).await.unwrap(),
            1,
            "the other direction has none"
        );
    });
}

/// Go net/sendfile_test.go TestSendfileOnWriteTimeoutExceeded: nothing is sent after the deadline,
/// not even by sendfile(2), and a deadline that comes while the peer does not read ends it.
#[test]
fn sendfile_on_write_timeout_exceeded() {
    run(async |_| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 65_536]).unwrap();
        let (a, mut b) = std_pair();
        let a = Pollable::new(a).unwrap();
        let send = |socket: &std::net::TcpStream| {
            let sent = rustix::fs::sendfile(socket, &file, Some(&mut 0), 65_536);
            sent.map_err(std::io::Error::from)
        };

        a.set_deadline(past(), Sides::Write).unwrap();
        assert_timeout(a.write_with(send).await);
        b.set_nonblocking(true).unwrap();
        let nothing = b.read(&mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

        a.set_deadline(soon(), Sides::Write).unwrap();
        let mut sent = 0;
        let error = loop {
            match a.write_with(send).await {
                Ok(n) => sent += n,
                Err(error) => break error,
            }
        };
        assert_timeout::<()>(Err(error));
        assert!(sent > 0, "some of it fits");
        drop(a);
        b.set_nonblocking(false).unwrap();
        let mut received = Vec::new();
        b.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), sent);
    });
}

/// Go net/writev_test.go TestWritevError: a peer that is gone ends a long vectored write with an
/// error; it neither hangs nor goes on for ever.
#[test]
fn writev_error() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        b.close().unwrap().await;
        let chunk = vec![0; 1 << 16];
        let bufs = vec![IoSlice::new(&chunk); 16];
        let mut written = 0;
        let error = loop {
            match a.write_vectored(&bufs).await {
                Ok(n) => written += n,
                Err(error) => break error,
            }
            assert!(written < 1 << 30, "a gigabyte should be enough to notice");
        };
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{error}"
        );
    });
}

/// Go net/udpsock_test.go TestUDPZeroByteBuffer: to receive into no room succeeds, or times out, as
/// the platform has it. Here: `recv` asks for nothing and gets it (semantics 37), `recv_from` takes
/// a datagram for the sake of its address.
#[test]
fn udp_zero_byte_buffer() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        b.set_read_deadline(Some(std::time::Instant::now() + Duration::from_secs(30)))
            .unwrap();
        a.send(b"first").await.unwrap();
        assert_eq!(b.recv(&mut []).await.unwrap(), 0);
        assert_eq!(
            b.recv_from(&mut []).await.unwrap(),
            (0, a.local_addr().unwrap())
        );
        a.send(b"second").await.unwrap();
        assert_eq!(b.recv(&mut [0; 16]).await.unwrap(), 6, "the first is gone");
    });
}

/// Go net/udpsock_test.go TestUDPReadTimeout: a deadline in the past, for every way to receive,
/// with and without an address.
#[test]
fn udp_read_timeout() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        a.send(b"data that is there").await.unwrap();
        b.set_deadline(past()).unwrap();
        let mut buf = [0; 8];
        assert_timeout(b.recv(&mut buf).await);
        assert_timeout(b.recv_from(&mut buf).await);
        assert_timeout(b.readable().await);
        b.set_deadline(None).unwrap();
        b.readable().await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 8);
    });
}

/// Go net/net_test.go TestErrors, what holds in Rust: an error of a net operation says whether it
/// is a timeout by std's kind and tells a close by the program itself apart.
#[test]
fn errors_tell_timeouts_and_closes_apart() {
    run(async |poller: Poller| {
        let (a, _b) = tcp_pair(&poller);
        a.set_read_deadline(past()).unwrap();
        let timeout = a.read(&mut [0]).await.unwrap_err();
        assert_eq!(timeout.kind(), ErrorKind::TimedOut);
        a.close().unwrap().await;
        let closed = a.read(&mut [0]).await.unwrap_err();
        assert_eq!(Error::of(&closed), Some(Error::Closed));
        assert_ne!(closed.kind(), ErrorKind::TimedOut);
    });
}
