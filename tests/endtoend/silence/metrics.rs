//! The series that alerts go by, of programs that are healthy: none of them moves.

use std::io::Write;
use std::time::{Duration, Instant};

use netpoller::net::TcpListener;
use netpoller::prometheus::Server;
use netpoller_tests::program::get;
use netpoller_tests::{Lateness, is_alone, loopback, new_poller};

use super::processes::{busy, stopper};
use super::{LOOK, Program};

/// What is 0 where nothing is wrong.
const FAULTS: [&str; 5] = [
    "netpoller_findings",
    "netpoller_laws_violated",
    "netpoller_overdue_deadlines",
    "netpoller_events_due",
    "netpoller_unpolled_seconds",
];

/// The series of an exposition that say that something is wrong; that a thread is kept from running
/// is true of the machine.
fn moved(text: &str) -> Vec<&str> {
    let is_fault = |line: &&str| {
        let name = line.split('{').next().unwrap_or_default();
        FAULTS.contains(&name) && !line.ends_with(" 0") && !line.contains("thread-starved")
    };
    text.lines().filter(is_fault).collect()
}

/// Runs the program of the test `name` in a process of its own, and scrapes it from the first
/// moment on.
#[track_caller]
fn silent(name: &str, start: impl FnOnce() -> Program) {
    if !is_alone(name) {
        return;
    }
    let lateness = Lateness::watch();
    let server = Server::builder(loopback()).start().unwrap();
    let _program = start();
    let began = Instant::now();
    while began.elapsed() < LOOK {
        let text = get(&server.url());
        let moved = moved(&text);
        assert!(
            moved.is_empty() || lateness.explains(Duration::from_millis(500)),
            "{moved:#?}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn an_idle_tokio_service_moves_no_series_that_an_alert_uses() {
    let name = "metrics::an_idle_tokio_service_moves_no_series_that_an_alert_uses";
    silent(name, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (told, address) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(loopback()).unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let mut accepted = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.push(tokio::spawn(async move {
                    while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                }));
            }
        });
        // Clients that have said something, and say nothing from then on.
        let address = address.recv().unwrap();
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client.write_all(b"hello").unwrap();
                client
            })
            .collect();
        Box::new((runtime, clients))
    });
}

#[test]
fn a_process_that_was_stopped_moves_no_series_that_an_alert_uses() {
    let name = "metrics::a_process_that_was_stopped_moves_no_series_that_an_alert_uses";
    silent(name, || {
        let service = busy(&new_poller(), 0);
        let seconds = |seconds| Duration::from_secs_f64(seconds);
        Box::new((stopper(seconds(2.0), seconds(1.0)), service))
    });
}
