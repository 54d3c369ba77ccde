//! What one look sees: the table, the statistics, and the clock, read once for all lints.

use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;

use super::lint::Lint;
use super::options::Options;
use crate::clock;
use crate::desc::{PollDesc, State};
use crate::observe::{Counter, DescId, Direction, Histogram, Transition};
use crate::poller::Poller;
use crate::sys;
use crate::view::kernel::descriptor::Answer;
use crate::view::raw::{RawRow, RawSide};
use crate::view::stats::Stats;

/// Descriptors asked of the kernel for their mode, or their file, in one look. The calls take no
/// lock and a tenth of a microsecond.
const ASKED: usize = 4096;

/// One look at one poller.
pub(super) struct Observation<'a> {
    pub(super) poller: &'a Poller,
    pub(super) options: &'a Options,
    pub(super) now_ns: u64,
    pub(super) stats: Stats,
    /// The kernel has events that nobody has fetched yet.
    pub(super) pending: bool,
    /// The live rows that were read whole and are not being closed.
    pub(super) rows: Vec<RawRow>,
}

impl<'a> Observation<'a> {
    pub(super) fn take(poller: &'a Poller, options: &'a Options) -> Self {
        let rows = poller.shared.cache.iter_from(0).filter_map(RawRow::read);
        Self {
            rows: rows.filter(|row| !row.torn && !row.closing).collect(),
            stats: poller.stats(),
            pending: has_events(poller),
            // Last, so that nothing in the rows lies in the future.
            now_ns: clock::now_ns(),
            poller,
            options,
        }
    }

    pub(super) fn runs(&self, lint: Lint) -> bool {
        self.options.runs(lint)
    }

    /// The kernel's list of registrations may be read for every row.
    pub(super) fn asks_kernel(&self) -> bool {
        self.options.asks_kernel()
    }

    pub(super) fn hold_ns(&self, lint: Lint) -> u64 {
        self.options.hold_ns(lint)
    }

    /// The id of a descriptor as every verb of the inspector takes it, whatever other pollers there
    /// are.
    pub(super) fn id(&self, id: DescId) -> String {
        format!("{}/{id}", self.poller.name())
    }

    pub(super) fn age_ns(&self, since_ns: u64) -> u64 {
        self.now_ns.saturating_sub(since_ns)
    }

    /// When `epoll_wait` last returned; when the poller was made, if it never did.
    pub(super) fn last_poll_ns(&self) -> u64 {
        let info = self.stats.info();
        info.last_poll_ns.max(info.created_at_ns)
    }

    /// Each direction of each row that is in `state`.
    pub(super) fn sides(
        &self,
        state: State,
    ) -> impl Iterator<Item = (&RawRow, Direction, &RawSide)> {
        self.rows.iter().flat_map(move |row| {
            let sides =
                Direction::ALL.map(|direction| (row, direction, &row.sides[direction.index()]));
            sides
                .into_iter()
                .filter(move |(_, _, side)| side.state == state)
        })
    }

    /// Those of `suspects` that poll(2) says are ready for their direction, and that nobody has
    /// touched meanwhile.
    pub(super) fn ready_ones<'r>(
        &self,
        suspects: impl Iterator<Item = (&'r RawRow, Direction)>,
    ) -> Vec<(&'r RawRow, Direction)> {
        let suspects: Vec<_> = suspects.filter(|(row, _)| row.fd >= 0).collect();
        let wanted = suspects
            .iter()
            .map(|(row, direction)| (row.fd, wakes(*direction)));
        let polls = poll_now(wanted);
        suspects
            .into_iter()
            .zip(polls)
            .filter(|((row, direction), revents)| {
                *revents != 0 && self.is_unchanged(row, *direction)
            })
            .map(|(suspect, _)| suspect)
            .collect()
    }

    /// Those of `rows` that poll(2) says can be read.
    pub(super) fn readable<'r>(&self, rows: impl Iterator<Item = &'r RawRow>) -> Vec<&'r RawRow> {
        let rows: Vec<_> = rows.filter(|row| row.fd >= 0).collect();
        let wanted = rows.iter().map(|row| (row.fd, wakes(Direction::Read)));
        let polls = poll_now(wanted);
        rows.into_iter()
            .zip(polls)
            .filter(|(row, revents)| {
                let desc = self.desc(row);
                let live =
                    desc.is_some_and(|it| it.is_live(row.generation) && !it.info().closing());
                live && revents & libc::POLLNVAL == 0 && *revents != 0
            })
            .map(|(row, _)| row)
            .collect()
    }

    fn desc(&self, row: &RawRow) -> Option<&'a PollDesc> {
        self.poller.shared.cache.get(row.slot)
    }

    /// The row still says of `direction` what it said.
    pub(super) fn is_unchanged(&self, row: &RawRow, direction: Direction) -> bool {
        let now = self.desc(row).and_then(RawRow::read);
        let side = |row: &RawRow| row.sides[direction.index()];
        now.is_some_and(|now| {
            now.generation == row.generation
                && !now.torn
                && !now.closing
                && side(&now).state == side(row).state
                && side(&now).since_ns == side(row).since_ns
                && side(&now).transitions == side(row).transitions
        })
    }

    /// One question to the kernel about a row's descriptor; `None` if it has no answer, or the
    /// descriptor was closed meanwhile.
    pub(super) fn ask<T>(&self, row: &RawRow, question: fn(RawFd) -> io::Result<T>) -> Option<T> {
        let desc = self.desc(row)?;
        let answer = question(row.fd).ok()?;
        (desc.is_live(row.generation) && !desc.info().closing()).then_some(answer)
    }

    /// What the kernel says about a row's descriptor; `None` if it was closed meanwhile.
    pub(super) fn answer(&self, row: &RawRow) -> Option<Answer> {
        Answer::of(self.desc(row)?, row.generation)
    }
}

/// What poll(2) says of each number and what it is asked for; nothing if it fails.
fn poll_now(wanted: impl Iterator<Item = (i32, i16)>) -> Vec<i16> {
    let mut polls: Vec<_> = wanted
        .map(|(fd, events)| libc::pollfd {
            fd,
            events,
            revents: 0,
        })
        .collect();
    match sys::query::poll_all(&mut polls) {
        Ok(()) => polls.into_iter().map(|poll| poll.revents).collect(),
        Err(_) => Vec::new(),
    }
}

/// What poll(2) is asked for a direction; HUP, ERR and NVAL come unasked.
fn wakes(direction: Direction) -> i16 {
    match direction {
        Direction::Read => libc::POLLIN | libc::POLLRDHUP,
        Direction::Write => libc::POLLOUT,
    }
}

/// Whether the epoll instance is readable: it has events that nobody has fetched.
pub(super) fn has_events(poller: &Poller) -> bool {
    use std::os::fd::AsRawFd;
    let ready = |fd: std::os::fd::BorrowedFd<'_>| sys::io::poll_now(fd.as_raw_fd(), libc::POLLIN);
    poller
        .shared
        .backend
        .as_fd()
        .is_some_and(|fd| ready(fd).is_ok_and(|bits| bits & libc::POLLIN != 0))
}

/// Polls that have fetched everything there was, and given each event to its descriptor.
pub(super) fn thorough_polls(stats: &Stats) -> u64 {
    let polls = stats.histogram(Histogram::EventsPerPoll).count();
    polls.saturating_sub(stats.counter(Counter::PollsFull))
}

/// The slots whose turn it is: those from `next` on, at most [`ASKED`] live ones, or all from the
/// beginning where none are left.
pub(super) fn turn(live: impl Iterator<Item = u32> + Clone, next: u32) -> std::ops::Range<u32> {
    let last = |from: u32| live.clone().filter(|slot| *slot >= from).take(ASKED).last();
    match last(next) {
        Some(last) => next..last + 1,
        None => 0..last(0).map_or(0, |last| last + 1),
    }
}

/// One life of one direction of a slot.
pub(super) type Key = (u32, u32, Direction);

pub(super) fn key(row: &RawRow, direction: Direction) -> Key {
    (row.slot, row.generation, direction)
}

/// What a lint has seen of one suspect, for as long as it stays the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suspect<T> {
    /// When it was first seen so.
    pub(super) first_ns: u64,
    /// What must not change: the stamp, the transitions, or the deadline.
    same: (u64, [u64; Transition::COUNT]),
    /// What the lint notes.
    pub(super) note: T,
}

/// The suspects of a lint. Those not seen again are forgotten, so it is no longer than one look's
/// suspects.
#[derive(Debug)]
pub(super) struct Suspects<T>(HashMap<Key, Suspect<T>>);

impl<T> Default for Suspects<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Suspects<T> {
    /// Those of the last look.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    /// Begins a look; what was seen in the one before is handed over.
    pub(super) fn begin(&mut self) -> HashMap<Key, Suspect<T>> {
        std::mem::take(&mut self.0)
    }

    /// Notes a suspect. The same as before keeps its time and its note.
    pub(super) fn see(
        &mut self,
        before: &HashMap<Key, Suspect<T>>,
        key: Key,
        same: (u64, [u64; Transition::COUNT]),
        now_ns: u64,
        note: impl FnOnce() -> T,
    ) -> &mut Suspect<T> {
        let known = before.get(&key).filter(|seen| seen.same == same).cloned();
        let suspect = known.unwrap_or_else(|| Suspect {
            first_ns: now_ns,
            same,
            note: note(),
        });
        self.0.entry(key).insert_entry(suspect).into_mut()
    }
}

/// What must not change for a waiter, or readiness, to be the same one.
pub(super) fn same_side(side: &RawSide) -> (u64, [u64; Transition::COUNT]) {
    (side.since_ns, side.transitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_gets_its_turn() {
        assert_eq!(turn(0..10, 0), 0..10);
        assert_eq!(turn(0..10, 10), 0..10, "from the beginning");
        let many = 0..ASKED as u32 * 2 + 1;
        let first = turn(many.clone(), 0);
        let second = turn(many.clone(), first.end);
        let third = turn(many.clone(), second.end);
        assert_eq!((first.len(), second.len(), third.len()), (ASKED, ASKED, 1));
        assert_eq!(turn(many, third.end), first);
        assert_eq!(turn(std::iter::empty(), 7), 0..0);
    }
}
