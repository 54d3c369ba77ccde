//! All tasks of a scheduler, by the list that it has of them (`runtime/task/list.rs`).
//!
//! The list is in parts, each behind a lock of its own, and where it is in the scheduler, is the
//! compiler's choice. But it says how many parts there are in two ways, and has a number that each
//! of its tasks repeats: so it is looked for, and what is found is the list or nothing.

use std::collections::{HashMap, HashSet};

use super::code::Code;
use super::task::{Head, Kind};
use crate::source::process::memory::{Memory, word};

/// Bytes of a scheduler in which the list is looked for.
const LARGEST_SCHEDULER: usize = 8 << 10;
/// They may end with the memory there is.
const PIECE: usize = 256;
/// What the list says of itself is in so many words.
const LIST: usize = 8;
/// Parts of it: four for each worker (`get_shared_list_size`), up to `MAX_SHARED_LIST_SIZE`.
const LEAST_PARTS: u64 = 4;
const MOST_PARTS: u64 = 1 << 16;
/// What looks like the list, and beginnings of parts that are looked at to see whether it is.
const MOST_LISTS: usize = 8;
const MOST_BEGINNINGS: usize = 16;
/// A part: its lock, and both ends.
const PART: u64 = 24;
/// Tasks that are looked at.
const MOST_TASKS: usize = 200_000;

/// A scheduler, and the number of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Scheduler {
    pub(super) address: u64,
    pub(super) owner: u64,
}

/// The parts of the list of a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    address: u64,
    count: u64,
}

/// Looks at each task of a scheduler, by its address and header. `None` if its list is not found,
/// `false` if not all of them could be looked at.
pub(super) fn each(
    memory: &impl Memory,
    code: &impl Code,
    scheduler: Scheduler,
    look: impl FnMut(u64, Head),
) -> Option<bool> {
    let parts = find(memory, code, scheduler)?;
    let mut walk = Walk {
        memory,
        code,
        owner: scheduler.owner,
        seen: HashSet::new(),
        trailers: HashMap::new(),
        look,
    };
    let mut is_whole = true;
    for part in 0..parts.count {
        let at = parts.address.checked_add(part.checked_mul(PART)?)?;
        let [_, head, _] = memory.words::<3>(at)?;
        is_whole &= walk.follow(head).is_some();
    }
    Some(is_whole)
}

/// The way through the parts of a list.
struct Walk<'a, M, C, F> {
    memory: &'a M,
    code: &'a C,
    owner: u64,
    seen: HashSet<u64>,
    /// Where the trailers are of tasks with this table of functions.
    trailers: HashMap<u64, u64>,
    look: F,
}

impl<M: Memory, C: Code, F: FnMut(u64, Head)> Walk<'_, M, C, F> {
    /// Follows one part from its beginning; `None` if it does not hang together.
    fn follow(&mut self, head: u64) -> Option<()> {
        let (mut at, mut before) = (head, 0);
        while at != 0 {
            let head = Head::read(self.memory, at)?;
            let known = self.trailers.get(&head.table).copied();
            let trailer = match known {
                Some(known) => known,
                None => {
                    let trailer = Kind::of(self.memory, self.code, at)?.trailer;
                    self.trailers.insert(head.table, trailer);
                    trailer
                }
            };
            let [previous, next] = self.memory.words::<2>(at.checked_add(trailer)?)?;
            let is_its = previous == before && head.owner == self.owner;
            if !is_its || self.seen.len() == MOST_TASKS || !self.seen.insert(at) {
                return None;
            }
            (self.look)(at, head);
            (at, before) = (next, at);
        }
        Some(())
    }
}

fn find(memory: &impl Memory, code: &impl Code, scheduler: Scheduler) -> Option<Parts> {
    if scheduler.owner == 0 {
        return None;
    }
    let mut bytes = Vec::new();
    while bytes.len() < LARGEST_SCHEDULER {
        let at = scheduler.address.checked_add(bytes.len() as u64)?;
        match memory.bytes(at, PIECE) {
            Some(piece) => bytes.extend(piece),
            None => break,
        }
    }
    let words: Vec<u64> = words(&bytes).collect();
    let lists = words.windows(LIST).filter_map(|words| {
        let [address, count, rest @ ..] = words else {
            return None;
        };
        let has = |word: u64| rest.iter().filter(|it| **it == word).count();
        let (mask, owner) = (count.wrapping_sub(1), scheduler.owner);
        // Both are there, although they may be the same number.
        let least = if mask == owner { 2 } else { 1 };
        let is_list = count.is_power_of_two()
            && (LEAST_PARTS..=MOST_PARTS).contains(count)
            && address.is_multiple_of(8)
            && has(mask) >= least
            && has(owner) >= least;
        is_list.then_some(Parts {
            address: *address,
            count: *count,
        })
    });
    let mut lists = lists.take(MOST_LISTS);
    lists.find(|it| is_its(memory, code, scheduler, *it).unwrap_or(false))
}

/// Whether a task of the scheduler is the first one of some part.
fn is_its(
    memory: &impl Memory,
    code: &impl Code,
    scheduler: Scheduler,
    parts: Parts,
) -> Option<bool> {
    let size = parts.count.checked_mul(PART)?;
    let bytes = memory.bytes(parts.address, usize::try_from(size).ok()?)?;
    let words: Vec<u64> = words(&bytes).collect();
    let heads = words.chunks_exact(3).filter_map(|part| part.get(1));
    let mut heads = heads.filter(|it| **it != 0).take(MOST_BEGINNINGS);
    let is_its = |at: u64| {
        let head = Head::read(memory, at)?;
        Kind::of(memory, code, at)?;
        Some(head.owner == scheduler.owner)
    };
    Some(heads.any(|it| is_its(*it) == Some(true)))
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    (0..bytes.len() / 8).filter_map(|at| word(bytes, at * 8))
}

#[cfg(test)]
mod tests {
    use super::super::made::{self, program, put};
    use super::*;
    use crate::source::process::memory::fake::Fake;

    const AT: u64 = 0x7f00_0000_0000;
    const PARTS: u64 = 0x7f00_0001_0000;
    const ONE: u64 = 0x7f00_0002_0000;
    const OTHER: u64 = 0x7f00_0003_0000;
    const SCHEDULER: Scheduler = Scheduler {
        address: AT,
        owner: 77,
    };
    const CODE: made::Code = made::Code { has_names: true };

    /// A task of list 77, between these two.
    fn task(id: u64, links: [u64; 2]) -> Vec<u64> {
        let mut words = made::task(id, 0, 0, 0);
        words[3] = 77;
        words[32..34].copy_from_slice(&links);
        words
    }

    fn scheduler() -> Fake {
        let mut memory = program(false);
        let mut words = vec![9; 64];
        words[20..27].copy_from_slice(&[PARTS, 4, 1, 2, 3, 77, 0]);
        put(&mut memory, AT, &words);
        let parts = [[0, ONE, OTHER], [0; 3], [1, 0, 0], [0; 3]].concat();
        put(&mut memory, PARTS, &parts);
        put(&mut memory, ONE, &task(1, [0, OTHER]));
        put(&mut memory, OTHER, &task(2, [ONE, 0]));
        memory
    }

    fn ids(memory: &Fake) -> Option<(Vec<u64>, bool)> {
        let mut ids = Vec::new();
        let look = |at, _| ids.push(made::read(memory, CODE, at).expect("a task").id);
        let is_whole = each(memory, &CODE, SCHEDULER, look)?;
        Some((ids, is_whole))
    }

    #[test]
    fn the_list_is_found_in_the_scheduler_and_each_task_in_it() {
        assert_eq!(ids(&scheduler()), Some((vec![1, 2], true)));
        let none = Scheduler {
            owner: 0,
            ..SCHEDULER
        };
        assert_eq!(each(&scheduler(), &CODE, none, |_, _| ()), None);
    }

    #[test]
    fn what_only_looks_like_the_list_is_passed_over() {
        // Two workers, before a list whose number is one.
        let workers = [PARTS + 0x800, 2];
        for before in [workers, [PARTS + 0x800, 4]] {
            let mut memory = program(false);
            let mut words = vec![9; 64];
            words[18..20].copy_from_slice(&before);
            words[20..27].copy_from_slice(&[PARTS, 4, 3, 2, 3, 1, 0]);
            put(&mut memory, AT, &words);
            put(&mut memory, PARTS + 0x800, &[ONE; 12]);
            put(
                &mut memory,
                PARTS,
                &[0, OTHER, OTHER, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            );
            // A task of another one.
            put(&mut memory, ONE, &task(1, [0, 0]));
            let mut its = task(2, [0, 0]);
            its[3] = 1;
            put(&mut memory, OTHER, &its);
            let scheduler = Scheduler {
                address: AT,
                owner: 1,
            };
            let mut seen = Vec::new();
            let is_whole = each(&memory, &CODE, scheduler, |at, _| seen.push(at));
            assert_eq!((seen, is_whole), (vec![OTHER], Some(true)), "{before:?}");
        }
    }

    #[test]
    fn what_does_not_repeat_itself_is_no_list() {
        for at in [21, 24, 25] {
            let mut memory = scheduler();
            let mut words = vec![9; 64];
            words[20..27].copy_from_slice(&[PARTS, 4, 1, 2, 3, 77, 0]);
            words[at] = 5;
            put(&mut memory, AT, &words);
            assert_eq!(ids(&memory), None, "{at}");
        }
    }

    #[test]
    fn a_list_that_does_not_hang_together_is_followed_no_further() {
        for (at, task) in [
            (OTHER, task(2, [OTHER, 0])),
            (OTHER, task(2, [ONE, ONE])),
            (OTHER, made::task(2, 0, 0, 0)),
            (OTHER, vec![0; 40]),
        ] {
            let mut memory = scheduler();
            put(&mut memory, at, &task);
            let (ids, is_whole) = ids(&memory).expect("it is there");
            assert!(
                ids.starts_with(&[1]) && ids.len() <= 2 && !is_whole,
                "{ids:?}"
            );
        }
    }
}
