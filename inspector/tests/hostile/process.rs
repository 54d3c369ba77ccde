//! One run of the command, with its end and its memory.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use netpoller_tests::program::netpoller;
use netpoller_tests::pty;
use rustix::process::{Pid, Signal, kill_process};

/// Of memory at the peak.
pub(crate) const MOST_MEMORY: u64 = 200 << 20;
/// What follows a live process for ever is ended after that.
const FOR_EVER: Duration = Duration::from_secs(4);
/// Two hundred megabytes take longer to be touched.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

pub(crate) struct Seen {
    /// As a shell tells it: 128 and the number of the signal.
    pub(crate) code: i32,
    pub(crate) memory: u64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn command() -> Command {
    // It makes nothing there, and finds nothing.
    let mut command = netpoller(Path::new("/nonexistent"));
    command
        .env_remove("NETPOLLER_TIMEOUT")
        .env("RUST_BACKTRACE", "1")
        .env("TERM", "xterm-256color");
    command
}

pub(crate) fn run(arguments: &[String]) -> Seen {
    run_in(command(), arguments)
}

/// The same at a terminal, at which a person answers so.
pub(crate) fn run_asked(arguments: &[String], answer: &str) -> Seen {
    let (mut person, terminal) = pty::terminal(80, 24);
    person.write_all(answer.as_bytes()).expect("answer");
    run_with(command(), arguments, terminal.into())
}

/// The same, with an environment of its own.
pub(crate) fn run_in(command: Command, arguments: &[String]) -> Seen {
    run_with(command, arguments, Stdio::null())
}

fn run_with(mut command: Command, arguments: &[String], stdin: Stdio) -> Seen {
    let mut child = command
        .args(arguments)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run netpoller");
    let out = drain(child.stdout.take().expect("stdout"));
    let err = drain(child.stderr.take().expect("stderr"));
    let follows = arguments
        .iter()
        .any(|word| word == "watch" || word == "events")
        && !arguments.iter().any(|word| word == "--dump");
    let (code, memory) = end(&mut child, follows.then_some(FOR_EVER));
    Seen {
        code,
        memory,
        stdout: out.join().expect("stdout"),
        stderr: err.join().expect("stderr"),
    }
}

/// The beginning of what is written; the rest is read and forgotten.
fn drain(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if kept.len() < 4 << 20 {
                kept.extend(&buffer[..length]);
            }
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// How it ended, and its peak of memory. Called once, in place of `Child::wait`.
///
/// The peak is the kernel's own, seen last within [`BETWEEN_LOOKS`] of the end. What wait4(2) tells
/// would be exact, and begins with what the process that started it had: here, a server of endless
/// tables.
pub(crate) fn end(child: &mut Child, interrupt: Option<Duration>) -> (i32, u64) {
    let began = Instant::now();
    let (mut interrupted, mut peak) = (false, 0);
    loop {
        peak = peak.max(peak_of(child.id()));
        if let Some(status) = child.try_wait().expect("wait for it") {
            let code = status.code().or(status.signal().map(|it| 128 + it));
            return (code.expect("an end"), peak);
        }
        let signal = match interrupt {
            Some(after) if !interrupted && began.elapsed() > after => Some(Signal::TERM),
            _ if began.elapsed() > PATIENCE => Some(Signal::ABORT),
            _ => None,
        };
        if let Some(signal) = signal {
            interrupted = true;
            kill_process(Pid::from_child(child), signal).expect("tell it");
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The peak of a process's memory in bytes, 0 once it has ended: `VmHWM` of proc_pid_status(5).
fn peak_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut words = status.split_whitespace().skip_while(|it| *it != "VmHWM:");
    let peak = words.nth(1).and_then(|it| it.parse::<u64>().ok());
    peak.unwrap_or(0) << 10
}
