//! polling's tests, and async-io's above it: changes during a poll, notifications, precision, many
//! connections, several pollers.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Counter, Direction, Kind, Poller, ReadyList};
use netpoller_tests::{
    LIMIT, Lane, is_parked, loopback, new_poller, past, run, tcp_pair, unix_pair, until,
};

use super::support::{Calls, Storm, poll_now, registered};

/// polling tests/concurrent_modification.rs concurrent_add, concurrent_modify: what is registered,
/// or waited for, while a poll sleeps is found by that poll. There is nothing to modify here: a
/// descriptor is registered for both directions for ever.
#[test]
fn concurrent_add() {
    let poller = new_poller();
    let sleeper = Lane::start({
        let poller = poller.clone();
        move || {
            let mut ready = ReadyList::default();
            while poller.poll(None, &mut ready).unwrap() == 0 {}
            ready.wake_all();
        }
    });
    until("it sleeps", || poller.info().blocked);
    let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    desc.reset(Direction::Read).unwrap();
    let (calls, waker) = Calls::new();
    let mut wait = pin!(desc.wait(Direction::Read));
    let mut cx = Context::from_waker(&waker);
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    b.write_all(&[1]).unwrap();
    sleeper.join();
    assert_eq!(calls.count(), 1);
    assert!(wait.as_mut().poll(&mut cx).is_ready());
}

/// polling tests/concurrent_modification.rs concurrent_interruption: a poll with a limit that a
/// signal interrupts ends early and empty, or goes on; it does not fail. The loop around it keeps
/// to the limit.
#[test]
fn concurrent_interruption() {
    let poller = new_poller();
    let storm = Storm::over(1);
    let target = storm.target(0);
    let polling = Lane::start({
        let poller = poller.clone();
        move || {
            target.enter(|| {
                let deadline = Instant::now() + Duration::from_millis(50);
                let mut ready = ReadyList::default();
                while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                    assert_eq!(poller.poll(Some(left), &mut ready).unwrap(), 0);
                }
            });
        }
    });
    polling.join();
    assert!(storm.end() > 0);
    assert!(poller.stats().counter(Counter::PollsEintr) > 0);
}

/// polling tests/notify.rs simple: ten times a break and then a poll, on one thread.
#[test]
fn notify_simple() {
    let poller = new_poller();
    let mut ready = ReadyList::default();
    for _ in 0..10 {
        poller.wake().unwrap();
        assert_eq!(poller.poll(None, &mut ready).unwrap(), 0);
    }
    assert_eq!(poller.stats().counter(Counter::BreaksDrained), 10);
}

/// polling tests/notify.rs concurrent: a break and a poll begin at the same time, and neither
/// misses the other.
#[test]
fn notify_concurrent() {
    let poller = new_poller();
    for _ in 0..200 {
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let polling = Lane::start({
            let (poller, barrier) = (poller.clone(), barrier.clone());
            move || {
                barrier.wait();
                poller.poll(None, &mut ReadyList::default()).unwrap()
            }
        });
        barrier.wait();
        poller.wake().unwrap();
        assert_eq!(polling.join(), 0);
    }
}

/// The shortest of some polls with the limit `limit`, none of which is shorter than that.
fn shortest(limit: Duration, times: usize) -> Duration {
    let poller = new_poller();
    let mut ready = ReadyList::default();
    let polls = (0..times).map(|_| {
        let began = Instant::now();
        assert_eq!(poller.poll(Some(limit), &mut ready).unwrap(), 0);
        let took = began.elapsed();
        assert!(took >= limit, "early: {took:?}");
        took
    });
    polls.min().unwrap()
}

/// polling tests/precision.rs below_ms: of many polls of 100 µs the best one is not rounded up to a
/// millisecond.
#[test]
fn precision_below_ms() {
    let best = shortest(Duration::from_micros(100), 500);
    assert!(best < Duration::from_millis(1), "{best:?}");
}

/// polling tests/precision.rs above_ms: of many polls of 3.1 ms the best one is not rounded up to
/// four.
#[test]
fn precision_above_ms() {
    let best = shortest(Duration::from_micros(3_100), 100);
    assert!(best < Duration::from_millis(4), "{best:?}");
}

/// polling tests/timeout.rs twice: a limit holds for each poll anew, and is not what the one before
/// left of it.
#[test]
fn timeout_twice() {
    for _ in 0..2 {
        shortest(Duration::from_millis(30), 2);
    }
}

/// polling tests/timeout.rs non_blocking: a poll without waiting returns, empty, however often it
/// is asked.
#[test]
fn timeout_non_blocking() {
    let poller = new_poller();
    for _ in 0..100 {
        assert_eq!(poll_now(&poller), 0);
    }
    let stats = poller.stats();
    assert_eq!(stats.counter(Counter::PollsNonblock), 100);
    assert_eq!(stats.counter(Counter::PollsBlock), 0);
}

/// polling tests/many_connections.rs many_connections: of a hundred connections the one that was
/// written to is found, in any order.
#[test]
fn many_connections() {
    run(async |poller: Poller| {
        let mut pairs: Vec<_> = (0..100).map(|_| tcp_pair(&poller)).collect();
        // An order that is not the one they were made in: 37 and 100 have no common divisor.
        let mut at = 0;
        while !pairs.is_empty() {
            at = (at + 37) % pairs.len();
            let (reader, writer) = pairs.swap_remove(at);
            let mut buf = [0; 8];
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            writer.write_all(&[1]).await.unwrap();
            assert_eq!(read.await.unwrap(), 1);
        }
        assert_eq!(registered(&poller), 0);
    });
}

/// polling tests/multiple_pollers.rs edge_triggered: one socket in two pollers: both hear of each
/// byte, and neither of one that was read before. Level-triggered and one-shot modes there are none
/// here.
#[test]
fn multiple_pollers() {
    let pollers = [(); 2].map(|()| new_poller());
    let (mut a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
    let descs = pollers
        .each_ref()
        .map(|poller| poller.open(a.as_fd(), Kind::Unix).unwrap());
    let told = || {
        for poller in &pollers {
            poll_now(poller);
        }
        descs
            .each_ref()
            .map(|desc| desc.reset(Direction::Read).unwrap())
    };
    assert_eq!(told(), [false; 2]);
    for _ in 0..2 {
        b.write_all(&[1]).unwrap();
        assert_eq!(told(), [true; 2]);
        assert_eq!(told(), [false; 2]);
    }
    a.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(told(), [false; 2]);
    // One of them lets go of it, and the other one does not mind.
    let [first, second] = descs;
    first.close();
    b.write_all(&[1]).unwrap();
    poll_now(&pollers[1]);
    assert_eq!(second.reset(Direction::Read), Ok(true));
    assert_eq!(registered(&pollers[0]), 0);
}

/// polling tests/io.rs delete_unrecognized: to deregister what was never registered cannot be said
/// here: only a registration can be closed, once. What the kernel does not know any more is closed
/// without an error.
#[test]
fn delete_unrecognized() {
    let poller = new_poller();
    let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    drop(a);
    assert_eq!(registered(&poller), 0, "the kernel has forgotten it");
    desc.close();
    assert_eq!(poller.stats().counter(Counter::Closed), 1);
}

/// async-io tests/async.rs tcp_reader_hangup, uds_reader_hangup: a writer goes on until the reader
/// is gone, and then fails.
#[test]
fn reader_hangup() {
    run(async |poller: Poller| {
        macro_rules! check {
            ($pair:expr) => {{
                let (reader, writer) = $pair;
                let all = netpoller_tests::full();
                let mut write = pin!(writer.write_all(&all));
                assert!(is_parked(&mut write).await);
                drop(reader);
                let error = std::io::Error::from(write.await.unwrap_err());
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                    ),
                    "{error}"
                );
            }};
        }
        check!(tcp_pair(&poller));
        check!(unix_pair(&poller));
    });
}

/// async-io tests/async.rs tcp_writer_hangup, uds_writer_hangup: a reader waits until the writer is
/// gone, and reads the end.
#[test]
fn writer_hangup() {
    run(async |poller: Poller| {
        macro_rules! check {
            ($pair:expr) => {{
                let (reader, writer) = $pair;
                let mut buf = [0; 16];
                let mut read = pin!(reader.read(&mut buf));
                assert!(is_parked(&mut read).await);
                drop(writer);
                assert_eq!(read.await.unwrap(), 0);
            }};
        }
        check!(tcp_pair(&poller));
        check!(unix_pair(&poller));
    });
}

/// async-io tests/async.rs tcp_duplex: both directions of both ends at once, with more than the
/// buffers hold; neither direction's wait is lost when the other one's event comes.
#[test]
fn tcp_duplex() {
    const BYTES: usize = 8 << 20;
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let lanes: Vec<_> = [Arc::new(a), Arc::new(b)]
            .into_iter()
            .flat_map(|end| {
                let reader = end.clone();
                let reading = Lane::block_on(&poller, move || async move {
                    let (mut buf, mut received) = (vec![0; 4096], 0);
                    while received < BYTES {
                        received += reader.read(&mut buf).await.unwrap();
                    }
                });
                let writing = Lane::block_on(&poller, move || async move {
                    for _ in 0..BYTES / 4096 {
                        end.write_all(&[0; 4096]).await.unwrap();
                    }
                });
                [reading, writing]
            })
            .collect();
        lanes.into_iter().for_each(Lane::join);
    });
}

/// async-io tests/async.rs duplicate_socket_insert: the attempt to register a listener a second
/// time does not end the first registration.
#[test]
fn duplicate_socket_insert() {
    run(async |poller: Poller| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let duplicate = listener.duplicate().unwrap();
        // Another number for the same file is another registration, which ends by itself.
        drop(poller.open(duplicate.as_fd(), Kind::TcpListener).unwrap());
        let mut accept = pin!(listener.accept());
        assert!(is_parked(&mut accept).await);
        let client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"lorem ipsum").await.unwrap();
        let (server, _) = accept.await.unwrap();
        assert_eq!(server.read(&mut [0; 16]).await.unwrap(), 11);
    });
}

/// async-io tests/timer.rs poll_across_tasks: whoever polled a wait last is woken by it, also if
/// that was in another task.
#[test]
fn poll_across_tasks() {
    let poller = new_poller();
    let (a, _b) = tcp_pair(&poller);
    let mut buf = [0; 1];
    let mut read = Box::pin(a.read(&mut buf));
    let (first, waker) = Calls::new();
    assert!(
        read.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let (second, waker) = Calls::new();
    assert!(
        read.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let began = Instant::now();
    a.set_read_deadline(past()).unwrap();
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(
        read.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    assert!(began.elapsed() < LIMIT);
}
