//! Finding the endpoints of this user's processes by the names of their sockets.
//!
//! A socket is called `<pid>-<starttime>.sock`. The start time tells a process from a later one with the same id, so a
//! socket whose process is gone is recognised and removed, and a live one is never removed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use super::connect::silent;
use super::{Connection, Target, TargetSpec, connect};
use crate::failure::Failure;

/// Ticks a second of the start time in /proc; a constant of the kernel's interface to programs.
const TICKS_A_SECOND: u64 = 100;

/// What became of an attempt to talk to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It answers and speaks our protocol.
    Ok,
    /// It answers in another version.
    Incompatible,
    /// It took the connection, or did not, but gave no answer in time: a stopped process.
    Silent,
    /// It cannot be talked to, for this reason.
    Unreachable(String),
}

impl State {
    /// The name in JSON documents.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Incompatible => "incompatible",
            Self::Silent => "silent",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

/// An endpoint that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// From the name of the socket.
    pub(crate) pid: u32,
    /// From the name of the socket.
    pub(crate) start_ticks: u64,
    /// When the process started, by the clock of this machine.
    pub(crate) started: Option<SystemTime>,
    /// Path of the executable, if it can be read.
    pub(crate) executable: String,
    /// The socket.
    pub(crate) socket: PathBuf,
    /// Whether it answers.
    pub(crate) state: State,
    /// Who answered.
    pub(crate) connection: Option<Connection>,
}

/// All endpoints of this user, in the order of process ids. Sockets of processes that are gone are removed.
pub(crate) async fn discover(timeout: Duration) -> Vec<Found> {
    probe_all(timeout, |_| true).await
}

/// Those of the processes that are `wanted`. They are asked at once: several that are stopped take no longer than one.
async fn probe_all(timeout: Duration, wanted: impl Fn(u32) -> bool) -> Vec<Found> {
    let mut probes = JoinSet::new();
    for directory in directories() {
        for (socket, pid, start_ticks) in sockets(&directory, ".control.sock") {
            // Nobody else looks after these.
            is_stale(&socket, pid, start_ticks).await;
        }
        for (socket, pid, start_ticks) in sockets(&directory, ".sock") {
            if wanted(pid) {
                probes.spawn(probe(socket, pid, start_ticks, timeout));
            }
        }
    }
    let mut found: Vec<Found> = probes.join_all().await.into_iter().flatten().collect();
    found.sort_by(|left, right| {
        let key = |found: &Found| (found.pid, found.start_ticks);
        (key(left), &left.socket).cmp(&(key(right), &right.socket))
    });
    found.dedup_by(|left, right| left.socket == right.socket);
    found
}

/// The endpoint that `--target` names, or the only one there is.
pub(crate) async fn choose(
    spec: Option<&TargetSpec>,
    timeout: Duration,
) -> Result<Connection, Failure> {
    match spec {
        Some(TargetSpec::At(target)) => connect(target, timeout).await,
        Some(TargetSpec::Pid(pid)) => {
            let found = probe_all(timeout, |other| other == *pid).await;
            match found.into_iter().next() {
                Some(found) => into_connection(found, timeout).await,
                None => Err(Failure::Connect {
                    target: format!("pid:{pid}"),
                    reason: "no socket of this process at the usual place".into(),
                    advice: "if it listens elsewhere, name it with -t unix:PATH; `netpoller targets` lists what can be \
                             found"
                        .into(),
                }),
            }
        }
        None => {
            let mut all = discover(timeout).await;
            match all.len() {
                0 => Err(Failure::Usage(format!(
                    "no process of this user can be inspected (looked in {})\n\
                     start a service with its inspection endpoint, try `netpoller demo`, or name one with --target",
                    directories()
                        .iter()
                        .map(|path| path.display().to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                ))),
                1 => into_connection(all.remove(0), timeout).await,
                count => {
                    let choices: Vec<String> = all
                        .iter()
                        .map(|found| {
                            format!("  --target pid:{:<8} {}", found.pid, found.executable)
                        })
                        .collect();
                    Err(Failure::Usage(format!(
                        "{count} processes can be inspected; choose one:\n{}",
                        choices.join("\n")
                    )))
                }
            }
        }
    }
}

async fn into_connection(found: Found, timeout: Duration) -> Result<Connection, Failure> {
    match found.connection {
        Some(connection) => Ok(connection),
        // It has had its time; to ask again would take as long once more.
        None if found.state == State::Silent => Err(silent(&Target::Unix(found.socket), timeout)),
        // Asked again for the full reason, which the table of targets has no room for.
        None => connect(&Target::Unix(found.socket), timeout).await,
    }
}

/// Where services put their sockets. The service may have been started in another session than this command, so both
/// places are looked at.
fn directories() -> Vec<PathBuf> {
    let mut all = Vec::new();
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()) {
        all.push(PathBuf::from(runtime).join("netpoller"));
    }
    if let Some(uid) = own_uid() {
        all.push(PathBuf::from(format!("/tmp/netpoller-{uid}")));
    }
    all
}

fn own_uid() -> Option<u32> {
    fs::metadata("/proc/self")
        .ok()
        .map(|metadata| metadata.uid())
}

/// The sockets in a directory with their names taken apart. A directory that somebody else owns, or may write to, is
/// passed over: in /tmp anybody can make one with the right name.
fn sockets(directory: &Path, suffix: &str) -> Vec<(PathBuf, u32, u64)> {
    let trusted = fs::symlink_metadata(directory).is_ok_and(|metadata| {
        metadata.is_dir() && Some(metadata.uid()) == own_uid() && metadata.mode() & 0o022 == 0
    });
    if !trusted {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let (pid, start_ticks) = parse_name(path.file_name()?.to_str()?, suffix)?;
            Some((path, pid, start_ticks))
        })
        .collect()
}

fn parse_name(name: &str, suffix: &str) -> Option<(u32, u64)> {
    let (pid, start_ticks) = name.strip_suffix(suffix)?.split_once('-')?;
    Some((pid.parse().ok()?, start_ticks.parse().ok()?))
}

async fn probe(socket: PathBuf, pid: u32, start_ticks: u64, timeout: Duration) -> Option<Found> {
    if is_stale(&socket, pid, start_ticks).await {
        return None;
    }
    let mut found = Found {
        pid,
        start_ticks,
        started: started(start_ticks),
        executable: executable(pid),
        socket: socket.clone(),
        state: State::Ok,
        connection: None,
    };
    match connect(&Target::Unix(socket), timeout).await {
        Ok(connection) => {
            if found.executable.is_empty() {
                found.executable.clone_from(&connection.server.executable);
            }
            found.connection = Some(connection);
        }
        Err(Failure::Incompatible(_)) => found.state = State::Incompatible,
        Err(Failure::Timeout { .. }) => found.state = State::Silent,
        Err(Failure::Connect { reason, .. }) => found.state = State::Unreachable(reason),
        Err(other) => found.state = State::Unreachable(other.to_string()),
    }
    Some(found)
}

/// Whether the process of a socket is gone. The socket is gone then too.
async fn is_stale(socket: &Path, pid: u32, start_ticks: u64) -> bool {
    if self::start_ticks(pid) == Some(start_ticks) {
        return false;
    }
    let stale = tokio::net::UnixStream::connect(socket)
        .await
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if stale {
        // Refused means that nobody will ever accept on it again. Removing it can fail only if somebody else did.
        let _ = fs::remove_file(socket);
    }
    stale
}

fn executable(pid: u32) -> String {
    fs::read_link(format!("/proc/{pid}/exe"))
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

/// Field 22 of /proc/PID/stat: the start of the process in ticks since boot.
fn start_ticks(pid: u32) -> Option<u64> {
    parse_start_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the name in parentheses, and the name may contain anything, even a parenthesis.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

fn started(start_ticks: u64) -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(
        boot.checked_add(start_ticks / TICKS_A_SECOND)?,
    ))
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
    fn this_process_has_a_start_time() {
        assert!(start_ticks(std::process::id()).is_some());
    }

    #[test]
    fn only_names_of_the_agreed_form_are_sockets_of_ours() {
        assert_eq!(parse_name("12-345.sock", ".sock"), Some((12, 345)));
        let control = "12-345.control.sock";
        assert_eq!(parse_name(control, ".control.sock"), Some((12, 345)));
        assert_eq!(parse_name(control, ".sock"), None);
        for name in [
            "12.sock",
            "12-345",
            "x-345.sock",
            "12-345.sock.tmp",
            "-.sock",
        ] {
            assert_eq!(parse_name(name, ".sock"), None, "{name}");
        }
    }
}
