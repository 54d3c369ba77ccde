//! net/timeout_test.go and os/timeout_test.go: deadlines.

use std::pin::pin;
use std::time::{Duration, Instant};

use netpoller::net::{TcpListener, UnixListener};
use netpoller::{Error, Poller};
use netpoller_tests::{
    assert_blocked, assert_closed, assert_timeout, full, is_parked, loopback, past, run,
    small_buffers, soon, tcp_pair, udp_pair, unix_pair,
};

over_streams! {
    /// TestReadTimeout: a past deadline beats data that is there; a later one lets the data through
    /// and then fires.
    async fn read_timeout(poller, reader, writer) {
        let _ = &poller;
        writer.write_all(b"READ TIMEOUT TEST").await.unwrap();
        reader.set_read_deadline(past()).unwrap();
        let mut buf = [0; 5];
        for _ in 0..3 {
            assert_timeout(reader.read(&mut buf).await);
        }
        let mut received = 0;
        let deadline = Instant::now() + Duration::from_millis(20);
        reader.set_read_deadline(Some(deadline)).unwrap();
        while received < 17 {
            received += reader.read(&mut buf).await.unwrap();
        }
        assert_timeout(reader.read(&mut buf).await);
        assert!(Instant::now() >= deadline, "early");
    }

    /// TestReadTimeoutMustNotReturn: neither a write deadline nor one that was cleared again ends a
    /// read; close does, and is no timeout.
    async fn read_timeout_must_not_return(poller, reader, writer) {
        reader.set_deadline(past()).unwrap();
        reader.set_write_deadline(past()).unwrap();
        reader.set_read_deadline(None).unwrap();
        let mut buf = [0; 1];
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            reader.set_write_deadline(past()).unwrap();
            assert_blocked(&poller, &mut read).await;
            reader.close().unwrap();
            assert_closed(read.await);
        }
        drop(writer);
    }

    /// TestWriteTimeout: a past deadline beats room in the buffer; a later one fires once the
    /// buffer is full.
    async fn write_timeout(poller, reader, writer) {
        let _ = &poller;
        writer.set_write_deadline(past()).unwrap();
        for _ in 0..3 {
            assert_timeout(writer.write(b"WRITE TIMEOUT TEST").await);
        }
        let all = full();
        let deadline = Instant::now() + Duration::from_millis(50);
        writer.set_write_deadline(Some(deadline)).unwrap();
        let error = writer.write_all(&all).await.unwrap_err();
        assert!(error.written() > 0, "some of it fits");
        assert_timeout::<()>(Err(error.into()));
        assert!(Instant::now() >= deadline, "early");
        drop(reader);
    }

    /// TestWriteTimeoutMustNotReturn.
    async fn write_timeout_must_not_return(poller, reader, writer) {
        let all = full();
        writer.set_deadline(past()).unwrap();
        writer.set_read_deadline(past()).unwrap();
        writer.set_write_deadline(None).unwrap();
        {
            let mut write = pin!(writer.write_all(&all));
            assert!(is_parked(&mut write).await);
            writer.set_read_deadline(past()).unwrap();
            assert_blocked(&poller, &mut write).await;
            writer.close().unwrap();
            assert_closed(write.await.map_err(std::io::Error::from));
        }
        drop(reader);
    }

    /// TestReadTimeoutFluctuation: never early, whatever the length.
    async fn read_timeout_fluctuation(poller, reader, writer) {
        let _ = &poller;
        for step in 0..40 {
            let length = Duration::from_micros(10 << (step % 10));
            let deadline = Instant::now() + length;
            reader.set_read_deadline(Some(deadline)).unwrap();
            assert_timeout(reader.read(&mut [0]).await);
            assert!(Instant::now() >= deadline, "early: {length:?}");
        }
        drop(writer);
    }

    /// TestWriteTimeoutFluctuation.
    async fn write_timeout_fluctuation(poller, reader, writer) {
        let _ = &poller;
        let all = full();
        writer.set_write_deadline(soon()).unwrap();
        writer.write_all(&all).await.unwrap_err();
        for step in 0..40 {
            let length = Duration::from_micros(10 << (step % 10));
            let deadline = Instant::now() + length;
            writer.set_write_deadline(Some(deadline)).unwrap();
            assert_timeout(writer.write_all(&all).await.map_err(std::io::Error::from));
            assert!(Instant::now() >= deadline, "early: {length:?}");
        }
        drop(reader);
    }

    /// TestVariousDeadlines: 1 ns to 250 ms, each ends in a timeout and never early; the reader has
    /// a peer that never writes.
    async fn various_deadlines(poller, reader, writer) {
        let _ = &poller;
        let nanos = [1, 2, 5, 50, 100, 200, 500, 750];
        let micros = [1_000, 5_000, 25_000, 250_000, 500_000];
        let millis = [1_000_000, 5_000_000, 100_000_000, 250_000_000];
        for ns in nanos.into_iter().chain(micros).chain(millis) {
            let runs = if ns < 1_000_000 { 3 } else { 1 };
            for _ in 0..runs {
                let deadline = Instant::now() + Duration::from_nanos(ns);
                reader.set_read_deadline(Some(deadline)).unwrap();
                assert_timeout(reader.read(&mut [0; 16]).await);
                assert!(Instant::now() >= deadline, "early: {ns} ns");
            }
        }
        drop(writer);
    }

    /// TestReadTimeoutUnblocksRead: a deadline in the past ends the read that waits (net/http
    /// relies on it).
    async fn read_timeout_unblocks_read(poller, reader, writer) {
        let _ = &poller;
        let mut buf = [0; 1];
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            reader.set_read_deadline(past()).unwrap();
            assert_timeout(read.await);
        }
        reader.set_read_deadline(None).unwrap();
        writer.write_all(b"x").await.unwrap();
        assert_eq!(reader.read(&mut buf).await.unwrap(), 1);
    }

    /// A deadline that is moved while a read waits holds from then on, later or earlier (semantics
    /// 21, 29).
    async fn a_deadline_that_moves_holds_for_the_read_that_waits(poller, reader, writer) {
        let _ = &poller;
        let mut buf = [0; 1];
        reader.set_read_deadline(Some(Instant::now() + Duration::from_millis(5))).unwrap();
        let later = Instant::now() + Duration::from_millis(30);
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            reader.set_read_deadline(Some(later)).unwrap();
            assert_timeout(read.await);
            assert!(Instant::now() >= later, "early");
        }
        reader.set_read_deadline(Some(Instant::now() + Duration::from_secs(3600))).unwrap();
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            reader.set_read_deadline(soon()).unwrap();
            assert_timeout(read.await);
        }
        drop(writer);
    }

    /// Semantics 30: a deadline beyond what a word can hold is the far future, not the past.
    async fn a_deadline_in_the_year_2500_does_not_fire(poller, reader, writer) {
        let far = Instant::now() + Duration::from_secs(474 * 365 * 86_400);
        reader.set_deadline(Some(far)).unwrap();
        let mut buf = [0; 1];
        let mut read = pin!(reader.read(&mut buf));
        assert_blocked(&poller, &mut read).await;
        writer.write_all(b"x").await.unwrap();
        assert_eq!(read.await.unwrap(), 1);
    }
}

/// TestAcceptTimeout, over TCP and Unix: a past deadline fails even with a connection in the queue;
/// a later one fires.
#[test]
fn accept_timeout() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_deadline(past()).unwrap();
        assert_timeout(listener.accept().await);
        listener.set_deadline(soon()).unwrap();
        listener.accept().await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(10);
        listener.set_read_deadline(Some(deadline)).unwrap();
        assert_timeout(listener.accept().await);
        assert!(Instant::now() >= deadline, "early");
    });
}

/// TestAcceptTimeoutMustReturn: set, cleared and set again.
#[test]
fn accept_timeout_must_return() {
    run(async |_| {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        listener.set_deadline(None).unwrap();
        listener.set_deadline(soon()).unwrap();
        assert_timeout(listener.accept().await);
    });
}

/// TestAcceptTimeoutMustNotReturn: an expired deadline that was cleared does not end an accept.
#[test]
fn accept_timeout_must_not_return() {
    run(async |poller: Poller| {
        let listener = TcpListener::bind(loopback()).unwrap();
        listener.set_deadline(past()).unwrap();
        listener.set_deadline(None).unwrap();
        let mut accept = pin!(listener.accept());
        assert_blocked(&poller, &mut accept).await;
        listener.close().unwrap();
        assert_closed(accept.await);
    });
}

/// TestReadFromTimeout: as TestReadTimeout, for datagrams.
#[test]
fn read_from_timeout() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        b.send(b"READFROM TIMEOUT TEST").await.unwrap();
        a.set_read_deadline(past()).unwrap();
        let mut buf = [0; 64];
        for _ in 0..3 {
            assert_timeout(a.recv_from(&mut buf).await);
        }
        a.set_read_deadline(Some(Instant::now() + Duration::from_millis(20)))
            .unwrap();
        let (n, from) = a.recv_from(&mut buf).await.unwrap();
        assert_eq!((n, from), (21, b.local_addr().unwrap()));
        assert_timeout(a.recv_from(&mut buf).await);
    });
}

/// TestReadFromTimeoutFluctuation.
#[test]
fn read_from_timeout_fluctuation() {
    run(async |poller: Poller| {
        let (a, _b) = udp_pair(&poller);
        for step in 0..40 {
            let deadline = Instant::now() + Duration::from_micros(10 << (step % 10));
            a.set_read_deadline(Some(deadline)).unwrap();
            assert_timeout(a.recv_from(&mut [0; 8]).await);
            assert!(Instant::now() >= deadline, "early");
        }
    });
}

/// TestWriteToTimeout: a past deadline beats room in the buffer, for datagrams too.
#[test]
fn write_to_timeout() {
    run(async |poller: Poller| {
        let (a, b) = udp_pair(&poller);
        let to = b.local_addr().unwrap();
        a.set_write_deadline(past()).unwrap();
        for _ in 0..3 {
            assert_timeout(a.send(b"x").await);
        }
        a.set_write_deadline(Some(Instant::now() + Duration::from_secs(60)))
            .unwrap();
        assert_eq!(a.send(b"x").await.unwrap(), 1);
        assert_eq!(b.recv(&mut [0; 8]).await.unwrap(), 1);
        // Not connected: the address comes with each datagram.
        let c = netpoller::net::UdpSocket::bind(loopback()).unwrap();
        c.set_write_deadline(past()).unwrap();
        assert_timeout(c.send_to(b"x", to).await);
        c.set_write_deadline(None).unwrap();
        assert_eq!(c.send_to(b"x", to).await.unwrap(), 1);
    });
}

/// os TestNonpollableDeadline: a regular file has no deadlines, and says so.
#[test]
fn nonpollable_deadline() {
    use netpoller::pollable::Pollable;
    use std::io::{Read, Seek, SeekFrom, Write};
    run(async |_| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"text").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let file = Pollable::new_or_plain(file).unwrap();
        assert!(!file.is_registered());
        for refused in [
            file.set_deadline(soon(), netpoller::Sides::Both),
            file.set_read_deadline(soon()),
            file.set_write_deadline(soon()),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(Error::of(&error), Some(Error::NoDeadline));
            assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        }
        let mut text = String::new();
        file.read_with(|mut file| file.read_to_string(&mut text))
            .await
            .unwrap();
        assert_eq!(text, "text");
    });
}
