//! Who is let in, and how much of the endpoint they may have.
//!
//! | file | holds |
//! |---|---|
//! | `listen` | where it listens |
//! | `socket` | the socket file: whose it is, who may use it, what may be removed |
//! | `tls` | certificates and the handshake (feature `tls`) |
//! | `secret` | reading a file that must be private |
//! | `token` | the bearer token |
//! | `incoming` | the accept loop: who is let in, and how many |
//! | `connection` | one connection: who is at the other end, and when it has to go |
//! | `gate` | what every request passes before a service sees it |
//! | `request` | the form of a request: gRPC, and not of a web page |
//! | `rate` | how often something may be done |
//! | `subscription` | how many streams, and what happens to one that nobody reads |
//!
//! Nothing here knows what is asked: a service sees a request when all of this has let it pass.

pub(crate) mod connection;
pub(crate) mod gate;
pub(crate) mod incoming;
pub(crate) mod listen;
mod rate;
mod request;
mod secret;
pub(crate) mod socket;
pub(crate) mod subscription;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod token;
