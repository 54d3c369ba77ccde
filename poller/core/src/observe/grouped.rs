//! Latencies of waits by descriptor, by line or by task, while somebody asks for them.
//!
//! A histogram of each descriptor would cost more memory than the descriptors, and what the flight
//! recorder holds of a busy thread reaches back some milliseconds. So groups are made on request
//! alone: each thread then adds each wait that ends to a table of its own, which whoever asks takes
//! away from time to time. Nobody else pays more than one look at a flag for each such wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::histogram::{BUCKETS, HistogramSnapshot, Owner, bucket_of};
use super::{DescId, GroupBy, Label, Line, Names, Place};

/// Groups of one thread, and of one answer. What belongs to none of them is counted together.
const MOST_GROUPS: usize = 256;

/// What the waits of a group have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GroupKey {
    /// The descriptor.
    Descriptor(DescId),
    /// The line that people look for: the call that waits, or the line of the program's own that
    /// stands for it.
    Line(Place),
    /// The name of the task, [`Label`] 0 for none.
    Task(Label),
}

impl GroupKey {
    /// That of a wait of `of`, for a descriptor that comes from `opened`.
    fn of(by: GroupBy, of: &Owner, opened: Option<Line>) -> Option<Self> {
        Some(match by {
            GroupBy::Descriptor => Self::Descriptor(of.desc),
            GroupBy::Location => {
                let named = || Names::shared().line(of.task.name);
                Self::Line(Place::of(of.location?, named, opened).without_call())
            }
            GroupBy::Task => Self::Task(of.task.name),
        })
    }
}

/// How long a wait was parked, how long its wake took, and the scheduler's share of that, if it is
/// known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latencies {
    pub(crate) parked_ns: u64,
    pub(crate) wake_ns: u64,
    pub(crate) run_ns: Option<u64>,
}

#[derive(Clone, Debug)]
struct Samples {
    sum: u64,
    max: u64,
    buckets: Box<[u64; BUCKETS]>,
}

impl Samples {
    fn new() -> Self {
        Self {
            sum: 0,
            max: 0,
            buckets: Box::new([0; BUCKETS]),
        }
    }

    fn add(&mut self, ns: u64) {
        self.sum = self.sum.wrapping_add(ns);
        self.max = self.max.max(ns);
        self.buckets[bucket_of(ns)] += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.max = self.max.max(other.max);
        for (count, more) in self.buckets.iter_mut().zip(&*other.buckets) {
            *count += more;
        }
    }
}

/// The waits of one group.
#[derive(Clone, Debug)]
pub struct Group {
    parked: Samples,
    wake: Samples,
    run: Samples,
}

impl Group {
    fn new() -> Self {
        Self {
            parked: Samples::new(),
            wake: Samples::new(),
            run: Samples::new(),
        }
    }

    fn add(&mut self, latencies: Latencies) {
        self.parked.add(latencies.parked_ns);
        self.wake.add(latencies.wake_ns);
        if let Some(run) = latencies.run_ns {
            self.run.add(run);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.parked.merge(&other.parked);
        self.wake.merge(&other.wake);
        self.run.merge(&other.run);
    }

    /// How many waits there were.
    pub fn waits(&self) -> u64 {
        self.parked.buckets.iter().sum()
    }

    /// The histograms, by name.
    pub fn histograms(&self) -> [(&'static str, HistogramSnapshot); 3] {
        [
            ("time_parked", &self.parked),
            ("wake_latency", &self.wake),
            ("waker_to_run", &self.run),
        ]
        .map(|(name, it)| (name, HistogramSnapshot::of(it.sum, it.max, &*it.buckets)))
    }
}

/// Waits by what they have in common.
#[derive(Debug)]
pub struct Groups {
    by: GroupBy,
    /// Of one descriptor alone.
    only: Option<DescId>,
    groups: HashMap<GroupKey, Group>,
    others: Group,
}

impl Groups {
    pub(crate) fn new(by: GroupBy, only: Option<DescId>) -> Self {
        Self {
            by,
            only,
            groups: HashMap::new(),
            others: Group::new(),
        }
    }

    fn empty_copy(&self) -> Self {
        Self::new(self.by, self.only)
    }

    fn add(&mut self, of: &Owner, opened: Option<Line>, latencies: Latencies) {
        if self.only.is_none_or(|only| only == of.desc) {
            let key = GroupKey::of(self.by, of, opened);
            self.group(key).add(latencies);
        }
    }

    /// The group of `key`, if there is one or room for it.
    fn group(&mut self, key: Option<GroupKey>) -> &mut Group {
        let is_full = self.groups.len() >= MOST_GROUPS;
        match key {
            Some(key) if !is_full || self.groups.contains_key(&key) => {
                self.groups.entry(key).or_insert_with(Group::new)
            }
            _ => &mut self.others,
        }
    }

    /// Adds those of another thread.
    pub(crate) fn merge(&mut self, other: Self) {
        // Those with the most first, so that it is the others for which there is no room.
        let mut groups: Vec<_> = other.groups.into_iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.waits()));
        for (key, group) in groups {
            self.group(Some(key)).merge(&group);
        }
        self.others.merge(&other.others);
    }

    /// The groups, those with the most waits first, and the waits that belong to none of them.
    pub fn into_parts(self) -> (Vec<(GroupKey, Group)>, Group) {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.waits()));
        (groups, self.others)
    }
}

/// By what somebody has waits grouped, and of which descriptor alone.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The number of a [`GroupBy`]; [`NOBODY`], or [`BEGINS`].
    by: AtomicU8,
    only: AtomicU64,
}

const NOBODY: u8 = 0;
const BEGINS: u8 = u8::MAX;

impl Asked {
    /// `false` if somebody does already.
    pub(super) fn begin(&self, by: GroupBy, only: Option<DescId>) -> bool {
        let order = Ordering::SeqCst;
        let begins = self.by.compare_exchange(NOBODY, BEGINS, order, order);
        if begins.is_ok() {
            let only = only.unwrap_or(DescId::NONE).to_bits();
            self.only.store(only, Ordering::Relaxed);
            self.by.store(by.number() as u8, order);
        }
        begins.is_ok()
    }

    pub(super) fn get(&self) -> Option<(GroupBy, Option<DescId>)> {
        let by = i32::from(self.by.load(Ordering::SeqCst));
        let by = GroupBy::ALL.into_iter().find(|it| it.number() == by)?;
        let only = DescId::from_bits(self.only.load(Ordering::Relaxed));
        Some((by, only.some()))
    }

    pub(super) fn end(&self) {
        self.by.store(NOBODY, Ordering::SeqCst);
    }
}

/// The groups of one thread, if somebody asks for them.
#[derive(Debug)]
pub(super) struct Grouping {
    is_on: AtomicBool,
    groups: Mutex<Option<Groups>>,
}

impl Grouping {
    pub(super) fn new() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            groups: Mutex::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Groups>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self, by: GroupBy, only: Option<DescId>) {
        *self.lock() = Some(Groups::new(by, only));
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Adds a wait. Only whoever takes the groups away has the lock else, and for a moment.
    #[cold]
    pub(super) fn add(&self, of: &Owner, opened: Option<Line>, latencies: Latencies) {
        if let Some(groups) = &mut *self.lock() {
            groups.add(of, opened, latencies);
        }
    }

    /// What there is since it has begun, or since the last time.
    pub(super) fn take(&self) -> Option<Groups> {
        let mut groups = self.lock();
        let empty = groups.as_ref()?.empty_copy();
        groups.replace(empty)
    }

    pub(super) fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        *self.lock() = None;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::observe::Task;
    use std::panic::Location;

    fn owner(slot: u32, task: u32) -> Owner {
        Owner {
            desc: DescId {
                slot,
                generation: 1,
            },
            location: Some(Location::caller()),
            task: Task {
                name: Label(task),
                id: 7,
            },
        }
    }

    fn latencies(parked_ns: u64) -> Latencies {
        Latencies {
            parked_ns,
            wake_ns: 5,
            run_ns: None,
        }
    }

    fn waits(groups: Groups) -> (Vec<(GroupKey, u64)>, u64) {
        let (groups, others) = groups.into_parts();
        let groups = groups.iter().map(|(key, group)| (*key, group.waits()));
        (groups.collect(), others.waits())
    }

    #[test]
    fn waits_are_counted_by_what_is_asked_for_and_taken_away_once() {
        let grouping = Grouping::new();
        grouping.add(&owner(1, 1), None, latencies(1));
        assert!(!grouping.is_on() && grouping.take().is_none());
        grouping.begin(GroupBy::Task, None);
        for (slot, task) in [(1, 1), (2, 2), (3, 1), (4, 0)] {
            grouping.add(&owner(slot, task), None, latencies(100));
        }
        let (groups, others) = waits(grouping.take().unwrap());
        assert_eq!(groups[0], (GroupKey::Task(Label(1)), 2));
        assert_eq!((groups.len(), others), (3, 0));
        assert_eq!(waits(grouping.take().unwrap()).0, []);
        grouping.end();
        assert!(!grouping.is_on() && grouping.take().is_none());
    }

    #[test]
    fn one_descriptor_alone_is_told_by_its_lines() {
        let mut groups = Groups::new(GroupBy::Location, Some(owner(2, 0).desc));
        let here = owner(2, 0);
        for of in [owner(1, 0), here, here] {
            groups.add(&of, None, latencies(100));
        }
        groups.add(
            &Owner {
                location: None,
                ..here
            },
            None,
            latencies(100),
        );
        let line = GroupKey::Line(here.location.unwrap().into());
        assert_eq!(waits(groups), (vec![(line, 2)], 1));
    }

    #[test]
    fn groups_are_bounded_and_no_wait_is_lost() {
        let mut groups = Groups::new(GroupBy::Descriptor, None);
        let mut more = Groups::new(GroupBy::Descriptor, None);
        for slot in 0..1000 {
            groups.add(&owner(slot, 0), None, latencies(u64::from(slot)));
            more.add(&owner(slot + 100, 0), None, latencies(1));
        }
        groups.merge(more);
        let (groups, others) = groups.into_parts();
        assert_eq!(groups.len(), MOST_GROUPS);
        let all: u64 = groups.iter().map(|(_, group)| group.waits()).sum();
        assert_eq!(all + others.waits(), 2000);
        let [(name, parked), (_, wake), (_, run)] = others.histograms();
        assert_eq!((name, parked.max()), ("time_parked", 999));
        assert_eq!((wake.count(), run.count()), (others.waits(), 0));
        assert_eq!(wake.sum(), 5 * others.waits());
    }
}
