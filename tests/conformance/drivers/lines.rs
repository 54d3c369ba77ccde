//! From which line a wait is told to come where the call is a library's.

use std::io::{Read, Write};
use std::panic::Location;

use netpoller::Poller;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::view::{LineKind, State, Waiter};
use netpoller::{block_on_poller, task};
use netpoller_tests::{Lane, eventually, loopback, new_poller, tcp_and_peer};
use tokio::io::AsyncReadExt;

use crate::runtime::current_thread;

/// Who waits to read a connection.
fn reader(poller: &Poller) -> Waiter {
    eventually("a reader waits", || {
        let rows = poller.rows();
        let connection = rows.into_iter().find(|row| row.peer.contains(':'))?;
        let read = connection.read;
        // Before that it is just writing where it waits.
        read.waiter.filter(|_| read.state == State::Parked)
    })
}

/// The call is not of this file, and the line that stands for it is `line` of this file.
#[track_caller]
fn stands_for(waiter: &Waiter, library: &str, kind: LineKind, line: u32) {
    let call = waiter.location.unwrap().file();
    assert!(call.contains(library), "{call}");
    let nearest = waiter.nearest.unwrap();
    let told = (
        nearest.kind,
        nearest.location.file(),
        nearest.location.line(),
    );
    assert_eq!(told, (kind, file!(), line));
}

/// Runs `serve` with a listener inside a runtime, connects to it, and says who reads.
fn served(serve: impl AsyncFnOnce(TcpListener) + Send + 'static) -> Waiter {
    let poller = new_poller();
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let serving = Lane::start(move || current_thread().block_on(serve(listener)));
    // So that it waits for the second time.
    client.write_all(b"x").unwrap();
    let waiter = reader(&poller);
    // Bytes that are not read when it is closed would reset it.
    client.read_exact(&mut [0]).unwrap();
    drop(client);
    serving.join();
    waiter
}

/// Sends back what comes, as the first example of the README does.
async fn copy(mut stream: TcpStream) {
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
}

#[test]
fn a_copy_of_tokios_is_shown_at_the_accept_of_its_connection() {
    let waiter = served(async |listener| {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(copy(stream)).await.unwrap();
    });
    stands_for(&waiter, "/tokio-", LineKind::Accepted, line!() - 3);
}

#[test]
fn a_copy_of_tokios_in_a_named_task_is_shown_at_the_line_of_the_name() {
    let waiter = served(async |listener| {
        let (stream, _) = listener.accept().await.unwrap();
        let echo = task::named("named once in the tests of lines", copy(stream));
        tokio::spawn(echo).await.unwrap();
    });
    stands_for(&waiter, "/tokio-", LineKind::Named, line!() - 3);
}

#[test]
fn a_name_that_several_lines_give_stands_for_none_of_them() {
    let name = "named twice in the tests of lines";
    let waiter = served(async move |listener| {
        let (stream, _) = listener.accept().await.unwrap();
        task::named(name, std::future::ready(())).await;
        tokio::spawn(task::named(name, copy(stream))).await.unwrap();
    });
    stands_for(&waiter, "/tokio-", LineKind::Accepted, line!() - 4);
}

#[test]
fn a_copy_of_stds_is_shown_at_the_accept_of_its_connection() {
    let waiter = served(async |listener| {
        let (stream, _) = listener.accept().await.unwrap();
        let copying = Lane::start(move || {
            std::io::copy(&mut stream.blocking(), &mut stream.blocking()).unwrap()
        });
        copying.join();
    });
    stands_for(&waiter, "/library/std/", LineKind::Accepted, line!() - 6);
}

#[test]
fn a_client_in_a_library_is_shown_at_its_connect() {
    let poller = new_poller();
    let server = std::net::TcpListener::bind(loopback()).unwrap();
    let address = server.local_addr().unwrap();
    let client = Lane::start({
        let poller = poller.clone();
        move || {
            current_thread().block_on(async {
                let _entered = poller.enter();
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.read_exact(&mut [0; 2]).await.unwrap();
            });
        }
    });
    let line = line!() - 5;
    let (mut peer, _) = server.accept().unwrap();
    stands_for(&reader(&poller), "/tokio-", LineKind::Connected, line);
    peer.write_all(b"xx").unwrap();
    client.join();
}

/// A peer reads nothing.
#[test]
fn a_copy_of_tokios_that_writes_is_shown_at_the_accept_of_its_connection() {
    let poller = new_poller();
    let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let serving = Lane::start(move || {
        current_thread().block_on(async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let copied = tokio::io::copy(&mut tokio::io::repeat(7), &mut stream).await;
            assert!(copied.is_err(), "the peer has gone");
        });
    });
    let line = line!() - 5;
    let writer = eventually("a writer waits", || {
        let rows = poller.rows();
        let connection = rows.into_iter().find(|row| row.peer.contains(':'))?;
        let write = connection.write;
        write.waiter.filter(|_| write.state == State::Parked)
    });
    stands_for(&writer, "/tokio-", LineKind::Accepted, line);
    drop(client);
    serving.join();
}

#[test]
fn a_call_of_the_programs_own_stands_for_itself() {
    let poller = new_poller();
    let (ours, mut peer) = tcp_and_peer(&poller);
    let here = Location::caller();
    let reading = Lane::start({
        let poller = poller.clone();
        move || block_on_poller(&poller, ours.read(&mut [0])).unwrap()
    });
    let waiter = reader(&poller);
    let call = waiter.location.unwrap();
    assert_eq!((call.file(), call.line()), (file!(), here.line() + 3));
    assert_eq!(waiter.nearest, None);
    peer.write_all(b"x").unwrap();
    reading.join();
}
