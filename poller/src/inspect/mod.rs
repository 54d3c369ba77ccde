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
//! | `watch` | the stream of the table |
//! | `encode` | rows and statistics as messages |
//! | `diagnose` | the lints, run for a while |
//! | `laws` | a second look at a law before it is called broken |
//! | `error` | why it did not start |
//!
//! It runs on a thread of its own, so that it answers when every thread of the service is stuck. It reads and changes
//! nothing.
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
mod diagnose;
mod encode;
mod error;
mod incoming;
mod laws;
mod listen;
mod server;
mod service;
mod socket;
mod watch;

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests;

pub use error::{DirectoryProblem, StartError};
pub use listen::{Listen, ParseListenError};
pub use server::{Builder, Server};
