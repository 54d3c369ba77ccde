//! A recording: what a process tells, in a file (feature `recording`).
//!
//! A recording has the messages of the protocol as they came, each an [`Entry`](crate::v1::Entry),
//! in blocks that are checked one by one. It begins with [`MAGIC`], and is only ever appended to;
//! one that forgets its beginning is written anew without it.
//!
//! | file | holds |
//! |---|---|
//! | `block` | the head of a block, and its content |
//! | `pending` | entries that are to be a block |
//! | `kept` | which of it is left where it forgets its beginning |

mod block;
mod kept;
mod pending;

pub use block::{Content, FULL, HEAD, Head, LARGEST, MAGIC, MARK};
pub use kept::Kept;
pub use pending::Pending;

use crate::v1::entry::Told;

/// Returns the moment of an entry, in nanoseconds of the monotonic clock of the process.
#[must_use]
pub fn at_ns(told: &Told) -> u64 {
    match told {
        Told::Server(it) => it.captured_at_ns,
        Told::Frame(it) => it.captured_at_ns,
        Told::Transitions(it) => it.captured_at_ns,
        Told::Diagnosis(it) => it.captured_at_ns,
        Told::Sites(it) => it.captured_at_ns,
        Told::Ended(it) => it.at_ns,
    }
}

/// Returns the first and the last moment in an entry: events happened before they were told, the
/// first of them long before.
#[must_use]
pub fn moments(told: &Told) -> (u64, u64) {
    let at_ns = at_ns(told);
    let first_ns = match told {
        Told::Transitions(frame) => {
            let happened = frame.events.iter().map(|event| event.at_ns);
            happened.fold(at_ns, u64::min)
        }
        _ => at_ns,
    };
    (first_ns, at_ns)
}
