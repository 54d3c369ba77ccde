//! The same calls, counted by strace.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;

use netpoller::{Counter, block_on_poller};
use netpoller_tests::{new_poller, tcp_and_peer, tool};

/// Set in the process that strace watches.
const TRACED: &str = "NETPOLLER_TEST_TRACED";
const ROUNDS: usize = 300;

/// What strace has counted of calls on descriptor `fd`: that gave something, and that gave EAGAIN.
fn calls(report: &str, call: &str, fd: u64) -> (u64, u64) {
    let (mut done, mut again) = (0, 0);
    for line in report.lines() {
        // `1234  recvfrom(7, …) = 5`, or in two lines where another thread comes in between.
        let mut words = line.splitn(2, char::is_whitespace);
        let (Some(_), Some(rest)) = (words.next(), words.next()) else {
            continue;
        };
        let own = format!("{call}({fd},");
        if !rest.trim_start().starts_with(&own) || rest.contains("<unfinished") {
            continue;
        }
        match rest.rsplit_once(" = ").map(|(_, result)| result) {
            Some(result) if result.starts_with("-1 EAGAIN") => again += 1,
            Some(result) if !result.starts_with('-') => done += 1,
            _ => {}
        }
    }
    (done, again)
}

#[test]
#[ignore = "needs strace"]
fn the_calls_that_are_counted_are_those_that_strace_sees() {
    if std::env::var_os(TRACED).is_some() {
        return program();
    }
    let scratch = tempfile::tempdir().unwrap();
    let report = scratch.path().join("report");
    let output = Command::new(tool(&["strace"]))
        .args(["-f", "-e", "trace=recvfrom,sendto,epoll_wait", "-o"])
        .arg(&report)
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("traced::the_calls_that_are_counted_are_those_that_strace_sees")
        .env(TRACED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let counted = |name: &str| -> u64 {
        let start = format!("counted {name} ");
        let line = said.lines().find_map(|line| line.split_once(&start));
        let line = line.map(|(_, rest)| rest);
        line.unwrap_or_else(|| panic!("{name}: {said}"))
            .parse()
            .unwrap()
    };
    let report = std::fs::read_to_string(&report).unwrap();
    let reads = calls(&report, "recvfrom", counted("fd"));
    assert_eq!(reads, (counted("sys_read_ok"), counted("sys_read_eagain")));
    let writes = calls(&report, "sendto", counted("fd"));
    assert_eq!(
        writes,
        (counted("sys_write_ok"), counted("sys_write_eagain"))
    );
    assert_eq!(reads.0, ROUNDS as u64);
    let polls = report
        .lines()
        .filter(|line| line.contains(&format!("epoll_wait({},", counted("epoll"))));
    assert_eq!(polls.count() as u64, counted("polls"));
}

/// Rounds of a question and its answer, all on one thread, so that no call is told in two lines.
fn program() {
    let poller = new_poller();
    let (ours, mut peer) = tcp_and_peer(&poller);
    block_on_poller(&poller, async {
        for round in 0..ROUNDS {
            let mut wait = Box::pin(async {
                let mut buffer = [0; 64];
                ours.read(&mut buffer).await.unwrap()
            });
            // Every other question comes when somebody waits for it.
            if round % 2 == 0 {
                assert!(futures_lite::future::poll_once(&mut wait).await.is_none());
            }
            peer.write_all(b"question").unwrap();
            assert_eq!(wait.await, 8);
            ours.write_all(b"answer").await.unwrap();
            peer.read_exact(&mut [0; 6]).unwrap();
        }
    });
    let stats = poller.stats();
    println!("counted fd {}", ours.as_raw_fd());
    let polls = [
        Counter::PollsBlock,
        Counter::PollsTimed,
        Counter::PollsNonblock,
    ];
    println!(
        "counted polls {}",
        polls.map(|it| stats.counter(it)).iter().sum::<u64>()
    );
    println!("counted epoll {}", poller.info().epoll_fd);
    for counter in [
        Counter::SysReadOk,
        Counter::SysReadEagain,
        Counter::SysWriteOk,
        Counter::SysWriteEagain,
    ] {
        println!("counted {} {}", counter.name(), stats.counter(counter));
    }
}
