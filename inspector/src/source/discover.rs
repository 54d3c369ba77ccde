//! Finding the endpoints of processes by the names of their sockets: of this user's, and for root
//! of everybody's.
//!
//! A socket is called `<pid>-<starttime>.sock`. The start time tells a process from a later one
//! with the same id, so a socket whose process is gone is recognised and removed, and a live one is
//! never removed. Where to look, `places` says.
//!
//! What is in the directory of another user may be a trap: nothing is removed there, and whoever
//! answers must run as the user of the process that the name of the socket tells of.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

use super::endpoint::{self, Connection, Peer, silent};
use super::places::{self, Place, Socket};
use super::process;
use super::procfs::{self, Process, own_uid};
use super::recording;
use super::target::{Target, TargetSpec, UnixSocket};
use crate::failure::Failure;
use crate::foreign;
use crate::text;

/// What became of an attempt to talk to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It answers and speaks our protocol.
    Ok,
    /// It answers in another version.
    Incompatible,
    /// It took the connection, or did not, but gave no answer in time.
    Silent,
    /// A signal or a debugger has stopped it, so that it is not asked.
    Stopped,
    /// It cannot be talked to, for this reason.
    Unreachable(String),
    /// It has no endpoint, and can be read from outside.
    Outside(Outside),
}

/// What is seen at once of a process without an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outside {
    /// What it is made of.
    pub(crate) runtime: String,
    /// Epoll sets.
    pub(crate) sets: u64,
    /// Sockets and pipes.
    pub(crate) descriptors: u64,
}

impl State {
    /// The name in JSON documents.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Incompatible => "incompatible",
            Self::Silent => "silent",
            Self::Stopped => "stopped",
            Self::Unreachable(_) => "unreachable",
            Self::Outside(_) => "outside",
        }
    }
}

/// An endpoint that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// From the name of the socket; as it is seen from here, if it is in a container.
    pub(crate) pid: u32,
    /// The user whose process it is.
    pub(crate) uid: u32,
    /// From the name of the socket.
    pub(crate) start_ticks: u64,
    /// When the process started, by the clock of this machine.
    pub(crate) started: Option<SystemTime>,
    /// Path of the executable, if it can be read.
    pub(crate) executable: String,
    /// The socket.
    pub(crate) socket: PathBuf,
    /// The user as whom whoever answers must run, where it may be somebody else.
    peer: Option<u32>,
    /// Its name in the configuration.
    pub(crate) alias: Option<String>,
    /// Whether it answers.
    pub(crate) state: State,
    /// Who answered.
    pub(crate) connection: Option<Connection>,
}

/// All endpoints that this user may see, in the order of process ids. Sockets of processes that are
/// gone are removed.
pub(crate) async fn discover(timeout: Duration) -> Vec<Found> {
    probe_all(&Process::all(), timeout, |_| true).await
}

/// The processes that have an epoll set and are not among those that were found: what can be read
/// from outside.
pub(crate) fn discover_outside(found: &[Found]) -> Vec<Found> {
    let is_known = |pid| pid == std::process::id() || found.iter().any(|it| it.pid == pid);
    let mut runtimes = HashMap::new();
    let others = Process::all().into_iter().filter(|it| !is_known(it.pid));
    let mut others: Vec<Found> = others
        .filter_map(|it| {
            let (sets, descriptors) = process::count(it.pid).filter(|(sets, _)| *sets > 0)?;
            let executable = procfs::executable(it.pid);
            // Many processes run one program. In containers one path may be two.
            let program = fs::metadata(format!("/proc/{}/exe", it.pid)).ok();
            let runtime = runtimes.entry(program.map(|file| (file.dev(), file.ino())));
            let runtime = runtime.or_insert_with(|| process::runtime(it.pid).to_string());
            let start_ticks = procfs::start_ticks(it.pid)?;
            Some(Found {
                pid: it.pid,
                uid: it.uid,
                start_ticks,
                started: procfs::started(start_ticks),
                executable,
                socket: PathBuf::new(),
                peer: None,
                alias: None,
                state: State::Outside(Outside {
                    runtime: runtime.clone(),
                    sets,
                    descriptors,
                }),
                connection: None,
            })
        })
        .collect();
    others.sort_by_key(|it| it.pid);
    others
}

/// What this user may not see, in words; nothing if there is no sign of anything.
pub(crate) fn hidden() -> Option<String> {
    let users: Vec<String> = places::hidden().iter().map(u32::to_string).collect();
    let plural = if users.len() == 1 { "" } else { "s" };
    (!users.is_empty()).then(|| {
        format!(
            "user{plural} {} may run processes that can be inspected; only they and root can see these",
            users.join(", ")
        )
    })
}

/// Those that are `wanted`. They are asked at once: several that are stopped take no longer than
/// one.
async fn probe_all(
    processes: &[Process],
    timeout: Duration,
    wanted: impl Fn(u32) -> bool,
) -> Vec<Found> {
    let mut probes = JoinSet::new();
    for place in places::places(processes) {
        for socket in place.sockets(".control.sock") {
            // Nobody else looks after these.
            is_stale(&socket, socket.pid).await;
        }
        for socket in place.sockets(".sock") {
            let Some(pid) = pid_here(&place, &socket, processes) else {
                continue;
            };
            if wanted(pid) {
                probes.spawn(probe(socket, pid, timeout));
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

/// The process that a socket names. Within a container processes have other ids than here.
fn pid_here(place: &Place, socket: &Socket, processes: &[Process]) -> Option<u32> {
    if place.mounts.is_none() {
        return Some(socket.pid);
    }
    let named = processes
        .iter()
        .find(|it| it.mounts == place.mounts && it.inner_pid == socket.pid);
    named.map(|process| process.pid)
}

/// Connects to a source.
pub(crate) async fn connect(target: &Target, timeout: Duration) -> Result<Connection, Failure> {
    match target {
        Target::Process(pid) => process::connect(*pid, timeout).await,
        Target::File(file) => recording::connect(file, timeout).await,
        _ => endpoint::connect(target, timeout).await,
    }
}

/// The process that `--target` names, or the only one with an endpoint. One that has none is read
/// from outside.
pub(crate) async fn choose(
    spec: Option<&TargetSpec>,
    timeout: Duration,
) -> Result<Connection, Failure> {
    match spec {
        Some(TargetSpec::At(target)) => connect(target, timeout).await,
        Some(TargetSpec::Pid(pid)) => of_pid(*pid, timeout).await,
        Some(TargetSpec::Name(name)) => of_name(name, timeout).await,
        None => {
            let mut all = discover(timeout).await;
            match all.len() {
                0 => Err(Failure::Usage(format!(
                    "no process of this user can be inspected (looked in {})\n{}\
                     start a service with its inspection endpoint, try `netpoller demo`, or name one with --target",
                    places::usual()
                        .iter()
                        .map(|path| path.display().to_string())
                        .collect::<Vec<_>>()
                        .join(", "),
                    hidden().map(|hidden| hidden + "\n").unwrap_or_default(),
                ))),
                1 => into_connection(all.remove(0), timeout).await,
                count => Err(Failure::Usage(format!(
                    "{count} processes can be inspected; choose one:\n{}",
                    choices(&all)
                ))),
            }
        }
    }
}

fn choices(all: &[Found]) -> String {
    let lines: Vec<String> = all
        .iter()
        .map(|found| format!("  --target pid:{:<8} {}", found.pid, found.executable))
        .collect();
    lines.join("\n")
}

async fn of_pid(pid: u32, timeout: Duration) -> Result<Connection, Failure> {
    let nowhere = |reason: String, advice: &str| Failure::Connect {
        target: format!("pid:{pid}"),
        reason,
        advice: advice.to_owned(),
    };
    // In a container its socket is named by another process id, so only its own places are looked
    // at.
    let process = Process::of(pid);
    let processes: Vec<Process> = process.iter().cloned().collect();
    let found = probe_all(&processes, timeout, |other| other == pid).await;
    if let Some(found) = found.into_iter().next() {
        return into_connection(found, timeout).await;
    }
    match process {
        None => Err(nowhere(
            "there is no such process".into(),
            "`netpoller targets` lists what can be inspected",
        )),
        Some(process) if own_uid().is_some_and(|own| own != 0 && own != process.uid) => {
            Err(nowhere(
                format!("the process is user {}'s", process.uid),
                "only that user and root can look at it: run the command as one of them",
            ))
        }
        Some(_) => process::connect(pid, timeout).await,
    }
}

async fn of_name(name: &str, timeout: Duration) -> Result<Connection, Failure> {
    let all = discover(timeout).await;
    let (mut named, others): (Vec<Found>, Vec<Found>) =
        all.into_iter().partition(|found| found.name() == name);
    let outside = match named.is_empty() {
        true => outside(name),
        false => Vec::new(),
    };
    match (named.len(), &outside[..]) {
        (1, _) => into_connection(named.remove(0), timeout).await,
        (0, [pid]) => process::connect(*pid, timeout).await,
        (0, []) => {
            let pid = |it: &Found| format!("{} (pid:{})", it.name(), it.pid);
            let known = match text::nearest(name, others.iter().map(Found::name)) {
                Some(near) => format!("; did you mean `{near}`?"),
                None if others.is_empty() => String::new(),
                None => {
                    let all: Vec<String> = others.iter().map(pid).collect();
                    format!("; known are {}", all.join(", "))
                }
            };
            Err(Failure::Usage(format!(
                "no process that can be inspected is called `{name}`{known}\n{}{}",
                hidden().map(|hidden| hidden + "\n").unwrap_or_default(),
                super::target::FORMS
            )))
        }
        (0, several) => {
            let choices: Vec<String> = several
                .iter()
                .map(|pid| format!("  --target pid:{pid}"))
                .collect();
            Err(Failure::Usage(format!(
                "{} processes are called `{name}`; choose one:\n{}",
                several.len(),
                choices.join("\n")
            )))
        }
        (count, _) => Err(Failure::Usage(format!(
            "{count} processes are called `{name}`; choose one:\n{}",
            choices(&named)
        ))),
    }
}

/// The processes with this name that can be read from outside: those that have an epoll set, for
/// others tell little.
fn outside(name: &str) -> Vec<u32> {
    let all = Process::all().into_iter().map(|it| it.pid);
    let named = all.filter(|pid| file_name(&procfs::executable(*pid)) == name);
    let has_epoll = |pid: &u32| process::count(*pid).is_some_and(|(sets, _)| sets > 0);
    named.filter(has_epoll).collect()
}

/// The name of an executable, without the folders.
fn file_name(executable: &str) -> &str {
    let path = executable.trim_end_matches(" (deleted)");
    path.rsplit('/').next().unwrap_or(path)
}

impl Found {
    /// The name of its executable, without the folders.
    pub(crate) fn name(&self) -> &str {
        file_name(&self.executable)
    }

    /// Whether it is what this names.
    pub(crate) fn is(&self, spec: &TargetSpec) -> bool {
        match spec {
            TargetSpec::At(Target::Unix(socket)) => socket.path == self.socket,
            TargetSpec::At(Target::Process(pid)) | TargetSpec::Pid(pid) => *pid == self.pid,
            TargetSpec::At(Target::Tcp(_) | Target::File(_)) => false,
            TargetSpec::Name(name) => name == self.name(),
        }
    }

    /// The path of its socket, for people.
    pub(crate) fn path(&self) -> String {
        foreign::visible(&self.socket.display().to_string()).into_owned()
    }

    /// Where it can be looked at.
    pub(crate) fn target(&self) -> Target {
        match self.state {
            State::Outside(_) => Target::Process(self.pid),
            _ => Target::Unix(UnixSocket {
                path: self.socket.clone(),
                peer: self.peer,
            }),
        }
    }
}

async fn into_connection(found: Found, timeout: Duration) -> Result<Connection, Failure> {
    match found.connection {
        Some(connection) => Ok(connection),
        // It has had its time; to ask again would take as long once more.
        None if found.state == State::Silent => {
            Err(silent(&found.target(), timeout, &Peer::of(found.pid)))
        }
        // Asked again for the full reason, which the table of targets has no room for.
        None => connect(&found.target(), timeout).await,
    }
}

async fn probe(socket: Socket, pid: u32, timeout: Duration) -> Option<Found> {
    if is_stale(&socket, pid).await {
        return None;
    }
    let uid = Process::of(pid).map_or(socket.owner, |process| process.uid);
    let mut found = Found {
        pid,
        uid,
        peer: socket.foreign.then_some(uid),
        start_ticks: socket.start_ticks,
        started: procfs::started(socket.start_ticks),
        executable: procfs::executable(pid),
        socket: socket.path,
        alias: None,
        state: State::Ok,
        connection: None,
    };
    if procfs::state(pid).is_some_and(|(state, _)| matches!(state, 'T' | 't')) {
        found.state = State::Stopped;
        return Some(found);
    }
    match connect(&found.target(), timeout).await {
        Ok(connection) => {
            if found.executable.is_empty() {
                found.executable.clone_from(&connection.server.executable);
            }
            found.connection = Some(connection);
        }
        Err(Failure::Incompatible(_)) => found.state = State::Incompatible,
        Err(Failure::Timeout { .. }) => found.state = State::Silent,
        Err(Failure::Connect { reason, .. }) => found.state = State::Unreachable(reason),
        Err(other) => {
            found.state = State::Unreachable(foreign::lines(&other.to_string()).into_owned())
        }
    }
    Some(found)
}

/// Whether the process of a socket is gone. The socket is gone then too, if it is ours to remove.
async fn is_stale(socket: &Socket, pid: u32) -> bool {
    if procfs::start_ticks(pid) == Some(socket.start_ticks) {
        return false;
    }
    if socket.foreign {
        return true;
    }
    let stale = tokio::net::UnixStream::connect(&socket.path)
        .await
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if stale {
        // Refused means that nobody will ever accept on it again. Removing it can fail only if
        // somebody else did.
        let _ = fs::remove_file(&socket.path);
    }
    stale
}
