//! The protocol by which a running netpoller is inspected: `netpoller.v1`.
//!
//! The types are generated from the files in `proto/netpoller/v1` and checked in, so that a service
//! which embeds the poller builds with neither `protoc` nor a build script. A test fails when the
//! two differ and names the command that rewrites the file.
//!
//! The [`vocabulary`] is always here, and depends on nothing. The messages come with the feature
//! `messages`, which is on by default; the features `server` and `client` add the two ends of the
//! gRPC service.
//!
//! | file | holds |
//! |---|---|
//! | `vocabulary` | states, directions, transitions, counters and so on: names, numbers and help |
//! | `names` | from the enums of the messages to those |
//! | `part` | a row as a table shows it: a descriptor, or one direction of it |
//! | `quantile` | quantiles of histograms |
//! | `filter` | what can be filtered and sorted by, and the evaluation of filters |
//! | `recording` | messages in a file (feature `recording`) |

#![forbid(unsafe_code)]

#[cfg(feature = "messages")]
pub mod filter;
#[cfg(feature = "messages")]
mod names;
#[cfg(feature = "messages")]
mod part;
#[cfg(feature = "messages")]
mod quantile;
#[cfg(feature = "recording")]
pub mod recording;
pub mod vocabulary;

#[cfg(feature = "messages")]
pub use part::{Part, Side};
pub use vocabulary::Direction;

/// Version 1 of the protocol.
#[cfg(feature = "messages")]
pub mod v1 {
    #![allow(
        clippy::doc_markdown,
        clippy::large_enum_variant,
        clippy::derive_partial_eq_without_eq,
        missing_docs,
        unreachable_pub
    )]
    include!("generated/netpoller.v1.rs");
}

/// The protocol as an encoded `google.protobuf.FileDescriptorSet`, with its comments: for
/// reflection.
#[cfg(feature = "messages")]
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/netpoller.v1.bin");

/// The version that [`v1::GetServerResponse::protocol`] carries. A client refuses a server that
/// answers another number.
#[cfg(feature = "messages")]
pub const PROTOCOL: u32 = 1;
