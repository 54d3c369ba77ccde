//! All goroutines of a program: what each does, counted.
//!
//! The runtime keeps them in `runtime.allgs`. A program that is stripped has no symbols that would
//! say where that is, so it is known by what is in it: a slice among the variables of the program,
//! whose first goroutine is number 1, which the runtime makes first and keeps for ever, and which
//! holds those goroutines that are known by their waits.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::goroutine::{self, Status};
use super::layout::G;
use crate::source::process::memory::{Memory, word};

/// Variables that are looked at, in pieces of this size.
const MOST_VARIABLES: u64 = 64 << 20;
const PIECE: u64 = 1 << 20;
/// More goroutines than anybody has.
const MOST_SLOTS: u64 = 1 << 24;
/// Goroutines that are looked at.
const MOST_READ: u64 = 200_000;
/// Entries of slices that are looked at, of all that may be the one.
const MOST_ENTRIES: u64 = 1 << 22;
/// Words of a list that are read at once.
const AT_ONCE: u64 = 4_096;

/// A slice of goroutines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    list: u64,
    len: u64,
}

impl Slice {
    /// Of its three words, if they can be that.
    fn of(bytes: &[u8], at: usize) -> Option<Self> {
        let (list, len) = (word(bytes, at)?, word(bytes, at.checked_add(8)?)?);
        let room = word(bytes, at.checked_add(16)?)?;
        let is_list = list > 4096 && list.is_multiple_of(8) && i64::try_from(list).is_ok();
        (is_list && (1..=room).contains(&len) && room <= MOST_SLOTS).then_some(Self { list, len })
    }

    fn begins_with_the_first(self, memory: &impl Memory, layout: &G) -> bool {
        let first = memory.words::<1>(self.list);
        let first = first.and_then(|[first]| goroutine::read(memory, layout, first));
        first.is_some_and(|first| first.goid == 1 && first.status != Status::Dead)
    }

    /// Calls for each goroutine in it, and returns whether all could be read.
    fn each(self, memory: &impl Memory, mut call: impl FnMut(u64)) -> bool {
        let (mut done, len) = (0, self.len.min(MOST_READ));
        while done < len {
            let count = (len - done).min(AT_ONCE);
            let Some(bytes) = usize::try_from(count * 8)
                .ok()
                .and_then(|size| memory.bytes(self.list.saturating_add(done * 8), size))
            else {
                return false;
            };
            let words = bytes.chunks_exact(8).filter_map(|it| word(it, 0));
            words.for_each(&mut call);
            done += count;
        }
        len == self.len
    }
}

/// Finds where the slice of all goroutines is, among variables at these addresses. `known` are some
/// that are surely in it, of which there must be one.
pub(super) fn find(
    memory: &impl Memory,
    variables: &[Range<u64>],
    layout: &G,
    known: &HashSet<u64>,
) -> Option<u64> {
    if known.is_empty() {
        return None;
    }
    let mut best: Option<(u64, Slice)> = None;
    let (mut left, mut entries) = (MOST_VARIABLES, MOST_ENTRIES);
    for range in variables {
        let Some(mut start) = range.start.checked_next_multiple_of(8) else {
            continue;
        };
        while start < range.end && left > 0 {
            // Two words more, for a slice that begins at the end of the piece.
            let size = PIECE.min(range.end - start);
            let with_more = size.saturating_add(16).min(range.end - start);
            let bytes = usize::try_from(with_more).ok();
            let bytes = bytes.and_then(|size| memory.bytes(start, size));
            for at in (0..size).step_by(8) {
                let slice = bytes.as_ref().and_then(|bytes| {
                    let slice = Slice::of(bytes, usize::try_from(at).ok()?)?;
                    (slice.len >= known.len() as u64).then_some(slice)
                });
                let Some(slice) = slice else { continue };
                if best.is_some_and(|(_, best)| best.len >= slice.len)
                    || !slice.begins_with_the_first(memory, layout)
                {
                    continue;
                }
                entries = entries.checked_sub(slice.len.min(MOST_READ))?;
                let mut found = HashSet::new();
                slice.each(memory, |g| {
                    if known.contains(&g) {
                        found.insert(g);
                    }
                });
                if found.len() == known.len() {
                    best = Some((start + at, slice));
                }
            }
            left = left.saturating_sub(size);
            start = start.saturating_add(size);
        }
    }
    best.map(|(at, _)| at)
}

/// What goroutines do, with how many of them do it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// By the number of what they wait for.
    pub(super) waiting: HashMap<u8, u64>,
    /// Of the others, by status.
    pub(super) others: HashMap<u32, u64>,
    /// There were too many, or some could not be read.
    pub(super) is_cut: bool,
}

/// Counts the goroutines of the slice at `at`; `None` if it is none any more.
pub(super) fn count(memory: &impl Memory, layout: &G, at: u64) -> Option<Counts> {
    let slice = Slice::of(&memory.bytes(at, 24)?, 0)?;
    if !slice.begins_with_the_first(memory, layout) {
        return None;
    }
    let mut counts = Counts::default();
    let mut unread = 0_u64;
    let is_whole = slice.each(memory, |g| match goroutine::read(memory, layout, g) {
        Some(it) => match it.status {
            Status::Waiting => *counts.waiting.entry(it.reason).or_default() += 1,
            Status::Dead => {}
            Status::Other(other) => *counts.others.entry(other).or_default() += 1,
        },
        None => unread += 1,
    });
    counts.is_cut = !is_whole || unread > 0;
    Some(counts)
}
