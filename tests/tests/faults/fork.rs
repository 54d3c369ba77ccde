//! Forks while everything goes on: a child has copies of all descriptors, and whatever it does with them is its own business.

use std::collections::BTreeSet;
use std::fs::read_link;
use std::os::fd::AsRawFd;
use std::process::Command;

use netpoller::pipe::pipe_on;
use netpoller_tests::{is_parked, run, unix_pair};

use super::process::{close_all, descriptors, every_descriptor, fork, ring_all, wait_for};
use super::work::{Work, driven};

#[test]
fn a_forked_child_does_not_disturb_its_parent_whatever_it_does_with_its_copies() {
    let work = Work::start();
    let driver = driven(work.poller());
    work.goes_on(5);
    for turn in 0..20 {
        // What the parent closes meanwhile is not in the child either, or is something else; both are the child's own copies.
        let child = if turn % 2 == 0 {
            fork(close_all, &every_descriptor())
        } else {
            // As if a break had been asked for that nobody has asked for.
            fork(ring_all, &descriptors("anon_inode:[eventfd]"))
        };
        work.goes_on(2);
        assert_eq!(wait_for(child), 0);
        work.goes_on(2);
    }
    drop(driver);
    work.finish();
}

#[test]
fn a_child_that_closes_its_copies_leaves_the_registrations_of_its_parent_alone() {
    run(async |poller| {
        let (a, b) = unix_pair(&poller);
        let mut buf = [0; 1];
        let mut read = Box::pin(a.read(&mut buf));
        assert!(is_parked(&mut read).await);
        let before = netpoller::view::kernel_registrations(&poller)
            .expect("a list")
            .len();
        assert_eq!(wait_for(fork(close_all, &every_descriptor())), 0);
        let after = netpoller::view::kernel_registrations(&poller)
            .expect("a list")
            .len();
        assert_eq!(after, before);
        b.write_all(b"x").await.expect("it is open");
        assert_eq!(read.await.expect("woken"), 1);
    });
}

#[test]
fn a_child_that_lives_on_does_not_keep_what_its_parent_closes_alive_in_the_poller() {
    run(async |poller| {
        let (a, b) = unix_pair(&poller);
        let (reader, writer) = std::os::unix::net::UnixStream::pair().expect("a pair");
        // It ends when its parent has closed `writer`, of which it closes its own copy first.
        let child = fork(wait_for_end, &[writer.as_raw_fd(), reader.as_raw_fd()]);
        a.close().expect("it is open").await;
        // The child's copy keeps the socket open, and its registration would still tell of what comes: DEL came first.
        b.write_all(b"for nobody")
            .await
            .expect("the child has the other end");
        let (c, d) = unix_pair(&poller);
        d.write_all(b"x").await.expect("it is open");
        assert_eq!(c.read(&mut [0; 4]).await.expect("a byte"), 1);
        let stale = netpoller::view::stats(&poller).counter(netpoller::Counter::StaleEvents);
        assert_eq!(stale, 0, "events of what is closed");
        drop(writer);
        assert_eq!(wait_for(child), 0);
    });
}

/// For a forked child: closes the first and waits for the end of the second.
fn wait_for_end(numbers: &[i32]) -> i32 {
    close_all(&numbers[..1]) + super::process::read_to_end(numbers[1])
}

#[test]
fn a_program_that_is_started_inherits_nothing() {
    let others: BTreeSet<String> = every_descriptor()
        .into_iter()
        .filter_map(stands_for)
        .collect();
    let work = Work::start();
    let (reader, writer) = pipe_on(work.poller()).expect("a pipe");
    let pipe = stands_for(reader.as_raw_fd()).expect("it is open");
    work.goes_on(5);
    for _ in 0..20 {
        let output = Command::new("sh")
            .args(["-c", "for fd in /proc/$$/fd/*; do readlink $fd; done; :"])
            .output()
            .expect("a shell");
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.lines().count() >= 3, "it has its own three: {text}");
        for file in text.lines().filter(|file| !others.contains(*file)) {
            let ours =
                file.starts_with("anon_inode:") || file.starts_with("socket:") || file == pipe;
            assert!(!ours, "{file} is inherited: {text}");
        }
    }
    drop((reader, writer));
    work.finish();
}

fn stands_for(number: i32) -> Option<String> {
    let file = read_link(format!("/proc/self/fd/{number}")).ok()?;
    Some(file.to_string_lossy().into_owned())
}
