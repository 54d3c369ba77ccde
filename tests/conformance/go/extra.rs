//! Tests of Go's net package that say something about the poller in passing.

use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;

use netpoller::net::{TcpListener, TcpStream, UnixDatagram};
use netpoller::{Error, Poller};
use netpoller_tests::{
    Lane, assert_blocked, assert_closed, is_parked, loopback, run, tcp_pair, udp_pair, unix_pair,
};

/// TestUDPZeroBytePayload, TestUnixgramZeroBytePayload: a datagram without bytes is one, and not
/// the end.
#[test]
fn udp_zero_byte_payload() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        let mut buf = [0; 8];
        a.send(b"").await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 0);
        a.send(b"").await.unwrap();
        assert_eq!(
            b.recv_from(&mut buf).await.unwrap(),
            (0, a.local_addr().unwrap())
        );
        let mut receive = pin!(b.recv(&mut buf));
        assert_blocked(&poller, &mut receive).await;
        a.send(b"abc").await.unwrap();
        assert_eq!(receive.await.unwrap(), 3);
    });
    run(async |_| {
        let (a, b) = UnixDatagram::pair().unwrap();
        a.send(b"").await.unwrap();
        assert_eq!(b.recv(&mut [0; 8]).await.unwrap(), 0);
    });
}

/// Oracle script 44: what does not fit is lost without notice, and the next datagram is whole.
#[test]
fn udp_read_truncates_silently() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        a.send(&[1; 100]).await.unwrap();
        a.send(&[2]).await.unwrap();
        let mut buf = [0; 10];
        assert_eq!(b.recv(&mut buf).await.unwrap(), 10);
        assert_eq!(b.recv(&mut buf).await.unwrap(), 1);
    });
}

/// TestUnixConnReadEOF: the end, whatever the size of the buffer.
#[test]
fn unix_conn_read_eof() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        b.write_all(b"x").await.unwrap();
        drop(b);
        let mut buf = [0; 1];
        assert_eq!(a.read(&mut buf).await.unwrap(), 1);
        assert_eq!(a.read(&mut buf).await.unwrap(), 0);
        assert_eq!(a.read(&mut [0; 4096]).await.unwrap(), 0);
    });
}

/// TestClosingListener: the address can be had again at once, though an accept was waiting and a
/// connection is open.
#[test]
fn closing_listener() {
    run(async |_| {
        let mut listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..20 {
            let client = TcpStream::connect(address).await.unwrap();
            let _server = listener.accept().await.unwrap();
            {
                let mut accept = pin!(listener.accept());
                assert!(is_parked(&mut accept).await);
                let closed = listener.close().unwrap();
                assert_closed(accept.await);
                closed.await;
            }
            listener = TcpListener::bind(address).unwrap();
            drop(client);
        }
    });
}

/// TestTCPListenAfterClose (golang/go#50216): listening again after a close that others have not
/// noticed yet.
#[test]
fn tcp_listen_after_close() {
    run(async |poller: Poller| {
        for _ in 0..50 {
            let listener = Arc::new(TcpListener::bind(loopback()).unwrap());
            let address = listener.local_addr().unwrap();
            let accepting = Lane::block_on(&poller, {
                let listener = listener.clone();
                move || async move { listener.accept().await.map(drop) }
            });
            listener.close().unwrap().await;
            TcpListener::bind(address).unwrap();
            assert_closed(accepting.join());
        }
    });
}

/// TestFileCloseRace: duplicating against closing gives a good descriptor or the closed error,
/// never a stranger's.
#[test]
fn file_close_race() {
    run(async |poller: Poller| {
        for _ in 0..100 {
            let (a, b) = tcp_pair(&poller);
            let a = Arc::new(a);
            let duplicating = Lane::start({
                let a = a.clone();
                move || a.duplicate()
            });
            a.close().unwrap().await;
            match duplicating.join() {
                Ok(duplicate) => {
                    let duplicate = std::net::TcpStream::from(duplicate);
                    assert_eq!(duplicate.peer_addr().unwrap(), b.local_addr().unwrap());
                }
                Err(error) => assert_eq!(Error::of(&error), Some(Error::Closed), "{error}"),
            }
        }
    });
}

/// golang/go#22934, pitfall 20: a duplicate leaves the connection non-blocking, and deadlines go on
/// working.
#[test]
fn issue_go_68273_pitfall_20_a_duplicate_does_not_make_the_descriptor_blocking() {
    run(async |poller: Poller| {
        let (a, _b) = tcp_pair(&poller);
        let duplicate = a.duplicate().unwrap();
        assert_ne!(duplicate.as_raw_fd(), a.as_raw_fd());
        let flags =
            std::fs::read_to_string(format!("/proc/self/fdinfo/{}", a.as_raw_fd())).unwrap();
        let flags = flags
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap()
            .trim();
        let flags = i32::from_str_radix(flags, 8).unwrap();
        assert_ne!(flags & libc::O_NONBLOCK, 0);
        a.set_read_deadline(netpoller_tests::soon()).unwrap();
        netpoller_tests::assert_timeout(a.read(&mut [0]).await);
    });
}

/// golang/go#15735: to wait until there is something to read, without a buffer, also when the edge
/// has gone by.
#[test]
fn issue_go_15735_zero_byte_read() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 16];
        {
            let mut readable = pin!(a.readable());
            assert_blocked(&poller, &mut readable).await;
            b.write_all(b"abcdef").await.unwrap();
            readable.await.unwrap();
        }
        // The edge has gone by, the bytes are still there.
        a.readable().await.unwrap();
        assert_eq!(a.read(&mut buf[..3]).await.unwrap(), 3);
        a.readable().await.unwrap();
        assert_eq!(a.read(&mut buf).await.unwrap(), 3);
        // A short read, after which the next one may wait first. What `readable` saw meanwhile must
        // not be forgotten.
        for _ in 0..3 {
            b.write_all(b"more").await.unwrap();
            a.readable().await.unwrap();
            assert_eq!(a.read(&mut buf).await.unwrap(), 4);
        }
        a.writable().await.unwrap();
        drop(b);
        a.readable().await.unwrap();
        assert_eq!(a.read(&mut buf).await.unwrap(), 0);
    });
}
