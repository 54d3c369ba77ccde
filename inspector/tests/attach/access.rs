//! Who may read which process: what works, works, and what does not is said with what would help.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use netpoller_tests::program::{isolated, netpoller};
use netpoller_tests::rust::{self, Build};
use netpoller_tests::until;
use serde_json::Value;

use crate::truth::{Service, build_go, build_tokio};

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

/// What a service is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Go,
    Tokio,
}

impl Of {
    /// Builds it with the newest release.
    fn build(self, to: &Path) {
        match self {
            Self::Go => {
                let go = netpoller_tests::go::releases().pop();
                build_go(&go.expect("one of them"), to);
            }
            Self::Tokio => {
                let tokio = rust::releases().pop().expect("one of them");
                let how = Build {
                    tokio,
                    ..Build::default()
                };
                build_tokio(&how, to);
            }
        }
    }

    /// What it is given.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Go => &[],
            Self::Tokio => &["current-thread"],
        }
    }

    /// In which file somebody waits.
    fn file(self) -> &'static str {
        match self {
            Self::Go => "places.go:",
            Self::Tokio => "reads.rs:",
        }
    }

    /// One that `wrapped` starts, with whose program may be read and run like this.
    fn service(self, user: User, mode: u32, wrapped: &[&str]) -> Service {
        let scratch = tempfile::tempdir().expect("a folder");
        // Sockets are made there.
        let public = fs::Permissions::from_mode(0o777);
        fs::set_permissions(scratch.path(), public).expect("set the mode");
        let program = scratch.path().join("truth");
        self.build(&program);
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).expect("set the mode");
        let mut command = match wrapped {
            [] => isolated(&program, scratch.path()),
            [wrapper, arguments @ ..] => {
                let mut command = isolated(wrapper, scratch.path());
                command.args(arguments).arg(&program);
                command
            }
        };
        user.runs(command.args(self.arguments()));
        let mut service = Service::run(command, scratch);
        service.obey("open unix");
        service.obey("park 1 read plain");
        service
    }

    /// The line at which somebody reads is told.
    #[track_caller]
    fn is_told(self, output: &Output) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let items = document["items"].as_array().expect("items");
        let is_it = |it: &&Value| it["kind"] == "unix" && it["dir"] == "read";
        let line = items.iter().find(is_it).map(|it| &it["location"]);
        let line = line.and_then(Value::as_str).unwrap_or_default();
        assert!(line.contains(self.file()), "{items:?}: {said}");
    }
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

#[track_caller]
fn is_refused(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(output.stdout.is_empty(), "{output:?}");
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

#[track_caller]
fn is_told_to_its_user(of: Of, output: &Output) {
    // Some machines let no user do what a debugger does.
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    match yama.as_deref().map(str::trim) {
        Err(_) | Ok("0") => of.is_told(output),
        Ok(_) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("yama"), "{said}");
        }
    }
}

fn is_read_by_its_own_user_and_root(of: Of) {
    let of_root = of.service(User::Root, 0o755, &[]);
    let scratch = of_root.scratch.path();
    of.is_told(&look(User::Root, of_root.pid(), scratch, &[]));
    let output = look(User::Nobody, of_root.pid(), scratch, &[]);
    is_refused(&output, &["user 0's", "only that user and root"]);

    let of_nobody = of.service(User::Nobody, 0o755, &[]);
    let scratch = of_nobody.scratch.path();
    of.is_told(&look(User::Root, of_nobody.pid(), scratch, &[]));
    let output = look(User::Nobody, of_nobody.pid(), scratch, &[]);
    is_told_to_its_user(of, &output);
}

fn is_read_by_root_if_it_is_not_dumpable(of: Of) {
    // As whatever may be executed but not read.
    let service = of.service(User::Nobody, 0o711, &[]);
    let scratch = service.scratch.path();
    of.is_told(&look(User::Root, service.pid(), scratch, &[]));
    let output = look(User::Nobody, service.pid(), scratch, &[]);
    is_refused(&output, &["not dumpable", "run the command as root"]);
}

fn is_not_read_without_the_right_to_trace(of: Of) {
    let service = of.service(User::Nobody, 0o755, &[]);
    let without = [
        "setpriv",
        "--bounding-set=-sys_ptrace",
        "--inh-caps=-sys_ptrace",
    ];
    let output = look(User::Root, service.pid(), service.scratch.path(), &without);
    is_refused(&output, &["CAP_SYS_PTRACE", "in most containers"]);
}

/// Its program lies where nobody else sees it.
const UNSEEN: &str = "mount -t tmpfs unseen /mnt && cp \"$0\" /mnt/truth && exec /mnt/truth \"$@\"";

fn is_read_in_namespaces_of_its_own(of: Of) {
    for wrapped in [
        &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"][..],
        &["unshare", "--net"],
        &["unshare", "--mount", "sh", "-c", UNSEEN],
        &[
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--net",
            "--ipc",
            "--uts",
        ],
    ] {
        let service = of.service(User::Root, 0o755, wrapped);
        let pid = match wrapped.contains(&"--fork") {
            true => child(service.pid()),
            false => service.pid(),
        };
        let output = look(User::Root, pid, service.scratch.path(), &[]);
        of.is_told(&output);
    }
}

/// As a container that needs no root: its user is root there.
fn is_read_in_a_user_namespace(of: Of) {
    let wrapped = ["unshare", "--user", "--map-root-user", "--pid", "--fork"];
    let wrapped = [&wrapped[..], &["--kill-child", "--mount-proc"]].concat();
    let service = of.service(User::Nobody, 0o755, &wrapped);
    let scratch = service.scratch.path();
    let pid = child(service.pid());
    of.is_told(&look(User::Root, pid, scratch, &[]));
    is_told_to_its_user(of, &look(User::Nobody, pid, scratch, &[]));
}

mod go {
    use super::*;

    #[test]
    #[ignore = "needs root and several releases of Go"]
    fn what_runs_in_a_user_namespace_is_read_by_its_user_and_by_root() {
        is_read_in_a_user_namespace(Of::Go);
    }

    #[test]
    #[ignore = "needs root and several releases of Go"]
    fn a_process_is_read_by_root_and_by_nobody_else_but_its_own_user() {
        is_read_by_its_own_user_and_root(Of::Go);
    }

    #[test]
    #[ignore = "needs root and several releases of Go"]
    fn of_one_that_is_not_dumpable_its_user_is_told_that_and_root_reads_it() {
        is_read_by_root_if_it_is_not_dumpable(Of::Go);
    }

    #[test]
    #[ignore = "needs root and several releases of Go"]
    fn root_without_the_right_to_trace_is_told_which_right_that_is() {
        is_not_read_without_the_right_to_trace(Of::Go);
    }

    #[test]
    #[ignore = "needs root and several releases of Go"]
    fn what_runs_in_namespaces_of_its_own_is_read() {
        is_read_in_namespaces_of_its_own(Of::Go);
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
            let mut service = Of::Go.service(User::Root, 0o755, wrapped);
            service.obey("deadline 1 read 3600000000000");
            let pid = match wrapped {
                [] => service.pid(),
                _ => child(service.pid()),
            };
            let output = look(User::Root, pid, service.scratch.path(), &[]);
            Of::Go.is_told(&output);
            let said = String::from_utf8_lossy(&output.stderr);
            let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let items = document["items"].as_array().expect("items");
            let has_deadline = items.iter().any(|it| !it["deadline_ns"].is_null());
            assert_eq!(has_deadline, wrapped.is_empty(), "{items:?}");
            let is_said = said.contains("another time namespace");
            assert_eq!(is_said, !wrapped.is_empty(), "{said}");
        }
    }
}

mod tokio {
    use super::*;

    #[test]
    #[ignore = "needs root and crates of several releases of tokio"]
    fn what_runs_in_a_user_namespace_is_read_by_its_user_and_by_root() {
        is_read_in_a_user_namespace(Of::Tokio);
    }

    #[test]
    #[ignore = "needs root and crates of several releases of tokio"]
    fn a_process_is_read_by_root_and_by_nobody_else_but_its_own_user() {
        is_read_by_its_own_user_and_root(Of::Tokio);
    }

    #[test]
    #[ignore = "needs root and crates of several releases of tokio"]
    fn of_one_that_is_not_dumpable_its_user_is_told_that_and_root_reads_it() {
        is_read_by_root_if_it_is_not_dumpable(Of::Tokio);
    }

    #[test]
    #[ignore = "needs root and crates of several releases of tokio"]
    fn root_without_the_right_to_trace_is_told_which_right_that_is() {
        is_not_read_without_the_right_to_trace(Of::Tokio);
    }

    #[test]
    #[ignore = "needs root and crates of several releases of tokio"]
    fn what_runs_in_namespaces_of_its_own_is_read() {
        is_read_in_namespaces_of_its_own(Of::Tokio);
    }
}
