//! A process that answers over gRPC.
//!
//! | file | holds |
//! |---|---|
//! | `connect` | opening a connection and shaking hands |
//! | `access` | what is shown to an endpoint that asks who calls |
//! | `peer` | who the kernel says is at the other end, and what has become of it |
//! | `gate`, `schema` | where bytes become messages, and which of their fields are texts |
//! | `ask`, `fetch` | its answers: of one call, and the table, page after page |
//! | `control` | the service that acts |
//! | `refusal` | the one place that says what an error means to whoever asked |

mod access;
mod ask;
mod connect;
mod control;
mod fetch;
mod gate;
mod peer;
mod refusal;
mod schema;

pub(crate) use access::Access;
pub(super) use access::Credentials;
pub(crate) use connect::Connection;
pub(super) use connect::{connect, connect_over, silent};
pub(crate) use control::Control;
pub(crate) use fetch::{Selection, weight};
pub(super) use peer::Peer;
