//! 15 000 idle connections are accepted, listed and closed, and nothing is left of them.
//!
//! Not under the test harness, because it counts the descriptors of the process. The clients live in a process of their own:
//! both ends of so many connections are more than most limits of open files allow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use netpoller::net::TcpListener;
use netpoller::view;
use netpoller::{Poller, block_on_poller, inspect, task};
use serde_json::Value;

const CONNECTIONS: usize = 15_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    // As a test the program takes the arguments of a harness that it is not; as the clients it has an address.
    if let Ok(addr) = std::env::var("IDLE_CLIENTS_OF") {
        return clients(addr.parse().expect("an address"));
    }
    let needed = CONNECTIONS as u64 + 200;
    let limit = rlimit::increase_nofile_limit(needed).expect("the limit can be asked for");
    if limit < needed {
        assert!(
            std::env::var_os("CI").is_none(),
            "the limit of open files is {limit}, {needed} are needed"
        );
        eprintln!(
            "NOT TESTED: the limit of open files is {limit}, {needed} are needed; see `ulimit -Hn`"
        );
        return;
    }
    idle_connections_are_accepted_listed_and_closed();
    println!("1 passed, 0 failed");
}

/// Connects, and stays until standard input ends.
fn clients(addr: SocketAddr) {
    rlimit::increase_nofile_limit(CONNECTIONS as u64 + 100).expect("enough descriptors");
    let streams: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(addr).expect("it accepts"))
        .collect();
    let _ = std::io::stdin().read(&mut [0]);
    drop(streams);
}

#[track_caller]
fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !reached() {
        assert!(
            Instant::now() < give_up,
            "{what} did not come about in {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("/proc is there")
        .count()
}

fn start_clients(addr: SocketAddr) -> Child {
    let this = std::env::current_exe().expect("a path");
    let mut command = Command::new(this);
    command
        .env("IDLE_CLIENTS_OF", addr.to_string())
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// The items that `netpoller ls TABLE --format json` prints.
fn listed(target: &str, table: &str) -> Vec<Value> {
    let mut netpoller = Command::new(env!("CARGO_BIN_EXE_netpoller"));
    let output = netpoller
        .args(["ls", table, "-t", target, "--format", "json"])
        .output()
        .expect("it runs");
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

fn idle_connections_are_accepted_listed_and_closed() {
    let scratch = tempfile::tempdir().expect("a directory");
    let poller = Poller::builder().name("idle").build().expect("a poller");
    let socket = inspect::Listen::Unix(scratch.path().join("idle.sock"));
    let endpoint = inspect::Server::builder()
        .listen(socket)
        .start()
        .expect("an endpoint");
    let listener = Arc::new(TcpListener::bind_on(&poller, "127.0.0.1:0").expect("a port"));
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
    eventually("the listener waits", || poller.waiters() == 1);
    // One look, so that whatever the endpoint opens for good is open before the count.
    listed(endpoint.target(), "descriptors");
    let before = open_descriptors();

    let mut clients = start_clients(addr);
    eventually("everybody waits", || {
        poller.waiters() == CONNECTIONS as i64 + 1
    });
    let rows = listed(endpoint.target(), "descriptors");
    assert_eq!(
        rows.iter().filter(|row| row["kind"] == "tcp").count(),
        CONNECTIONS
    );
    assert!(
        rows.iter().all(|row| row["read"]["state"] == "parked"),
        "an idle connection has a reader"
    );
    let waiters = listed(endpoint.target(), "waiters");
    assert_eq!(
        waiters.iter().filter(|row| row["task"] == "idle").count(),
        CONNECTIONS
    );

    clients
        .stdin
        .take()
        .expect("piped")
        .write_all(b"!")
        .expect("they listen");
    assert!(clients.wait().expect("they end").success());
    eventually("the connections are gone", || {
        view::info(&poller).descriptors == 1
    });
    eventually("their descriptors are closed", || {
        open_descriptors() <= before + 1
    });

    block_on_poller(&poller, listener.close().expect("it was open"));
    server.join().expect("the server ends");
    assert_eq!(poller.waiters(), 0);
    assert_eq!(view::info(&poller).descriptors, 0);
    let registered = view::kernel_registrations(&poller).expect("fdinfo can be read");
    let left: Vec<_> = registered.iter().filter(|it| it.generation != 0).collect();
    assert!(
        left.is_empty(),
        "beside the poller's own descriptors there is {left:?}"
    );
    let broken: Vec<_> = view::audit_quiescent(&poller)
        .into_iter()
        .filter(|law| law.violated)
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}
