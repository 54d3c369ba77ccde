//! What there is to read of a socket: what a task would be woken for.

use netpoller_core::internals::Listed;

/// It, as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread {
    /// Bytes, or connections.
    pub(super) waiting: u64,
    /// What was read before, where the kernel counts that.
    pub(super) read: Option<u64>,
}

impl Unread {
    pub(super) fn of(listed: &Listed) -> Option<Self> {
        let socket = &listed.socket;
        let waiting = socket.acceptq.or(socket.recvq).filter(|it| *it > 0)?;
        let read = socket.bytes_received.zip(socket.recvq);
        Some(Self {
            waiting,
            read: read.map(|(received, unread)| received.saturating_sub(unread)),
        })
    }

    /// As it is now, unless somebody has read meanwhile or there is nothing any more.
    pub(super) fn still(self, now: Option<Self>) -> Option<Self> {
        now.filter(|now| now.read == self.read)
    }
}
