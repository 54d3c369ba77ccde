//! Statements about sockets, each named after its number.

use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use futures_lite::future;
use netpoller::net::{TcpStream, UdpSocket};
use netpoller::pollable::Pollable;
use netpoller::{Direction, Error, Kind, Poller};
use netpoller_tests::{
    assert_blocked, assert_errno, assert_timeout, full, is_parked, loopback, new_poller, past,
    pause, run, small_buffers, soon, tcp_pair, unix_pair,
};

#[test]
fn semantics_36_a_write_reports_what_it_wrote_and_the_timeout() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        small_buffers(&a, &b);
        let all = full();
        a.set_write_deadline(soon()).unwrap();
        let error = a.write_all(&all).await.unwrap_err();
        let written = error.written();
        assert!(0 < written && written < all.len(), "{written}");
        assert!(
            error.to_string().contains(&format!("{written} bytes")),
            "{error}"
        );
        assert_timeout::<()>(Err(error.into()));
        // What it said is what arrives, and the connection can still be used.
        a.set_write_deadline(None).unwrap();
        a.shutdown(std::net::Shutdown::Write).unwrap();
        let (mut received, mut buf) = (0, vec![0; 65_536]);
        loop {
            match b.read(&mut buf).await.unwrap() {
                0 => break,
                n => received += n,
            }
        }
        assert_eq!(received, written);
        b.write_all(b"x").await.unwrap();
        assert_eq!(a.read(&mut buf).await.unwrap(), 1);
    });
}

#[test]
fn semantics_36_a_read_deadline_does_not_touch_a_writer_that_waits() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let all = full();
        let mut write = pin!(a.write_all(&all));
        assert!(is_parked(&mut write).await);
        a.set_read_deadline(past()).unwrap();
        assert_blocked(&poller, &mut write).await;
        drop(b);
        let error = write.await.unwrap_err();
        assert_errno::<()>(Err(error.into()), libc::EPIPE);
    });
}

#[test]
fn semantics_37_a_read_of_nothing_queues_behind_a_read_that_waits() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 1];
        let mut read = pin!(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        let mut nothing = pin!(a.read(&mut []));
        assert!(is_parked(&mut nothing).await);
        assert_eq!(a.queued(Direction::Read), 1);
        b.write_all(b"x").await.unwrap();
        assert_eq!(read.await.unwrap(), 1);
        assert_eq!(nothing.await.unwrap(), 0);
    });
}

#[test]
fn semantics_16_an_expired_deadline_beats_data_that_is_there_and_an_edge_that_is_pending() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 4];
        let mut read = Box::pin(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        drop(read);
        b.write_all(b"data").await.unwrap();
        // Fetches the edge.
        pause(&poller, Duration::from_millis(1)).await;
        a.set_read_deadline(past()).unwrap();
        assert_timeout(a.read(&mut buf).await);
        a.set_read_deadline(None).unwrap();
        assert_eq!(a.read(&mut buf).await.unwrap(), 4);
    });
}

#[test]
fn semantics_53_close_wakes_the_writer_that_waits_and_those_that_queue() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let all = full();
        let mut writes: Vec<_> = (0..4).map(|_| Box::pin(a.write_all(&all))).collect();
        for write in &mut writes {
            assert!(is_parked(write).await);
        }
        assert_eq!(a.queued(Direction::Write), 3);
        let mut closed = pin!(a.close().unwrap());
        assert!(is_parked(&mut closed).await);
        for write in writes {
            let error = std::io::Error::from(write.await.unwrap_err());
            assert_eq!(Error::of(&error), Some(Error::Closed));
        }
        closed.await;
        drop(b);
    });
}

#[test]
fn writes_of_two_tasks_are_never_mixed() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let (ones, twos) = (vec![1; 1 << 20], vec![2; 1 << 20]);
        let reading = async {
            let mut received = Vec::new();
            let mut buf = vec![0; 65_536];
            while received.len() < 2 << 20 {
                let n = b.read(&mut buf).await.unwrap();
                received.extend_from_slice(&buf[..n]);
            }
            received
        };
        let writing = future::zip(a.write_all(&ones), a.write_all(&twos));
        let (received, _) = future::zip(reading, writing).await;
        assert!(received.is_sorted(), "all ones before all twos");
    });
}

#[test]
fn semantics_56_what_cannot_be_registered_gives_would_block_as_it_is() {
    use std::io::{ErrorKind, Read};
    netpoller_tests::run(async |_| {
        let file = Pollable::new_or_plain(tempfile::tempfile().unwrap()).unwrap();
        assert_eq!(
            file.read_with(|mut file| file.read(&mut [0]))
                .await
                .unwrap(),
            0
        );
        let result = file
            .read_with(|_| Err::<(), _>(ErrorKind::WouldBlock.into()))
            .await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(file.desc().is_none());
    });
}

#[test]
fn semantics_57_the_poller_knows_its_own_descriptors_and_refuses_them() {
    let poller = new_poller();
    let own = std::os::fd::AsRawFd::as_raw_fd(&poller.as_fd());
    assert!(poller.is_poll_descriptor(own));
    assert!(!poller.is_poll_descriptor(0));
    let error = poller.open(poller.as_fd(), Kind::Other).unwrap_err();
    assert_eq!(error.fd(), own);
    assert!(error.to_string().contains("own descriptor"), "{error}");
    // Nested in another poller it is welcome.
    Poller::builder()
        .build()
        .unwrap()
        .open(poller.as_fd(), Kind::Other)
        .unwrap();
}

#[test]
fn pitfall_16_a_duplicate_that_stays_open_brings_no_events_after_close() {
    run(async |poller: Poller| {
        for _ in 0..20 {
            let (a, b) = tcp_pair(&poller);
            let duplicate = std::net::TcpStream::from(a.duplicate().unwrap());
            a.close().unwrap().await;
            drop(a);
            // The slot's next owner, and an edge of the former one.
            let (c, d) = tcp_pair(&poller);
            let mut buf = [0; 1];
            let mut read = pin!(c.read(&mut buf));
            assert!(is_parked(&mut read).await);
            b.write_all(b"for the duplicate").await.unwrap();
            pause(&poller, Duration::from_millis(1)).await;
            d.write_all(b"x").await.unwrap();
            assert_eq!(read.await.unwrap(), 1);
            // The description can be registered again under its other number.
            let again = TcpStream::from_std(duplicate).unwrap();
            assert_eq!(again.read(&mut [0; 32]).await.unwrap(), 17);
        }
    });
}

#[test]
fn pitfall_30_readable_and_writable_ask_the_kernel_not_the_last_edge() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let mut all = full();
        all.truncate(8 << 20);
        a.writable().await.unwrap();
        {
            let mut write = pin!(a.write_all(&all));
            assert!(is_parked(&mut write).await);
        }
        {
            let mut writable = pin!(a.writable());
            assert_blocked(&poller, &mut writable).await;
            let mut buf = vec![0; 8 << 20];
            b.readable().await.unwrap();
            b.readable().await.unwrap();
            assert!(b.read(&mut buf).await.unwrap() > 0);
            writable.await.unwrap();
        }
        a.set_read_deadline(past()).unwrap();
        assert_timeout(a.readable().await);
        a.set_read_deadline(None).unwrap();
        let mut readable = pin!(a.readable());
        assert!(is_parked(&mut readable).await);
        a.close().unwrap();
        netpoller_tests::assert_closed(readable.await);
    });
}

#[test]
fn a_udp_error_reaches_the_reader_that_waits() {
    run(async |_| {
        let a = UdpSocket::bind(loopback()).unwrap();
        let nobody = std::net::UdpSocket::bind(loopback())
            .unwrap()
            .local_addr()
            .unwrap();
        a.connect(nobody).unwrap();
        let mut buf = [0; 8];
        let mut receive = pin!(a.recv(&mut buf));
        assert!(is_parked(&mut receive).await);
        // The write that provokes the answer of ICMP, which comes to the reader.
        a.send(b"x").await.unwrap();
        assert_errno(receive.await, libc::ECONNREFUSED);
    });
}

#[test]
fn vectored_reads_and_writes_keep_the_order() {
    use std::io::{IoSlice, IoSliceMut};
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let bufs = [
            IoSlice::new(b"one"),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!(a.write_vectored(&bufs).await.unwrap(), 6);
        let (mut x, mut y) = ([0; 2], [0; 16]);
        let n = b
            .read_vectored(&mut [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)])
            .await;
        assert_eq!((n.unwrap(), &x, &y[..4]), (6, b"on", b"etwo".as_slice()));
        assert_eq!(b.read_vectored(&mut []).await.unwrap(), 0);
    });
}

#[test]
fn into_owned_fd_gives_the_descriptor_back_alive_and_deregistered() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 1];
        {
            let mut read = pin!(a.read(&mut buf));
            assert!(is_parked(&mut read).await);
        }
        let a = std::net::TcpStream::from(a.into_owned_fd().unwrap());
        let a = TcpStream::from_std(a).unwrap();
        b.write_all(b"x").await.unwrap();
        assert_eq!(a.read(&mut buf).await.unwrap(), 1);
        a.close().unwrap().await;
        assert!(a.into_owned_fd().is_none());
    });
}
