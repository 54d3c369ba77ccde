//! What the endpoint and the metrics server stand on: a thread with a runtime of its own, an accept loop, and what the
//! one has to tell of itself through the other.
//!
//! Neither uses the pollers of the program, nor its runtime, nor its threads: whoever looks at a program that is stuck
//! must not be stuck with it.
#![forbid(unsafe_code)]

mod accept;
pub(crate) mod posture;
mod thread;

pub(crate) use accept::Backoff;
pub(crate) use thread::HostThread;
