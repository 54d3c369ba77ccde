//! tokio's tests of sockets and pipes that are about its driver: polls that are not needed, and
//! ends of every kind.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Duration;

use netpoller::Poller;
use netpoller::net::{TcpListener, UnixListener, UnixStream};
use netpoller::pipe::PipeReader;
use netpoller_tests::{errno, is_parked, loopback, new_poller, pause, run, tcp_pair, until};
use tokio::io::AsyncWriteExt;

use super::support::{Calls, fifo, is_nonblocking, poll_now};

/// tokio tests/tcp_accept.rs no_extra_poll: an accept is woken by a connection, once, and by
/// nothing else that happens on its poller.
#[test]
fn no_extra_poll() {
    let poller = new_poller();
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let (calls, waker) = Calls::new();
    let mut cx = Context::from_waker(&waker);
    let mut accept = pin!(listener.accept());
    assert!(accept.as_mut().poll(&mut cx).is_pending());
    // Two more descriptors become writable, and readable, and hung up.
    drop(tcp_pair(&poller));
    let (a, b) = tcp_pair(&poller);
    b.shutdown(std::net::Shutdown::Both).unwrap();
    poll_now(&poller);
    poller.wake().unwrap();
    poll_now(&poller);
    assert_eq!(calls.count(), 0);
    drop(a);
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    poll_now(&poller);
    assert_eq!(calls.count(), 1);
    assert!(accept.as_mut().poll(&mut cx).is_ready());
}

/// tokio tests/tcp_accept.rs accept_many: fifty accepts, one connection. Whoever is woken and goes
/// away without it hands the wake on, so that all of them hear of it.
#[test]
fn accept_many() {
    let poller = new_poller();
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let mut accepts: Vec<_> = (0..50)
        .map(|_| {
            let (calls, waker) = Calls::new();
            let mut accept = Box::pin(listener.accept());
            let mut cx = Context::from_waker(&waker);
            assert!(accept.as_mut().poll(&mut cx).is_pending());
            (calls, accept)
        })
        .collect();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    poll_now(&poller);
    let (last, mut accept) = accepts.pop().unwrap();
    for (place, (calls, accept)) in accepts.into_iter().enumerate() {
        assert_eq!(calls.count(), 1);
        assert!(last.count() == 0 || place > 40, "a few at a time");
        drop(accept);
    }
    assert_eq!(last.count(), 1);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(
        accept.as_mut().poll(&mut cx).is_ready(),
        "the connection is still there"
    );
}

/// tokio tests/tcp_connect.rs poll_hup: a peer that writes, resets and is gone before anybody
/// looks: what it wrote may be lost with the reset, but the end is told, and told as an error.
#[test]
fn poll_hup() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 32];
        let mut read = Box::pin(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        b.set_linger(Some(Duration::ZERO)).unwrap();
        b.write_all(b"hello world").await.unwrap();
        drop(b);
        let first = read.await;
        let error = match first {
            Ok(n) => {
                assert_eq!(&buf[..n], b"hello world");
                a.read(&mut buf).await.unwrap_err()
            }
            Err(error) => error,
        };
        assert_eq!(errno(&error), Some(libc::ECONNRESET), "{error}");
        a.writable().await.unwrap();
    });
}

/// tokio tests/tcp_shutdown.rs shutdown_after_tcp_reset: to shut down what the peer has reset is no
/// error for those who only have the traits: they did all they could.
#[test]
fn shutdown_after_tcp_reset() {
    run(async |poller: Poller| {
        for seen in [false, true] {
            let (mut a, b) = tcp_pair(&poller);
            b.set_linger(Some(Duration::ZERO)).unwrap();
            b.close().unwrap().await;
            pause(&poller, Duration::from_millis(1)).await;
            if seen {
                assert!(a.read(&mut [0; 1]).await.is_err());
            }
            AsyncWriteExt::shutdown(&mut a).await.unwrap();
            futures_lite::AsyncWriteExt::close(&mut a).await.unwrap();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let shut = hyper::rt::Write::poll_shutdown(Pin::new(&mut a), &mut cx);
            assert!(matches!(shut, std::task::Poll::Ready(Ok(()))), "{shut:?}");
            // Who asks for it by name is told.
            let error = a.shutdown(std::net::Shutdown::Write).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOTCONN));
        }
    });
}

/// tokio tests/tcp_shutdown.rs shutdown, shutdown_multiple_calls: the end can be said more than
/// once, and is read as the end.
#[test]
fn shutdown_multiple_calls() {
    run(async |poller: Poller| {
        let (mut a, mut b) = tcp_pair(&poller);
        for _ in 0..3 {
            AsyncWriteExt::shutdown(&mut a).await.unwrap();
        }
        assert_eq!(b.read(&mut [0; 1]).await.unwrap(), 0);
        AsyncWriteExt::shutdown(&mut b).await.unwrap();
        assert_eq!(a.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

/// tokio tests/uds_stream.rs epollhup (tokio#3879): the listener goes before it has accepted;
/// whoever waits on the connection is told.
#[test]
fn epollhup() {
    run(async |_| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("connect.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let mut buf = [0; 1];
        let mut read = pin!(stream.read(&mut buf));
        assert!(is_parked(&mut read).await);
        drop(listener);
        match read.await {
            Ok(n) => assert_eq!(n, 0),
            Err(error) => assert_eq!(errno(&error), Some(libc::ECONNRESET), "{error}"),
        }
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

/// tokio tests/net_unix_pipe.rs from_file_sets_nonblock: a FIFO that was opened by other means is
/// made non-blocking when it is taken over.
#[test]
fn from_file_sets_nonblock() {
    run(async |poller| {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(&dir, "fifo");
        // For both, so that the open itself does not wait for the other end.
        let file = File::options().read(true).write(true).open(&path).unwrap();
        assert!(!is_nonblocking(&file));
        let reader = PipeReader::from_owned_fd(OwnedFd::from(file)).unwrap();
        assert!(is_nonblocking(&reader));
        let mut buf = [0; 8];
        let mut read = pin!(reader.read(&mut buf));
        assert!(is_parked(&mut read).await);
        until("it waits with the poller", || poller.waiters() > 0);
        std::fs::write(&path, b"x").unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}
