//! The programs that tests start, each with an environment of its own: it neither sees nor disturbs
//! what else runs here.

#![allow(dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::Stdio;

/// What a child inherits: where programs are, and what tools that watch the tests are told.
const INHERITED: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
];

/// The command `netpoller`. It puts its sockets into `scratch`, and looks for others nowhere else.
pub(crate) fn netpoller(scratch: &Path) -> Command {
    isolated(env!("CARGO_BIN_EXE_netpoller"), scratch)
}

/// Any program, with `scratch` as its home and for all that is temporary.
pub(crate) fn isolated(program: impl AsRef<OsStr>, scratch: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for name in ["HOME", "TMPDIR", "XDG_RUNTIME_DIR"] {
        command.env(name, scratch);
    }
    command
        .env("NETPOLLER_SOCKETS", scratch.join("netpoller"))
        // The machine may be busy; what is to end in time says its own.
        .env("NETPOLLER_TIMEOUT", "60s")
        .stdin(Stdio::null());
    command
}

/// Where a tool is that an ignored test needs.
///
/// # Panics
///
/// If it is not installed: a test that was asked for does not pass without having tested.
#[track_caller]
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("`{name}` is missing: install it, or run without --ignored"))
}

/// Sends a signal to a process that the test has started.
#[track_caller]
pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process id"), signal).expect("it runs");
}
