//! Nobody accepts.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller::driver::ThreadDriver;
use netpoller::view::lints::{Lint, Lints, Options};
use netpoller::{Desc, Direction, Kind, Poller};
use netpoller_tests::{new_poller, until};

use super::{BRIEF, beside, evidence, found, silent};

#[track_caller]
fn park(wait: Pin<&mut impl Future>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.poll(&mut cx).is_pending());
}

/// A registered listener of std's, which does not block.
fn listener(poller: &Poller) -> (Desc, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    (desc, listener)
}

fn connect(to: &TcpListener) -> TcpStream {
    TcpStream::connect(to.local_addr().unwrap()).unwrap()
}

#[test]
fn an_acceptor_that_waits_for_one_client_names_what_it_waits_for_instead() {
    let poller = new_poller();
    let (desc, listening) = listener(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = Box::pin(desc.wait(Direction::Read));
    park(wait.as_mut());
    let _silent = connect(&listening);
    let mut cx = Context::from_waker(Waker::noop());
    until("it is woken", || wait.as_mut().poll(&mut cx).is_ready());
    drop(wait);
    let (accepted, _) = listening.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let connection = poller.open(accepted.as_fd(), Kind::Tcp).unwrap();
    let mut handshake = pin!(connection.wait(Direction::Read));
    let line = line!() - 1;
    park(handshake.as_mut());
    let _others = [connect(&listening), connect(&listening)];

    let finding = found(&poller, Lint::AcceptStalled);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert_eq!(finding.location.unwrap().line(), line);
    assert!(evidence(&finding, "accept queue").starts_with("2 of "));
    let instead = evidence(&finding, "it now");
    let read = format!("is parked in a read of {}", connection.id());
    assert!(instead.starts_with(&read), "{instead}");
}

#[test]
fn a_listener_to_which_nobody_ever_came_for_its_connections_is_named_and_not_twice() {
    let poller = new_poller();
    let (desc, listening) = listener(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let _client = connect(&listening);
    let finding = found(&poller, Lint::AcceptStalled);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert!(
        finding.summary.contains("nobody ever waited to"),
        "{}",
        finding.summary
    );

    let brief = [Lint::AcceptStalled, Lint::LeakedReadiness];
    let options = brief
        .into_iter()
        .fold(Options::new(), |options, lint| options.hold(lint, BRIEF));
    let mut lints = Lints::new(options);
    let mut looks = 0;
    while looks < 5 {
        let found: Vec<Lint> = lints.look(&poller).iter().map(|it| it.lint).collect();
        if found.contains(&Lint::AcceptStalled) {
            assert_eq!(found, [Lint::AcceptStalled]);
            looks += 1;
        }
        std::thread::sleep(BRIEF);
    }
}

#[test]
fn acceptors_that_have_nothing_to_accept_or_accept_what_comes_are_not_stalled() {
    let poller = new_poller();
    let (idle, _idle) = listener(&poller);
    let (desc, listening) = listener(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = pin!(idle.wait(Direction::Read));
    park(wait.as_mut());
    let accept = || {
        let _client = connect(&listening);
        desc.reset(Direction::Read).unwrap();
        listening.accept().unwrap();
    };
    beside(accept, || silent(&poller));
}

#[test]
fn a_unix_listener_is_stalled_like_any_other() {
    let poller = new_poller();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("listener");
    let listening = UnixListener::bind(&path).unwrap();
    listening.set_nonblocking(true).unwrap();
    let desc = poller.open(listening.as_fd(), Kind::UnixListener).unwrap();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let _clients = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
    let finding = found(&poller, Lint::AcceptStalled);
    assert_eq!(finding.row.as_ref().unwrap().id(), desc.id());
    assert!(evidence(&finding, "accept queue").starts_with("2 of "));
}

#[test]
fn connections_that_the_kernel_had_no_room_for_are_evidence() {
    let poller = new_poller();
    let (_desc, listening) = {
        let socket = socket2::Socket::new(
            socket2::Domain::IPV4,
            socket2::Type::STREAM.nonblocking(),
            None,
        )
        .unwrap();
        socket.bind(&netpoller_tests::loopback().into()).unwrap();
        socket.listen(1).unwrap();
        let listener = TcpListener::from(socket);
        let desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
        (desc, listener)
    };
    let _driver = ThreadDriver::start(&poller).unwrap();
    let address = listening.local_addr().unwrap();
    let clients = [(); 6].map(|()| {
        let client = socket2::Socket::new(
            socket2::Domain::IPV4,
            socket2::Type::STREAM.nonblocking(),
            None,
        )
        .unwrap();
        let _ = client.connect(&address.into());
        client
    });
    let mut dropped = 0u32;
    until("some are dropped", || {
        let finding = found(&poller, Lint::AcceptStalled);
        let evidence = finding.evidence.iter();
        let mut it = evidence.filter(|(name, _)| *name == "dropped by the kernel");
        dropped = it.next().map_or(0, |(_, it)| it.parse().unwrap());
        dropped > 0
    });
    drop(clients);
}

#[test]
fn an_acceptor_that_pauses_for_a_time_comes_back() {
    let poller = new_poller();
    let (desc, listening) = listener(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut acceptor = pin!(netpoller::task::named("acceptor", async {
        desc.wait(Direction::Read).await.unwrap();
        desc.reset(Direction::Read).unwrap();
        let _accepted = listening.accept().unwrap();
        let pause = || netpoller::time::sleep(Duration::from_secs(600));
        poller.in_scope(pause).await;
    }));
    park(acceptor.as_mut());
    let _clients = [(); 3].map(|()| connect(&listening));
    until("it pauses", || {
        park(acceptor.as_mut());
        poller.rows().iter().any(|row| row.kind == Kind::Timer)
    });
    silent(&poller);
}

#[test]
fn an_acceptor_that_was_woken_and_has_not_run_is_told_once() {
    let poller = new_poller();
    let (desc, listening) = listener(&poller);
    let _driver = ThreadDriver::start(&poller).unwrap();
    let mut wait = Box::pin(desc.wait(Direction::Read));
    park(wait.as_mut());
    let _client = connect(&listening);
    let brief = [Lint::AcceptStalled, Lint::WokenNotRun];
    let options = brief
        .into_iter()
        .fold(Options::new(), |options, lint| options.hold(lint, BRIEF));
    let mut lints = Lints::new(options);
    let mut looks = 0;
    while looks < 5 {
        let found: Vec<Lint> = lints.look(&poller).iter().map(|it| it.lint).collect();
        assert!(!found.contains(&Lint::AcceptStalled), "{found:?}");
        looks += usize::from(found.contains(&Lint::WokenNotRun));
        std::thread::sleep(BRIEF);
    }
}
