//! A process that answers over gRPC.
//!
//! | file | holds |
//! |---|---|
//! | `connect` | opening a connection and shaking hands |
//! | `access` | what is shown to an endpoint that asks who calls |
//! | `peer` | who the kernel says is at the other end, and what has become of it |
//! | `gate` | where bytes become messages |
//! | `ask`, `fetch` | its answers: of one call, and the table, page after page |
//! | `pass` | time that goes by between two questions |
//! | `control` | the service that acts |
//! | `refusal` | the one place that says what an error means to whoever asked |

mod access;
mod ask;
mod connect;
mod control;
mod fetch;
mod gate;
mod pass;
mod peer;
mod refusal;

pub(crate) use access::Access;
pub(super) use access::Credentials;
pub(crate) use ask::Stream;
pub(crate) use connect::Connection;
pub(super) use connect::{connect, connect_over, silent};
pub(crate) use control::Control;
pub(crate) use fetch::Selection;
pub(in crate::source) use pass::SHORTEST_LOOK;
pub(super) use peer::Peer;
