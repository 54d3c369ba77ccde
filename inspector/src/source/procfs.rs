//! What /proc tells of processes: whose they are, when they began, and where they may have put a
//! socket.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::foreign;

/// Ticks a second of the start time in /proc; a constant of the kernel's interface to programs.
const TICKS_A_SECOND: u64 = 100;
/// The end of the year 9999: what is later cannot be written.
const LAST_SECOND: u64 = 253_402_300_799;
/// As much of an environment is read.
const LARGEST_ENVIRONMENT: u64 = 256 << 10;

/// A process that may have an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id here.
    pub(super) pid: u32,
    /// Its id as it sees itself, which is another one in a container.
    pub(super) inner_pid: u32,
    /// Its effective user.
    pub(super) uid: u32,
    /// Its `XDG_RUNTIME_DIR`, where the environment can be read.
    pub(super) runtime_dir: Option<PathBuf>,
    /// Its mount namespace, where that can be read.
    pub(super) mounts: Option<PathBuf>,
}

impl Process {
    /// The process with this id, if there is one.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let (uid, inner_pid) = parse_status(&status)?;
        Some(Self {
            pid,
            inner_pid: inner_pid.unwrap_or(pid),
            uid,
            runtime_dir: environment(pid).and_then(|bytes| parse_runtime_dir(&bytes)),
            mounts: mounts(pid.to_string().as_ref()),
        })
    }

    /// All that there are.
    pub(super) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Self::of)
            .collect()
    }

    /// The file system as it sees it, if that may be another one than ours.
    pub(super) fn other_root(&self) -> Option<PathBuf> {
        let own = mounts("self".as_ref());
        (self.mounts.is_some() && self.mounts != own)
            .then(|| PathBuf::from(format!("/proc/{}/root", self.pid)))
    }
}

fn mounts(pid: &Path) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(pid).join("ns/mnt")).ok()
}

/// The effective user, and the process id in the innermost namespace.
fn parse_status(status: &str) -> Option<(u32, Option<u32>)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let uid = field("Uid:")?.split_ascii_whitespace().nth(1)?.parse();
    let inner = field("NSpid:").and_then(|pids| pids.split_ascii_whitespace().last());
    Some((uid.ok()?, inner.and_then(|pid| pid.parse().ok())))
}

fn environment(pid: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(LARGEST_ENVIRONMENT)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn parse_runtime_dir(environment: &[u8]) -> Option<PathBuf> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"XDG_RUNTIME_DIR="))?;
    let path = Path::new(std::ffi::OsStr::from_bytes(value));
    path.is_absolute().then(|| path.to_owned())
}

/// The user of this command.
pub(super) fn own_uid() -> Option<u32> {
    fs::metadata("/proc/self")
        .ok()
        .map(|metadata| metadata.uid())
}

/// The path of its executable; empty if that cannot be read.
pub(super) fn executable(pid: u32) -> String {
    fs::read_link(format!("/proc/{pid}/exe"))
        .map(|path| foreign::visible(&path.display().to_string()).into_owned())
        .unwrap_or_default()
}

/// The letter of its state, and when it began.
pub(super) fn state(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    Some((state, parse_start_ticks(&stat)?))
}

/// Field 22 of /proc/PID/stat: the start of the process in ticks since boot.
pub(super) fn start_ticks(pid: u32) -> Option<u64> {
    parse_start_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The moment of a start time on CLOCK_MONOTONIC, which stands still while the machine sleeps.
pub(super) fn started_ns(start_ticks: u64) -> u64 {
    let now = |clock| {
        let now = rustix::time::clock_gettime(clock);
        i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
    };
    let slept = now(rustix::time::ClockId::Boottime) - now(rustix::time::ClockId::Monotonic);
    let since_boot = i128::from(start_ticks) * i128::from(1_000_000_000 / TICKS_A_SECOND);
    u64::try_from(since_boot - slept).unwrap_or(0)
}

/// The second field is the name in parentheses, and the name may contain anything, even a
/// parenthesis.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

/// The moment of a start time. That comes from the name of a file, and may be none.
pub(super) fn started(start_ticks: u64) -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    let seconds = boot.checked_add(start_ticks / TICKS_A_SECOND)?;
    (seconds <= LAST_SECOND).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let fields = (3..=52)
            .map(|field| field.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(parse_start_ticks(&format!("1 (a) b) {fields}")), Some(22));
        assert_eq!(parse_start_ticks("nonsense"), None);
    }

    #[test]
    fn this_process_is_known() {
        let process = Process::of(std::process::id()).expect("it runs");
        assert_eq!(Some(process.uid), own_uid());
        assert_eq!(process.other_root(), None);
        assert!(start_ticks(process.pid).is_some());
        assert!(Process::all().iter().any(|other| other.pid == process.pid));
    }

    #[test]
    fn the_user_is_the_effective_one_and_the_id_that_of_the_innermost_namespace() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nNSpid:\t4711\t12\t1\n";
        assert_eq!(parse_status(status), Some((2, Some(1))));
        assert_eq!(parse_status("Uid:\t1\t2\t3\t4\n"), Some((2, None)));
        assert_eq!(parse_status("Name:\tx\n"), None);
    }

    #[test]
    fn a_runtime_directory_is_an_absolute_path() {
        let of = |text: &str| parse_runtime_dir(text.as_bytes());
        let expected = Some(PathBuf::from("/run/user/7"));
        assert_eq!(of("A=1\0XDG_RUNTIME_DIR=/run/user/7\0B=2\0"), expected);
        assert_eq!(of("NOT_XDG_RUNTIME_DIR=/x\0"), None);
        assert_eq!(of("XDG_RUNTIME_DIR=here\0"), None);
    }
}
