//! Where what is shown comes from.
//!
//! A source gives messages of `netpoller.v1`: who it is, the table of descriptors, the statistics,
//! the laws, a diagnosis, one descriptor in full, and the changes and events as they come. What
//! asks it knows nothing of how they are carried; whatever goes wrong is a `Failure` already.
//!
//! A source is the endpoint of a process that runs, a process that embeds nothing, read from
//! outside, or a recording. Another one is a folder beside these that gives the same messages.
//!
//! | file | holds |
//! |---|---|
//! | `endpoint` | a process that answers over gRPC |
//! | `target` | what `--target` can say |
//! | `discover` | the endpoints on this machine, and which of them is meant |
//! | `serve` | what sources have in common that are no endpoint: this command answers itself |
//! | `process` | any other process, read from outside |
//! | `recording` | what one of these has told, in a file |
//! | `schema` | which fields of the messages are texts, and what a message takes in memory |
//! | `at`, `cursor` | a moment of a recording as people name it, and the one at which it is looked at |
//! | `places`, `procfs` | where their sockets may be, and what /proc says of who has them |
//! | `since` | what was counted between two answers |
//! | `selector` | which descriptor is meant |

mod at;
mod cursor;
mod discover;
mod endpoint;
mod places;
mod process;
#[cfg(fuzzing)]
pub(crate) use self::process::lies;
mod procfs;
mod recording;
mod schema;
mod selector;
mod serve;
mod since;
mod target;

pub(crate) use at::At;
pub(crate) use discover::{
    Found, Outside, State, choose, connect, discover, discover_outside, hidden,
};
pub(crate) use endpoint::{Access, Connection, Control, Selection, Stream};
pub(crate) use recording::{Memory, Recalled, Replay, Writer};
pub(crate) use selector::Selector;
pub(crate) use since::since;
pub(crate) use target::{Target, TargetSpec};
