//! The rows of the descriptor table, in words.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Arc;

use super::address::Addresses;
use super::kernel::{Registration, Socket, Sockets, kernel_registrations};
use super::line::Line;
use super::raw::{RawRow, RawSide};
use crate::clock;
use crate::desc::{Kind, PollDesc, StampedWake, State};
use crate::observe::{Cause, DescId, Direction, Label, Names, Task, Transition, thread_name};
use crate::poller::{Poller, Queued};

/// One live descriptor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// Index of its slot in the poller's table.
    pub slot: u32,
    /// Generation of the slot; together with the slot it names this descriptor and no other, ever.
    pub generation: u32,
    /// The file descriptor, -1 for a sleep.
    pub fd: RawFd,
    /// What it is.
    pub kind: Kind,
    /// Own address, for example `127.0.0.1:8080`, `unix:/run/x` or `unix:@name`; empty if it has
    /// none.
    pub local: Arc<str>,
    /// Address of the peer; empty if it has none.
    pub peer: Arc<str>,
    /// Label set by the program; empty if none.
    pub label: Arc<str>,
    /// When it was registered, CLOCK_MONOTONIC.
    pub opened_at_ns: u64,
    /// The code that registered it.
    pub opened_location: Option<&'static Location<'static>>,
    /// Close has begun.
    pub closing: bool,
    /// Its number was closed, or given to another file, behind the poller's back: what the kernel
    /// says of the number is not of this descriptor. Of a file of the same kind, which had the
    /// number before anybody looked, only [`lints`](super::lints) that ask for the kernel's list
    /// can tell.
    pub stale: bool,
    /// The last event was EPOLLERR alone.
    pub event_err: bool,
    /// Raw epoll bits of the last event, 0 before the first.
    pub last_events: u32,
    /// The read side (rg).
    pub read: Side,
    /// The write side (wg).
    pub write: Side,
    /// It changed while it was read, more often than a reader retries: its fields may not belong
    /// together.
    pub torn: bool,
    /// Parks of the writer that waited for the connection to be made; `u64::MAX` while it is, for
    /// then all of them do.
    pub connect_parks: u64,
    /// What the kernel knows of the socket, if it was asked ([`Reader::sockets`]) and told.
    pub socket: Option<Socket>,
}

impl Row {
    /// Returns the id, `slot.generation`, as [`Desc::id`](crate::Desc::id).
    pub fn id(&self) -> DescId {
        DescId {
            slot: self.slot,
            generation: self.generation,
        }
    }

    /// Returns how it is in this direction.
    pub fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }
}

/// One direction of a descriptor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Side {
    /// State of the word.
    pub state: State,
    /// Since when somebody waits; else when the state was entered, 0 before the first transition.
    pub since_ns: u64,
    /// Who waits, in the states `wait`, `parked` and `woken`. In `wait` the waiter is just writing
    /// this.
    pub waiter: Option<Waiter>,
    /// The deadline: 0 for none, 1 for one that has expired, else the time.
    pub deadline_ns: u64,
    /// The last wake of a parked waiter, `None` before the first.
    pub last_wake: Option<Wake>,
    /// How often each transition was taken, in the order of [`Transition::ALL`].
    pub transitions: [u64; Transition::COUNT],
    /// Who waits for the descriptor's lock, since when, in order of arrival.
    pub queued: Vec<(u64, Waiter)>,
}

/// One wake, from there being something to wake for until the waiter runs: whose time it was.
///
/// The shares before the poll, of the poller and of the scheduler are all of it,
/// [`total_ns`](Self::total_ns).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Wake {
    /// Why.
    pub cause: Cause,
    /// From there being something to wake it for until `fetched_ns`: nobody polled. At most so
    /// long, unless it is known; of a deadline how late it fired, of a close 0. To 16 µs where it
    /// is longer than 2.1 s, as those below.
    pub before_poll_ns: u64,
    /// `before_poll_ns` is known, and not only bounded: the poll had slept until the event came.
    pub before_poll_exact: bool,
    /// It was inside a runtime, where nobody polls while there is nothing: there may have been
    /// nothing for all of `before_poll_ns`.
    pub before_poll_idle: bool,
    /// How old the data were, as the kernel tells it of the last that came: at least so long they
    /// have been there, to its tick. It is asked where nobody has polled for 20 ms.
    pub before_poll_told_ns: Option<u64>,
    /// When `epoll_wait` returned the event, or the deadline or close released the waiter.
    pub fetched_ns: u64,
    /// From there until the waker was called, to within eight wakers of one poll, or until the
    /// waiter ran if that was before; `None` if it was not called yet. To 16 µs where it is longer
    /// than 2.1 s, as the next, and at most 9.7 hours.
    pub poller_to_waker_ns: Option<u64>,
    /// Of that, what went by in the wakers of the same poll that were called before; 0 for less
    /// than 100 µs.
    pub wakers_ns: u64,
    /// From there until the waiter ran; `None` if it has not run yet.
    pub waker_to_run_ns: Option<u64>,
}

impl Wake {
    /// Returns how long all of it took; `None` while the waiter has not run.
    pub fn total_ns(&self) -> Option<u64> {
        Some(self.before_poll_ns + self.poller_to_waker_ns? + self.waker_to_run_ns?)
    }
}

impl From<StampedWake> for Wake {
    fn from(stamped: StampedWake) -> Self {
        Self {
            cause: stamped.cause,
            before_poll_ns: stamped.before_ns,
            before_poll_exact: !stamped.is_bound,
            before_poll_idle: stamped.may_be_idle,
            before_poll_told_ns: stamped.told_ns,
            wakers_ns: stamped.wakers_ns,
            fetched_ns: stamped.woken_ns,
            poller_to_waker_ns: stamped.called_after_ns,
            waker_to_run_ns: stamped.ran_after_ns,
        }
    }
}

/// Who waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiter {
    /// Name of the task, or its number; empty for a thread outside of any task.
    pub task: Arc<str>,
    /// Number of the task, tokio's or that of a [named](crate::task::named) future; 0 for a thread
    /// outside of any task.
    pub task_id: u64,
    /// Name or number of the thread that parked, or last polled the task.
    pub thread: Arc<str>,
    /// The call that waits.
    pub location: Option<&'static Location<'static>>,
    /// Where that call is a library's: the nearest line of the program's own, if one is known.
    pub nearest: Option<Line>,
}

/// A part of the table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// When it was read, CLOCK_MONOTONIC.
    pub captured_at_ns: u64,
    /// The rows, by slot.
    pub rows: Vec<Row>,
    /// The slot with which the next page begins, `None` after the last.
    pub next_slot: Option<u32>,
}

/// The whole table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// When it was begun, CLOCK_MONOTONIC.
    pub captured_at_ns: u64,
    /// The rows, by slot.
    pub rows: Vec<Row>,
}

impl Poller {
    /// Reads the whole table, by slot. Each row is consistent in itself; different rows are read at
    /// different moments. Who reads it again and again uses a [`Reader`], which need not ask the
    /// kernel for the same addresses each time.
    pub fn rows(&self) -> Vec<Row> {
        Reader::default().snapshot(self).rows
    }
}

/// Reads at most `limit` rows, from slot `from_slot` on. Descriptors that come and go between two
/// pages are seen or not, but none that lives through both is left out or seen twice.
pub fn page(poller: &Poller, from_slot: u32, limit: usize) -> Page {
    let captured_at_ns = clock::now_ns();
    let mut reader = Reader::default();
    let mut rows = Vec::new();
    let mut next_slot = None;
    for desc in poller.shared.cache.iter_from(from_slot) {
        if rows.len() >= limit {
            next_slot = Some(desc.slot());
            break;
        }
        if let Some(raw) = RawRow::read(desc) {
            rows.push(reader.row(poller, desc, &raw));
        }
    }
    Page {
        captured_at_ns,
        rows,
        next_slot,
    }
}

/// Puts rows into words, and remembers those it has looked up: labels, and the addresses of
/// connections.
#[derive(Debug, Default)]
pub struct Reader {
    labels: HashMap<Label, Arc<str>>,
    /// By number, which are dense.
    threads: Vec<Option<Arc<str>>>,
    /// By number of the poller, and then by slot, with the generation they belong to.
    addresses: HashMap<u32, Vec<Option<(u32, Addresses)>>>,
    /// By number of the poller, of this sweep.
    sweeps: HashMap<u32, Sweep>,
    sockets: Option<Arc<Sockets>>,
    /// Lines at which names were given, of this sweep.
    lines: HashMap<Label, Option<&'static Location<'static>>>,
}

/// What is asked for once a sweep and poller, where it is needed.
#[derive(Debug, Default)]
struct Sweep {
    /// Who waits for the lock of a descriptor.
    queued: Option<Vec<Queued>>,
    /// Rows whose number a younger one has.
    shared: Option<HashSet<DescId>>,
    /// The kernel's list; `None` inside if it cannot be read.
    list: Option<Option<Vec<Registration>>>,
}

impl Sweep {
    fn is_shared(&mut self, poller: &Poller, id: DescId) -> bool {
        self.shared
            .get_or_insert_with(|| sharing(poller))
            .contains(&id)
    }

    /// The entry of a row, if there is one; `None` if nobody knows.
    fn entry(&mut self, poller: &Poller, id: DescId) -> Option<Option<Registration>> {
        let list = self
            .list
            .get_or_insert_with(|| kernel_registrations(poller).ok());
        let list = list.as_ref()?;
        Some(list.iter().find(|entry| entry.id == id).copied())
    }
}

/// The live rows whose number a younger one has: it was closed behind the poller's back, or it
/// could not have been registered again.
pub(super) fn sharing(poller: &Poller) -> HashSet<DescId> {
    let mut last: HashMap<RawFd, (u64, DescId)> = HashMap::new();
    let mut sharing = HashSet::new();
    for desc in poller.shared.cache.iter_from(0) {
        let (id, fd, opened_ns) = (desc.id(), desc.fd(), desc.opened_ns());
        if fd < 0 || !desc.is_live(id.generation) || desc.info().closing() {
            continue;
        }
        let Some(other) = last.insert(fd, (opened_ns, id)) else {
            continue;
        };
        if other.0 > opened_ns {
            last.insert(fd, other);
            sharing.insert(id);
        } else {
            sharing.insert(other.1);
        }
    }
    sharing
}

/// Most labels that are remembered from one sweep to the next.
const REMEMBERED: usize = 8192;

/// What is remembered at `index`, looked up if nothing is.
fn remembered(
    known: &mut Vec<Option<Arc<str>>>,
    index: u32,
    look_up: impl FnOnce() -> Arc<str>,
) -> Arc<str> {
    let index = index as usize;
    if known.len() <= index {
        known.resize(index + 1, None);
    }
    known[index].get_or_insert_with(look_up).clone()
}

impl Reader {
    /// Makes one that remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From here on rows have what is said there of their sockets.
    pub fn sockets(&mut self, sockets: Option<Arc<Sockets>>) {
        self.sockets = sockets;
    }

    /// Reads the whole table, as [`Poller::rows`].
    pub fn snapshot(&mut self, poller: &Poller) -> Snapshot {
        self.begin();
        let captured_at_ns = clock::now_ns();
        let mut rows = Vec::with_capacity(poller.shared.cache.made() as usize);
        for desc in poller.shared.cache.iter_from(0) {
            if let Some(raw) = RawRow::read(desc) {
                rows.push(self.row(poller, desc, &raw));
            }
        }
        Snapshot {
            captured_at_ns,
            rows,
        }
    }

    /// Begins another sweep: numbers of threads are recycled, so their names are looked up anew.
    pub(crate) fn begin(&mut self) {
        self.threads.clear();
        self.sweeps.clear();
        self.lines.clear();
        // Labels come and go as well, though a number is never another's.
        if self.labels.len() > REMEMBERED {
            self.labels.clear();
        }
    }

    /// The addresses of a slot that is no longer read need not be kept.
    pub(crate) fn forget(&mut self, poller: u32, slot: u32) {
        let known = self.addresses.get_mut(&poller);
        if let Some(known) = known.and_then(|known| known.get_mut(slot as usize)) {
            *known = None;
        }
    }

    /// Nor those of a poller that is gone.
    pub(crate) fn forget_all(&mut self, poller: u32) {
        self.addresses.remove(&poller);
    }

    pub(crate) fn row(&mut self, poller: &Poller, desc: &PollDesc, raw: &RawRow) -> Row {
        let Addresses {
            local, peer, stale, ..
        } = self.addresses(poller, desc, raw);
        let [read, write] = Direction::ALL.map(|direction| self.side(poller, raw, direction));
        Row {
            slot: raw.slot,
            generation: raw.generation,
            fd: raw.fd,
            kind: raw.kind,
            local,
            peer,
            label: self.label(raw.label),
            opened_at_ns: raw.opened_at_ns,
            opened_location: raw.opened_location,
            closing: raw.closing,
            stale,
            event_err: raw.event_err,
            last_events: raw.last_events,
            read,
            write,
            torn: raw.torn,
            connect_parks: raw.connect_parks,
            socket: self.sockets.as_ref().and_then(|it| it.of(poller, raw.id())),
        }
    }

    fn addresses(&mut self, poller: &Poller, desc: &PollDesc, raw: &RawRow) -> Addresses {
        let known = self.addresses.entry(poller.shared.id).or_default();
        let slot = raw.slot as usize;
        let before = match known.get(slot) {
            Some(Some((generation, addresses))) if *generation == raw.generation => Some(addresses),
            _ => None,
        };
        let sweep = RefCell::new(self.sweeps.entry(poller.shared.id).or_default());
        let addresses = Addresses::of(
            desc,
            raw,
            before,
            || sweep.borrow_mut().is_shared(poller, raw.id()),
            || sweep.borrow_mut().entry(poller, raw.id()),
        );
        if addresses.is_known() {
            if known.len() <= slot {
                known.resize_with(slot + 1, || None);
            }
            known[slot] = Some((raw.generation, addresses.clone()));
        }
        addresses
    }

    fn side(&mut self, poller: &Poller, row: &RawRow, direction: Direction) -> Side {
        let raw = &row.sides[direction.index()];
        let waits = matches!(raw.state, State::Wait | State::Parked | State::Woken);
        let queued = self
            .sweeps
            .entry(poller.shared.id)
            .or_default()
            .queued
            .get_or_insert_with(|| poller.shared.queued.all())
            .iter()
            .filter(|queued| queued.desc == row.id() && queued.direction == direction);
        let queued: Vec<Queued> = queued.copied().collect();
        Side {
            state: raw.state,
            since_ns: raw.since_ns,
            waiter: waits.then(|| self.waiter_of(row, raw)),
            queued: queued
                .into_iter()
                .map(|it| {
                    let waiter = self.waiter(row, it.task, it.thread, Some(it.location));
                    (it.since_ns, waiter)
                })
                .collect(),
            deadline_ns: raw.deadline_ns,
            last_wake: raw.last_wake.map(Wake::from),
            transitions: raw.transitions,
        }
    }

    fn waiter(
        &mut self,
        row: &RawRow,
        task: Task,
        thread: u32,
        location: Option<&'static Location<'static>>,
    ) -> Waiter {
        let task_id = task.id;
        let line = |label| Names::shared().line(label);
        let named = || {
            *self
                .lines
                .entry(task.name)
                .or_insert_with_key(|it| line(*it))
        };
        let place = row.place_of(location, named);
        let task = match (task.name, task.id) {
            (Label(0), 0) => Arc::default(),
            (Label(0), id) => id.to_string().into(),
            (label, _) => self.label(label),
        };
        let thread = remembered(&mut self.threads, thread, || thread_name(thread as usize));
        Waiter {
            task,
            task_id,
            thread,
            location,
            nearest: place.and_then(|place| place.nearest),
        }
    }

    /// Who waits in this direction of a descriptor, or was the last to, if it was on this thread.
    pub(super) fn last_waiter(
        &mut self,
        poller: &Poller,
        id: DescId,
        direction: Direction,
        thread: u32,
    ) -> Option<Waiter> {
        let raw = RawRow::read(poller.shared.cache.get(id.slot)?)?;
        let side = &raw.sides[direction.index()];
        (raw.id() == id && side.thread == thread).then(|| self.waiter_of(&raw, side))
    }

    fn waiter_of(&mut self, row: &RawRow, side: &RawSide) -> Waiter {
        let task = Task {
            name: side.task,
            id: side.task_id,
        };
        self.waiter(row, task, side.thread, side.location)
    }

    fn label(&mut self, label: Label) -> Arc<str> {
        if label == Label(0) {
            return Arc::default();
        }
        self.labels
            .entry(label)
            .or_insert_with(|| Names::shared().text(label))
            .clone()
    }
}
