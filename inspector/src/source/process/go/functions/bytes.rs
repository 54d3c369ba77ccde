//! Bytes one after another, a little of them read ahead.

use std::ops::Range;

use crate::source::process::memory::Memory;

const AHEAD: usize = 128;

/// The bytes of a part of memory, as many as `left` says.
pub(super) struct Bytes<'a, M> {
    memory: &'a M,
    part: Range<u64>,
    left: &'a mut usize,
    ahead: [u8; AHEAD],
    held: Range<usize>,
}

impl<'a, M: Memory> Bytes<'a, M> {
    pub(super) fn new(memory: &'a M, part: Range<u64>, left: &'a mut usize) -> Self {
        Self {
            memory,
            part,
            left,
            ahead: [0; AHEAD],
            held: 0..0,
        }
    }

    /// Reads a number, of which each byte holds seven bits, the low ones first.
    pub(super) fn number(&mut self) -> Option<u32> {
        let mut number = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.next()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn fill(&mut self) -> Option<()> {
        let size = self.part.end.checked_sub(self.part.start)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let size = size.min(AHEAD).min(*self.left);
        let is_read = self
            .memory
            .read(self.part.start, self.ahead.get_mut(..size)?);
        *self.left = self.left.saturating_sub(size);
        self.part.start = self.part.start.checked_add(size as u64)?;
        self.held = 0..if is_read { size } else { 0 };
        Some(())
    }
}

impl<M: Memory> Iterator for Bytes<'_, M> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.held.is_empty() {
            self.fill()?;
        }
        self.ahead.get(self.held.next()?).copied()
    }
}
