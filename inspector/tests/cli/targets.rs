//! Finding the process that is meant.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use crate::support::mock::{Mock, Running};
use crate::{assert_fails, json, own_socket_name, run, runtime_dir, stderr, stdout};

#[test]
fn the_only_target_need_not_be_named() {
    let scratch = TempDir::new().expect("make a directory");
    let socket = runtime_dir(scratch.path()).join(own_socket_name());
    let running = Running::start(Mock::new(5), socket);
    let output = run(scratch.path(), &["ls", "--no-header"]);
    assert_eq!(stdout(&output).lines().count(), 5);
    let pid = format!("pid:{}", std::process::id());
    assert_eq!(
        stdout(&run(scratch.path(), &["-t", &pid, "ls", "--no-header"]))
            .lines()
            .count(),
        5
    );

    let targets = json(&run(scratch.path(), &["targets", "-f", "json"]));
    assert_eq!(targets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(targets["items"][0]["state"], "ok");
    assert_eq!(targets["items"][0]["pid"], std::process::id());
    let table = run(scratch.path(), &["targets"]);
    let titles: Vec<&str> = stdout(&table)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(
        titles,
        [
            "PID", "START", "EXE", "SOCKET", "PROTO", "POLLERS", "FDS", "STATE"
        ]
    );
    drop(running);
}

#[test]
fn one_of_several_targets_must_be_chosen() {
    let scratch = TempDir::new().expect("make a directory");
    let directory = runtime_dir(scratch.path());
    let _running = Running::start(Mock::new(1), directory.join(own_socket_name()));
    let _other = Running::start(Mock::new(1), directory.join("1-1.sock"));
    assert_fails(
        &run(scratch.path(), &["ls"]),
        2,
        &["2 processes", "--target pid:1 "],
    );
}

#[test]
fn no_target_at_all_is_said_with_what_to_do() {
    let scratch = TempDir::new().expect("make a directory");
    assert_fails(
        &run(scratch.path(), &["ls"]),
        2,
        &["no process", "--target", "netpoller demo"],
    );
    assert!(stderr(&run(scratch.path(), &["targets"])).contains("no process"));
}

#[test]
fn sockets_of_dead_processes_are_removed_and_others_are_not() {
    let scratch = TempDir::new().expect("make a directory");
    let directory = runtime_dir(scratch.path());
    // No process of ours started at tick 1 of this boot.
    let stale = directory.join(format!("{}-1.sock", std::process::id()));
    drop(UnixListener::bind(&stale).expect("bind"));
    let stale_control = directory.join(format!("{}-1.control.sock", std::process::id()));
    drop(UnixListener::bind(&stale_control).expect("bind"));
    let refusing = directory.join(own_socket_name());
    drop(UnixListener::bind(&refusing).expect("bind"));
    let targets = json(&run(scratch.path(), &["targets", "-f", "json"]));
    assert_eq!(targets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(targets["items"][0]["state"], "unreachable");
    assert!(!stale.exists(), "nobody can ever listen there again");
    assert!(!stale_control.exists(), "nor there");
    assert!(refusing.exists(), "its process lives");
}

#[test]
fn a_directory_open_to_others_is_not_trusted() {
    let scratch = TempDir::new().expect("make a directory");
    let directory = runtime_dir(scratch.path());
    let _running = Running::start(Mock::new(1), directory.join(own_socket_name()));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("open the directory");
    assert_fails(&run(scratch.path(), &["ls"]), 2, &["no process"]);
}

#[test]
fn a_target_may_be_a_tcp_address() {
    let scratch = TempDir::new().expect("make a directory");
    let running = Running::start_tcp(Mock::new(5));
    let target = format!("http://{}", running.socket.display());
    assert_eq!(
        stdout(&run(scratch.path(), &["-t", &target, "ls", "--no-header"]))
            .lines()
            .count(),
        5
    );
}
