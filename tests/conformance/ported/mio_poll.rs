//! mio's tests/poll.rs, close_on_drop.rs and regressions.rs, of the seam: registering, polling and
//! deregistering at the same time.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram};
use netpoller::{Counter, Direction, Kind, Poller, ReadyList};
use netpoller_tests::{Lane, is_parked, loopback, new_poller, run, tcp_pair, until};

use super::support::{poll_now, registered};

/// A socket of std's that is connected, as our end and the peer's.
fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let a = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    a.set_nonblocking(true).unwrap();
    (a, listener.accept().unwrap().0)
}

/// How many events the kernel has delivered to `poller`.
fn events(poller: &Poller) -> u64 {
    let stats = poller.stats();
    [Counter::EventsIn, Counter::EventsOut, Counter::EventsHup]
        .into_iter()
        .map(|counter| stats.counter(counter))
        .max()
        .unwrap_or(0)
}

/// mio tests/poll.rs run_once_with_nothing, zero_duration_polls_events: a poll that does not wait
/// asks the kernel all the same.
#[test]
fn zero_duration_polls_events() {
    let poller = new_poller();
    assert_eq!(poll_now(&poller), 0);
    let pairs: Vec<_> = (0..3).map(|_| tcp_pair(&poller)).collect();
    poll_now(&poller);
    assert_eq!(events(&poller), 6, "each end can be written to");
    drop(pairs);
}

/// mio tests/poll.rs add_then_drop, tests/tcp.rs listen_then_close: nothing is heard of what was
/// dropped before the poll, though its event was on its way.
#[test]
fn add_then_drop() {
    let poller = new_poller();
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    drop(listener);
    assert_eq!(poll_now(&poller), 0);
    assert_eq!(events(&poller), 0);
    assert_eq!(poller.stats().counter(Counter::StaleEvents), 0);
}

/// mio tests/poll.rs poll_closes_fd: pollers are made and dropped two thousand times, and leave no
/// descriptor behind.
#[test]
fn poll_closes_fd() {
    for _ in 0..2000 {
        let poller = Poller::builder().flight_recorder(0).build().unwrap();
        poll_now(&poller);
    }
}

/// mio tests/poll.rs readiness_is_reregistered_after_would_block: an edge is there once; after an
/// EAGAIN the next one comes, without anything having to be said to the kernel.
#[test]
fn readiness_is_reregistered_after_would_block() {
    let poller = new_poller();
    let (mut a, mut b) = std_pair();
    let desc = poller.open(a.as_fd(), Kind::Tcp).unwrap();
    poll_now(&poller);
    let mut cx = Context::from_waker(Waker::noop());
    for round in 0..3 {
        desc.reset(Direction::Read).unwrap();
        assert_eq!(
            a.read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let mut wait = pin!(desc.wait(Direction::Read));
        assert!(wait.as_mut().poll(&mut cx).is_pending(), "round {round}");
        b.write_all(&[1; 4]).unwrap();
        assert_eq!(poll_now(&poller), 1, "round {round}");
        assert!(wait.as_mut().poll(&mut cx).is_ready());
        // A part of it, and then the rest, which has no edge of its own.
        assert_eq!(a.read(&mut [0; 3]).unwrap(), 3);
        assert_eq!(poll_now(&poller), 0);
        assert_eq!(a.read(&mut [0; 3]).unwrap(), 1);
    }
}

/// mio tests/poll.rs drop_cancels_interest_and_shuts_down, tests/regressions.rs issue_776: a stream
/// that is dropped with an event pending is gone for the poller, and ended for the peer.
#[test]
fn drop_cancels_interest_and_shuts_down() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let mut buf = [0; 16];
        let mut read = Box::pin(b.read(&mut buf));
        assert!(is_parked(&mut read).await);
        {
            let mut buf = [0; 16];
            let mut ours = pin!(a.read(&mut buf));
            assert!(is_parked(&mut ours).await);
        }
        drop(a);
        assert_eq!(read.await.unwrap(), 0);
        assert_eq!(registered(&poller), 1);
    });
}

/// mio tests/poll.rs registry_behind_arc, registry_operations_are_thread_safe: a listener, a
/// datagram socket and streams are registered, deregistered and registered again on three threads
/// while a fourth polls.
#[test]
fn registry_operations_are_thread_safe() {
    /// Nobody accepts the connections, so there are no more than std's queue has room for.
    const ROUNDS: u64 = 100;
    let poller = new_poller();
    let barrier = Arc::new(Barrier::new(4));
    let listener = Arc::new(std::net::TcpListener::bind(loopback()).unwrap());
    let address = listener.local_addr().unwrap();
    let ours = listener.clone();
    let spawn = |work: Box<dyn Fn(&Poller) + Send>| {
        let (poller, barrier) = (poller.clone(), barrier.clone());
        Lane::start(move || {
            barrier.wait();
            (0..ROUNDS).for_each(|_| work(&poller));
        })
    };
    let lanes = [
        spawn(Box::new(move |poller| {
            let desc = poller.open(ours.as_fd(), Kind::TcpListener).unwrap();
            desc.close();
            drop(poller.open(ours.as_fd(), Kind::TcpListener).unwrap());
        })),
        spawn(Box::new(|poller| {
            drop(poller.in_scope(|| UdpSocket::bind(loopback())).unwrap());
        })),
        spawn(Box::new(move |poller| {
            let stream = std::net::TcpStream::connect(address).unwrap();
            let stream = poller.in_scope(|| TcpStream::from_std(stream)).unwrap();
            let stream = std::net::TcpStream::from(stream.into_owned_fd().unwrap());
            drop(poller.in_scope(|| TcpStream::from_std(stream)).unwrap());
        })),
    ];
    barrier.wait();
    while !lanes.iter().all(Lane::is_finished) {
        poll_now(&poller);
    }
    lanes.into_iter().for_each(Lane::join);
    assert_eq!(registered(&poller), 0);
    let stats = poller.stats();
    assert_eq!(stats.counter(Counter::Opened), ROUNDS * 5);
    assert_eq!(stats.counter(Counter::Closed), ROUNDS * 5);
    drop(listener);
}

/// mio tests/poll.rs register_during_poll: what is registered while a poll sleeps ends that sleep.
#[test]
fn register_during_poll() {
    let poller = new_poller();
    let sleeper = Lane::start({
        let poller = poller.clone();
        move || poller.poll(None, &mut ReadyList::default()).unwrap()
    });
    until("it sleeps", || poller.info().blocked);
    let socket = poller.in_scope(|| UdpSocket::bind(loopback())).unwrap();
    assert_eq!(sleeper.join(), 0, "nobody waits for it yet");
    assert_eq!(events(&poller), 1, "it can be written to");
    drop(socket);
}

/// mio tests/poll.rs double_register_different_token, polling tests/io.rs insert_twice: the second
/// registration is refused, and the first one goes on.
#[test]
fn double_register() {
    let poller = new_poller();
    let (mut a, mut b) = std_pair();
    let desc = poller.open(a.as_fd(), Kind::Tcp).unwrap();
    for _ in 0..3 {
        let error = poller.open(a.as_fd(), Kind::Tcp).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    }
    poll_now(&poller);
    desc.reset(Direction::Read).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    b.write_all(b"x").unwrap();
    assert_eq!(poll_now(&poller), 1);
    assert_eq!(a.read(&mut [0; 8]).unwrap(), 1);
    assert_eq!(registered(&poller), 1);
}

/// mio tests/poll.rs poll_ok_after_cancelling_pending_ops: a wait that is given up, and another
/// that takes its place, find the connection that comes afterwards.
#[test]
fn poll_ok_after_cancelling_pending_ops() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        for _ in 0..3 {
            let mut given_up = Box::pin(listener.accept());
            assert!(is_parked(&mut given_up).await);
        }
        let mut accept = pin!(listener.accept());
        assert!(is_parked(&mut accept).await);
        let connecting = Lane::start({
            let address = listener.local_addr().unwrap();
            move || std::net::TcpStream::connect(address).unwrap()
        });
        let (stream, _) = accept.await.unwrap();
        stream.writable().await.unwrap();
        connecting.join();
    });
}

/// mio tests/close_on_drop.rs close_on_drop: a connection that is accepted and dropped at once ends
/// for the client, who connected, waited to write and then to read.
#[test]
fn close_on_drop() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        client.writable().await.unwrap();
        let mut buf = [0; 16];
        let mut read = pin!(client.read(&mut buf));
        assert!(is_parked(&mut read).await);
        drop(listener.accept().await.unwrap());
        assert_eq!(read.await.unwrap(), 0);
    });
}

/// mio tests/regressions.rs issue_1205: what was deregistered with its event pending is not heard
/// of in the poll that a break ends.
#[test]
fn issue_mio_1205_a_break_after_a_deregistration_brings_nothing_else() {
    let poller = new_poller();
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    assert_eq!(poll_now(&poller), 0);
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    desc.close();
    let sleeper = Lane::start({
        let poller = poller.clone();
        move || poller.poll(None, &mut ReadyList::default()).unwrap()
    });
    until("it sleeps", || poller.info().blocked);
    poller.wake().unwrap();
    assert_eq!(sleeper.join(), 0);
    assert_eq!(events(&poller), 0);
    let stats = poller.stats();
    assert_eq!(stats.counter(Counter::StaleEvents), 0);
    assert_eq!(stats.counter(Counter::BreaksDrained), 1);
}

/// mio tests/regressions.rs issue_1403: a datagram of a socket without a name comes with no
/// address, which is no error.
#[test]
fn issue_mio_1403_a_sender_without_a_name() {
    run(async |_| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("issue_1403");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        assert_eq!(sender.send_to(&[1; 1024], &path).await.unwrap(), 1024);
        let (n, from) = receiver.recv_from(&mut [0; 2048]).await.unwrap();
        assert_eq!(n, 1024);
        assert!(from.as_pathname().is_none() && from.is_unnamed());
    });
}

/// mio tests/poll.rs run_once_with_nothing: a poll with a limit and nothing to find ends at the
/// limit, empty, and not before.
#[test]
fn run_once_with_nothing() {
    let poller = new_poller();
    let limit = Duration::from_millis(20);
    let began = std::time::Instant::now();
    let found = poller.poll(Some(limit), &mut ReadyList::default()).unwrap();
    assert_eq!(found, 0);
    assert!(began.elapsed() >= limit, "early");
}
