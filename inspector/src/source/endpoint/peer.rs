//! The process at the other end of a Unix socket: who the kernel says it is, and what has become of
//! it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;

use crate::source::procfs;

/// A process that ends closes its sockets first, and is gone soon after.
const SOON: Duration = Duration::from_millis(300);

/// Of the connection that was made last; nothing for TCP, and for a process that cannot be seen
/// from here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(Arc<Mutex<Option<Process>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    start_ticks: u64,
}

impl Peer {
    /// The process with this id.
    pub(in crate::source) fn of(pid: u32) -> Self {
        let peer = Self::default();
        peer.set(Some(pid));
        peer
    }

    /// Takes note of who listens there.
    pub(super) fn note(&self, stream: &UnixStream) {
        // Of the moment at which it began to listen, and not to be feigned.
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        self.set(pid.and_then(|pid| u32::try_from(pid).ok()));
    }

    fn set(&self, pid: Option<u32>) {
        let process = pid.and_then(|pid| {
            let start_ticks = procfs::start_ticks(pid)?;
            Some(Process { pid, start_ticks })
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    /// Its number, if it can be seen from here.
    pub(crate) fn pid(&self) -> Option<u32> {
        let process = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        process.map(|process| process.pid)
    }

    /// What is the matter with it, if that can be told: it has ended, or is stopped.
    pub(crate) fn trouble(&self) -> Option<String> {
        let process = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        process?.trouble()
    }

    /// The same after the connection was lost, when it may be about to end.
    pub(crate) async fn trouble_soon(&self) -> Option<String> {
        let step = SOON / 20;
        for _ in 0..20 {
            let trouble = self.trouble();
            if trouble.is_some() || self.0.lock().is_ok_and(|process| process.is_none()) {
                return trouble;
            }
            tokio::time::sleep(step).await;
        }
        self.trouble()
    }
}

impl Process {
    fn trouble(self) -> Option<String> {
        let pid = self.pid;
        match procfs::state(pid) {
            Some((state @ ('T' | 't'), start)) if start == self.start_ticks => {
                Some(format!("process {pid} is stopped (state {state})"))
            }
            Some((state, start)) if start == self.start_ticks && !matches!(state, 'Z' | 'X') => {
                None
            }
            _ => Some(format!("process {pid} has ended")),
        }
    }
}

/// Whoever listens there is not whom the name of the socket promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForeignPeer {
    pub(super) expected: u32,
    pub(super) uid: u32,
}

impl std::fmt::Display for ForeignPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "user {} answers there, and the process is user {}'s",
            self.uid, self.expected
        )
    }
}

impl std::error::Error for ForeignPeer {}
