//! The servers that can be measured, one file each.
//!
//! To add one, for example `netpoller-inline`:
//!
//! 1. write `servers/netpoller_inline.rs` with `pub(crate) const KIND: Kind = Kind { name:
//!    "netpoller-inline", … }`;
//! 2. name the file below (`mod netpoller_inline;`) and put `netpoller_inline::KIND` into
//!    [`KINDS`].
//!
//! Help, flag checking, rounds and reports follow from the table. What a [`Serve`] function must
//! do:
//!
//! - echo every byte of every connection, in order, until the peer closes: the load checks the
//!   bytes of one message per connection before it measures, and the lengths after that;
//! - read into a buffer of [`BUFFER`] bytes, and be what a competent user would write, neither
//!   tuned beyond that nor less;
//! - set `TCP_NODELAY`, or messages beyond one buffer wait for a delayed acknowledgement;
//! - with [`Options::read_deadline`], set that deadline before every read, and close a connection
//!   that meets it;
//! - do as it likes with threads: they inherit the core, and their CPU time counts. When every
//!   connection is idle it must be idle too, since that is when its clock is read.

mod bare;
mod netpoller;
mod tokio;

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

/// Every server that can be measured, in the order of the report; ratios are to [`BASELINE`].
pub(crate) const KINDS: &[Kind] = &[
    bare::KIND,
    netpoller::INLINE,
    netpoller::TOKIO,
    netpoller::WORKERS,
    netpoller::THREAD,
    tokio::KIND,
    tokio::WORKERS,
    #[cfg(tokio_unstable)]
    tokio::CONSOLE,
];

/// The server that the others are compared with.
pub(crate) const BASELINE: &str = bare::KIND.name;

/// Threads of a runtime that has several. All run on the core of the servers.
pub(crate) const THREADS: usize = 2;

/// The size of a read buffer, the same for every server.
pub(crate) const BUFFER: usize = 4096;

/// A way to serve.
pub(crate) struct Kind {
    /// What `--servers` calls it.
    pub(crate) name: &'static str,
    /// Runs it; called once, on the main thread of a process of its own, already pinned.
    pub(crate) serve: Serve,
}

/// Serves connections of `listener`, which is bound, listening and nonblocking, until the process
/// is killed.
pub(crate) type Serve = fn(listener: TcpListener, options: &Options) -> io::Result<Infallible>;

/// What varies between runs of one server.
pub(crate) struct Options {
    /// Set this read deadline, counted from now, before every read.
    pub(crate) read_deadline: Option<Duration>,
    /// Descriptors on which a task waits besides, for what never comes.
    pub(crate) idle: u32,
}

/// The server called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What `--servers` accepts.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}
