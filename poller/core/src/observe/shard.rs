//! Counters, histograms and the flight recorder, one shard a thread.
//!
//! A thread is the only writer of its shard, so an increment is a plain load and store: no locked
//! instruction, no line that another core writes. Threads without a number of their own share shard
//! 0 and add atomically.

use std::sync::atomic::{AtomicU64, Ordering};

use super::DescId;
use super::event::RawEvent;
use super::grouped::{Asked, Grouping, Groups, Latencies};
use super::histogram::{Cells, Owner};
use super::ring::Ring;
use super::thread::{MAX_THREADS, SHARED, current_thread, known_thread};
use super::ticker::Ticker;
use super::{Counter, Direction, EventKind, GroupBy, Histogram, Line, Totals, Transition};
use crate::clock;
use crate::sys::OnceBox;

/// Whether anything is recorded at all.
pub(crate) const RECORDS: bool = true;

/// Now, in nanoseconds, for a stamp.
#[inline]
pub(crate) fn stamp_ns() -> u64 {
    clock::now_ns()
}

#[derive(Debug)]
struct Shard {
    /// What the thread last read from the clock: the time of what it records until it reads the
    /// clock again.
    last_ns: AtomicU64,
    ticker: Ticker,
    transitions: [[AtomicU64; Transition::COUNT]; 2],
    counters: [AtomicU64; Counter::COUNT],
    /// Apart, so that a shard is never built on a small stack.
    histograms: Box<[Cells; Histogram::COUNT]>,
    /// The flight recorder; without room if it is switched off.
    ring: Ring,
    /// Events without a ring to go to.
    unrecorded: AtomicU64,
    grouping: Grouping,
}

impl Shard {
    fn new(events: usize) -> Box<Self> {
        Box::new(Self {
            last_ns: AtomicU64::new(clock::now_ns()),
            ticker: Ticker::new(),
            transitions: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            histograms: Histogram::ALL
                .iter()
                .map(|_| Cells::new())
                .collect::<Box<[_]>>()
                .try_into()
                .unwrap_or_else(|_| unreachable!("one for each")),
            ring: Ring::new(events),
            unrecorded: AtomicU64::new(0),
            grouping: Grouping::new(),
        })
    }
}

/// The counters, the histograms and the flight recorder of one poller.
pub(crate) struct Recorder {
    shards: [OnceBox<Shard>; MAX_THREADS],
    /// Events that each thread's ring holds, 0 for no rings.
    events: usize,
    /// Whether somebody has the waits of all threads grouped.
    asked: Asked,
}

impl Recorder {
    /// With a ring of so many events for each thread.
    pub(crate) fn new(events: usize) -> Self {
        Self {
            shards: [const { OnceBox::new() }; MAX_THREADS],
            // A model would explore each word of them.
            events: if cfg!(loom) { 0 } else { events },
            asked: Asked::default(),
        }
    }

    /// The calling thread's shard. Cheap, but cheaper still when taken once for several increments.
    #[inline]
    pub(crate) fn local(&self) -> Local<'_> {
        let index = known_thread();
        match self.shards[usize::from(index)].get() {
            Some(shard) => Local {
                shard,
                thread: index.into(),
            },
            None => self.first_local(),
        }
    }

    /// The first time that the calling thread asks.
    #[cold]
    fn first_local(&self) -> Local<'_> {
        let index = current_thread();
        let shard = self.shards[index].get_or_init(|| {
            // Nobody could tell the writers of the shared ring apart.
            Shard::new(if index == SHARED { 0 } else { self.events })
        });
        // Whoever has begun to ask, or ends, may not have found this shard.
        if let Some((by, only)) = self.asked.get() {
            shard.grouping.begin(by, only);
            if self.asked.get().is_none() {
                shard.grouping.end();
            }
        }
        Local {
            shard,
            thread: index as u32,
        }
    }

    /// Has the latencies of waits grouped from here on. `false` if somebody does already.
    pub(crate) fn begin_groups(&self, by: GroupBy, only: Option<DescId>) -> bool {
        let begins = self.asked.begin(by, only);
        if begins {
            self.each_grouping(|it| it.begin(by, only));
        }
        begins
    }

    /// The groups since the last time, for whoever has begun with it.
    pub(crate) fn take_groups(&self) -> Option<Groups> {
        let (by, only) = self.asked.get()?;
        let mut groups = Groups::new(by, only);
        self.each_grouping(|it| it.take().into_iter().for_each(|more| groups.merge(more)));
        Some(groups)
    }

    /// Groups no longer.
    pub(crate) fn end_groups(&self) {
        self.asked.end();
        self.each_grouping(Grouping::end);
    }

    fn each_grouping(&self, mut f: impl FnMut(&Grouping)) {
        let shards = self.shards.iter().filter_map(OnceBox::get);
        shards.for_each(|shard| f(&shard.grouping));
    }

    /// Hands the events of thread `index` from number `from` on, and before number `until`, to
    /// `found`. Returns the number of the next one, and how many were overwritten before they could
    /// be read; `None` for a thread without a ring.
    pub(crate) fn read_ring(
        &self,
        index: usize,
        from: u64,
        until: u64,
        found: impl FnMut(RawEvent),
    ) -> Option<(u64, u64)> {
        Some(self.ring(index)?.read(from, until, found))
    }

    /// The number that the next event in the ring of thread `index` will have.
    pub(crate) fn ring_head(&self, index: usize) -> Option<u64> {
        self.ring(index).map(Ring::written)
    }

    /// The number of the oldest event in the ring of thread `index`.
    pub(crate) fn ring_tail(&self, index: usize) -> Option<u64> {
        self.ring(index).map(Ring::oldest)
    }

    fn ring(&self, index: usize) -> Option<&Ring> {
        Some(&self.shards.get(index)?.get()?.ring).filter(|ring| ring.has_room())
    }

    /// Numbers of the threads that may have a ring.
    pub(crate) fn threads(&self) -> std::ops::Range<usize> {
        0..self.shards.len()
    }

    /// When the last thread with number `index` that recorded here read the clock for it.
    pub(crate) fn last_ns(&self, index: usize) -> u64 {
        let shard = self.shards.get(index).and_then(OnceBox::get);
        shard.map_or(0, |shard| shard.last_ns.load(Ordering::Relaxed))
    }

    /// What the thread with number `index`, and those that had it before, have counted of these.
    pub(crate) fn counted_by<const N: usize>(&self, index: usize, counters: [Counter; N]) -> u64 {
        let shard = self.shards.get(index).and_then(OnceBox::get);
        let count = |shard: &Shard, counter: Counter| {
            shard.counters[counter.index()].load(Ordering::Relaxed)
        };
        shard.map_or(0, |shard| {
            counters.into_iter().map(|it| count(shard, it)).sum()
        })
    }

    /// Everything summed over the shards. While others count, each cell is read at a moment of its
    /// own.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::empty();
        for shard in self.shards.iter().filter_map(|shard| shard.get()) {
            for (total, direction) in totals.transitions.iter_mut().zip(&shard.transitions) {
                for (total, cell) in total.iter_mut().zip(direction) {
                    *total += cell.load(Ordering::Relaxed);
                }
            }
            for (total, cell) in totals.counters.iter_mut().zip(&shard.counters) {
                *total += cell.load(Ordering::Relaxed);
            }
            for (total, cells) in totals.histograms.iter_mut().zip(&*shard.histograms) {
                cells.add_to(total);
            }
            if shard.ring.has_room() {
                totals.rings += 1;
                totals.ring_bytes += shard.ring.bytes() as u64;
                totals.recorded += shard.ring.written();
            }
            totals.unrecorded += shard.unrecorded.load(Ordering::Relaxed);
        }
        totals
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards = self
            .shards
            .iter()
            .filter(|shard| shard.get().is_some())
            .count();
        f.debug_struct("Recorder")
            .field("shards", &shards)
            .finish_non_exhaustive()
    }
}

/// The calling thread's part of a [`Recorder`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    shard: &'a Shard,
    thread: u32,
}

impl Local<'_> {
    #[inline]
    fn add_to(&self, cell: &AtomicU64, n: u64) {
        if self.has_number() {
            cell.store(
                cell.load(Ordering::Relaxed).wrapping_add(n),
                Ordering::Relaxed,
            );
        } else {
            cell.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Number of the calling thread.
    #[inline]
    pub(crate) fn thread(&self) -> u32 {
        self.thread
    }

    /// Reads the clock: what is recorded from here on happens now, or a few nanoseconds later,
    /// where the thread's own clock would go back by as much.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> u64 {
        if self.thread == SHARED as u32 {
            let now_ns = clock::now_ns();
            self.shard.last_ns.store(now_ns, Ordering::Relaxed);
            return now_ns;
        }
        self.happens(self.shard.ticker.now_ns())
    }

    /// What the thread records from here on happens at `now_ns`, and after all that it has
    /// recorded. Returns when.
    #[inline]
    fn happens(&self, now_ns: u64) -> u64 {
        let now_ns = now_ns.max(self.last_ns());
        self.shard.last_ns.store(now_ns, Ordering::Relaxed);
        now_ns
    }

    /// [`Local::stamp`] by the kernel's clock alone, for what is compared with deadlines.
    #[inline]
    pub(crate) fn stamp_exactly(&self) -> u64 {
        if self.thread == SHARED as u32 {
            return clock::now_ns();
        }
        let now_ns = self.shard.ticker.read();
        self.happens(now_ns);
        now_ns
    }

    /// When the calling thread last read the clock.
    #[inline]
    pub(crate) fn last_ns(&self) -> u64 {
        self.shard.last_ns.load(Ordering::Relaxed)
    }

    /// Whether the calling thread has a number of its own.
    #[inline(always)]
    pub(crate) fn has_number(&self) -> bool {
        self.thread != SHARED as u32
    }

    /// Counts transitions of the words of a direction.
    #[inline(always)]
    pub(crate) fn count_transitions<const N: usize>(
        &self,
        direction: Direction,
        transitions: [Transition; N],
    ) {
        let counts = &self.shard.transitions[direction.index()];
        for transition in transitions {
            self.add_to(&counts[transition.index()], 1);
        }
    }

    /// Puts an event into the flight recorder.
    #[inline]
    pub(crate) fn event(&self, kind: EventKind, desc: DescId, argument: u64) {
        self.event_at(self.last_ns(), None, kind, desc, argument);
    }

    /// Puts an event of one direction into the flight recorder.
    #[inline]
    pub(crate) fn event_in(
        &self,
        direction: Direction,
        kind: EventKind,
        desc: DescId,
        argument: u64,
    ) {
        self.event_at(self.last_ns(), Some(direction), kind, desc, argument);
    }

    /// Puts an event at a time that is known into the flight recorder.
    #[inline(always)]
    pub(crate) fn event_at(
        &self,
        at_ns: u64,
        direction: Option<Direction>,
        kind: EventKind,
        desc: DescId,
        argument: u64,
    ) {
        self.record_events([RawEvent {
            at_ns,
            desc,
            direction,
            kind,
            argument,
        }]);
    }

    /// Puts events into the flight recorder, in their order.
    #[inline(always)]
    pub(crate) fn record_events<const N: usize>(&self, events: [RawEvent; N]) {
        if !self.shard.ring.push(events) {
            not_recorded(self.shard, self.thread, N);
        }
    }

    /// Whether somebody has the latencies of waits grouped.
    #[inline(always)]
    pub(crate) fn is_grouped(&self) -> bool {
        self.shard.grouping.is_on()
    }

    /// Adds a wait of `of`, for a descriptor that comes from `opened`, to its group.
    pub(crate) fn add_to_group(&self, of: &Owner, opened: Option<Line>, latencies: Latencies) {
        self.shard.grouping.add(of, opened, latencies);
    }

    #[inline]
    pub(crate) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    #[inline]
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        self.add_to(&self.shard.counters[counter.index()], n);
    }

    /// Records a sample that belongs to no descriptor.
    #[inline]
    pub(crate) fn record(&self, histogram: Histogram, value: u64) {
        self.record_for(DescId::NONE, histogram, value);
    }

    /// Records so many equal samples, the first of which is `desc`'s.
    pub(crate) fn record_many(&self, desc: DescId, histogram: Histogram, value: u64, n: u64) {
        let at_ns = self.last_ns();
        self.shard.histograms[histogram.index()].record(
            value,
            n,
            || desc.into(),
            at_ns,
            |cell, n| self.add_to(cell, n),
        );
    }

    /// Records a sample of `desc`.
    #[inline]
    pub(crate) fn record_for(&self, desc: DescId, histogram: Histogram, value: u64) {
        self.record_at(self.last_ns(), || desc.into(), histogram, value);
    }

    /// Records a sample of `of` at a time that is known.
    #[inline(always)]
    pub(crate) fn record_at(
        &self,
        at_ns: u64,
        of: impl FnOnce() -> Owner,
        histogram: Histogram,
        value: u64,
    ) {
        self.shard.histograms[histogram.index()]
            .record(value, 1, of, at_ns, |cell, n| self.add_to(cell, n));
    }
}

#[cold]
fn not_recorded(shard: &Shard, thread: u32, events: usize) {
    if thread == SHARED as u32 {
        shard.unrecorded.fetch_add(events as u64, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_thread_are_in_the_order_of_their_times_though_its_clock_goes_back() {
        let recorder = Recorder::new(64);
        // Whether it had a number: another test may have them all.
        let check = || {
            let local = recorder.local();
            if local.thread() == SHARED as u32 {
                return false;
            }
            let ahead = local.stamp_exactly() + 1_000_000_000;
            assert_eq!(local.happens(ahead), ahead);
            assert_eq!((local.stamp(), local.last_ns()), (ahead, ahead));
            // What is compared with deadlines is the time as it is.
            assert!(local.stamp_exactly() < ahead);
            assert_eq!(local.last_ns(), ahead);
            true
        };
        while !std::thread::scope(|scope| scope.spawn(check).join().unwrap()) {}
    }

    #[test]
    fn nothing_is_lost_when_many_threads_count_and_end() {
        let recorder = Recorder::new(64);
        std::thread::scope(|scope| {
            // More threads than numbers, so that the shared shard is used as well.
            for _ in 0..MAX_THREADS + 40 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let local = recorder.local();
                        local.count(Counter::Opened);
                        local.count_transitions(Direction::Write, [Transition::Park]);
                        local.event(EventKind::Park, DescId::NONE, 0);
                        local.record(Histogram::Dispatch, 7);
                    }
                });
            }
        });
        let totals = recorder.totals();
        let expected = (MAX_THREADS as u64 + 40) * 100;
        assert_eq!(totals.counters[Counter::Opened.index()], expected);
        assert_eq!(totals.transitions[1][Transition::Park.index()], expected);
        assert_eq!(
            totals.histograms[Histogram::Dispatch.index()].count(),
            expected
        );
        assert_eq!(
            totals.recorded + totals.unrecorded,
            expected,
            "an event is in a ring or counted as not recorded"
        );
    }
}
