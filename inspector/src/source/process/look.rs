//! All that is known of a process at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_core::internals::Listed;
use netpoller_proto::v1::{self, Descriptor};

use super::facts::{Registered, Thread};
use super::kept::{self, Tasks};

/// A process at one moment.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) captured_at_ns: u64,
    pub(super) rows: Vec<Arc<Descriptor>>,
    pub(super) pollers: Vec<v1::Poller>,
    pub(super) open_files: u64,
    pub(super) limit: Option<u64>,
    /// By number, the inode of a socket, and of any file.
    pub(super) inodes: HashMap<i32, u64>,
    pub(super) files: HashMap<i32, u64>,
    /// By inode, what the kernel said of each.
    pub(super) sockets: Arc<HashMap<u64, Listed>>,
    /// By the number of an epoll set, what is registered there.
    pub(super) sets: HashMap<i32, Vec<Registered>>,
    /// By epoll set and descriptor, what the process's own runtime keeps of it.
    pub(super) kept: HashMap<(i32, i32), kept::Row>,
    /// What its runtime keeps can be read.
    pub(super) is_inside: bool,
    /// Nothing in it goes on: a signal or a debugger has stopped it.
    pub(super) is_stopped: bool,
    /// By the number of its epoll set, the tasks of a runtime.
    pub(super) tasks: HashMap<i32, Tasks>,
    pub(super) threads: Vec<Thread>,
    /// By the number of an epoll set under another one, the lower.
    pub(super) duplicates: HashMap<i32, i32>,
    pub(super) sockets_at_ns: u64,
    /// Why the kernel did not tell all of the sockets.
    pub(super) sockets_error: String,
    /// What else could not be read, and why.
    pub(super) missing: Vec<String>,
}

impl Look {
    /// Returns the epoll set with this number as a poller.
    pub(super) fn poller(&self, set: i32) -> Option<&v1::Poller> {
        self.pollers.iter().find(|it| it.epoll_fd == set)
    }

    /// Returns the row of a descriptor that is registered there.
    pub(super) fn row(&self, set: i32, fd: i32) -> Option<&Descriptor> {
        let poller = self.poller(set)?;
        let is_it = |it: &&Arc<Descriptor>| !it.stale && it.fd == fd && it.poller == poller.name;
        self.rows.iter().find(is_it).map(|it| &**it)
    }
}
