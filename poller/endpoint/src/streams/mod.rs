//! The questions whose answers go on: what changes in the table, what the flight recorder records,
//! and the latencies of waits by what they have in common.
//!
//! | file | holds |
//! |---|---|
//! | `latencies` | the stream of latencies by descriptor, line or task |
//! | `watch` | the stream of the table |
//! | `transitions` | the stream of the flight recorder |
//!
//! A slow client is told less, and that it is less: nothing queues up for it.

pub(crate) mod latencies;
pub(crate) mod transitions;
pub(crate) mod watch;
