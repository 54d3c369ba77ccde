//! The endpoint that the inspector attaches to: the service `netpoller.v1.Inspector` on a Unix
//! socket.
//!
//! | file | holds |
//! |---|---|
//! | `server` | [`Server`]: started by code, never by the environment; ended when dropped |
//! | `listen` | where it listens |
//! | `socket` | the socket file: whose it is, who may use it, what may be removed |
//! | `tls` | certificates and the handshake (feature `tls`) |
//! | `secret` | reading a file that must be private |
//! | `incoming` | the accept loop: who is let in, and how many |
//! | `connection` | one connection: who is at the other end, and when it has to go |
//! | `gate` | what every request passes before a service sees it |
//! | `request` | the form of a request: gRPC, and not of a web page |
//! | `token` | the bearer token |
//! | `rate` | how often something may be done |
//! | `subscription` | how many streams, and what happens to one that nobody reads |
//! | `limits` | all limits |
//! | `notice` | what is said on stderr |
//! | `service` | the questions that have one answer |
//! | `turns` | how many questions that take long are worked on at a time |
//! | `find` | whom a question means |
//! | `page` | one page of the table: filter, order and place |
//! | `watch` | the stream of the table |
//! | `describe` | everything about one descriptor |
//! | `transitions` | the stream of the flight recorder |
//! | `control` | the service that acts, apart from all others |
//! | `console` | the facade for tokio-console (feature `console`) |
//! | `reflection` | health and reflection, for tools that know nothing of netpoller |
//! | `encode` | rows and statistics as messages |
//! | `stats` | statistics, cumulative and of an interval |
//! | `diagnose` | the lints, run for a while |
//! | `laws` | a second look at a law before it is called broken |
//! | `error` | why it did not start |
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

mod connection;
#[cfg(feature = "console")]
mod console;
mod control;
mod describe;
mod diagnose;
mod encode;
mod error;
mod find;
mod gate;
mod guard;
mod incoming;
mod laws;
mod limits;
mod listen;
mod notice;
mod page;
mod rate;
mod reflection;
mod request;
mod secret;
mod server;
mod service;
mod socket;
mod stats;
mod subscription;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod transitions;
mod turns;
mod watch;

#[cfg(test)]
mod fixture;
#[cfg(all(test, feature = "tls"))]
mod security_tests;
#[cfg(test)]
mod tests;

pub use error::{DirectoryProblem, SecretProblem, StartError};
pub use listen::{Listen, ParseListenError};
pub use server::{Builder, Server};
#[cfg(feature = "tls")]
pub use tls::Tls;
