//! Known faults of programs that use a poller, found on the live process, each with evidence and
//! advice.
//!
//! | file | holds |
//! |---|---|
//! | `lint` | the catalogue: name, meaning, advice, hold time |
//! | `finding` | what is found |
//! | `gauges` | what a look sees that is no fault yet: how long somebody waits, what is due, what is queued |
//! | `options` | which lints run, and how patient they are |
//! | `look` | [`Lints`]: looks again and again, and remembers what it saw |
//! | `causes` | which finding explains which: one cause, one finding |
//! | `observation` | what one look sees |
//! | `stuck` | stuck waiters and lost edges, confirmed by asking the kernel |
//! | `watch` | those alone, for the facade that tokio-console attaches to |
//! | `accept` | listeners whose connections nobody accepts |
//! | `blocked` | a task that keeps its executor from polling, or from running others |
//! | `lost` | one of several workers of a runtime that a task keeps |
//! | `no_deadline` | long waits without a deadline |
//! | `away` | nobody polls: the one cause of many stuck waiters |
//! | `leaked` | readiness that nobody comes for |
//! | `waiters` | who waits where |
//! | `woken` | waiters that were woken and have not run |
//! | `peers` | peers that read nothing, are gone, or have closed |
//! | `starved` | a thread that polls and is kept from running |
//! | `overdue` | deadlines that should have fired |
//! | `rates` | what happens too often: wake storms, spurious wakes, full batches, slow dispatch, churn |
//! | `top` | who does the most of it |
//! | `registration` | the kernel's list against the table: duplicates and ghosts |
//! | `stale` | rows whose number was closed, or given to another file |
//! | `kernel_list` | the kernel's list, read for all of them |
//! | `blocking` | descriptors in blocking mode |
//! | `files` | open files against the limit of the process |
//!
//! # What a finding is worth
//!
//! Every lint looks at least twice before it speaks, and judges by facts that only the fault
//! explains: a row that did not change between two looks, the kernel's own answer about that
//! descriptor, and polls that were made in between. A poller that is merely busy, on a machine that
//! is merely loaded, is not accused. The judging is apart from the reading, in functions of plain
//! numbers.
//!
//! # What it costs
//!
//! One pass over the table a look, with one poll(2) for each 256 descriptors that have been parked
//! for longer than the hold time. Only suspects, at most 64 a look, are asked about more closely.
//! The number of open files is one stat(2) a look since Linux 6.2; before, they are listed, about a
//! microsecond each.
//! The kernel's list of registrations, which keeps the delivery of events waiting while it is
//! written, is read when a suspect is otherwise confirmed, and for [`Options::kernel`]; never more
//! than twice a second.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use netpoller::{Poller, view::lints};
//! use std::time::Duration;
//!
//! let poller = Poller::builder().name("healthy").build()?;
//! let findings = lints::diagnose(&poller, Duration::from_millis(50));
//! assert!(findings.is_empty());
//! # Ok(())
//! # }
//! ```

mod accept;
mod away;
mod blocked;
mod blocking;
mod causes;
mod files;
mod finding;
pub(crate) mod gauges;
mod kernel_list;
mod leaked;
mod lint;
mod look;
mod lost;
mod no_deadline;
mod observation;
mod options;
mod overdue;
mod peers;
mod rates;
mod registration;
mod stale;
mod starved;
mod stuck;
mod top;
pub(crate) mod waiters;
pub(crate) mod watch;
mod woken;

pub use finding::Finding;
pub use lint::{Lint, Severity, Timing, UnknownLint};
pub use look::{Lints, diagnose};
pub use options::Options;

/// Suspects that are asked about closely in one look.
const SUSPECTS: usize = 64;

/// The evidence that names a file to the whole machine, and with it the addresses of a socket.
pub(crate) const INODE: &str = "inode";

/// A duration for people: three digits and a unit.
fn span(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    match ns {
        0..1_000_000 => format!("{:.0} µs", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.0} ms", seconds * 1e3),
        1_000_000_000..60_000_000_000 => format!("{seconds:.1} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_duration_reads_well() {
        assert_eq!(span(1_500), "2 µs");
        assert_eq!(span(250_000_000), "250 ms");
        assert_eq!(span(12_340_000_000), "12.3 s");
        assert_eq!(span(600_000_000_000), "10 min");
    }
}
