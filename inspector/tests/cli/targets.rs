//! Finding the process that is meant.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::{assert_fails, json, own_socket_name, run, runtime_dir, stderr, stdout};
use netpoller_tests::mock::{Mock, Running};
use netpoller_tests::program::Killed;

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

    let targets = json(&run(
        scratch.path(),
        &["targets", "--endpoints", "-f", "json"],
    ));
    assert_eq!(targets["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(targets["items"][0]["state"], "ok");
    assert_eq!(targets["items"][0]["pid"], std::process::id());
    let table = run(scratch.path(), &["targets", "--endpoints"]);
    let titles: Vec<&str> = stdout(&table)
        .lines()
        .next()
        .expect("titles")
        .split_ascii_whitespace()
        .collect();
    assert_eq!(
        titles,
        [
            "PID", "UID", "START", "EXE", "SOCKET", "PROTO", "POLLERS", "FDS", "STATE"
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
    assert!(stderr(&run(scratch.path(), &["targets", "--endpoints"])).contains("no process"));
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
    let targets = json(&run(
        scratch.path(),
        &["targets", "--endpoints", "-f", "json"],
    ));
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

#[test]
fn a_target_may_be_named_by_its_executable() {
    let scratch = TempDir::new().expect("make a directory");
    let socket = runtime_dir(scratch.path()).join(own_socket_name());
    let _running = Running::start(Mock::new(5), socket);
    let own = std::env::current_exe().expect("a path");
    let name = own
        .file_name()
        .and_then(|name| name.to_str())
        .expect("UTF-8");
    let rows = run(scratch.path(), &["-t", name, "ls", "--no-header"]);
    assert_eq!(stdout(&rows).lines().count(), 5);
    let near = name.get(1..).expect("a long name");
    assert_fails(
        &run(scratch.path(), &["-t", near, "ls"]),
        2,
        &[
            "no process that can be inspected is called",
            "did you mean",
            name,
        ],
    );
    // Several may have one name, so each is told with what tells it apart.
    let known = format!("known are {name} (pid:{})", std::process::id());
    assert_fails(&run(scratch.path(), &["-t", "zz", "ls"]), 2, &[&known]);
}

/// A user who is nobody here.
const NOBODY: u32 = 65_534;

/// A demo that runs as somebody else, in a runtime directory of its own.
struct Foreign {
    child: Killed,
    runtime: TempDir,
}

impl Foreign {
    fn start() -> Self {
        let runtime = TempDir::new().expect("make a directory");
        std::os::unix::fs::chown(runtime.path(), Some(NOBODY), Some(NOBODY)).expect("give it away");
        let child = crate::netpoller(runtime.path())
            .args(["demo", "--headless", "--connections", "2"])
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run the demo as nobody");
        let foreign = Self {
            child: Killed(child),
            runtime,
        };
        let began = std::time::Instant::now();
        while fs::read_dir(foreign.place()).map_or(0, Iterator::count) == 0 {
            assert!(began.elapsed().as_secs() < 60, "no socket appears");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        foreign
    }

    fn place(&self) -> std::path::PathBuf {
        self.runtime.path().join("netpoller")
    }

    fn socket(&self) -> std::path::PathBuf {
        let mut names = fs::read_dir(self.place()).expect("a directory").flatten();
        names.next().expect("a socket").path()
    }
}

fn look_in(places: &Path, arguments: &[&str]) -> std::process::Output {
    crate::netpoller(places)
        .env("NETPOLLER_SOCKETS", places)
        .args(arguments)
        .output()
        .expect("run netpoller")
}

#[test]
#[ignore = "needs root"]
fn root_finds_a_process_of_another_user_by_the_directory_of_its_own_session() {
    let foreign = Foreign::start();
    let pid = format!("pid:{}", foreign.child.id());
    let scratch = TempDir::new().expect("make a directory");
    // As on any machine: no place is named.
    let rows = crate::netpoller(scratch.path())
        .env_remove("NETPOLLER_SOCKETS")
        .args(["-t", &pid, "ls", "--no-header"])
        .output()
        .expect("run netpoller");
    assert!(stdout(&rows).lines().count() >= 2);

    let targets = json(&look_in(
        &foreign.place(),
        &["targets", "--endpoints", "-f", "json"],
    ));
    let [item] = &targets["items"].as_array().expect("items")[..] else {
        panic!("{targets:#}");
    };
    assert_eq!(
        (&item["uid"], &item["state"]),
        (&NOBODY.into(), &"ok".into())
    );
    assert_eq!(item["pid"], foreign.child.id());
}

#[test]
#[ignore = "needs root"]
fn a_socket_with_the_name_of_somebody_elses_process_is_not_spoken_to() {
    let foreign = Foreign::start();
    // Nobody's socket under the name of a process of root's.
    fs::rename(foreign.socket(), foreign.place().join(own_socket_name())).expect("rename");
    let targets = json(&look_in(
        &foreign.place(),
        &["targets", "--endpoints", "-f", "json"],
    ));
    assert_eq!(targets["items"][0]["state"], "unreachable", "{targets:#}");
    let reason = targets["items"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("user 65534 answers"), "{reason}");
    let pid = format!("pid:{}", std::process::id());
    let output = look_in(&foreign.place(), &["-t", &pid, "ls"]);
    assert_fails(&output, 4, &["user 65534 answers", "false name"]);
}

#[test]
#[ignore = "needs root"]
fn a_stale_socket_of_another_user_is_passed_over_and_left_alone() {
    let scratch = TempDir::new().expect("make a directory");
    let place = runtime_dir(scratch.path());
    let stale = place.join(format!("{}-1.sock", std::process::id()));
    drop(UnixListener::bind(&stale).expect("bind"));
    std::os::unix::fs::chown(&place, Some(NOBODY), Some(NOBODY)).expect("give it away");
    assert_fails(&look_in(&place, &["ls"]), 2, &["no process"]);
    assert!(stale.exists(), "root removes nothing of other users");
}

#[test]
#[ignore = "needs root"]
fn who_is_not_root_is_told_what_they_cannot_see() {
    let foreign = Foreign::start();
    let scratch = TempDir::new().expect("make a directory");
    let pid = std::process::id();
    let output = crate::netpoller(scratch.path())
        .env_remove("NETPOLLER_SOCKETS")
        .env_remove("XDG_RUNTIME_DIR")
        .args(["-t", &format!("pid:{pid}"), "ls"])
        .uid(NOBODY)
        .current_dir("/")
        .output()
        .expect("run netpoller");
    assert_fails(
        &output,
        4,
        &["the process is user 0's", "only that user and root"],
    );
    drop(foreign);
}
