//! What looks tell beside faults.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::super::gauges::{DUE_NS, Gauges};
use super::super::options::Options;
use super::Lints;
use crate::desc::Kind;
use crate::observe::Direction;
use crate::poller::{Poller, ReadyList, Sides};

#[test]
fn what_is_due_counts_from_the_second_look_on_and_not_once_somebody_has_polled() {
    let poller = Poller::builder().name("due").build().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    desc.set_deadline(Some(Instant::now()), Sides::Read);
    desc.set_deadline(
        Some(Instant::now() + Duration::from_millis(1)),
        Sides::Write,
    );
    theirs.write_all(b"x").unwrap();
    std::thread::sleep(Duration::from_nanos(2 * DUE_NS));

    let mut lints = Lints::new(Options::new());
    let mut look = || {
        let (_, gauges) = lints.look_with_gauges(&poller);
        std::thread::sleep(Duration::from_millis(1));
        let Gauges {
            overdue_deadlines,
            events_due,
            unpolled_ns,
            ..
        } = gauges;
        (overdue_deadlines, events_due, unpolled_ns > 0)
    };
    assert_eq!(look(), (0, false, false), "it may be on its way");
    // That of the reader was past when it was set, so it has fired.
    assert_eq!(look(), (1, true, true));
    let mut ready = ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
    assert_eq!(look(), (0, false, false));
    assert_eq!(look(), (0, false, false));
}

#[test]
fn the_fullest_accept_queue_is_told_and_whoever_waits_to_accept_is_not_the_oldest_wait() {
    let poller = Poller::builder().name("queued").build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let mut accepts = std::pin::pin!(desc.wait(Direction::Read));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(accepts.as_mut(), &mut cx).is_pending());
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let pair = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let mut reads = std::pin::pin!(pair.wait(Direction::Read));
    let mut lints = Lints::new(Options::new());
    let mut look = || lints.look_with_gauges(&poller).1;
    let quiet = look();
    assert_eq!(quiet.oldest_wait_ns, [0, 0]);
    assert!(quiet.accept_queue.0 == 0 && quiet.accept_queue.1 > 0);

    assert!(std::future::Future::poll(reads.as_mut(), &mut cx).is_pending());
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    let waited = look();
    assert!(waited.oldest_wait_ns[Direction::Read.index()] >= 1_000_000);
    assert_eq!(waited.accept_queue, (1, quiet.accept_queue.1));
}
