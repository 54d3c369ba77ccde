//! The recorder of a build that measures what instrumentation costs: of no size, it does nothing.
//!
//! It stands in for [`shard`](super::shard), so nobody else need know.

use std::marker::PhantomData;

use super::event::RawEvent;
use super::grouped::{Groups, Latencies};
use super::histogram::Owner;
use super::{Counter, DescId, Direction, EventKind, GroupBy, Histogram, Line, Totals, Transition};
use crate::clock;

pub(crate) const RECORDS: bool = false;

#[inline]
pub(crate) fn stamp_ns() -> u64 {
    0
}

#[derive(Debug)]
pub(crate) struct Recorder;

impl Recorder {
    pub(crate) fn new(_events: usize) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn local(&self) -> Local<'_> {
        Local(PhantomData)
    }

    pub(crate) fn read_ring(
        &self,
        _index: usize,
        _from: u64,
        _until: u64,
        _found: impl FnMut(RawEvent),
    ) -> Option<(u64, u64)> {
        None
    }

    pub(crate) fn ring_head(&self, _index: usize) -> Option<u64> {
        None
    }

    pub(crate) fn ring_tail(&self, _index: usize) -> Option<u64> {
        None
    }

    pub(crate) fn threads(&self) -> std::ops::Range<usize> {
        0..0
    }

    pub(crate) fn begin_groups(&self, _: GroupBy, _: Option<DescId>) -> bool {
        true
    }

    pub(crate) fn take_groups(&self) -> Option<Groups> {
        None
    }

    pub(crate) fn end_groups(&self) {}

    pub(crate) fn last_ns(&self, _index: usize) -> u64 {
        0
    }

    pub(crate) fn counted_by<const N: usize>(&self, _index: usize, _of: [Counter; N]) -> u64 {
        0
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals::empty()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a>(PhantomData<&'a Recorder>);

impl Local<'_> {
    #[inline]
    pub(crate) fn thread(&self) -> u32 {
        0
    }

    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        0
    }

    /// For what is compared with deadlines, in this build as well.
    #[inline]
    pub(crate) fn stamp_exactly(&self) -> u64 {
        clock::now_ns()
    }

    #[inline]
    pub(crate) fn last_ns(&self) -> u64 {
        0
    }

    #[inline]
    pub(crate) fn has_number(&self) -> bool {
        true
    }

    #[inline]
    pub(crate) fn count_transitions<const N: usize>(&self, _: Direction, _: [Transition; N]) {}

    #[inline]
    pub(crate) fn event(&self, _: EventKind, _: DescId, _: u64) {}

    #[inline]
    pub(crate) fn event_in(&self, _: Direction, _: EventKind, _: DescId, _: u64) {}

    #[inline]
    pub(crate) fn event_at(&self, _: u64, _: Option<Direction>, _: EventKind, _: DescId, _: u64) {}

    #[inline]
    pub(crate) fn record_events<const N: usize>(&self, _: [RawEvent; N]) {}

    #[inline]
    pub(crate) fn is_grouped(&self) -> bool {
        false
    }

    #[inline]
    pub(crate) fn add_to_group(&self, _: &Owner, _: Option<Line>, _: Latencies) {}

    #[inline]
    pub(crate) fn count(&self, _: Counter) {}

    #[inline]
    pub(crate) fn add(&self, _: Counter, _: u64) {}

    #[inline]
    pub(crate) fn record(&self, _: Histogram, _: u64) {}

    #[inline]
    pub(crate) fn record_many(&self, _: DescId, _: Histogram, _: u64, _: u64) {}

    #[inline]
    pub(crate) fn record_for(&self, _: DescId, _: Histogram, _: u64) {}

    #[inline]
    pub(crate) fn record_at(&self, _: u64, _: impl FnOnce() -> Owner, _: Histogram, _: u64) {}
}
