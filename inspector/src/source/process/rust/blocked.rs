//! The future for which a thread waits in `block_on`, which no task's header tells.
//!
//! Such a future is on the stack of its thread, or in a box that only the stack knows. Of which
//! type it is, and that the thread polls it, is seen by the functions to which the thread returns;
//! where on the stack it is, by the place in a list that it, or what it awaits, has in itself.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::memory::{Memory, word};
use super::awaits::{Awaits, Place, Walk, number_in};
use super::known::Known;
use super::types::{Discriminant, Progress, Shape, Type};

/// Whatever holds a place begins at such an address.
const ALIGNMENT: u64 = 8;
/// Stacks on which a future is looked for, bytes of each, as many of these at once, and addresses
/// at which there may be one.
const MOST_STACKS: usize = 64;
const LARGEST_STACK: u64 = 64 << 10;
const PIECE: usize = 1 << 10;
const MOST_FOLLOWED: usize = 1 << 14;

/// Looks for the future that a thread polls in `block_on` and that waits at this place, which is
/// in the future, or in what that has in a box. Of which type it is, the functions tell to which
/// the thread returns: the `stacks` of all of them end at these addresses. Returns its type; `None`
/// also if there may be two.
pub(super) fn find(
    known: &mut Known,
    memory: &impl Memory,
    bias: u64,
    place: Place,
    stacks: &[u64],
) -> Option<(usize, Awaits)> {
    let mut walk = Walk::new(known, memory, bias, Some(place));
    let read = |end: &u64| Region::behind(memory, *end);
    // It is on one of them, or may be in a box of any.
    let mut near = stacks
        .iter()
        .filter(|end| place.address.wrapping_sub(**end) < LARGEST_STACK);
    let this = near.find_map(|end| Some(read(end)).filter(|it| it.has(place.address)));
    let stacks = match this {
        Some(this) => vec![this],
        None => stacks.iter().take(MOST_STACKS).map(read).collect(),
    };
    let around = Region::around(memory, place.address);
    let (mut found, mut boxed, mut rest) = (Vec::new(), Vec::new(), MOST_FOLLOWED);
    for stack in &stacks {
        let kinds = walk.blocked_on(stack);
        found.extend(walk.waiting(&kinds, stack, None, &mut rest));
        // tokio puts a large one into a box.
        boxed.extend(walk.waiting(&kinds, &around, Some(stack), &mut rest));
    }
    // What is around the place may itself be in the box of one that is on a stack.
    if found.is_empty() {
        found = boxed;
    }
    found.pop().filter(|_| found.is_empty() && rest > 0)
}

/// Some of a memory, as it was at one moment.
struct Region {
    start: u64,
    bytes: Vec<u8>,
}

impl Region {
    /// Reads as much as there is behind an address.
    fn behind(memory: &impl Memory, start: u64) -> Self {
        let start = start & !(ALIGNMENT - 1);
        let pieces = (0..LARGEST_STACK).step_by(PIECE).map_while(|offset| {
            let at = start.checked_add(offset)?;
            memory.bytes(at, PIECE)
        });
        let bytes = pieces.collect::<Vec<_>>().concat();
        Self { start, bytes }
    }

    /// Reads as much as there is around an address.
    fn around(memory: &impl Memory, address: u64) -> Self {
        let behind = Self::behind(memory, address);
        let sizes = (PIECE as u64..=LARGEST_STACK).step_by(PIECE);
        let pieces = sizes.map_while(|size| {
            let at = behind.start.checked_sub(size)?;
            memory.bytes(at, PIECE)
        });
        let mut pieces: Vec<_> = pieces.collect();
        let before = pieces.len() * PIECE;
        pieces.reverse();
        pieces.push(behind.bytes);
        Self {
            start: behind.start.saturating_sub(before as u64),
            bytes: pieces.concat(),
        }
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        (0..self.bytes.len() / 8).filter_map(|index| word(&self.bytes, index * 8))
    }

    fn has(&self, address: u64) -> bool {
        let into = address.wrapping_sub(self.start);
        into < self.bytes.len() as u64
    }

    /// Returns the addresses at which a suspended future of this type may lie.
    fn waiting<'a>(&'a self, kind: &'a Type) -> impl Iterator<Item = u64> + 'a {
        let (discriminant, states) = match &kind.shape {
            Shape::Async(discriminant, states) => (*discriminant, states.as_slice()),
            _ => (Discriminant { offset: 0, size: 0 }, &[][..]),
        };
        let alignment = kind.alignment.unwrap_or(ALIGNMENT).max(ALIGNMENT);
        let indexes = (0..self.bytes.len()).step_by(ALIGNMENT as usize);
        indexes.filter_map(move |index| {
            let address = self.start.checked_add(index as u64)?;
            let at = index.checked_add(usize::try_from(discriminant.offset).ok()?)?;
            let number = self.bytes.get(at..at.checked_add(discriminant.size)?)?;
            let number = number_in(number);
            let state = states.iter().find(|it| it.value == number)?;
            let is_it = address.is_multiple_of(alignment);
            (is_it && state.progress == Progress::Suspended).then_some(address)
        })
    }
}

impl<M: Memory> Walk<'_, M> {
    /// Returns the types of the futures for which a thread may wait that has this stack.
    fn blocked_on(&mut self, stack: &Region) -> Vec<(usize, Arc<Type>)> {
        let bias = self.bias;
        let addresses = stack.words().map(|word| word.wrapping_sub(bias));
        let kinds = self.known.blocked_on(addresses).into_iter();
        let kinds = kinds.filter_map(|it| Some((it, self.known.kind(it)?)));
        kinds.collect()
    }

    /// Finds the futures of these types that wait at the place that is looked for, and are known to
    /// who has this stack, if they are elsewhere.
    fn waiting(
        &mut self,
        kinds: &[(usize, Arc<Type>)],
        region: &Region,
        known_to: Option<&Region>,
        rest: &mut usize,
    ) -> Vec<(usize, Awaits)> {
        let mut found = Vec::new();
        let known: Option<HashSet<u64>> = known_to.map(|it| it.words().collect());
        for (number, kind) in kinds {
            for address in region.waiting(kind) {
                if known.as_ref().is_some_and(|it| !it.contains(&address)) {
                    continue;
                }
                if *rest == 0 {
                    return found;
                }
                *rest -= 1;
                let awaits = self.begin(*number, address);
                if awaits.is_at {
                    found.push((*number, awaits));
                }
            }
        }
        found
    }
}
