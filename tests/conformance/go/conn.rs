//! net/net_test.go: half closes, closes and resets.

use std::net::Shutdown;
use std::pin::pin;
use std::time::Duration;

use netpoller::net::{TcpListener, UnixListener, UnixSeqpacket};
use netpoller::{Direction, Poller};
use netpoller_tests::{
    Lane, assert_blocked, assert_closed, assert_errno, is_parked, loopback, run, small_buffers,
    tcp_pair, udp_pair, unix_pair, until,
};

over_streams! {
    /// TestConnClose: a read after close fails, and so does a second close.
    async fn conn_close(poller, reader, writer) {
        let _ = &poller;
        reader.close().unwrap().await;
        assert_closed(reader.read(&mut [0]).await);
        assert_closed(reader.close().map(drop));
        assert_closed(reader.set_deadline(None));
        assert_closed(reader.duplicate());
        drop(writer);
    }

    /// TestZeroByteRead: nothing wanted, nothing given, at once, though nothing is there; closed is
    /// told all the same (semantics 37).
    async fn zero_byte_read(poller, reader, writer) {
        let _ = &poller;
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        reader.set_read_deadline(netpoller_tests::past()).unwrap();
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        reader.close().unwrap().await;
        assert_closed(reader.read(&mut []).await);
        drop(writer);
    }

    /// TestCloseUnblocksRead: the end of the peer ends a read that waits.
    async fn close_unblocks_read(poller, reader, writer) {
        let _ = &poller;
        let mut buf = [0; 1];
        let mut read = pin!(reader.read(&mut buf));
        assert!(is_parked(&mut read).await);
        writer.close().unwrap().await;
        assert_eq!(read.await.unwrap(), 0);
    }

    /// Oracle scripts 29 and 31: a second reader queues behind the first; one byte serves one of
    /// them, in order.
    async fn two_readers_queue_and_one_byte_serves_one(poller, reader, writer) {
        let (mut first_buf, mut second_buf) = ([0; 1], [0; 1]);
        {
            let mut first = pin!(reader.read(&mut first_buf));
            assert!(is_parked(&mut first).await);
            let mut second = pin!(reader.read(&mut second_buf));
            assert!(is_parked(&mut second).await);
            assert_eq!(reader.queued(Direction::Read), 1);
            writer.write_all(b"1").await.unwrap();
            assert_eq!(first.await.unwrap(), 1);
            assert_blocked(&poller, &mut second).await;
            writer.write_all(b"2").await.unwrap();
            assert_eq!(second.await.unwrap(), 1);
        }
        assert_eq!((first_buf, second_buf), (*b"1", *b"2"));
    }

    /// Oracle script 29: close releases both the reader that waits and the one that queues.
    async fn close_releases_the_reader_that_waits_and_those_that_queue(poller, reader, writer) {
        let _ = &poller;
        let mut bufs = [[0; 1]; 5];
        let mut reads: Vec<_> = bufs.iter_mut().map(|buf| Box::pin(reader.read(buf))).collect();
        for read in &mut reads {
            assert!(is_parked(read).await);
        }
        assert_eq!(reader.queued(Direction::Read), 4);
        let closed = reader.close().unwrap();
        for read in reads {
            assert_closed(read.await);
        }
        closed.await;
        drop(writer);
    }

    /// A read that queues and is dropped takes nobody's turn.
    async fn a_queued_read_that_is_dropped_lets_the_next_one_through(poller, reader, writer) {
        let _ = &poller;
        let mut bufs = [[0; 1]; 3];
        let mut reads: Vec<_> = bufs.iter_mut().map(|buf| Box::pin(reader.read(buf))).collect();
        for read in &mut reads {
            assert!(is_parked(read).await);
        }
        drop(reads.remove(1));
        assert_eq!(reader.queued(Direction::Read), 1);
        // The one with the turn goes, and hands it on.
        drop(reads.remove(0));
        writer.write_all(b"x").await.unwrap();
        assert_eq!(reads.remove(0).await.unwrap(), 1);
    }
}

/// TestCloseRead and TestCloseWrite: the end of one direction leaves the other one alone.
#[test]
fn close_read_and_close_write() {
    run(async |poller: Poller| {
        for unix in [false, true] {
            macro_rules! check {
                ($pair:expr) => {{
                    let (a, b) = $pair;
                    a.write_all(b"last").await.unwrap();
                    a.shutdown(Shutdown::Write).unwrap();
                    assert_errno(a.write(b"x").await, libc::EPIPE);
                    let mut buf = [0; 8];
                    assert_eq!(b.read(&mut buf).await.unwrap(), 4);
                    assert_eq!(b.read(&mut buf).await.unwrap(), 0);
                    b.write_all(b"back").await.unwrap();
                    assert_eq!(a.read(&mut buf).await.unwrap(), 4);
                    let mut read = pin!(a.read(&mut buf));
                    assert!(is_parked(&mut read).await);
                    a.shutdown(Shutdown::Read).unwrap();
                    assert_eq!(read.await.unwrap(), 0);
                }};
            }
            if unix {
                check!(unix_pair(&poller))
            } else {
                check!(tcp_pair(&poller))
            }
        }
    });
}

/// TestCloseWrite over unixpacket: messages keep their boundaries, and the end is the end.
#[test]
fn close_write_of_a_seqpacket() {
    run(async |_| {
        let (a, b) = UnixSeqpacket::pair().unwrap();
        a.send(b"one").await.unwrap();
        a.send(b"two").await.unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        let mut buf = [0; 16];
        assert_eq!(b.recv(&mut buf).await.unwrap(), 3);
        assert_eq!(b.recv(&mut buf).await.unwrap(), 3);
        assert_eq!(b.recv(&mut buf).await.unwrap(), 0);
        assert_errno(a.send(b"x").await, libc::EPIPE);
    });
}

/// TestListenerClose: an accept that waits ends, later ones fail, and the port can be had again at
/// once.
#[test]
fn listener_close() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        {
            let mut accept = pin!(listener.accept());
            assert!(is_parked(&mut accept).await);
            let closed = listener.close().unwrap();
            assert_closed(accept.await);
            closed.await;
        }
        assert_closed(listener.accept().await);
        assert_closed(listener.close().map(drop));
        assert_closed(listener.local_addr());
        std::net::TcpStream::connect(address).unwrap_err();
        TcpListener::bind(address).unwrap();

        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let mut accept = pin!(listener.accept());
        assert!(is_parked(&mut accept).await);
        listener.close().unwrap();
        assert_closed(accept.await);
    });
}

/// TestPacketConnClose, TestCloseUnblocksReadUDP (golang/go#72770).
#[test]
fn packet_conn_close_and_close_unblocks_read_udp() {
    run(async |poller: Poller| {
        let (a, _b) = udp_pair(&poller);
        let mut buf = [0; 8];
        {
            let mut receive = pin!(a.recv_from(&mut buf));
            assert!(is_parked(&mut receive).await);
            let closed = a.close().unwrap();
            assert_closed(receive.await);
            closed.await;
        }
        assert_closed(a.recv_from(&mut buf).await);
        assert_closed(a.send(b"x").await);
        assert_closed(a.close().map(drop));
    });
}

/// TestNotTemporaryRead (golang/go#24808): a reset is an error, not the end; for one who reads
/// later as well as for one who waits.
#[test]
fn not_temporary_read() {
    run(async |poller: Poller| {
        for parked in [true, false] {
            let (a, b) = tcp_pair(&poller);
            let mut buf = [0; 8];
            let mut read = pin!(a.read(&mut buf));
            if parked {
                assert!(is_parked(&mut read).await);
            }
            b.set_linger(Some(Duration::ZERO)).unwrap();
            b.close().unwrap().await;
            assert_errno(read.await, libc::ECONNRESET);
        }
    });
}

/// Semantics 52: close releases the reader at once, ends when the last operation has returned, and
/// then the number is free.
#[test]
fn semantics_52_close_waits_for_operations_in_flight_and_frees_the_number() {
    use std::os::fd::AsRawFd;
    run(async |poller: Poller| {
        let (a, _b) = tcp_pair(&poller);
        let number = a.as_raw_fd();
        let mut buf = [0; 1];
        let mut read = Box::pin(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        let mut closed = pin!(a.close().unwrap());
        assert!(is_parked(&mut closed).await, "a read is under way");
        assert_closed(read.await);
        closed.await;
        // Other tests open descriptors too, so the number may be somebody else's by now; but it is
        // not this socket any more.
        let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
        let Ok(link) = link else { return };
        let (c, _d) = tcp_pair(&poller);
        let mine = std::fs::read_link(format!("/proc/self/fd/{}", c.as_raw_fd())).unwrap();
        assert!(link != mine || c.as_raw_fd() == number);
    });
}

/// The end of close is seen by whoever awaits it, also when the last operation ends on another
/// thread.
#[test]
fn close_ends_though_the_last_operation_ends_elsewhere() {
    run(async |poller: Poller| {
        for _ in 0..300 {
            let (a, b) = unix_pair(&poller);
            let a = std::sync::Arc::new(a);
            let reader = Lane::block_on(&poller, {
                let a = a.clone();
                move || async move { a.read(&mut [0; 1]).await }
            });
            until("the reader waits", || {
                poller.waiters() == 1 || reader.is_finished()
            });
            a.close().unwrap().await;
            assert_closed(reader.join());
            drop(b);
        }
    });
}
