//! The memory of a program, as far as it may be read, and no further.
//!
//! Whoever runs a process chooses what is in its memory, and changes it while it is read. So
//! nothing is followed further than a reader says, what cannot be read is absent, and whatever is
//! read twice may differ.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Something that has bytes at addresses.
pub(super) trait Memory {
    /// Fills all of `buffer` with what is at `address`; returns whether that was there.
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool;

    /// Reads so many bytes.
    fn bytes(&self, address: u64, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.read(address, &mut bytes).then_some(bytes)
    }

    /// Reads so many words of eight bytes, the low one first.
    fn words<const N: usize>(&self, address: u64) -> Option<[u64; N]>
    where
        Self: Sized,
    {
        let mut bytes = vec![0; N * 8];
        if !self.read(address, &mut bytes) {
            return None;
        }
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        Some(words)
    }
}

impl<M: Memory> Memory for &M {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        (**self).read(address, buffer)
    }
}

/// Memory of which a part was read before, and is not read again.
pub(super) struct Copied<'a, M> {
    pub(super) memory: &'a M,
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
}

impl<M: Memory> Memory for Copied<'_, M> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let start = usize::try_from(address.wrapping_sub(self.start)).unwrap_or(usize::MAX);
        let copied = self.bytes.get(start..start.saturating_add(buffer.len()));
        match copied {
            Some(copied) => buffer.copy_from_slice(copied),
            None => return self.memory.read(address, buffer),
        }
        true
    }
}

/// A field of what was read: `None` if it is not all there.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A field of half that size.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The memory of a process, through /proc/PID/mem.
///
/// It is the memory that the process had when this was opened: after an exec(2), or once the
/// process has ended, nothing can be read. The kernel wants the right to trace the process
/// (`PTRACE_MODE_ATTACH_FSCREDS`), and traces nothing. process_vm_readv(2), which wants the same,
/// would read the memory of whoever has the number by then.
#[derive(Debug)]
pub(super) struct Process {
    file: File,
    /// Bytes that may still be read in this look.
    budget: Cell<u64>,
}

impl Process {
    /// Fails if this user may not read it.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        Ok(Self {
            file: File::open(format!("/proc/{pid}/mem"))?,
            budget: Cell::new(0),
        })
    }

    /// Lets so many bytes be read from here on.
    pub(super) fn allow(&self, bytes: u64) {
        self.budget.set(bytes);
    }

    /// Whether there was more to read than was allowed.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.get() == 0
    }
}

impl Memory for Process {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let Some(left) = self.budget.get().checked_sub(buffer.len() as u64) else {
            self.budget.set(0);
            return false;
        };
        self.budget.set(left);
        // An address of the kernel's is no position of a file.
        i64::try_from(address).is_ok() && self.file.read_exact_at(buffer, address).is_ok()
    }
}

#[cfg(any(test, fuzzing))]
pub(super) mod fake {
    use std::collections::BTreeMap;

    use super::Memory;

    /// Memory that is made up of pieces.
    #[derive(Debug, Clone, Default)]
    pub(in crate::source::process) struct Fake(BTreeMap<u64, Vec<u8>>);

    impl Fake {
        /// Puts a piece there, which must not lie over another one.
        pub(in crate::source::process) fn put(&mut self, address: u64, bytes: &[u8]) {
            self.0.insert(address, bytes.to_vec());
        }
    }

    impl Memory for Fake {
        fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
            let piece = self.0.range(..=address).next_back();
            let found = piece.and_then(|(start, bytes)| {
                let from = usize::try_from(address - start).ok()?;
                bytes.get(from..from.checked_add(buffer.len())?)
            });
            found.is_some_and(|found| {
                buffer.copy_from_slice(found);
                true
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[test]
    fn what_was_copied_is_not_read_again() {
        let mut memory = Fake::default();
        memory.put(0x1000, &[1; 32]);
        let copied = Copied {
            memory: &memory,
            start: 0x1008,
            bytes: &[2; 8],
        };
        let words = [0x1000, 0x1008, 0x1010].map(|at| copied.words::<1>(at));
        assert_eq!(
            words,
            [1, 2, 1].map(|byte| Some([0x0101_0101_0101_0101 * byte]))
        );
        assert_eq!(
            copied.bytes(0x1004, 8),
            Some(vec![1; 8]),
            "it is not all there"
        );
        assert_eq!(copied.bytes(u64::MAX - 3, 8), None);
    }

    #[test]
    fn this_process_reads_its_own_memory_and_no_more_than_is_allowed() {
        let known = [0x1122_3344_5566_7788_u64, 7];
        let memory = Process::open(std::process::id()).expect("it is this one");
        let address = known.as_ptr().addr() as u64;
        assert_eq!(memory.words::<2>(address), None, "nothing is allowed yet");
        memory.allow(24);
        assert_eq!(memory.words(address), Some(known));
        assert!(!memory.is_spent());
        assert_eq!(memory.words::<2>(address), None);
        assert!(memory.is_spent());
        memory.allow(1 << 20);
        for nowhere in [0, 8, u64::MAX - 3, 1 << 63] {
            assert_eq!(memory.words::<1>(nowhere), None, "{nowhere:#x}");
        }
    }

    #[test]
    fn what_is_not_all_there_is_not_read() {
        let mut memory = Fake::default();
        memory.put(0x1000, &[1, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(memory.words::<1>(0x1000), Some([1]));
        assert_eq!(memory.words::<1>(0x1001), Some([2 << 56]));
        for address in [0xfff, 0x1002, 0x2000] {
            assert_eq!(memory.words::<1>(address), None);
        }
        assert_eq!(word(&[1; 8], 1), None);
        assert_eq!(half(&[1, 0, 0, 0], 0), Some(1));
    }
}
