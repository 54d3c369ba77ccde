//! The real binary against a mock of the endpoint, which is as an older server: it knows neither filters nor orders.

mod failures;
mod rows;
mod stats;
#[path = "../support/mod.rs"]
mod support;
mod targets;
mod verbs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::mock::{Mock, Running};
use tempfile::TempDir;

/// The command with an environment of its own, so that nothing of this machine shows through.
fn netpoller(scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpoller"));
    command
        .env_clear()
        .env("XDG_RUNTIME_DIR", scratch)
        .env("NETPOLLER_SOCKETS", scratch.join("netpoller"))
        .stdin(Stdio::null());
    command
}

fn run(scratch: &Path, arguments: &[&str]) -> Output {
    netpoller(scratch)
        .args(arguments)
        .output()
        .expect("run netpoller")
}

#[track_caller]
fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_str(stdout(output)).expect("a JSON document")
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "stdout is for data");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
}

/// A mock under a plain name, which has to be named with `-t`.
fn serve(mock: Mock) -> (TempDir, Running, String) {
    let scratch = TempDir::new().expect("make a directory");
    let running = Running::start(mock, scratch.path().join("mock.sock"));
    let target = format!("unix:{}", running.socket.display());
    (scratch, running, target)
}

/// Where a process of this user would put its sockets.
fn runtime_dir(scratch: &Path) -> std::path::PathBuf {
    let directory = scratch.join("netpoller");
    fs::create_dir(&directory).expect("make a directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))
        .expect("close the directory to others");
    directory
}

/// The name of a socket of this process.
fn own_socket_name() -> String {
    let stat = fs::read_to_string("/proc/self/stat").expect("read /proc/self/stat");
    let start = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_ascii_whitespace()
        .nth(19)
        .expect("a start time");
    format!("{}-{start}.sock", std::process::id())
}
