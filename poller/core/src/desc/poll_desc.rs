//! One slot of the table: a descriptor's two words, its deadlines, who it is and what was counted.

use std::panic::Location;
// What tables show synchronises nothing, so no model needs to explore it.
use std::sync::atomic as shown;
use std::task::Waker;

use super::info::Info;
use super::side::{Before, Rare, Side, StampedWake};
use super::word::{Busy, Edge};
use super::{Kind, Role};
use crate::observe::{
    Awaited, Cause, DescId, Direction, Label, LineKind, Local, RECORDS, RawEvent, Transition,
    stamp_ns,
};
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::AtomicLocation;

/// No deadline.
pub(crate) const NO_DEADLINE: u64 = 0;
/// A deadline that has passed; sticky until the next one is set (semantics 31).
pub(crate) const EXPIRED: u64 = 1;
/// The connection is being made: whoever parks to write waits for it.
const CONNECTING: u32 = u32::MAX;

/// One slot. Its address and its index never change; what it stands for does, once per generation.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct PollDesc {
    /// Index in the cache.
    slot: u32,
    /// That and, in the lower half, the generation (Go's fdseq), as [`DescId`] packs them. The
    /// generation is raised when the slot is freed; 0 is never live (semantics 4, 5).
    id: AtomicU64,
    pub(super) info: Info,
    fd: shown::AtomicI32,
    /// Raw bits of the last event.
    last_events: shown::AtomicU32,
    /// Bits of an event that told of the end of the stream, which no later event can take back.
    ended: shown::AtomicU32,
    label: shown::AtomicU32,
    /// Parks of the writer that waited for the connection to be made, for tables: 0 for none,
    /// [`CONNECTING`] while it is.
    connect_parks: shown::AtomicU32,
    /// Deadline of each direction in nanoseconds: [`NO_DEADLINE`], [`EXPIRED`] or a time. Written
    /// under `lock`.
    deadlines: [AtomicU64; 2],
    /// When the queue will look at this slot, 0 if it is not queued. Written under the queue's
    /// lock.
    pub(crate) queued_ns: AtomicU64,
    /// A word for the user, not interpreted.
    cookie: shown::AtomicU64,
    opened_ns: shown::AtomicU64,
    opened_location: AtomicLocation,
    kind: shown::AtomicU8,
    /// [`LineKind`] of `opened_location`.
    origin: shown::AtomicU8,
    live: AtomicU8,
    lock: Mutex<()>,
    rare: [Rare; 2],
    sides: [Side; 2],
}

/// All of a slot, with counts and wakers, fits in what Go spends on it without any of them.
#[cfg(not(loom))]
const _: () = assert!(size_of::<PollDesc>() <= 512);

impl PollDesc {
    pub(crate) fn new(slot: u32) -> Self {
        Self {
            slot,
            id: AtomicU64::new(
                DescId {
                    slot,
                    generation: 0,
                }
                .to_bits(),
            ),
            info: Info::new(),
            fd: shown::AtomicI32::new(-1),
            last_events: shown::AtomicU32::new(0),
            ended: shown::AtomicU32::new(0),
            label: shown::AtomicU32::new(0),
            connect_parks: shown::AtomicU32::new(0),
            deadlines: [AtomicU64::new(NO_DEADLINE), AtomicU64::new(NO_DEADLINE)],
            queued_ns: AtomicU64::new(0),
            cookie: shown::AtomicU64::new(0),
            opened_ns: shown::AtomicU64::new(0),
            opened_location: AtomicLocation::new(),
            kind: shown::AtomicU8::new(Kind::Other as u8),
            origin: shown::AtomicU8::new(LineKind::Opened as u8),
            live: AtomicU8::new(0),
            lock: Mutex::new(()),
            rare: [Rare::new(), Rare::new()],
            sides: [Side::new(), Side::new()],
        }
    }

    /// Begins a life of the slot and returns its generation (semantics 5, 8).
    pub(crate) fn open(&self, fd: i32, kind: Kind, location: &'static Location<'static>) -> u32 {
        let _guard = self.lock.lock();
        let mut id = self.id();
        if id.generation == 0 {
            id.generation = 1;
            self.id.store(id.to_bits(), Ordering::Release);
        }
        let generation = id.generation;
        self.fd.store(fd, Ordering::Relaxed);
        self.kind.store(kind as u8, Ordering::Relaxed);
        self.last_events.store(0, Ordering::Relaxed);
        self.ended.store(0, Ordering::Relaxed);
        self.label.store(0, Ordering::Relaxed);
        self.connect_parks.store(0, Ordering::Relaxed);
        self.cookie.store(0, Ordering::Relaxed);
        self.opened_ns.store(stamp_ns(), Ordering::Relaxed);
        self.opened_location.store(location);
        self.set_origin(LineKind::Opened);
        for (deadline, side) in self.deadlines.iter().zip(&self.sides) {
            deadline.store(NO_DEADLINE, Ordering::Relaxed);
            side.open();
        }
        self.info.open(generation);
        self.live.store(1, Ordering::Release);
        generation
    }

    /// Ends a life of the slot: from here its events are stale, before any reuse (semantics 4, 7).
    pub(crate) fn free(&self, local: &Local<'_>) {
        let _guard = self.lock.lock();
        let ending = self.id();
        self.live.store(0, Ordering::Release);
        let next = DescId {
            generation: ending.generation.wrapping_add(1).max(1),
            ..ending
        };
        self.id.store(next.to_bits(), Ordering::Release);
        self.info.free(next.generation);
        for direction in Direction::ALL {
            let side = self.side(direction);
            side.word.recycle(|transition| {
                self.count_for(
                    ending,
                    local.last_ns(),
                    local,
                    direction,
                    transition,
                    Cause::Io,
                )
            });
        }
        self.fd.store(-1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// The descriptor that lives here, as instrumentation names it.
    #[inline]
    pub(crate) fn id(&self) -> DescId {
        DescId::from_bits(self.id.load(Ordering::Relaxed))
    }

    /// Counts `transition`, here and for the poller, and records it.
    #[inline(always)]
    pub(super) fn count(
        &self,
        local: &Local<'_>,
        direction: Direction,
        transition: Transition,
        cause: Cause,
    ) {
        self.count_for(
            self.id(),
            local.last_ns(),
            local,
            direction,
            transition,
            cause,
        );
    }

    #[inline(always)]
    fn count_for(
        &self,
        id: DescId,
        at_ns: u64,
        local: &Local<'_>,
        direction: Direction,
        transition: Transition,
        cause: Cause,
    ) {
        if RECORDS {
            local.record_events(self.note(id, at_ns, local, direction, [transition], cause));
        }
    }

    /// Counts transitions that were made in a row, here and for the poller. Returns them as the
    /// flight recorder is to have them.
    #[inline(always)]
    pub(super) fn note<const N: usize>(
        &self,
        id: DescId,
        at_ns: u64,
        local: &Local<'_>,
        direction: Direction,
        transitions: [Transition; N],
        cause: Cause,
    ) -> [RawEvent; N] {
        let side = self.side(direction);
        for transition in transitions {
            side.count(transition);
        }
        // An edge that told nothing new would push out those that did; and the side that nobody
        // waits on gets one with every event of the other, whose cache line need not be touched.
        if transitions != [Transition::ReadyAgain; N] {
            let thread = local.thread();
            side.history
                .keep(&side.next, at_ns, thread, transitions, cause);
        }
        local.count_transitions(direction, transitions);
        transitions.map(|transition| RawEvent {
            at_ns,
            desc: id,
            direction: Some(direction),
            kind: transition.into(),
            argument: cause as u64,
        })
    }

    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        DescId::from_bits(self.id.load(Ordering::Acquire)).generation
    }

    /// Whether `generation` is the one that lives here now.
    #[inline]
    pub(crate) fn is_live(&self, generation: u32) -> bool {
        self.generation() == generation && self.live.load(Ordering::Acquire) == 1
    }

    /// The generation that lives here now, if one does.
    pub(crate) fn live_generation(&self) -> Option<u32> {
        let generation = self.generation();
        (self.live.load(Ordering::Acquire) == 1).then_some(generation)
    }

    pub(crate) fn fd(&self) -> i32 {
        self.fd.load(Ordering::Relaxed)
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind::from_index(self.kind.load(Ordering::Relaxed).into()).unwrap_or(Kind::Other)
    }

    pub(crate) fn label(&self) -> Label {
        Label(self.label.load(Ordering::Relaxed))
    }

    /// Returns the one before.
    pub(crate) fn set_label(&self, label: Label) -> Label {
        Label(self.label.swap(label.0, Ordering::Relaxed))
    }

    pub(crate) fn cookie(&self) -> u64 {
        self.cookie.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cookie(&self, cookie: u64) {
        self.cookie.store(cookie, Ordering::Relaxed);
    }

    /// From here on the writer waits for the connection to be made.
    pub(crate) fn begin_connect(&self) {
        self.connect_parks.store(CONNECTING, Ordering::Relaxed);
    }

    /// The connection is made; how often its maker has parked is kept. Later parks of the writer
    /// are for room.
    pub(crate) fn end_connect(&self) {
        let parks = self.side(Direction::Write).transitions()[Transition::Park.index()];
        let parks = u32::try_from(parks).unwrap_or(CONNECTING);
        self.connect_parks
            .store(parks.min(CONNECTING - 1), Ordering::Relaxed);
    }

    /// Parks of the writer that waited for the connection to be made: all, `u64::MAX`, while it is
    /// being made.
    pub(crate) fn connect_parks(&self) -> u64 {
        match self.connect_parks.load(Ordering::Relaxed) {
            CONNECTING => u64::MAX,
            parks => u64::from(parks),
        }
    }

    /// What whoever waits in `direction` waits for.
    pub(crate) fn awaited(&self, direction: Direction) -> Awaited {
        match (direction, self.kind().role()) {
            (_, Role::Sleep) => Awaited::Sleep,
            (Direction::Read, Role::Listener) => Awaited::Accept,
            (Direction::Read, _) => Awaited::Read,
            (Direction::Write, _) if self.connect_parks() == u64::MAX => Awaited::Connect,
            (Direction::Write, _) => Awaited::Write,
        }
    }

    pub(crate) fn opened_ns(&self) -> u64 {
        self.opened_ns.load(Ordering::Relaxed)
    }

    pub(crate) fn opened_location(&self) -> Option<&'static Location<'static>> {
        self.opened_location.load()
    }

    /// What was done at the line that opened it.
    pub(crate) fn origin(&self) -> LineKind {
        LineKind::from_index(self.origin.load(Ordering::Relaxed).into()).unwrap_or(LineKind::Opened)
    }

    pub(crate) fn set_origin(&self, origin: LineKind) {
        self.origin.store(origin as u8, Ordering::Relaxed);
    }

    /// Bits of the last event, and of the end of the stream once an event has told of it.
    #[inline]
    pub(crate) fn last_events(&self) -> u32 {
        self.last_events.load(Ordering::Relaxed) | self.ended.load(Ordering::Relaxed)
    }

    /// Two pollers may dispatch two events of one descriptor in the wrong order (semantics 48), and
    /// the older one must not hide the end of the stream: a reader that takes a short read for
    /// "drained" would never look for it.
    #[inline]
    pub(crate) fn set_last_events(&self, mask: u32) {
        self.last_events.store(mask, Ordering::Relaxed);
        if mask & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLPRI) as u32 != 0 {
            self.note_end(mask);
        }
    }

    #[cold]
    fn note_end(&self, mask: u32) {
        // A socket that is not connected yet has EPOLLHUP as well, but not for good; a pipe has
        // nothing else. And a connection that has had urgent data once may have it again.
        let for_good = match self.kind() {
            Kind::Pipe | Kind::Other => libc::EPOLLRDHUP | libc::EPOLLHUP,
            _ => libc::EPOLLRDHUP | libc::EPOLLPRI,
        };
        self.ended
            .fetch_or(mask & for_good as u32, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn info(&self) -> &Info {
        &self.info
    }

    #[inline]
    pub(crate) fn side(&self, direction: Direction) -> &Side {
        &self.sides[direction.index()]
    }

    /// The lock that orders changes of deadlines, closing and lives. Never held while a waker is
    /// cloned, dropped or called (semantics 50).
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock()
    }

    pub(crate) fn deadline(&self, direction: Direction) -> u64 {
        self.deadlines[direction.index()].load(Ordering::Relaxed)
    }

    /// To be called with the lock held.
    pub(crate) fn store_deadline(&self, direction: Direction, deadline: u64) {
        self.deadlines[direction.index()].store(deadline, Ordering::Relaxed);
    }

    /// Publishes `closing` and what the deadlines say. To be called with the lock held, before the
    /// waiters are unblocked (semantics 35).
    pub(crate) fn publish(&self, closing: bool) {
        let expired = |direction| self.deadline(direction) == EXPIRED;
        self.info
            .publish(closing, expired(Direction::Read), expired(Direction::Write));
    }

    /// The earliest deadline that is yet to come.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        Direction::ALL
            .map(|direction| self.deadline(direction))
            .into_iter()
            .filter(|at| *at > EXPIRED)
            .min()
    }

    #[inline(always)]
    pub(crate) fn reset(&self, direction: Direction, local: &Local<'_>) -> Result<bool, Busy> {
        if self.side(direction).word.is_nil() {
            return Ok(false);
        }
        self.reset_slowly(direction, *local)
    }

    #[inline(never)]
    fn reset_slowly(&self, direction: Direction, local: Local<'_>) -> Result<bool, Busy> {
        self.side(direction).word.reset(|transition| {
            local.stamp();
            self.count(&local, direction, transition, Cause::Io);
        })
    }

    /// The last wake of a parked waiter of `direction`, `None` before the first.
    pub(crate) fn last_wake(&self, direction: Direction) -> Option<StampedWake> {
        let mut wake = self.side(direction).last_wake()?;
        self.rare[direction.index()].add_to(&mut wake);
        Some(wake)
    }

    /// The data for which the waiter of `direction` was woken at `woken_ns` were so old then, as
    /// the kernel tells it.
    #[cold]
    pub(crate) fn note_told(&self, direction: Direction, woken_ns: u64, ns: u64) {
        self.rare[direction.index()].note_told(woken_ns, ns);
    }

    /// Before the waker of `direction`, for what was found out at `woken_ns`, others took so long.
    #[cold]
    pub(crate) fn note_wakers(&self, direction: Direction, woken_ns: u64, ns: u64) {
        self.rare[direction.index()].note_wakers(woken_ns, ns);
    }

    /// Lets whoever waits in `direction` look again, at `at_ns`: an edge that is none of the
    /// kernel's.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code))]
    pub(crate) fn ready(
        &self,
        direction: Direction,
        at_ns: u64,
        local: &Local<'_>,
    ) -> Option<Waker> {
        let found = || (at_ns, Before::NONE);
        self.edge(direction, found, self.cause_of_edge(), local)
    }

    /// Why an edge wakes. To a sleep none comes from the kernel: whoever polled for it has ended.
    pub(super) fn cause_of_edge(&self) -> Cause {
        match self.kind() {
            Kind::Timer => Cause::Close,
            _ => Cause::Io,
        }
    }

    /// An edge for `direction`. `found` says when it was fetched, and how long it had been there.
    #[inline(always)]
    pub(crate) fn ready_after(
        &self,
        direction: Direction,
        found: impl Fn() -> (u64, Before),
        local: &Local<'_>,
    ) -> Option<Waker> {
        self.edge(direction, found, Cause::Io, local)
    }

    #[inline(always)]
    fn edge(
        &self,
        direction: Direction,
        found: impl Fn() -> (u64, Before),
        cause: Cause,
        local: &Local<'_>,
    ) -> Option<Waker> {
        let side = self.side(direction);
        match side.word.edge() {
            Edge::Again => {
                self.count(local, direction, Transition::ReadyAgain, Cause::Io);
                None
            }
            Edge::Waking(waker, flags) => {
                let (at_ns, before) = found();
                // Before the waiter can run, so that it finds what woke it.
                side.stamp_wake(at_ns, before, cause);
                self.count(local, direction, Transition::ReadyParked, Cause::Io);
                side.word.end_waking(flags, |transition| {
                    self.count(local, direction, transition, Cause::Io)
                });
                waker
            }
            Edge::Other(_) => self.edge_otherwise(direction, found(), cause, local),
        }
    }

    #[cold]
    fn edge_otherwise(
        &self,
        direction: Direction,
        (at_ns, before): (u64, Before),
        cause: Cause,
        local: &Local<'_>,
    ) -> Option<Waker> {
        let side = self.side(direction);
        side.word.ready(
            || side.stamp_wake(at_ns, before, cause),
            |transition| self.count(local, direction, transition, Cause::Io),
        )
    }

    /// Releases a waiter of `direction` because of `cause`, which had been there `before`.
    pub(crate) fn unblock(
        &self,
        direction: Direction,
        cause: Cause,
        at_ns: u64,
        before: Before,
        local: &Local<'_>,
    ) -> Option<Waker> {
        let side = self.side(direction);
        side.word.unblock(
            || side.stamp_wake(at_ns, before, cause),
            |transition| self.count(local, direction, transition, cause),
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
