//! The endpoint that the inspector attaches to: the service `netpoller.v1.Inspector` on a Unix
//! socket.
//!
//! | room or file | holds |
//! |---|---|
//! | `limits` | how much of the endpoint anybody may have |
//! | `error` | why it did not start |
//! | `guard` | an answer instead of a panic |
//! | `packer` | what one message has no room for, in several |
//! | `stall` | an end to what a client does not take |
//! | `notice` | what is said on stderr |
//! | `wall` | the wall clock |
//! | `door` | who is let in, and how much of it they may have |
//! | `methods` | the questions that have one answer, and what can be done |
//! | `streams` | the questions whose answers go on |
//! | `console` | the facade for tokio-console (feature `console`) |
//! | `service` | the service, which hands each question to its room |
//! | `reflection` | health and reflection, for tools that know nothing of netpoller |
//! | `server` | [`Server`]: started by code, never by the environment; ended when dropped |
//! | `blackbox` | what would be told to a client, in a file (feature `blackbox`) |
//!
//! A file imports from those above its own in this table, and from its own room.
//!
//! With the feature `console` the stock tokio-console attaches to the same listeners:
//! `tokio-console http://127.0.0.1:PORT`, or `tokio-console file://localhost/PATH` for a Unix
//! socket. It knows neither tokens nor TLS.
//!
//! It runs on a thread of its own, so that it answers when every thread of the service is stuck. It
//! reads and changes nothing, unless [`Builder::control`] opens a listener for that. What it
//! defends against is in SECURITY.md.
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

#[cfg(feature = "blackbox")]
mod blackbox;
#[cfg(feature = "console")]
mod console;
mod door;
mod error;
mod guard;
mod limits;
mod methods;
mod notice;
mod outlet;
mod packer;
mod reflection;
mod server;
mod service;
mod streams;
mod wall;

#[cfg(test)]
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
mod fixture;
#[cfg(all(test, feature = "tls"))]
mod security_tests;
#[cfg(test)]
mod tests;

#[cfg(feature = "blackbox")]
pub use blackbox::{BlackBox, BlackBoxBuilder};
pub use door::listen::{Listen, ParseListenError};
#[cfg(feature = "tls")]
pub use door::tls::Tls;
pub use error::{DirectoryProblem, SecretProblem, StartError};
pub use server::{Builder, Server};

/// Who tells tokio-console of another process, such as one that was recorded; for the command, not
/// for users.
#[cfg(feature = "console")]
#[doc(hidden)]
pub mod told {
    pub use crate::console::{Moment, Teller};
}

/// What the command makes of the kernel's words where no endpoint does it; not for users.
#[doc(hidden)]
pub mod messages {
    pub use crate::methods::encode::{lint, severity, socket};
    pub use crate::methods::latencies::{Waits, latencies};
}
