//! A value by instruction, as the linker writes it: by how much it changes, and for how many bytes
//! of instructions it then holds, again and again.

use std::ops::Range;

use super::bytes::Bytes;
use crate::source::process::memory::Memory;

/// Finds the value that holds `at` bytes behind the start of the function whose values begin at
/// `start` in `values`: `None` if there is none, or it is negative, which says the same.
pub(super) fn find(
    memory: &impl Memory,
    values: &Range<u64>,
    start: u32,
    quantum: u32,
    at: u64,
    left: &mut usize,
) -> Option<u32> {
    // A function without such values.
    if start == 0 {
        return None;
    }
    let part = values.start.checked_add(start.into())?..values.end;
    let mut bytes = Bytes::new(memory, part, left);
    let (mut value, mut end) = (-1_i32, 0_u64);
    loop {
        let change = bytes.number()?;
        if change == 0 && end > 0 {
            return None;
        }
        // The lowest bit is the sign.
        let sign = (change & 1).cast_signed().wrapping_neg();
        value = value.wrapping_add((change >> 1).cast_signed() ^ sign);
        let size = u64::from(bytes.number()?).saturating_mul(quantum.into());
        end = end.saturating_add(size);
        if at < end {
            return u32::try_from(value).ok();
        }
    }
}
