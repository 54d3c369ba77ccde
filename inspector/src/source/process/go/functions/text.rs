//! Names, and how Go shows them.

use std::ops::Range;

use super::bytes::Bytes;
use crate::source::process::memory::Memory;

/// The longest name that is read, and the longest that is told.
const LONGEST_READ: usize = 4 << 10;
const LONGEST: usize = 1 << 10;

/// Reads a name that ends with a zero, `offset` bytes behind the start of `names`.
pub(super) fn read(memory: &impl Memory, names: &Range<u64>, offset: u32) -> Option<String> {
    let part = names.start.checked_add(offset.into())?..names.end;
    let mut left = LONGEST_READ;
    let mut bytes = Bytes::new(memory, part, &mut left);
    let mut name = Vec::new();
    let is_whole = loop {
        match bytes.next() {
            Some(0) => break true,
            Some(byte) => name.push(byte),
            None => break false,
        }
    };
    (is_whole || name.len() == LONGEST_READ).then(|| String::from_utf8_lossy(&name).into_owned())
}

/// Whether such a name is this one.
pub(super) fn is(memory: &impl Memory, names: &Range<u64>, offset: u32, name: &str) -> bool {
    let start = names.start.checked_add(offset.into());
    let bytes = start.and_then(|start| memory.bytes(start, name.len().checked_add(1)?));
    bytes.is_some_and(|bytes| bytes.strip_prefix(name.as_bytes()) == Some(&[0]))
}

/// Cuts off what is too long.
pub(super) fn cut(mut name: String) -> String {
    let end = (0..=LONGEST).rev().find(|end| name.is_char_boundary(*end));
    name.truncate(end.unwrap_or_default());
    name
}

/// Returns the name of a function as Go shows it: without the types for which it was made.
pub(super) fn shown(name: &str) -> String {
    let (mut shown, mut depth) = (String::with_capacity(name.len()), 0_u32);
    for letter in name.chars() {
        match letter {
            '[' => {
                if depth == 0 {
                    shown.push_str("[...");
                }
                depth = depth.saturating_add(1);
            }
            ']' if depth > 0 => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            shown.push(letter);
        }
    }
    // These were no types.
    if depth > 0 {
        name.clone_into(&mut shown);
    }
    shown
}
