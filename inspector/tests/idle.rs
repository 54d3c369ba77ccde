//! Thousands of idle connections are accepted, listed and closed, and nothing is left of them.
//!
//! The only test of its binary, because it counts the descriptors of the process. The clients live
//! in a process of their own: both ends of so many connections are more than most limits of open
//! files allow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use async_executor::LocalExecutor;
use netpoller::net::TcpListener;
use netpoller::view;
use netpoller::{Poller, block_on_poller, inspect, task};
use netpoller_tests::program::{isolated, netpoller};
use netpoller_tests::until;
use serde_json::Value;

/// So many, if the limit of open files allows it; else as many as it does.
const CONNECTIONS: usize = 15_000;
/// What either process opens beside them.
const OTHERS: usize = 200;

const THIS_TEST: &str = "idle_connections_are_accepted_listed_and_closed";

/// How many this process, and another of the same user, may have open.
fn connections() -> usize {
    let limit = rlimit::increase_nofile_limit((CONNECTIONS + OTHERS) as u64);
    let limit = limit.expect("the limit can be asked for") as usize;
    let room = limit.saturating_sub(OTHERS).min(CONNECTIONS);
    assert!(room > 0, "the limit of open files is {limit}");
    room
}

/// Connects, and stays until standard input ends.
fn clients(addr: SocketAddr) {
    let streams: Vec<TcpStream> = (0..connections())
        .map(|_| TcpStream::connect(addr).expect("it accepts"))
        .collect();
    let _ = std::io::stdin().read(&mut [0]);
    drop(streams);
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("/proc is there")
        .count()
}

fn start_clients(scratch: &Path, addr: SocketAddr) -> Child {
    let this = std::env::current_exe().expect("a path");
    let mut command = isolated(this, scratch);
    command
        .args(["--exact", "--nocapture", THIS_TEST])
        .env("IDLE_CLIENTS_OF", addr.to_string())
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// How the command exits that was given no answer in time.
const TIMEOUT: i32 = 124;

/// The items that `netpoller ls TABLE --format json` prints.
fn listed(scratch: &Path, target: &str, table: &str) -> Vec<Value> {
    let list = || {
        let mut command = netpoller(scratch);
        command.args(["ls", table, "-t", target, "--format", "json"]);
        command.output().expect("it runs")
    };
    // An endpoint gives an answer up that takes it long, as it may on a busy machine.
    let mut lists = std::iter::repeat_with(list).take(20);
    let output = lists.find(|it| it.status.code() != Some(TIMEOUT));
    let output = output.expect("an answer at last");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    match document["items"].take() {
        Value::Array(items) => items,
        other => panic!("no items: {other}"),
    }
}

#[test]
fn idle_connections_are_accepted_listed_and_closed() {
    // The same test again, as the clients.
    if let Ok(addr) = std::env::var("IDLE_CLIENTS_OF") {
        return clients(addr.parse().expect("an address"));
    }
    let connections = connections();
    let scratch = tempfile::tempdir().expect("a directory");
    let poller = Poller::builder().name("idle").build().expect("a poller");
    let socket = inspect::Listen::Unix(scratch.path().join("idle.sock"));
    let endpoint = inspect::Server::builder()
        .listen(socket)
        .start()
        .expect("an endpoint");
    let listener = Arc::new(
        poller
            .in_scope(|| TcpListener::bind("127.0.0.1:0"))
            .expect("a port"),
    );
    let addr = listener.local_addr().expect("an address");

    let server = std::thread::Builder::new().name("server".into()).spawn({
        let (poller, listener) = (poller.clone(), Arc::clone(&listener));
        move || {
            let executor = LocalExecutor::new();
            block_on_poller(
                &poller,
                executor.run(async {
                    // Ends when the listener is closed.
                    while let Ok((stream, _)) = listener.accept().await {
                        let idle = async move { stream.read(&mut [0; 16]).await };
                        executor.spawn(task::named("idle", idle)).detach();
                    }
                }),
            );
        }
    });
    let server = server.expect("a thread");
    until("the listener waits", || poller.waiters() == 1);
    // One look, so that whatever the endpoint opens for good is open before the count.
    listed(scratch.path(), endpoint.target(), "descriptors");
    let before = open_descriptors();

    let mut clients = start_clients(scratch.path(), addr);
    until("everybody waits", || {
        poller.waiters() == connections as i64 + 1
    });
    let rows = listed(scratch.path(), endpoint.target(), "descriptors");
    assert_eq!(
        rows.iter().filter(|row| row["kind"] == "tcp").count(),
        connections
    );
    assert!(
        rows.iter().all(|row| row["read"]["state"] == "parked"),
        "an idle connection has a reader"
    );
    let file = scratch.path().join("idle.npl");
    let mut record = netpoller(scratch.path());
    record.args([
        "record",
        "--no-doctor",
        "--for",
        "10ms",
        "--timeout",
        "2min",
    ]);
    record.args(["-t", endpoint.target(), "-o"]).arg(&file);
    let record = record.output().expect("it runs");
    let said = String::from_utf8_lossy(&record.stderr);
    assert!(record.status.success(), "{said}");
    let recorded = listed(
        scratch.path(),
        &format!("file:{}", file.display()),
        "descriptors",
    );
    let recorded = recorded.iter().filter(|row| row["kind"] == "tcp").count();
    assert_eq!(recorded, connections, "the table as it is watched: {said}");
    let waiters = listed(scratch.path(), endpoint.target(), "waiters");
    assert_eq!(
        waiters.iter().filter(|row| row["task"] == "idle").count(),
        connections
    );

    clients
        .stdin
        .take()
        .expect("piped")
        .write_all(b"!")
        .expect("they listen");
    assert!(clients.wait().expect("they end").success());
    until("the connections are gone", || {
        poller.info().descriptors == 1
    });
    until("their descriptors are closed", || {
        open_descriptors() <= before + 1
    });

    block_on_poller(&poller, listener.close().expect("it was open"));
    server.join().expect("the server ends");
    assert_eq!(poller.waiters(), 0);
    assert_eq!(poller.info().descriptors, 0);
    let registered = view::kernel_registrations(&poller).expect("fdinfo can be read");
    let left: Vec<_> = registered
        .iter()
        .filter(|it| it.id.generation != 0)
        .collect();
    assert!(
        left.is_empty(),
        "beside the poller's own descriptors there is {left:?}"
    );
    let broken: Vec<_> = poller
        .audit_quiescent()
        .unwrap()
        .into_iter()
        .filter(|law| law.violated)
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}
