//! Raw processes.
#![allow(unsafe_code)]

use std::io;
use std::time::{Duration, Instant};

use netpoller_tests::program::kill;
use rustix::process::Signal;

/// The threads of this process.
pub(super) fn threads() -> Vec<i32> {
    let list = std::fs::read_dir("/proc/self/task").expect("a list of threads");
    list.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Forks, runs `child` there and ends the child with what it returned.
///
/// The child of a process with threads may do only what a signal handler may: system calls, no
/// allocation, no locks.
pub(super) fn fork(child: fn(&[i32]) -> i32, numbers: &[i32]) -> libc::pid_t {
    // SAFETY: the child calls `child`, which by this function's contract is async-signal-safe, and
    // ends.
    match unsafe { libc::fork() } {
        0 => {
            let status = child(numbers);
            // SAFETY: ends the process without running anything else of it.
            unsafe { libc::_exit(status) }
        }
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        pid => pid,
    }
}

/// Waits for a child, and says what it ended with.
pub(super) fn wait_for(child: libc::pid_t) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` is valid for a write.
        let result = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if result == child {
            break;
        }
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
    }
    assert!(libc::WIFEXITED(status), "it was killed: {status:#x}");
    libc::WEXITSTATUS(status)
}

/// [`wait_for`], but a child that does not end in time is killed: `None`.
pub(super) fn wait_at_most(child: libc::pid_t, time: Duration) -> Option<i32> {
    let end = Instant::now() + time;
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for a write.
        match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
            0 if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
            0 => {
                kill(child as u32, Signal::KILL);
                // SAFETY: as above.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                return None;
            }
            _ => return libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        }
    }
}

/// Closes every copy, as a child does before it runs another program. For a forked child.
pub(super) fn close_all(numbers: &[i32]) -> i32 {
    for number in numbers {
        // SAFETY: copies of the parent's, which nobody in this process uses. Some may be closed
        // already.
        unsafe { libc::close(*number) };
    }
    0
}

/// Writes to every copy of an eventfd. For a forked child; 0 if there was one.
pub(super) fn ring_all(numbers: &[i32]) -> i32 {
    let one = 1u64.to_ne_bytes();
    let mut rung = 0;
    for number in numbers {
        // A number may stand for a connection by now, and what is written there is no copy.
        if !is_connection(*number) {
            // SAFETY: the buffer is valid for 8 bytes; the descriptors are non-blocking.
            rung += unsafe { libc::write(*number, one.as_ptr().cast(), one.len()) }.max(0);
        }
    }
    (rung == 0).into()
}

/// Whether a descriptor is a socket or a pipe, or none at all.
fn is_connection(number: i32) -> bool {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `stat` is valid for a write, and zeroes are a valid one.
    let (failed, stat) = unsafe {
        let failed = libc::fstat(number, stat.as_mut_ptr());
        (failed, stat.assume_init())
    };
    failed != 0 || matches!(stat.st_mode & libc::S_IFMT, libc::S_IFSOCK | libc::S_IFIFO)
}

/// Reads until there is nothing more to come. For a forked child; 0 if that is how it ended.
pub(super) fn read_to_end(number: i32) -> i32 {
    let mut byte = [0u8; 1];
    // SAFETY: the buffer is valid for one byte.
    (unsafe { libc::read(number, byte.as_mut_ptr().cast(), 1) } != 0).into()
}

/// The numbers of all descriptors of this process but the standard ones.
pub(super) fn every_descriptor() -> Vec<i32> {
    let list = std::fs::read_dir("/proc/self/fd").expect("a list of descriptors");
    let number =
        |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    list.filter_map(number)
        .filter(|number| *number > 2)
        .collect()
}

/// The state of another process, as /proc has it: `T` is stopped.
pub(super) fn state_of(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The numbers of this process's descriptors that stand for `file`.
pub(super) fn descriptors(file: &str) -> Vec<i32> {
    let is_one = |number: &i32| {
        let path = std::fs::read_link(format!("/proc/self/fd/{number}"));
        path.is_ok_and(|path| path.to_str() == Some(file))
    };
    every_descriptor().into_iter().filter(is_one).collect()
}
