//! How much of the endpoint anybody may have, and for how long.

use std::time::Duration;

/// Bytes of a request.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
/// Bytes of a message.
pub(super) const MAX_MESSAGE: usize = 1 << 20;
/// Bytes of the entries in a message; the rest is for what surrounds them.
pub(super) const MAX_ENTRIES: usize = MAX_MESSAGE - 8192;
/// Rows of a page.
pub(super) const MAX_ROWS: usize = 1000;
/// Events of a frame.
pub(super) const MAX_EVENTS: usize = 4096;
/// A client that takes no message for so long is given up.
pub(super) const STALLED: Duration = Duration::from_secs(30);
/// Headers of one request.
pub(super) const MAX_HEADERS: u32 = 16 * 1024;
/// Requests at a time on one connection. tonic sets no limit unless told.
pub(super) const MAX_STREAMS: u32 = 16;
/// Streams reset by the peer before they were accepted (rapid reset, CVE-2023-44487).
pub(super) const MAX_RESETS: usize = 20;

/// Those that a test makes small, to see what lies beyond them.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Connections at a time, for each listener: whoever crowds one, say over TCP, does not keep
    /// others out of the Unix socket. So it is with all that follows.
    pub(super) connections: usize,
    /// Streams that go on, of one connection.
    pub(super) subscriptions: usize,
    /// And of all of a listener, those of tokio-console and of tools apart.
    pub(super) subscribers: usize,
    /// Of tools that know nothing of netpoller: reflection, and whether the endpoint is healthy.
    pub(super) tools: usize,
    /// One of these that had nothing to say for so long ends.
    pub(super) idle: Duration,
    /// Pages of one connection that were not taken yet. Each may be a megabyte.
    pub(super) pages: usize,
    /// Bytes that are read of one connection, a second, and at once. Some frames of HTTP/2 cost
    /// nothing to send, and none that is meant comes near it.
    pub(super) intake: u32,
    pub(super) intake_burst: u32,
    /// Of tokio-console: its updates, and beside them as many streams of its state.
    pub(super) consoles: usize,
    /// And of tasks that one of them shows in detail.
    pub(super) details: usize,
    /// From accept(2), or the end of the TLS handshake, until the first request was let in.
    pub(super) opening: Duration,
    /// For the TLS handshake.
    #[cfg(feature = "tls")]
    pub(super) handshake: Duration,
    /// The age at which a connection ends. Its token and its certificate were looked at when it
    /// began, and one that is never renewed would outlive them. Clients connect again; a day is
    /// long enough for nobody to mind.
    pub(super) age: Duration,
    /// A subscriber that takes nothing for so long is disconnected.
    pub(super) stalled: Duration,
    /// For one answer, or for the beginning of a stream. The thread that answers gives way to all
    /// others: on a machine that is short of processors, where people look most, it takes a while.
    pub(super) answer: Duration,
    /// A peer that is gone without a word is found out by a ping: so often, and it has so long to
    /// answer.
    pub(super) ping_interval: Duration,
    pub(super) ping: Duration,
    /// Calls of `Control` a second, and at once.
    pub(super) control_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16,
            subscriptions: 4,
            subscribers: 8,
            tools: 8,
            idle: Duration::from_secs(30),
            pages: 2,
            intake: 64 * 1024,
            intake_burst: 256 * 1024,
            consoles: 8,
            details: 16,
            opening: Duration::from_secs(5),
            #[cfg(feature = "tls")]
            handshake: Duration::from_secs(5),
            age: Duration::from_secs(24 * 60 * 60),
            stalled: STALLED,
            answer: Duration::from_secs(30),
            ping_interval: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            control_rate: 20,
        }
    }
}
