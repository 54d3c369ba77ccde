//! Somebody waits: stuck waiters, lost edges, a poller that nobody polls, readiness and deadlines
//! left alone.
#![allow(unsafe_code)]

use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller::driver::ThreadDriver;
use netpoller::view::lints::{Lint, Lints};
use netpoller::{Desc, Direction, Kind, Poller, Sides, view};
use netpoller_tests::{eventually, new_poller, until};

use super::{BRIEF, beside, connection, evidence, found, held, rest, silent};

#[track_caller]
pub(super) fn park(wait: Pin<&mut impl Future>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.poll(&mut cx).is_pending());
}

/// Takes the one edge of all that has come so far. Nobody else polls yet: an edge between two polls
/// would be another.
fn take_edge(poller: &Poller, desc: &Desc, direction: Direction) {
    let mut ready = netpoller::ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
    assert!(desc.reset(direction).unwrap(), "an edge has come");
}

/// Sends `bytes`, and waits until they are there.
fn send(bytes: &[u8], from: &mut TcpStream, to: &TcpStream) {
    from.write_all(bytes).unwrap();
    until("they are there", || {
        to.peek(&mut [0; 16])
            .is_ok_and(|count| count == bytes.len())
    });
}

/// Does something to a registration behind the poller's back.
fn control(poller: &Poller, operation: i32, fd: &impl AsRawFd, events: i32, data: u64) {
    let mut event = libc::epoll_event {
        events: events as u32,
        u64: data,
    };
    let epoll = poller.as_fd().as_raw_fd();
    // SAFETY: `event` is valid for the call.
    let result = unsafe { libc::epoll_ctl(epoll, operation, fd.as_raw_fd(), &raw mut event) };
    assert_eq!(result, 0);
}

pub(super) fn deregister(poller: &Poller, fd: &impl AsRawFd) {
    control(poller, libc::EPOLL_CTL_DEL, fd, 0, 0);
}

#[test]
fn a_reader_that_waits_with_bytes_left_is_stuck() {
    let poller = new_poller();
    let (mut ours, mut theirs, desc) = connection(&poller);
    send(b"hello", &mut theirs, &ours);
    take_edge(&poller, &desc, Direction::Read);
    ours.read_exact(&mut [0; 2]).unwrap();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    let line = line!() - 1;
    park(wait.as_mut());

    let finding = found(&poller, Lint::StuckWaiter);
    assert_eq!(finding.direction, Some(Direction::Read));
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert_eq!(finding.location.unwrap().line(), line);
    assert_eq!(evidence(&finding, "bytes readable"), "3");
    assert!(finding.advice.contains("EAGAIN"));
}

#[test]
fn a_writer_that_waits_with_room_left_is_stuck() {
    let poller = new_poller();
    let (_ours, _theirs, desc) = connection(&poller);
    // Every new connection has room, and an edge that says so.
    take_edge(&poller, &desc, Direction::Write);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = pin!(desc.wait(Direction::Write));
    park(wait.as_mut());
    let finding = found(&poller, Lint::StuckWaiter);
    assert_eq!(finding.direction, Some(Direction::Write));
}

#[test]
fn a_stuck_reader_without_a_deadline_is_one_finding() {
    let poller = new_poller();
    let (ours, mut theirs, desc) = connection(&poller);
    send(b"hello", &mut theirs, &ours);
    take_edge(&poller, &desc, Direction::Read);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let brief = [Lint::StuckWaiter, Lint::NoDeadline];
    let options = brief
        .into_iter()
        .fold(netpoller::view::lints::Options::new(), |options, lint| {
            options.hold(lint, super::BRIEF)
        });
    let mut lints = netpoller::view::lints::Lints::new(options);
    until("it is certain", || {
        let found: Vec<Lint> = lints.look(&poller).iter().map(|it| it.lint).collect();
        assert!(!found.contains(&Lint::NoDeadline), "{found:?}");
        found == [Lint::StuckWaiter]
    });
}

#[test]
fn a_stuck_waiter_is_found_on_a_poller_that_is_busy_too() {
    let poller = new_poller();
    let (ours, mut theirs, desc) = connection(&poller);
    send(b"x", &mut theirs, &ours);
    take_edge(&poller, &desc, Direction::Read);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let breaks = || {
        poller.wake().unwrap();
        rest(2_000);
    };
    beside(breaks, || drop(found(&poller, Lint::StuckWaiter)));
}

#[test]
fn readers_that_wait_for_what_has_not_come_are_not_stuck() {
    let poller = new_poller();
    let (mut ours, mut theirs, read_once) = connection(&poller);
    send(b"hello", &mut theirs, &ours);
    take_edge(&poller, &read_once, Direction::Read);
    ours.read_exact(&mut [0; 5]).unwrap();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (_ours, _theirs, never) = connection(&poller);
    let mut first = pin!(read_once.wait(Direction::Read));
    park(first.as_mut());
    let mut second = pin!(never.wait(Direction::Read));
    park(second.as_mut());
    silent(&poller);
}

#[test]
fn a_waiter_whose_registration_is_gone_has_lost_its_edge() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (ours, mut theirs, desc) = connection(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    let line = line!() - 1;
    park(wait.as_mut());
    deregister(&poller, &ours);
    theirs.write_all(b"hello").unwrap();

    let finding = found(&poller, Lint::LostEdge);
    assert!(finding.summary.contains("registration with epoll is gone"));
    assert_eq!(finding.location.unwrap().line(), line);
    assert_eq!(evidence(&finding, "bytes readable"), "5");
}

/// Has the registration of `ours` ask for no more than room to write, of which there is some.
fn ask_for_less(poller: &Poller, ours: &TcpStream) {
    let entry = view::kernel_registrations(poller)
        .unwrap()
        .into_iter()
        .find(|entry| entry.fd == ours.as_raw_fd())
        .unwrap();
    let events = libc::EPOLLOUT | libc::EPOLLET;
    control(
        poller,
        libc::EPOLL_CTL_MOD,
        ours,
        events,
        entry.id.to_bits(),
    );
}

#[test]
fn an_event_that_was_on_its_way_in_one_look_does_not_hide_a_lost_edge_for_ever() {
    let poller = new_poller();
    let (ours, mut theirs, desc) = connection(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    ask_for_less(&poller, &ours);
    theirs.write_all(b"hello").unwrap();
    std::thread::sleep(2 * BRIEF);
    let mut lints = Lints::new(held(BRIEF));
    // The room to write is still to be fetched then, and nobody polls afterwards.
    lints.look(&poller);
    let mut ready = netpoller::ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
    eventually("the lost edge is found", || {
        let mut findings = lints.look(&poller).into_iter();
        findings.find(|it| it.lint == Lint::LostEdge)
    });
}

#[test]
fn a_waiter_whose_registration_asks_for_less_has_lost_its_edge() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (ours, mut theirs, desc) = connection(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    ask_for_less(&poller, &ours);
    theirs.write_all(b"hello").unwrap();

    let finding = found(&poller, Lint::LostEdge);
    assert!(
        finding.summary.contains("does not ask for that"),
        "{}",
        finding.summary
    );
}

#[test]
fn a_waiter_whose_event_somebody_else_has_fetched_has_lost_its_edge() {
    let poller = new_poller();
    let (_ours, mut theirs, desc) = connection(&poller);
    // The edge of the registration, which is nobody's.
    let mut ready = netpoller::ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let parked = Instant::now();
    // The kernel tells in ticks when data came: that was clearly after this.
    until("some time has passed", || {
        parked.elapsed() > Duration::from_millis(100)
    });
    theirs.write_all(b"hello").unwrap();
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let epoll = poller.as_fd().as_raw_fd();
    // SAFETY: room for one event.
    let fetched = unsafe { libc::epoll_wait(epoll, &raw mut event, 1, 30_000) };
    assert_eq!(fetched, 1);

    let _driver = ThreadDriver::start(&poller).unwrap();
    let finding = found(&poller, Lint::LostEdge);
    assert!(
        finding.summary.contains("did not wake it"),
        "{}",
        finding.summary
    );
}

#[test]
fn a_poller_that_nobody_polls_is_one_finding_for_all_who_wait() {
    let poller = new_poller();
    let (_a, mut peer, first) = connection(&poller);
    let (_b, mut other, second) = connection(&poller);
    let mut wait = pin!(first.wait(Direction::Read));
    park(wait.as_mut());
    let mut other_wait = pin!(second.wait(Direction::Read));
    park(other_wait.as_mut());
    peer.write_all(b"x").unwrap();
    other.write_all(b"x").unwrap();

    // No stuck waiter beside it.
    let finding = found(&poller, Lint::PollerAway);
    assert!(finding.summary.contains("2 waiters"), "{}", finding.summary);
    assert_eq!(evidence(&finding, "waiters whose descriptor is ready"), "2");
    assert_eq!(evidence(&finding, "last poll"), "never");
    assert!(finding.location.unwrap().file().ends_with("waits.rs"));
}

#[test]
fn a_runtime_that_nobody_runs_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .name("nobody_runs")
        .enable_io()
        .build()
        .unwrap();
    let (ours, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = runtime
        .block_on(async { netpoller::net::UnixStream::from_std(ours) })
        .unwrap();
    let mut buf = [0];
    let mut read = Box::pin(stream.read(&mut buf));
    assert!(runtime.block_on(netpoller_tests::is_parked(&mut read)));
    peer.write_all(b"x").unwrap();
    let pollers = netpoller::view::pollers();
    let poller = pollers.iter().find(|p| p.name() == "nobody_runs").unwrap();
    let finding = found(poller, Lint::PollerAway);
    assert!(finding.summary.contains("runtime"), "{}", finding.summary);
    assert!(
        evidence(&finding, "runtime").contains("no block_on"),
        "{finding:?}"
    );
}

#[test]
fn a_poller_is_not_away_while_nothing_has_happened() {
    let poller = new_poller();
    let (_ours, _theirs, desc) = connection(&poller);
    // The edge of the registration is fetched; nobody polls from here on, and nobody needs to.
    let mut ready = netpoller::ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    ready.wake_all();
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    silent(&poller);
}

#[test]
fn bytes_that_nobody_comes_for_are_leaked() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (_ours, mut theirs, desc) = connection(&poller);
    theirs.write_all(b"hello").unwrap();
    let finding = found(&poller, Lint::LeakedReadiness);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert_eq!(evidence(&finding, "bytes readable"), "5");
    assert!(
        finding.location.unwrap().file().ends_with("main.rs"),
        "the registration"
    );
}

#[test]
fn bytes_that_keep_coming_are_leaked_whatever_their_phase() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (_ours, mut theirs, desc) = connection(&poller);
    let trickle = || {
        theirs.write_all(b"x").unwrap();
        rest(5_000);
    };
    beside(trickle, || {
        let finding = found(&poller, Lint::LeakedReadiness);
        assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
        assert!(!finding.first_seen, "since its first edge");
    });
}

#[test]
fn the_end_of_a_stream_that_nobody_comes_for_is_leaked_after_longer() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (_ours, peer, desc) = connection(&poller);
    drop(peer);
    let finding = found(&poller, Lint::LeakedReadiness);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert_eq!(evidence(&finding, "TCP state"), "CLOSE_WAIT");
}

#[test]
fn connections_that_an_acceptor_left_behind_are_leaked_though_the_edge_was_taken() {
    let poller = new_poller();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let connect = |_| TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _burst = [0; 5].map(connect);
    until("one is accepted", || listener.accept().is_ok());
    take_edge(&poller, &desc, Direction::Read);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let finding = found(&poller, Lint::LeakedReadiness);
    assert_eq!(evidence(&finding, "connections to accept"), "4");
    assert!(finding.first_seen, "it accepted before");
    let finding = found(&poller, Lint::AcceptStalled);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert!(!finding.first_seen, "since the edge was taken");
}

#[test]
fn bytes_that_were_read_are_not_leaked() {
    let poller = new_poller();
    let (mut ours, mut theirs, read) = connection(&poller);
    send(b"hello", &mut theirs, &ours);
    take_edge(&poller, &read, Direction::Read);
    ours.read_exact(&mut [0; 5]).unwrap();
    let _driver = ThreadDriver::start(&poller).unwrap();
    silent(&poller);
}

#[test]
fn what_a_reader_does_not_read_because_it_waits_elsewhere_is_not_leaked() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (ours, mut theirs, source) = connection(&poller);
    let (_sink_ours, _sink_theirs, sink) = connection(&poller);
    let mut proxy = pin!(netpoller::task::named("proxy", async {
        source.wait(Direction::Read).await.unwrap();
        // What came is on its way to somebody who does not take it.
        sink.wait(Direction::Read).await.unwrap();
    }));
    park(proxy.as_mut());
    send(b"first", &mut theirs, &ours);
    let parked = |desc: &Desc| {
        let rows = poller.rows();
        let row = rows.iter().find(|row| row.id() == desc.id()).unwrap();
        row.read.state == view::State::Parked
    };
    until("it waits elsewhere", || {
        park(proxy.as_mut());
        parked(&sink)
    });
    theirs.write_all(b"and more").unwrap();
    silent(&poller);
}

#[test]
fn what_is_not_read_by_somebody_who_only_sends_is_not_leaked() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (mut ours, mut theirs, _pushes) = connection(&poller);
    theirs.set_nonblocking(true).unwrap();
    theirs.write_all(b"subscribe").unwrap();
    let push = || {
        let _ = ours.write(b"news");
        let _ = theirs.read(&mut [0; 64]);
        rest(2_000);
    };
    beside(push, || silent(&poller));
}

#[test]
fn a_waiter_that_was_woken_and_has_not_run_is_told_by_its_right_name() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (_ours, mut theirs, desc) = connection(&poller);
    let mut wait = Box::pin(netpoller::task::named("kept", desc.wait(Direction::Read)));
    let line = line!() - 1;
    park(wait.as_mut());
    theirs.write_all(b"hello").unwrap();
    let finding = found(&poller, Lint::WokenNotRun);
    assert_eq!(finding.direction, Some(Direction::Read));
    assert_eq!(finding.location.unwrap().line(), line);
    let row = finding.row.as_ref().unwrap();
    assert_eq!(row.read.state, view::State::Woken);
    assert!(row.read.waiter.as_ref().unwrap().task.starts_with("kept"));
    assert_eq!(row.read.last_wake.unwrap().fetched_ns, finding.since_ns);
    assert_eq!(evidence(&finding, "its waker was called"), "yes");
    // It has run, or need not any more.
    drop(wait);
    assert_eq!(poller.rows()[0].read.state, view::State::Ready);
}

#[test]
fn all_who_wait_for_a_lock_are_told_and_from_which_line() {
    let poller = new_poller();
    let (stream, peer) = netpoller_tests::unix_pair(&poller);
    let mut buffers = [[0; 4]; 3];
    let [first, second, third] = &mut buffers;
    let mut reads = [
        Box::pin(netpoller::task::named("first", stream.read(first))),
        Box::pin(netpoller::task::named("second", stream.read(second))),
        Box::pin(netpoller::task::named("third", stream.read(third))),
    ];
    let line = line!() - 4;
    for read in &mut reads {
        park(read.as_mut());
    }
    let queued = || {
        let rows = poller.rows();
        let row = rows
            .iter()
            .find(|row| row.fd == stream.as_raw_fd())
            .unwrap();
        let waiter = row.read.waiter.as_ref().unwrap();
        assert!(waiter.task.starts_with("first"), "{waiter:?}");
        row.read.queued.clone()
    };
    let both = queued();
    let names: Vec<_> = both.iter().map(|(_, it)| it.task.to_string()).collect();
    assert!(
        names.len() == 2 && names[0].starts_with("second"),
        "{names:?}"
    );
    assert!(names[1].starts_with("third"), "{names:?}");
    assert!(both[0].0 > 0 && both[0].0 <= both[1].0);
    assert_eq!(both[1].1.location.unwrap().line(), line + 2);
    let [first, second, third] = reads;
    drop(third);
    assert_eq!(queued().len(), 1);
    drop((second, first, peer));
}

#[test]
fn drivers_are_named_for_as_long_as_they_are_there() {
    let poller = new_poller();
    let driver = || poller.info().driver;
    assert_eq!(driver(), "manual");
    let thread = ThreadDriver::start(&poller).unwrap();
    let (_ours, mut theirs, desc) = connection(&poller);
    theirs.write_all(b"x").unwrap();
    until("it polls", || {
        poller.rows()[0].read.state == view::State::Ready
    });
    assert_eq!(driver(), "thread");
    drop((thread, desc));
    assert_eq!(driver(), "manual");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { netpoller::driver::tokio::attach(&poller).unwrap() });
    assert_eq!(driver(), "tokio");
    drop(runtime);
    assert_eq!(driver(), "manual");
}

#[test]
fn a_deadline_that_nobody_polls_for_is_overdue() {
    let poller = new_poller();
    let (_ours, _theirs, desc) = connection(&poller);
    desc.set_deadline(
        Some(Instant::now() + Duration::from_millis(1)),
        Sides::Write,
    );
    let finding = found(&poller, Lint::OverdueDeadline);
    assert_eq!(finding.direction, Some(Direction::Write));
    assert_eq!(evidence(&finding, "deadlines in the queue"), "1");
}

#[test]
fn deadlines_that_fire_and_those_to_come_are_not_overdue() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let (_a, _peer_a, fires) = connection(&poller);
    let (_b, _peer_b, later) = connection(&poller);
    fires.set_deadline(Some(Instant::now() + Duration::from_millis(1)), Sides::Both);
    later.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Both);
    let mut wait = pin!(later.wait(Direction::Read));
    park(wait.as_mut());
    silent(&poller);
}
