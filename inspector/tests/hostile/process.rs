//! One run of the command, with its end and its memory.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use netpoller_tests::program::netpoller;
use netpoller_tests::pty;

/// Of memory at the peak.
pub(crate) const MOST_MEMORY: u64 = 200 << 20;
/// What follows a live process for ever is ended after that.
const FOR_EVER: Duration = Duration::from_secs(4);

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

// `end` waits for it.
#[allow(clippy::zombie_processes)]
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
    let (code, memory) = end(&child, follows.then_some(FOR_EVER));
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

/// How it ended, and its peak of memory. Must be called once, in place of `Child::wait`.
pub(crate) fn end(child: &Child, interrupt: Option<Duration>) -> (i32, u64) {
    let pid = i32::try_from(child.id()).expect("a pid");
    let began = Instant::now();
    let mut interrupted = false;
    loop {
        let mut status = 0;
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: it is our child and not waited for yet; both places are ours, and zeroes are a
        // valid rusage.
        let (done, usage) = unsafe {
            let done = libc::wait4(pid, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
            (done, usage.assume_init())
        };
        if done == pid {
            let code = match libc::WIFSIGNALED(status) {
                true => 128 + libc::WTERMSIG(status),
                false => libc::WEXITSTATUS(status),
            };
            return (code, u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10);
        }
        let signal = match interrupt {
            Some(after) if !interrupted && began.elapsed() > after => libc::SIGINT,
            _ if began.elapsed() > PATIENCE => libc::SIGABRT,
            _ => 0,
        };
        if signal != 0 {
            interrupted = true;
            // SAFETY: it is our child and not waited for yet.
            unsafe { libc::kill(pid, signal) };
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
