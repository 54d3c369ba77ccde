//! Whose time it is that passes until a reader runs, as it is told inside a runtime.

use std::io::Write;
use std::time::{Duration, Instant};

use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Counter, Histogram, block_on_poller};
use netpoller_tests::{Lane, new_poller, tcp_and_peer};

use crate::runtime::current_thread;

/// The kernel tells by its tick, of ten milliseconds at most, and at both ends.
const TICKS: Duration = Duration::from_millis(20);

/// A runtime does nothing for `idle`, then a byte comes, and a task keeps the only thread for
/// `busy`. Returns for how long events waited in the kernel, at most, as it is told; and for how
/// long they have waited at least, and at most, by the clocks of both ends.
fn waited(idle: Duration, busy: Duration) -> (Duration, Duration, Duration) {
    Lane::start(move || {
        let poller = new_poller();
        let (least, most) = current_thread().block_on(async {
            let (ours, mut peer) = tcp_and_peer(&poller);
            let read = async |ours: &TcpStream| {
                assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
                Instant::now()
            };
            let sent = Instant::now();
            peer.write_all(b"1").unwrap();
            let first = read(&ours).await - sent;
            let reader = tokio::spawn(async move { read(&ours).await });
            let polls = || poller.stats().counter(Counter::PollsNonblock);
            while poller.waiters() == 0 || polls() == 0 {
                tokio::task::yield_now().await;
            }
            let sender = std::thread::spawn(move || {
                std::thread::sleep(idle);
                peer.write_all(b"2").unwrap();
                (Instant::now(), peer)
            });
            if !busy.is_zero() {
                std::thread::sleep(idle + busy);
            }
            let free = Instant::now();
            let ran = reader.await.unwrap();
            let (sent, _peer) = sender.join().unwrap();
            (free.saturating_duration_since(sent), first.max(ran - sent))
        });
        let stats = poller.stats();
        let told = stats.histogram(Histogram::KernelToPoller);
        assert!(told.count() > 0, "the kernel was not asked");
        assert_eq!(stats.histogram(Histogram::PollGap).count(), 0);
        (Duration::from_nanos(told.max()), least, most)
    })
    .join()
}

#[test]
fn an_idle_runtime_is_not_told_to_leave_its_events_in_the_kernel() {
    let (told, _, most) = waited(Duration::from_millis(400), Duration::ZERO);
    assert!(told <= most + TICKS, "{told:?}, and it was {most:?}");
}

#[test]
fn a_task_that_keeps_its_runtime_is_seen_by_the_time_that_events_wait_in_the_kernel() {
    let busy = Duration::from_millis(200);
    let (told, least, most) = waited(Duration::from_millis(20), busy);
    assert!(told <= most + TICKS, "{told:?}, and it was {most:?}");
    assert!(told + TICKS >= least, "{told:?}, and it was {least:?}");
}

/// From the accept of a connection to the first bytes of it, once; and each registration and
/// deregistration is timed.
#[test]
fn the_first_read_of_a_connection_that_was_accepted_is_timed_and_so_is_each_epoll_ctl() {
    let pause = Duration::from_millis(5);
    let poller = new_poller();
    let served = async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for is_silent in [false, true] {
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            if is_silent {
                drop(client);
                assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
                continue;
            }
            std::thread::sleep(pause);
            for stream in [&client, &server, &server] {
                let peer = if std::ptr::eq(stream, &client) {
                    &server
                } else {
                    &client
                };
                peer.write_all(b"1").await.unwrap();
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
            }
        }
    };
    block_on_poller(&poller, served);
    let stats = poller.stats();
    let first = stats.histogram(Histogram::AcceptToFirstRead);
    assert_eq!(first.count(), 1);
    assert!(Duration::from_nanos(first.max()) >= pause, "{first:?}");
    let count = |histogram| stats.histogram(histogram).count();
    assert_eq!(stats.counter(Counter::Opened), 5);
    assert_eq!(count(Histogram::EpollCtlAdd), 5);
    assert_eq!(count(Histogram::EpollCtlDel), 5);
}
