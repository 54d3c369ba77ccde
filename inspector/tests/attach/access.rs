//! Who may read which process: what works, works, and what does not is said with what would help.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use netpoller_tests::program::{isolated, netpoller};
use netpoller_tests::until;
use serde_json::Value;

use crate::truth::{Service, build_go};

/// Debian's `nobody`; any user will do that is not root.
const NOBODY: u32 = 65_534;

/// Whose a process or a command is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    Root,
    Nobody,
}

impl User {
    fn runs(self, command: &mut Command) {
        if self == Self::Nobody {
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
        }
    }
}

/// A service that `wrapped` starts, with whose program may be read and run like this.
fn service(user: User, mode: u32, wrapped: &[&str]) -> Service {
    let go = netpoller_tests::go::releases().pop().expect("one of them");
    let scratch = tempfile::tempdir().expect("a folder");
    // Sockets are made there.
    let public = fs::Permissions::from_mode(0o777);
    fs::set_permissions(scratch.path(), public).expect("set the mode");
    let program = scratch.path().join("truth");
    build_go(&go, &program);
    fs::set_permissions(&program, fs::Permissions::from_mode(mode)).expect("set the mode");
    let mut command = match wrapped {
        [] => isolated(&program, scratch.path()),
        [wrapper, arguments @ ..] => {
            let mut command = isolated(wrapper, scratch.path());
            command.args(arguments).arg(&program);
            command
        }
    };
    user.runs(&mut command);
    let mut service = Service::run(command, scratch);
    service.obey("open unix");
    service.obey("park 1 read plain");
    service
}

/// What `netpoller ls waiters` says, which `wrapped` starts.
fn look(user: User, pid: u32, scratch: &Path, wrapped: &[&str]) -> Output {
    let inspector = netpoller(scratch);
    let mut command = match wrapped {
        [] => inspector,
        [wrapper, arguments @ ..] => {
            let mut command = isolated(wrapper, scratch);
            command.args(arguments).arg(inspector.get_program());
            command
        }
    };
    command.args(["-t", &format!("pid:{pid}"), "-f", "json", "ls", "waiters"]);
    user.runs(&mut command);
    command.output().expect("it runs")
}

/// The line at which somebody reads is told.
#[track_caller]
fn is_told(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let items = document["items"].as_array().expect("items");
    let is_it = |it: &&Value| it["kind"] == "unix" && it["dir"] == "read";
    let line = items.iter().find(is_it).map(|it| &it["location"]);
    let line = line.and_then(Value::as_str).unwrap_or_default();
    assert!(line.contains("places.go:"), "{items:?}: {said}");
}

#[track_caller]
fn is_refused(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
#[ignore = "needs root and several releases of Go"]
fn a_process_is_read_by_root_and_by_nobody_else_but_its_own_user() {
    let of_root = service(User::Root, 0o755, &[]);
    let scratch = of_root.scratch.path();
    is_told(&look(User::Root, of_root.pid(), scratch, &[]));
    let output = look(User::Nobody, of_root.pid(), scratch, &[]);
    is_refused(&output, &["user 0's", "only that user and root"]);

    let of_nobody = service(User::Nobody, 0o755, &[]);
    let scratch = of_nobody.scratch.path();
    is_told(&look(User::Root, of_nobody.pid(), scratch, &[]));
    let output = look(User::Nobody, of_nobody.pid(), scratch, &[]);
    // Some machines let no user do what a debugger does.
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    match yama.as_deref().map(str::trim) {
        Err(_) | Ok("0") => is_told(&output),
        Ok(_) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("yama"), "{said}");
        }
    }
}

#[test]
#[ignore = "needs root and several releases of Go"]
fn of_one_that_is_not_dumpable_its_user_is_told_that_and_root_reads_it() {
    // As whatever may be executed but not read.
    let service = service(User::Nobody, 0o711, &[]);
    let scratch = service.scratch.path();
    is_told(&look(User::Root, service.pid(), scratch, &[]));
    let output = look(User::Nobody, service.pid(), scratch, &[]);
    is_refused(&output, &["not dumpable", "run the command as root"]);
}

#[test]
#[ignore = "needs root and several releases of Go"]
fn root_without_the_right_to_trace_is_told_which_right_that_is() {
    let service = service(User::Nobody, 0o755, &[]);
    let without = [
        "setpriv",
        "--bounding-set=-sys_ptrace",
        "--inh-caps=-sys_ptrace",
    ];
    let output = look(User::Root, service.pid(), service.scratch.path(), &without);
    is_refused(&output, &["CAP_SYS_PTRACE", "in most containers"]);
}

/// The process that this one has started.
fn child(pid: u32) -> u32 {
    let children = PathBuf::from(format!("/proc/{pid}/task/{pid}/children"));
    let mut text = String::new();
    until("it has a child", || {
        text = fs::read_to_string(&children).expect("it runs");
        !text.is_empty()
    });
    text.trim().parse().expect("one child")
}

#[test]
#[ignore = "needs root and several releases of Go"]
fn what_runs_in_namespaces_of_its_own_is_read() {
    for namespaces in [
        &["--pid", "--fork", "--kill-child", "--mount-proc"][..],
        &["--net"],
        &[
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--net",
            "--ipc",
            "--uts",
        ],
    ] {
        let wrapped = [&["unshare"], namespaces].concat();
        let service = service(User::Root, 0o755, &wrapped);
        let pid = match namespaces.contains(&"--fork") {
            true => child(service.pid()),
            false => service.pid(),
        };
        let output = look(User::Root, pid, service.scratch.path(), &[]);
        is_told(&output);
    }
}

#[test]
#[ignore = "needs root and several releases of Go"]
fn deadlines_by_another_clock_than_ours_are_not_told() {
    let apart = [
        "unshare",
        "--time",
        "--monotonic",
        "500000",
        "--fork",
        "--kill-child",
    ];
    for wrapped in [&[][..], &apart] {
        let mut service = service(User::Root, 0o755, wrapped);
        service.obey("deadline 1 read 3600000000000");
        let pid = match wrapped {
            [] => service.pid(),
            _ => child(service.pid()),
        };
        let output = look(User::Root, pid, service.scratch.path(), &[]);
        is_told(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let items = document["items"].as_array().expect("items");
        let has_deadline = items.iter().any(|it| !it["deadline_ns"].is_null());
        assert_eq!(has_deadline, wrapped.is_empty(), "{items:?}");
        let is_said = said.contains("another time namespace");
        assert_eq!(is_said, !wrapped.is_empty(), "{said}");
    }
}
