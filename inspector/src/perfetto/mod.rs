//! Events of the flight recorder as a Perfetto trace, which <https://ui.perfetto.dev> opens.
//!
//! A trace is written as the events come: what is kept are the waits that go on, the rows of
//! descriptors that are open, and the events of the last moments. Nothing is told that neither an
//! event nor a row of the table has said; what they leave open is marked as that.
//!
//! | file | holds |
//! |---|---|
//! | `message` | the messages of Perfetto's protocol, as far as they are written |
//! | `writer` | tracks, slices and instants as bytes |
//! | `order` | events by time, with which of them has led to which wake |
//! | `tracks` | a track for each poller, thread and descriptor |
//! | `followed` | the descriptors that are followed |
//! | `instant` | events as instants |
//! | `wait` | what is known of one wait |
//! | `trace` | from events to slices, instants and arrows |

mod followed;
mod instant;
mod message;
mod order;
#[cfg(test)]
mod tests;
mod trace;
mod tracks;
mod wait;
mod writer;

pub(crate) use trace::Trace;
