//! tokio's tests/io_async_fd.rs, of [`Pollable`] and the seam below it, which are our `AsyncFd`.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use futures_lite::future;
use netpoller::net::UdpSocket;
use netpoller::pollable::Pollable;
use netpoller::{Counter, Direction, Error, Kind, Poller};
use netpoller_tests::{
    assert_blocked, assert_errno, is_parked, loopback, new_poller, pause, run, tcp_pair,
};

use super::support::{Calls, poll_now, registered, set_option};

/// One end of a pair registered, and the other as std has it.
fn pair(poller: &Poller) -> (Pollable<UnixStream>, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    (poller.in_scope(|| Pollable::new(a)).unwrap(), b)
}

fn read(mut socket: &UnixStream) -> std::io::Result<usize> {
    socket.read(&mut [0; 8])
}

fn write(mut socket: &UnixStream) -> std::io::Result<usize> {
    socket.write(&[0; 4096])
}

/// tokio tests/io_async_fd.rs initially_writable: both ends can be written to from the start,
/// without a wait.
#[test]
fn initially_writable() {
    run(async |poller: Poller| {
        let (a, b) = pair(&poller);
        let b = Pollable::new(b).unwrap();
        for end in [&a, &b] {
            let mut written = pin!(end.write_with(write));
            assert_eq!(
                future::poll_once(&mut written).await.unwrap().unwrap(),
                4096
            );
        }
    });
}

/// tokio tests/io_async_fd.rs reset_readable: what was readable once is waited for anew when it has
/// been read, and the next byte ends that wait.
#[test]
fn reset_readable() {
    run(async |poller: Poller| {
        let (a, mut b) = pair(&poller);
        for _ in 0..3 {
            let mut reading = pin!(a.read_with(read));
            assert_blocked(&poller, &mut reading).await;
            b.write_all(b"0").unwrap();
            assert_eq!(reading.await.unwrap(), 1);
        }
        // What is left behind is readable, edge or no edge.
        b.write_all(b"0123456789").unwrap();
        assert_eq!(a.read_with(read).await.unwrap(), 8);
        pause(&poller, Duration::from_millis(1)).await;
        assert_eq!(a.read_with(read).await.unwrap(), 2);
    });
}

/// tokio tests/io_async_fd.rs reset_writable: a full socket is waited for, and a reader ends that
/// wait.
#[test]
fn reset_writable() {
    run(async |poller: Poller| {
        let (a, mut b) = pair(&poller);
        for _ in 0..3 {
            while write(a.get_ref()).is_ok() {}
            let mut writing = pin!(a.write_with(write));
            assert_blocked(&poller, &mut writing).await;
            // All of it: a Unix socket tells of room only when most of its buffer is free.
            b.set_nonblocking(true).unwrap();
            while b.read(&mut [0; 65_536]).is_ok() {}
            assert!(writing.await.unwrap() > 0);
        }
    });
}

/// tokio tests/io_async_fd.rs drop_closes: what is dropped is deregistered and then closed, once;
/// what is taken out stays open.
#[test]
fn drop_closes() {
    let poller = new_poller();
    let (a, mut b) = pair(&poller);
    assert_eq!(registered(&poller), 1);
    drop(a);
    assert_eq!(b.read(&mut [0; 1]).unwrap(), 0, "the peer reads the end");
    assert_eq!(registered(&poller), 0);
    assert!(poller.rows().is_empty());

    let (a, mut b) = pair(&poller);
    let mut a = a.into_inner();
    assert_eq!(registered(&poller), 0);
    a.write_all(b"x").unwrap();
    assert_eq!(b.read(&mut [0; 8]).unwrap(), 1);
}

/// tokio tests/io_async_fd.rs reregister: what was taken out can be registered again, with another
/// poller as well.
#[test]
fn reregister() {
    run(async |poller: Poller| {
        let (a, mut b) = pair(&poller);
        let other = new_poller();
        let a = other.in_scope(|| Pollable::new(a.into_inner())).unwrap();
        let a = Pollable::new(a.into_inner()).unwrap();
        let mut reading = pin!(a.read_with(read));
        assert!(is_parked(&mut reading).await);
        b.write_all(b"x").unwrap();
        assert_eq!(reading.await.unwrap(), 1);
        assert_eq!(poll_now(&other), 0);
    });
}

/// tokio tests/io_async_fd.rs multiple_waiters: ten tasks wait for one socket to become readable,
/// and one byte ends all of their waits. They take turns here; of the seam itself the second waiter
/// is told that it is busy.
#[test]
fn multiple_waiters() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut waits: Vec<_> = (0..10).map(|_| Box::pin(a.readable())).collect();
        for wait in &mut waits {
            assert!(is_parked(wait).await);
        }
        assert_eq!(a.queued(Direction::Read), 9);
        b.write_all(b"0").await.unwrap();
        for wait in waits {
            wait.await.unwrap();
        }
        assert_eq!(a.read(&mut [0; 8]).await.unwrap(), 1);

        let (a, _b) = pair(&poller);
        let mut first = pin!(a.read_with(read));
        assert!(is_parked(&mut first).await);
        let error = a.read_with(read).await.unwrap_err();
        assert_eq!(Error::of(&error), Some(Error::Busy));
    });
}

/// tokio tests/io_async_fd.rs clear_ready_matching_clears_ready: readiness of one direction is
/// dropped without that of the other (tokio#8054), and none comes back by itself.
#[test]
fn clear_ready_matching_clears_ready() {
    let poller = new_poller();
    let (a, mut b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    b.write_all(b"x").unwrap();
    poll_now(&poller);
    assert_eq!(desc.reset(Direction::Read), Ok(true));
    assert_eq!(desc.reset(Direction::Read), Ok(false));
    poll_now(&poller);
    assert_eq!(
        desc.reset(Direction::Read),
        Ok(false),
        "no edge, no readiness"
    );
    assert_eq!(desc.reset(Direction::Write), Ok(true));
    assert_eq!(desc.reset(Direction::Write), Ok(false));
}

/// tokio tests/io_async_fd.rs await_error_readiness_timestamping: the kernel's time stamp of what
/// was sent comes by the error queue and so as an error event. The reader looks, finds nothing, and
/// waits on; nothing is wrong with the socket.
#[test]
fn await_error_readiness_timestamping() {
    run(async |poller: Poller| {
        let a = UdpSocket::bind(loopback()).unwrap();
        let b = UdpSocket::bind(loopback()).unwrap();
        let stamps = libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_TX_SOFTWARE;
        let stamps = stamps.try_into().unwrap();
        set_option(&a, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, stamps);
        let mut buf = [0; 16];
        let mut receive = pin!(a.recv_from(&mut buf));
        assert_blocked(&poller, &mut receive).await;
        let errors = || poller.stats().counter(Counter::EventsErr);
        assert_eq!(errors(), 0);
        a.send_to(b"hello there", b.local_addr().unwrap())
            .await
            .unwrap();
        assert_blocked(&poller, &mut receive).await;
        assert!(errors() > 0, "the stamp has been told of");
        b.send_to(b"back", a.local_addr().unwrap()).await.unwrap();
        assert_eq!(receive.await.unwrap().0, 4);
    });
}

/// tokio tests/io_async_fd.rs await_error_readiness_invalid_address: a socket that asked for it is
/// told that nobody listens where a datagram went, while it waits to read.
#[test]
fn await_error_readiness_invalid_address() {
    run(async |poller: Poller| {
        let nobody = std::net::UdpSocket::bind(loopback()).unwrap();
        let address = nobody.local_addr().unwrap();
        drop(nobody);
        let a = UdpSocket::bind(loopback()).unwrap();
        set_option(&a, libc::SOL_IP, libc::IP_RECVERR, 1);
        let mut buf = [0; 16];
        let mut receive = pin!(a.recv_from(&mut buf));
        assert!(is_parked(&mut receive).await);
        a.send_to(b"anybody?", address).await.unwrap();
        assert_errno(receive.await, libc::ECONNREFUSED);
        assert!(poller.stats().counter(Counter::EventsErr) > 0);
    });
}

/// tokio tests/io_async_fd.rs drop_after_closing_raw_fd_with_live_duplicate: the number was closed
/// before its registration, which a duplicate keeps alive in the kernel. Its events find nobody,
/// not even the next owner of the slot.
#[test]
fn drop_after_closing_raw_fd_with_live_duplicate() {
    let poller = new_poller();
    let (original, mut peer) = UnixStream::pair().unwrap();
    let duplicate = original.try_clone().unwrap();
    let desc = poller.open(original.as_fd(), Kind::Unix).unwrap();
    drop(original);
    drop(desc);

    let (c, _d) = UnixStream::pair().unwrap();
    let next = poller.open(c.as_fd(), Kind::Unix).unwrap();
    poll_now(&poller);
    next.reset(Direction::Read).unwrap();
    let (calls, waker) = Calls::new();
    let mut wait = pin!(next.wait(Direction::Read));
    let mut cx = Context::from_waker(&waker);
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    peer.write_all(b"x").unwrap();
    poll_now(&poller);
    assert_eq!(calls.count(), 0);
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    assert!(poller.stats().counter(Counter::StaleEvents) > 0);
    drop(duplicate);
}

/// tokio tests/io_async_fd_memory_leak.rs (tokio#7563): descriptors that are closed before their
/// registration leave nothing behind: one slot serves them all, and the books balance.
#[test]
fn memory_leak_when_a_descriptor_is_closed_before_its_registration() {
    let poller = new_poller();
    for _ in 0..10_000 {
        let (a, b) = UnixStream::pair().unwrap();
        let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
        drop((a, b));
        drop(desc);
    }
    let info = poller.info();
    assert_eq!((info.descriptors, info.slots), (0, info.free_slots));
    let stats = poller.stats();
    assert_eq!(stats.counter(Counter::Opened), 10_000);
    assert_eq!(stats.counter(Counter::Closed), 10_000);
    assert!(
        info.slots < 1000,
        "one at a time takes one slot: {}",
        info.slots
    );
    assert_eq!(registered(&poller), 0);
}
