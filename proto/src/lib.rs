//! The protocol by which a running netpoller is inspected: `netpoller.v1`.
//!
//! The types are generated from `proto/netpoller/v1/inspector.proto` and checked in, so that a service which embeds the
//! poller builds with neither `protoc` nor a build script. A test fails when the two differ and names the command that
//! writes the file anew.
//!
//! The messages are always here. The features `server` and `client` add the two ends of the gRPC service.

#![forbid(unsafe_code)]

pub mod filter;
mod names;
mod part;

pub use part::{Part, Side};

/// Version 1 of the protocol.
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

/// The protocol as an encoded `google.protobuf.FileDescriptorSet`, with its comments: for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/netpoller.v1.bin");

/// The version that [`v1::GetServerResponse::protocol`] carries. A client refuses a server that answers another number.
pub const PROTOCOL: u32 = 1;
