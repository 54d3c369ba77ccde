//! The real binary against a mock of the endpoint, which is as an older server: it knows neither
//! filters nor orders.

mod complete;
mod config;
mod failures;
mod flags;
mod rows;
mod shapes;
mod stats;
mod targets;
mod verbs;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use netpoller_tests::program::netpoller;
use netpoller_tests::pty;
use serde_json::Value;

fn run(scratch: &Path, arguments: &[&str]) -> Output {
    netpoller(scratch)
        .args(arguments)
        .output()
        .expect("run netpoller")
}

/// What it prints on a terminal of so many columns.
fn on_terminal(scratch: &Path, columns: u16, arguments: &[&str]) -> String {
    let (control, terminal) = pty::terminal(columns, 24);
    let mut child = netpoller(scratch)
        .env("NO_COLOR", "1")
        .args(arguments)
        .stdout(terminal)
        .stderr(Stdio::inherit())
        .spawn()
        .expect("run netpoller");
    let mut seen = Vec::new();
    // When nobody has the terminal open any more, reading from its other side fails.
    let _ = { control }.read_to_end(&mut seen);
    child.wait().expect("wait");
    String::from_utf8(seen).expect("UTF-8").replace('\r', "")
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
