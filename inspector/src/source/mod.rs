//! Where what is shown comes from.
//!
//! A source gives messages of `netpoller.v1`: who it is, the table of descriptors, the statistics,
//! the laws, a diagnosis, one descriptor in full, and the changes and events as they come. What
//! asks it knows nothing of how they are carried; whatever goes wrong is a `Failure` already.
//!
//! A source is the endpoint of a process that runs, or a process that embeds nothing, read from
//! outside. Another one, such as a recording, is a folder beside these that gives the same
//! messages.
//!
//! | file | holds |
//! |---|---|
//! | `endpoint` | a process that answers over gRPC |
//! | `target` | what `--target` can say |
//! | `discover` | the endpoints on this machine, and which of them is meant |
//! | `process` | any other process, read from outside |
//! | `places`, `procfs` | where their sockets may be, and what /proc says of who has them |
//! | `selector` | which descriptor is meant |

mod discover;
mod endpoint;
mod places;
mod process;
#[cfg(fuzzing)]
pub(crate) use self::process::lies;
mod procfs;
mod selector;
mod target;

pub(crate) use discover::{
    Found, Outside, State, choose, connect, discover, discover_outside, hidden,
};
pub(crate) use endpoint::{Access, Connection, Control, Selection, weight};
pub(crate) use selector::Selector;
pub(crate) use target::{Target, TargetSpec};
