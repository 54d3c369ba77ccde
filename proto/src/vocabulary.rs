//! The words of netpoller: what its tables, its metrics, its protocol and its command line call
//! things.
//!
//! Each list stands here once, as the table of a macro: the variant, its number on the wire, its
//! name, and its doc, which is also its help. The poller, the messages and the command line take
//! all of them from here. Nothing here depends on another crate, so that the poller has the words
//! without the protocol.
//!
//! | file | holds |
//! |---|---|
//! | `table` | the macros that make enums of tables |
//! | `word` | states, directions, causes, what tasks wait for, and kinds of lines |
//! | `kind` | the kinds of descriptors, and what each is made of |
//! | `event` | transitions, and whatever else the flight recorder records |
//! | `counter` | the counters, by the metric of which they are series |
//! | `histogram` | the histograms, likewise |
//! | `desc_id` | what a descriptor is called |
//!
//! Where a number crosses the wire it is written in the table, and `tests/vocabulary.rs` holds it
//! against the `.proto` file. Counters and histograms cross it by name.

#[macro_use]
mod table;

mod counter;
mod desc_id;
mod event;
mod histogram;
mod kind;
mod word;

pub use counter::Counter;
pub use desc_id::{DescId, InvalidDescId};
#[cfg(feature = "messages")]
pub(crate) use event::transitions;
pub use event::{EventKind, Transition};
pub use histogram::{Histogram, Unit};
pub use kind::{Kind, Role, Transport};
pub use table::{Family, Labels, UnknownName};
pub use word::{Awaited, Cause, Direction, GroupBy, LineKind, State};
