//! A memory in which a fuzzer puts what it likes, read as that of a program of Go and of tokio.

use std::cell::Cell;

use super::memory::Memory;
use super::{go, tokio};

/// Where it is, and as much of it.
const BASE: u64 = 0x7f12_3456_7a00;
const MOST: usize = 32 << 10;
/// Descriptors that are looked at, each so many bytes behind the one before.
const MOST_ROWS: usize = 16;
const BETWEEN_ROWS: usize = 64;
/// Bytes that may be read: as many as of a process at one look.
const MOST_READ: u64 = 1 << 30;

/// It, and how much of it was read.
struct Lies {
    bytes: Vec<u8>,
    read: Cell<u64>,
}

impl Lies {
    fn of(input: &[u8]) -> Self {
        let words = input.chunks_exact(8).take(MOST / 8);
        let count = words.len() as u64;
        let words = words.map(|word| {
            let word = word.iter().fold(0, |it, byte| it << 8 | u64::from(*byte));
            // It leads somewhere, more often than chance would have it.
            match (word & 7, word >> 8) {
                (0, it) => BASE + it % count * 8,
                (1, it) => tokio::lies::CODE.start + it % 8 * 0x1000,
                (2, it) => it & 0xff,
                (3, _) => 0,
                (_, it) => it,
            }
        });
        Self {
            bytes: words.flat_map(u64::to_le_bytes).collect(),
            read: Cell::new(0),
        }
    }
}

impl Memory for Lies {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let read = self.read.get().saturating_add(buffer.len() as u64);
        self.read.set(read);
        let start = usize::try_from(address.wrapping_sub(BASE)).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        self.bytes.get(start..end).is_some_and(|found| {
            buffer.copy_from_slice(found);
            true
        })
    }
}

/// Reads all there is to read in such a memory.
///
/// # Panics
///
/// If more of it is read than is bounded.
pub(crate) fn run(input: &[u8]) {
    let lies = Lies::of(input);
    let at = (0..lies.bytes.len()).step_by(BETWEEN_ROWS).take(MOST_ROWS);
    let fds = input.iter().map(|it| i32::from(*it));
    let rows: Vec<(u64, i32)> = at.map(|it| BASE + it as u64).zip(fds).collect();
    tokio::lies::read_whole(&lies, &rows);
    go::lies::read_whole(&lies, &rows);
    let read = lies.read.get();
    assert!(read < MOST_READ, "{read} bytes");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn whatever_is_in_memory_it_is_read_to_an_end(
            input in prop::collection::vec(any::<u8>(), 0..3_000),
        ) {
            super::run(&input);
        }
    }
}
