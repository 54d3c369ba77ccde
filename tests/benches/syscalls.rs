//! What a request costs in system calls, counted by strace from outside (pitfall 23: polling#224).
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use netpoller_tests::{example, tool};

const REQUESTS: usize = 2000;

/// What the start, the one connection and the end may cost beside the requests.
const OTHERS: usize = 100;

/// Calls by name, as `strace -c` counts them.
fn counts(report: &str) -> HashMap<String, usize> {
    let rows = report.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        // "% time, seconds, usecs/call, calls, [errors,] name"
        let calls = words.get(3)?.parse().ok()?;
        Some(((*words.last()?).to_owned(), calls))
    });
    rows.collect()
}

#[test]
#[ignore = "needs strace"]
fn a_request_on_one_connection_costs_three_system_calls() {
    let scratch = tempfile::tempdir().unwrap();
    let report = scratch.path().join("report");
    let mut traced = Command::new(tool(&["strace"]))
        .args(["-f", "-c", "-o"])
        .arg(&report)
        .arg(example("echo"))
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut addr = String::new();
    BufReader::new(traced.stdout.take().unwrap())
        .read_line(&mut addr)
        .unwrap();

    let mut client = TcpStream::connect(addr.trim()).unwrap();
    client.set_nodelay(true).unwrap();
    let mut answer = [0; 64];
    for _ in 0..REQUESTS {
        client.write_all(&[b'x'; 64]).unwrap();
        client.read_exact(&mut answer).unwrap();
    }
    // strace ends with the process that it traces, and writes its report then.
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", traced.id())).unwrap();
    let child = children
        .split_whitespace()
        .next()
        .expect("it traces somebody");
    let child = child.parse().expect("a process id");
    // SAFETY: no pointers; it is a child of our child, which has not ended and so was not replaced.
    assert_eq!(unsafe { libc::kill(child, libc::SIGTERM) }, 0);
    traced.wait().unwrap();

    let counts = counts(&std::fs::read_to_string(&report).unwrap());
    for call in ["epoll_wait", "recvfrom", "sendto"] {
        let count = counts.get(call).copied().unwrap_or(0);
        // The first request may be there before its connection was accepted, and then nobody waits
        // for it.
        assert!(
            (REQUESTS - 1..REQUESTS + OTHERS).contains(&count),
            "{call}: {count} in {counts:?}"
        );
    }
    // Neither the break eventfd nor a timer nor a registration is touched on the way of a request.
    let others: usize = counts
        .iter()
        .filter(|(name, _)| !["epoll_wait", "recvfrom", "sendto", "total"].contains(&name.as_str()))
        .map(|(_, count)| count)
        .sum();
    assert!(others < 3 * OTHERS, "{others} other calls: {counts:?}");
}
