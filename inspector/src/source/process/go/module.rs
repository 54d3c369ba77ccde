//! What the program itself says of where its functions are: `runtime.firstmoduledata`.
//!
//! It is a variable whose name may be stripped. But it begins with the address of the tables of
//! functions, and goes on with that of each of them, which nothing else does.

use std::ops::Range;

use super::layout;
use super::tables::Tables;
use crate::source::process::memory::{Memory, word};

/// What is searched at a time, and in all.
const PIECE: usize = 1 << 20;
const LARGEST_SEARCH: u64 = 64 << 20;
/// As many places are tried.
const MOST_TRIED: usize = 256;
const WORD: u64 = 8;
/// The largest that this structure may be.
const LARGEST_SIZE: usize = 4 << 10;

/// What it says, with all addresses as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) minpc: u64,
    pub(super) maxpc: u64,
    pub(super) text: u64,
    pub(super) etext: u64,
    pub(super) gofunc: u64,
}

/// Finds it in the variables of a program that runs.
///
/// `variables` is what the program writes, and what is written only until it has been moved to
/// where it runs; `bias` is how far that was. `tables` is where its tables of functions are. These
/// addresses are those of the file, but `memory` has them where they are now.
///
/// If there are several that differ, none is told.
pub(super) fn find(
    memory: &impl Memory,
    variables: &[Range<u64>],
    tables: u64,
    bias: u64,
    layout: &layout::Module,
) -> Option<Module> {
    let moved = tables.wrapping_add(bias);
    let tables = Tables::read(memory, moved)?;
    let mut found = None;
    for place in places(memory, variables, bias, moved) {
        let module = read(memory, place, &tables, bias, layout);
        match (found, module) {
            (None, Some(_)) => found = module,
            (Some(one), Some(other)) if one != other => return None,
            _ => {}
        }
    }
    found
}

/// Where there is a word that is the address of the tables.
fn places(memory: &impl Memory, variables: &[Range<u64>], bias: u64, tables: u64) -> Vec<u64> {
    let (mut left, mut found) = (LARGEST_SEARCH, Vec::new());
    let mut buffer = vec![0; PIECE];
    for part in variables {
        let Some(start) = part.start.checked_next_multiple_of(WORD) else {
            continue;
        };
        let mut size = part.end.saturating_sub(start).min(left);
        left = left.saturating_sub(size);
        let mut address = start.wrapping_add(bias);
        while size > 0 {
            let piece = usize::try_from(size).unwrap_or(PIECE).min(PIECE);
            let Some(bytes) = buffer.get_mut(..piece) else {
                break;
            };
            if memory.read(address, bytes) {
                let words = (0..).step_by(8).zip(bytes.chunks_exact(8));
                let same = words.filter(|(_, word)| **word == tables.to_le_bytes());
                let places = same.map(|(at, _): (u64, _)| address.wrapping_add(at));
                found.extend(places.take(MOST_TRIED.saturating_sub(found.len())));
            }
            size = size.saturating_sub(piece as u64);
            address = address.wrapping_add(piece as u64);
        }
    }
    found
}

/// Reads what is at a place, if it is this.
fn read(
    memory: &impl Memory,
    place: u64,
    tables: &Tables,
    bias: u64,
    layout: &layout::Module,
) -> Option<Module> {
    let size = (layout.size <= LARGEST_SIZE).then_some(layout.size)?;
    let bytes = memory.bytes(place, size)?;
    // Each table, by its address, its length and its capacity.
    let parts = [
        (8, tables.names.start),
        (32, tables.units.start),
        (56, tables.files.start),
        (80, tables.values.start),
        (104, tables.index),
        (128, tables.index),
    ];
    let is_there = |(at, address): &(usize, u64)| word(&bytes, *at) == Some(*address);
    let has_parts = parts.iter().all(is_there);
    if !has_parts || word(&bytes, 136) != tables.count.checked_add(1) {
        return None;
    }
    let unmoved = |at: usize| word(&bytes, at)?.checked_sub(bias);
    let module = Module {
        minpc: unmoved(layout.minpc)?,
        maxpc: unmoved(layout.maxpc)?,
        text: unmoved(layout.text)?,
        etext: unmoved(layout.etext)?,
        gofunc: unmoved(layout.gofunc)?,
    };
    // Go itself sees to that when it starts.
    let first = tables.entry(memory, 0)?.start;
    let is_sound = module.text.checked_add(first.into()) == Some(module.minpc)
        && module.text.checked_add(tables.end(memory)?.into()) == Some(module.maxpc)
        && module.minpc < module.maxpc
        && module.maxpc <= module.etext
        && module.gofunc != 0;
    is_sound.then_some(module)
}

#[cfg(test)]
mod tests;
