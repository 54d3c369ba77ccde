//! Who this process is, and who another is.

use std::cmp::Ordering;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::syscall;

/// The user that the kernel checks permissions for.
pub fn effective_uid() -> u32 {
    // SAFETY: no arguments; cannot fail.
    unsafe { libc::geteuid() }
}

/// What the kernel calls the calling thread.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: no arguments; cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// Whether two descriptors of a process are the same open file (kcmp(2), `KCMP_FILE`), and else in
/// which order the kernel has the two files, which stays the same as long as they are open. `None`
/// if that may not be known, by the rights of `PTRACE_MODE_READ` or the way the kernel was built.
pub fn compare_files(pid: u32, one: i32, other: i32) -> Option<Ordering> {
    const KCMP_FILE: libc::c_int = 0;
    let pid = libc::pid_t::try_from(pid).ok()?;
    let (one, other) = (u64::try_from(one).ok()?, u64::try_from(other).ok()?);
    // SAFETY: it takes numbers alone, and changes nothing.
    match unsafe { libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other) } {
        0 => Some(Ordering::Equal),
        1 => Some(Ordering::Less),
        2 => Some(Ordering::Greater),
        _ => None,
    }
}

/// When the process started, in clock ticks since boot: field 22 of /proc/self/stat. With the
/// process id it names one process life. 0 where /proc cannot be read.
pub fn start_ticks() -> u64 {
    std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| parse_start_ticks(&stat))
        .unwrap_or_default()
}

fn parse_start_ticks(stat: &str) -> Option<u64> {
    // The name in field 2 is in parentheses and may contain both blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// How many files the process has open. Linux tells since 6.2; of an older one they are listed and
/// counted, which takes about a microsecond each. An error where there is no /proc.
pub(crate) fn open_files() -> io::Result<u64> {
    const OPEN: &str = "/proc/self/fd";
    match std::fs::metadata(OPEN)?.len() {
        0 => {}
        open => return Ok(open),
    }
    match std::fs::read_dir(OPEN) {
        // Without the one that reads them.
        Ok(entries) => Ok((entries.count() as u64).saturating_sub(1)),
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => file_limit(),
        Err(error) => Err(error),
    }
}

/// How many files the process may have open: its soft limit.
pub(crate) fn file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writes.
    syscall!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit.rlim_cur)
}

/// Tells the scheduler that this thread is in no hurry (SCHED_BATCH): it has its share of the
/// processors, and when it is woken it interrupts nobody. No right is needed for that. libc's
/// function of the name is for processes, and missing in musl.
pub fn yield_to_others() -> io::Result<()> {
    let priority: libc::c_int = 0;
    let (call, policy) = (libc::SYS_sched_setscheduler, libc::SCHED_BATCH);
    // SAFETY: 0 is the calling thread, and the kernel reads the one number of a `struct
    // sched_param`.
    syscall!(unsafe { libc::syscall(call, 0, policy, &raw const priority) }).map(|_| ())
}

/// Makes the number of `target` stand for what `source` is open on, in one step: at no moment is it
/// free for another thread to get. What `target` was open on is closed.
pub fn replace(source: BorrowedFd<'_>, target: &OwnedFd) -> io::Result<()> {
    let (source, target) = (source.as_raw_fd(), target.as_raw_fd());
    // SAFETY: both are open, and whoever owns `target` has it for another file from now on, closed
    // by the same owner.
    syscall!(unsafe { libc::dup3(source, target, libc::O_CLOEXEC) }).map(|_| ())
}

/// The process that had called listen(2) on the Unix socket to which `socket` is connected. `None`
/// if it is in another namespace, where its number means nothing here.
pub fn listening_pid(socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    let result = {
        let (fd, level, name) = (socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED);
        let value = (&raw mut peer).cast();
        // SAFETY: `value` and `length` are valid for writes, and `length` is the size of what
        // `value` points to.
        unsafe { libc::getsockopt(fd, level, name, value, &mut length) }
    };
    syscall!(result)?;
    Ok(u32::try_from(peer.pid).ok().filter(|pid| *pid > 0))
}

/// Whether no thread of this process is left: it is not there, or only for its parent to ask how it
/// ended. False when in doubt.
pub fn is_gone(pid: u32) -> bool {
    let Ok(id) = libc::pid_t::try_from(pid) else {
        return false;
    };
    // SAFETY: two numbers; signal 0 is none.
    match syscall!(unsafe { libc::kill(id, 0) }) {
        Err(error) => error.raw_os_error() == Some(libc::ESRCH),
        Ok(_) => std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| parse_is_zombie(&stat))
            .unwrap_or(false),
    }
}

/// Field 3 says so of a main thread that has ended; field 20 counts the threads, of which others
/// may go on.
fn parse_is_zombie(stat: &str) -> Option<bool> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let is_zombie = fields.next()? == "Z";
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    Some(is_zombie && threads <= 1)
}

#[cfg(test)]
mod tests {
    use std::os::fd::RawFd;

    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_parentheses() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 10 18446744073709551615";
        assert_eq!(parse_start_ticks(stat), Some(123_456));
        assert!(start_ticks() > 0);
    }

    #[test]
    fn one_open_file_under_two_numbers_is_told_from_two() {
        let (one, other) = std::io::pipe().unwrap();
        let again = one.try_clone().unwrap();
        let compare = |one: RawFd, other: RawFd| compare_files(std::process::id(), one, other);
        let fds = [one.as_raw_fd(), other.as_raw_fd(), again.as_raw_fd()];
        // Not every kernel is built to tell.
        if let Some(order) = compare(fds[0], fds[1]) {
            assert_ne!(order, Ordering::Equal);
            assert_eq!(compare(fds[1], fds[0]), Some(order.reverse()));
            assert_eq!(compare(fds[1], fds[2]), Some(order.reverse()));
            assert_eq!(compare(fds[0], fds[2]), Some(Ordering::Equal));
        }
        assert_eq!(compare(-1, fds[0]), None);
        assert_eq!(compare(RawFd::MAX, fds[0]), None);
        assert_eq!(compare_files(u32::MAX, fds[0], fds[1]), None);
    }

    #[test]
    fn a_process_is_gone_when_no_thread_of_it_is_left() {
        assert!(!is_gone(std::process::id()));
        let stat = |state: &str, threads: u32| {
            parse_is_zombie(&format!(
                "42 (a) b) {state} 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 123456 1000"
            ))
        };
        assert_eq!(stat("S", 1), Some(false));
        assert_eq!(stat("Z", 1), Some(true));
        // Its main thread has ended, and another goes on.
        assert_eq!(stat("Z", 2), Some(false));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        // Until it is asked how it ended it stays, without a thread.
        while !is_gone(pid) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(pid));
    }
}
