//! What the crates beside this one read of it: the endpoint, the metrics, and what both stand on.
//!
//! It is not for users and not under semver: those crates have the version of this one, and
//! anything here may change with it. What users may rely on is what the crate `netpoller` shows.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::desc::{Kind, PollDesc};
use crate::observe::{DescId, Direction, GroupBy, Names};
use crate::poller::Poller;
use crate::sync::LockOrder;
use crate::sys::{ForkMutex, file_limit, open_files};
use crate::view::recorder::{self, Event};
use crate::view::{
    Exemplar, Line, Reader, Row, Waiter, blame, kernel_list_took, lints, place_of_exemplar,
};

pub use crate::error::advice;
pub use crate::observe::{
    Group, GroupKey, Groups, KEPT_SHIFT, Label, Place, bucket_of, thread_name, upper_bound, visible,
};
pub use crate::poller::Eviction;
pub use crate::sys::{
    AcceptFailure, AcceptPause, OwnThread, compare_files, effective_uid, is_gone, listening_pid,
    replace, start_ticks, yield_to_others,
};
pub use crate::view::kernel::{Listed, Listing};
pub use crate::view::lints::gauges::Gauges;
pub use crate::view::lints::waiters::{Parked, Waiters};
pub use crate::view::lints::watch::StuckWatch;
pub use crate::view::raw::{RawRow, RawSide};
pub use crate::view::recorder::merge::Merge;

/// A slot of a poller's table, in which a descriptor may live.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a>(&'a PollDesc);

impl Slot<'_> {
    /// Its place in the table.
    pub fn index(self) -> u32 {
        self.0.slot()
    }

    /// Whether the descriptor of this generation lives there.
    pub fn is_live(self, generation: u32) -> bool {
        self.0.is_live(generation)
    }

    /// What lives there, or lived there last.
    pub fn kind(self) -> Kind {
        self.0.kind()
    }

    /// A copy of its row, `None` if nothing lives there.
    pub fn read(self) -> Option<RawRow> {
        RawRow::read(self.0)
    }

    /// That copy in words.
    pub fn row(self, reader: &mut Reader, poller: &Poller, raw: &RawRow) -> Row {
        reader.row(poller, self.0, raw)
    }
}

/// The slot of a poller with this index, if it was made.
pub fn slot(poller: &Poller, index: u32) -> Option<Slot<'_>> {
    poller.shared.cache.get(index).map(Slot)
}

/// The slots of a poller from one on, in the order of the table.
pub fn slots(poller: &Poller, from: u32) -> impl Iterator<Item = Slot<'_>> {
    poller.shared.cache.iter_from(from).map(Slot)
}

/// Slots made so far, live or free.
pub fn slots_made(poller: &Poller) -> u32 {
    poller.shared.cache.made()
}

/// The number of a poller, which no other one of the process ever has.
pub fn id(poller: &Poller) -> u32 {
    poller.shared.id
}

/// Number of the eventfd that carries the break signal.
pub fn break_fd(poller: &Poller) -> Option<RawFd> {
    poller.shared.backend.break_fd()
}

/// Breaks a poll. Returns whether the eventfd was written, `false` if that was done already.
pub fn request_break(poller: &Poller) -> io::Result<bool> {
    poller.shared.request_break()
}

/// Evicts a descriptor for somebody who does not own it.
pub fn evict(poller: &Poller, id: DescId) -> Eviction {
    poller.evict(id)
}

/// Begins another sweep with `reader`: numbers of threads are recycled, so their names are looked
/// up anew.
pub fn begin(reader: &mut Reader) {
    reader.begin();
}

/// The addresses of a slot that is no longer read need not be kept.
pub fn forget(reader: &mut Reader, poller: u32, slot: u32) {
    reader.forget(poller, slot);
}

/// Nor those of a poller that is gone.
pub fn forget_all(reader: &mut Reader, poller: u32) {
    reader.forget_all(poller);
}

/// What `poller` still holds of one descriptor, the oldest first.
pub fn recorded_of(poller: &Poller, id: DescId) -> Vec<Event> {
    recorder::recorded_of(poller, id)
}

/// The evidence that names a file to the whole machine, and with it the addresses of a socket.
pub const INODE: &str = lints::INODE;

/// The text of a label or of the name of a task.
pub fn text(label: Label) -> Arc<str> {
    if label == Label::default() {
        return Arc::default();
    }
    Names::shared().text(label)
}

/// The line that waits in `direction`, or waited there last: the program's own if one is known.
pub fn line(row: &RawRow, direction: Direction) -> Option<&'static Location<'static>> {
    row.place(direction).map(Place::shown)
}

/// The line of the program's own that stands for the one that an exemplar of `poller` tells, where
/// that is a library's and one is known.
pub fn nearest(poller: &Poller, exemplar: &Exemplar) -> Option<Line> {
    place_of_exemplar(poller, exemplar).and_then(|place| place.nearest)
}

/// Who ran while nobody polled, before the poll that found the last wake in `direction` of `row`.
pub fn ran_instead(
    poller: &Poller,
    reader: &mut Reader,
    row: &Row,
    direction: Direction,
) -> Option<Waiter> {
    let wake = row.side(direction).last_wake?;
    blame::ran_instead(poller, reader, row.id(), direction, &wake)
}

/// The features that were compiled in here, by their names.
pub fn features() -> impl Iterator<Item = &'static str> {
    let all = [
        ("futures-io", cfg!(feature = "futures-io")),
        ("hyper", cfg!(feature = "hyper")),
        ("tokio", cfg!(feature = "tokio")),
        ("tower", cfg!(feature = "tower")),
        ("tracing", cfg!(feature = "tracing")),
    ];
    all.into_iter()
        .filter(|(_, is_in)| *is_in)
        .map(|(name, _)| name)
}

/// Sorts findings into the order in which they are shown.
pub fn sort(findings: &mut [lints::Finding]) {
    findings.sort_by_key(lints::Finding::order);
}

/// The pause between two looks of the lints.
pub fn pause(options: &lints::Options) -> Duration {
    options.pause()
}

/// Returns whether they look by these options.
pub fn has_options(lints: &lints::Lints, options: &lints::Options) -> bool {
    lints.has_options(options)
}

/// From here on they do without the kernel's lists of registrations.
pub fn leave_kernel(lints: &mut lints::Lints) {
    lints.leave_kernel();
}

/// Looks with `lints` once. Returns what was found, and what is no fault by itself.
pub fn look(lints: &mut lints::Lints, poller: &Poller) -> (Vec<lints::Finding>, Gauges) {
    lints.look_with_gauges(poller)
}

/// They forget the pollers whose numbers are not among these.
pub fn keep(lints: &mut lints::Lints, ids: &[u32]) {
    lints.keep(ids);
}

/// The kernel's lists rest for so many times as long as the last one took.
pub fn spare_kernel(options: lints::Options, times: u32) -> lints::Options {
    options.spare_kernel(times)
}

/// Keeps others of the process from looking as whoever draws metrics does, and a forked child from
/// finding that half done, until it is dropped.
pub fn watching() -> impl Sized {
    static WATCHING: ForkMutex<()> = ForkMutex::new(LockOrder::Watching, ());
    WATCHING.lock()
}

/// Open files of the process, and how many there may be; `None` where /proc is not there to tell.
pub fn files() -> Option<(u64, u64)> {
    Some((open_files().ok()?, file_limit().ok()?))
}

/// For how long this thread has kept the kernel writing lists of registrations since this was last
/// asked.
pub fn list_took() -> Duration {
    kernel_list_took()
}

/// The latencies of a poller's waits are grouped for as long as this lives.
#[derive(Debug)]
pub struct Grouping(Poller);

impl Grouping {
    /// Begins, with the waits of all descriptors or of one. `None` if somebody does so already.
    pub fn begin(poller: &Poller, by: GroupBy, only: Option<DescId>) -> Option<Self> {
        let begins = poller.shared.recorder.begin_groups(by, only);
        begins.then(|| Self(poller.clone()))
    }

    /// The waits that have ended since the last time.
    pub fn take(&self) -> Option<Groups> {
        self.0.shared.recorder.take_groups()
    }
}

impl Drop for Grouping {
    fn drop(&mut self) {
        self.0.shared.recorder.end_groups();
    }
}

/// Keeps others of the process from binding an endpoint's socket, and a forked child from finding
/// it half bound, until it is dropped.
pub fn binding() -> impl Sized {
    static BINDING: ForkMutex<()> = ForkMutex::new(LockOrder::Binding, ());
    BINDING.lock()
}
