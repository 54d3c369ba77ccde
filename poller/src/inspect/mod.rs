//! The endpoint that the inspector attaches to: the service `netpoller.v1.Inspector` on a Unix socket.
//!
//! | file | holds |
//! |---|---|
//! | `server` | [`Server`]: started by code, never by the environment; ended when dropped |
//! | `listen` | where it listens |
//! | `socket` | the socket file: whose it is, who may use it, what may be removed |
//! | `incoming` | the accept loop: who is let in, and how many |
//! | `connection` | one connection, which must begin to speak in time |
//! | `service` | the questions that have one answer |
//! | `find` | whom a question means |
//! | `page` | one page of the table: filter, order and place |
//! | `watch` | the stream of the table |
//! | `describe` | everything about one descriptor |
//! | `transitions` | the stream of the flight recorder |
//! | `control` | the service that acts, apart from all others |
//! | `reflection` | health and reflection, for tools that know nothing of netpoller |
//! | `encode` | rows and statistics as messages |
//! | `stats` | statistics, cumulative and of an interval |
//! | `diagnose` | the lints, run for a while |
//! | `laws` | a second look at a law before it is called broken |
//! | `error` | why it did not start |
//!
//! It runs on a thread of its own, so that it answers when every thread of the service is stuck. It reads and changes
//! nothing, but for `control`, which is served only where a program asks for it.
//!
//! ```no_run
//! # fn main() -> Result<(), netpoller::inspect::StartError> {
//! let inspect = netpoller::inspect::Server::builder().start()?;
//! println!("attach with: netpoller --target {}", inspect.target());
//! // Keep it for as long as the service runs: dropping it ends the endpoint and removes the socket.
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod connection;
// For the listeners that a program opens for it.
#[allow(dead_code)]
mod control;
mod describe;
mod diagnose;
mod encode;
mod error;
mod find;
mod incoming;
mod laws;
mod listen;
mod page;
mod reflection;
mod server;
mod service;
mod socket;
mod stats;
mod transitions;
mod watch;

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests;

pub use error::{DirectoryProblem, StartError};
pub use listen::{Listen, ParseListenError};
pub use server::{Builder, Server};
