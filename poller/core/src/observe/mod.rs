//! What instrumentation writes: transition kinds, sharded counters, histograms, the flight
//! recorder, and who a waiter is.
//!
//! | file | holds |
//! |---|---|
//! | `shard` | what one thread writes: its counters, histograms and ring; `bare` is nothing of it |
//! | `totals` | the sum of all shards, as it was read |
//! | `op_kind` | which counter an operation, or a call behind one, counts in |
//! | `histogram` | buckets, quantiles and exemplars |
//! | `grouped` | latencies by descriptor, line or task, while somebody asks |
//! | `event`, `ring` | the flight recorder: an event, and the events of one thread |
//! | `history` | the last transitions of one direction of a descriptor |
//! | `intern` | labels and names of tasks, by number |
//! | `line` | from which line of code: the program's own, where the call that waits is a library's |
//! | `resumed` | which wait of a measured future has resumed |
//! | `sites` | how many descriptors each line has opened, and how many were closed |
//! | `task`, `thread` | which task and which thread runs here |
//! | `ticker` | the clock, as one thread reads it for its own records |
//!
//! This floor knows nothing of pollers. A write touches memory of the writing thread alone (see
//! [`shard`]); whoever reads sums over the threads. Nothing here locks, allocates or makes a system
//! call on the way of an event; only the first write of a thread to a recorder allocates its shard.
#![forbid(unsafe_code)]
#![cfg_attr(netpoller_bare, allow(dead_code))]

mod event;
mod grouped;
mod histogram;
mod history;
mod intern;
mod line;
mod op_kind;
mod resumed;
mod ring;
#[cfg_attr(netpoller_bare, path = "bare.rs")]
mod shard;
mod sites;
mod span;
mod task;
mod thread;
mod ticker;
mod totals;

pub(crate) use grouped::Latencies;
pub use grouped::{Group, GroupKey, Groups};
pub use histogram::{Exemplar, HistogramSnapshot};
pub(crate) use netpoller_proto::vocabulary::GroupBy;
#[doc(inline)]
pub use netpoller_proto::vocabulary::{
    Awaited, Cause, Counter, DescId, Direction, EventKind, Histogram, LineKind, Transition, Unit,
};

pub(crate) use event::{MAX_ARGUMENT, RawEvent};
#[cfg(all(test, not(loom)))]
#[allow(unused_imports)]
pub(crate) use histogram::Cells;
pub(crate) use histogram::Owner;
pub use histogram::{bucket_of, upper_bound};
pub use history::KEPT_SHIFT;
pub(crate) use history::{History, Kept, KeptIn, Next};
pub use intern::Label;
pub use intern::visible;
pub(crate) use intern::{Name, Names};
pub use line::{Line, Place};
pub(crate) use op_kind::{OpKind, OpResult};
pub(crate) use resumed::{Resumed, Watch, has_resumed, is_watched};
pub(crate) use ring::EVENT_BYTES;
pub(crate) use shard::{Local, RECORDS, Recorder, stamp_ns};
pub(crate) use sites::Sites;
pub(crate) use span::Span;
#[cfg(feature = "tokio")]
pub(crate) use task::U64Hasher;
pub(crate) use task::{Task, current_task, enter_task};
pub use thread::thread_name;
pub(crate) use thread::thread_names_soon;
pub(crate) use thread::{known_thread, living_thread, thread_id};
pub(crate) use totals::Totals;
