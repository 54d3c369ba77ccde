//! What is looked at again and again between two looks, for that keeps the process from nothing.

use netpoller_core::internals::Listing;

use super::facts::{self, Thread};
use super::sockets;

/// The sockets and the threads of a process at one moment.
#[derive(Debug, Default)]
pub(super) struct Glance {
    pub(super) listing: Listing,
    pub(super) threads: Vec<Thread>,
}

impl Glance {
    pub(super) fn at(pid: u32) -> Self {
        Self {
            listing: sockets::read(pid),
            threads: facts::threads(pid).0,
        }
    }
}
