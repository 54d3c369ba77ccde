//! The questions whose answers go on: what changes in the table, and what the flight recorder
//! records.
//!
//! | folder | holds |
//! |---|---|
//! | `watch` | the stream of the table |
//! | `transitions` | the stream of the flight recorder |
//!
//! A slow client is told less, and that it is less: nothing queues up for it.

pub(crate) mod transitions;
pub(crate) mod watch;
