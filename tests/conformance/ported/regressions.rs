//! Bugs of other pollers that the tests of ours did not reproduce so far. The rest is in
//! `poller/tests/regressions` of the library.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netpoller::net::UnixStream;
use netpoller::pollable::Pollable;
use netpoller::{Direction, Error, Kind, Poller, ReadyList, block_on_poller};
use netpoller_tests::{
    Lane, assert_timeout, is_parked, loopback, new_poller, run, tcp_pair, unix_pair, until,
};

use super::support::{poll_now, set_blocking};

/// golang/go#68273: a deadline set before a read of a descriptor that somebody has made blocking
/// behind the poller's back. The read sits in the kernel, where no deadline reaches it; everybody
/// else's go on, and so does this one once the mode is put right.
#[test]
fn issue_go_68273_read_deadline_of_a_descriptor_in_blocking_mode() {
    run(async |poller: Poller| {
        let (a, b) = unix_pair(&poller);
        let duplicate = a.duplicate().unwrap();
        set_blocking(&duplicate);
        a.set_read_deadline(Some(Instant::now() + Duration::from_millis(5)))
            .unwrap();
        let a = Arc::new(a);
        let reading = Lane::block_on(&poller, {
            let a = a.clone();
            move || async move { a.read(&mut [0; 1]).await }
        });
        let (c, _d) = tcp_pair(&poller);
        c.set_read_deadline(Some(Instant::now() + Duration::from_millis(10)))
            .unwrap();
        assert_timeout(c.read(&mut [0; 1]).await);
        b.write_all(b"x").await.unwrap();
        // Either it was in the kernel and got the byte, or it came after its deadline.
        match reading.join() {
            Ok(n) => assert_eq!(n, 1),
            Err(error) => assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded)),
        }
        socket2::SockRef::from(&duplicate)
            .set_nonblocking(true)
            .unwrap();
        assert_timeout(a.read(&mut [0; 1]).await);
    });
}

/// tokio#3190, a property: whatever the order in which deadlines are set while somebody sleeps,
/// each of them ends its wait, none of them early, and none is left to the next event.
#[test]
fn issue_tokio_3190_deadlines_in_any_order_wake_the_sleeper() {
    let poller = new_poller();
    let pairs: Vec<_> = (0..16).map(|_| unix_pair(&poller)).collect();
    let ends: Vec<Arc<UnixStream>> = pairs
        .into_iter()
        .flat_map(|(a, b)| [a, b])
        .map(Arc::new)
        .collect();
    let mut seed = 1_u64;
    for round in 0..20 {
        let lanes: Vec<_> = ends
            .iter()
            .map(|end| {
                let (end, poller) = (end.clone(), poller.clone());
                Lane::start(move || {
                    let result = block_on_poller(&poller, end.read(&mut [0; 1]));
                    (result, Instant::now())
                })
            })
            .collect();
        until("all of them wait, and one of them polls", || {
            poller.waiters() == 32 && poller.info().blocked
        });
        let deadlines: Vec<_> = ends
            .iter()
            .map(|end| {
                // xorshift: any order will do, but the same one each time.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let deadline = Instant::now() + Duration::from_micros(seed % 5000);
                end.set_read_deadline(Some(deadline)).unwrap();
                deadline
            })
            .collect();
        for (lane, deadline) in lanes.into_iter().zip(deadlines) {
            let (result, ended) = lane.join();
            assert_timeout(result);
            assert!(ended >= deadline, "early in round {round}");
        }
        for end in &ends {
            end.set_read_deadline(None).unwrap();
        }
    }
    assert_eq!(poller.waiters(), 0);
}

/// tokio#449, tokio#4549: a socket registered before it is connected is told that it is hung up.
/// That edge is not kept: whoever connects later is not told that it is over, and does not spin.
#[test]
fn issue_tokio_449_a_socket_registered_before_connect() {
    run(async |poller: Poller| {
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let kind = socket2::Type::STREAM.nonblocking();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        let socket = Pollable::new(socket).unwrap();
        poll_now(&poller);
        let mut calls = 0;
        socket
            .write_with(|socket| {
                calls += 1;
                match socket.connect(&address.into()) {
                    Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                        Err(ErrorKind::WouldBlock.into())
                    }
                    Err(error) if error.raw_os_error() == Some(libc::EISCONN) => Ok(()),
                    result => result,
                }
            })
            .await
            .unwrap();
        assert!(calls <= 3, "it spins: {calls}");
        let (mut server, _) = listener.accept().unwrap();
        let mut reading = pin!(socket.read_with(|mut socket| socket.read(&mut [0; 8])));
        assert!(is_parked(&mut reading).await);
        server.write_all(b"x").unwrap();
        assert_eq!(reading.await.unwrap(), 1);
    });
}

/// golang/go#61454, golang/go#33624: the count of waiters never falls below zero nor stays above
/// it, whoever looks at it while waits are begun, woken, timed out and dropped on other threads.
#[test]
fn issue_go_33624_the_count_of_waiters_never_drifts() {
    let poller = new_poller();
    let lanes: Vec<_> = (0..3)
        .map(|lane| {
            let poller = poller.clone();
            Lane::start(move || {
                let (a, b) = unix_pair(&poller);
                block_on_poller(&poller, async {
                    for round in 0..300 {
                        let mut buf = [0; 1];
                        let mut read = Box::pin(a.read(&mut buf));
                        assert!(is_parked(&mut read).await);
                        match (round + lane) % 3 {
                            0 => drop(read),
                            1 => {
                                b.write_all(b"x").await.unwrap();
                                assert_eq!(read.await.unwrap(), 1);
                            }
                            _ => {
                                a.set_read_deadline(Some(
                                    Instant::now() + Duration::from_micros(50),
                                ))
                                .unwrap();
                                assert_timeout(read.await);
                                a.set_read_deadline(None).unwrap();
                            }
                        }
                    }
                });
            })
        })
        .collect();
    while !lanes.iter().all(Lane::is_finished) {
        // Whoever was woken is counted until all wakers of its poll were called, and may wait again
        // by then.
        let waiters = poller.waiters();
        assert!((0..=9).contains(&waiters), "{waiters}");
    }
    lanes.into_iter().for_each(Lane::join);
    assert_eq!(poller.waiters(), 0);
}

/// netty#4325, cloudwego#278, pitfall 15: data and the end in one edge, of a pipe and of a Unix
/// socket, read by small pieces: none is lost, and the end is found without another edge.
#[test]
fn issue_netty_4325_data_and_end_in_one_edge() {
    run(async |poller: Poller| {
        macro_rules! check {
            ($pair:expr) => {{
                let (reader, writer) = $pair;
                let mut buf = [0; 2];
                let mut read = Box::pin(reader.read(&mut buf));
                assert!(is_parked(&mut read).await);
                writer.write_all(b"12345").await.unwrap();
                drop(writer);
                assert_eq!(read.await.unwrap(), 2);
                for expected in [2, 1, 0, 0] {
                    assert_eq!(reader.read(&mut buf).await.unwrap(), expected);
                }
            }};
        }
        check!(netpoller::pipe::pipe().unwrap());
        check!(unix_pair(&poller));
        check!(tcp_pair(&poller));
    });
}

/// tokio#8410, pitfall 10: a batch no larger than asked for, whoever is ready; what is left comes
/// with the polls that follow, and nobody is told twice.
#[test]
fn issue_tokio_8410_small_batches_reach_everybody() {
    let poller = Poller::builder().batch(4).build().unwrap();
    let sockets: Vec<_> = (0..64)
        .map(|_| std::os::unix::net::UnixStream::pair().unwrap())
        .collect();
    let descs: Vec<_> = sockets
        .iter()
        .map(|(a, _)| poller.open(a.as_fd(), Kind::Unix).unwrap())
        .collect();
    let mut ready = ReadyList::with_capacity(4);
    let mut polls = 0;
    loop {
        poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
        polls += 1;
        if !ready.batch_was_full() {
            break;
        }
    }
    assert!((16..=17).contains(&polls), "{polls}");
    for desc in &descs {
        assert_eq!(desc.reset(Direction::Write), Ok(true));
        assert_eq!(desc.reset(Direction::Write), Ok(false));
    }
}
