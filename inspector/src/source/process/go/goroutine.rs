//! A goroutine that waits: which one it is, and for what.
//!
//! Since when it waits, it does not say. Its `waitsince` looks so, but is the time of the
//! collection before the one that has seen it wait (`work.tstart`, from Go 1.19 to 1.27), which may
//! be before it began. But it counts how often it has ceased to run (`trackingSeq`), by which
//! another wait is known that looks the same, unless there were 256 meanwhile, or a multiple.

use super::layout;
use super::stack::{Sched, Stack};
use crate::source::process::memory::{Memory, half, word};

/// `atomicstatus` (`runtime2.go`): what a goroutine does.
const IDLE: u32 = 0;
const WAITING: u32 = 4;
const DEAD: u32 = 6;
/// It is beside the others while the collector looks at the stack.
const SCAN: u32 = 0x1000;
const DEAD_EXTRA: u32 = 11;

/// A goroutine at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Goroutine {
    pub(super) address: u64,
    pub(super) goid: u64,
    pub(super) status: Status,
    /// The number of what it waits for.
    pub(super) reason: u8,
    /// Where the call returns to that has started it.
    pub(super) gopc: u64,
    /// How often it has ceased to run, of which the runtime keeps the lowest byte.
    pub(super) stops: u8,
    sched: Sched,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Waiting,
    /// It has ended, or not begun.
    Dead,
    /// By its number.
    Other(u32),
}

/// Reads it; `None` if there is none.
pub(super) fn read(memory: &impl Memory, layout: &layout::G, address: u64) -> Option<Goroutine> {
    let bytes = memory.bytes(address, layout.size)?;
    let status = half(&bytes, layout.atomicstatus)? & !SCAN;
    let goroutine = Goroutine {
        address,
        goid: word(&bytes, layout.goid)?,
        status: match status {
            WAITING => Status::Waiting,
            IDLE | DEAD | DEAD_EXTRA => Status::Dead,
            other => Status::Other(other),
        },
        reason: *bytes.get(layout.waitreason)?,
        gopc: word(&bytes, layout.gopc)?,
        stops: *bytes.get(layout.tracking_seq)?,
        sched: Sched {
            sp: word(&bytes, layout.sched_sp)?,
            pc: word(&bytes, layout.sched_pc)?,
            lo: word(&bytes, layout.stack_lo)?,
            hi: word(&bytes, layout.stack_hi)?,
        },
    };
    let is_one = goroutine.goid != 0 && goroutine.sched.lo < goroutine.sched.hi;
    (is_one || goroutine.status == Status::Dead).then_some(goroutine)
}

impl Goroutine {
    /// Reads its stack, of one that waits.
    pub(super) fn stack(&self, memory: &impl Memory) -> Option<Stack> {
        let waits = self.status == Status::Waiting;
        waits.then(|| Stack::read(memory, self.sched))?
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::GOROUTINE as LAYOUT;
    use super::*;
    use crate::source::process::memory::fake::Fake;

    const AT: u64 = 0xc000_0040_0000;
    const LO: u64 = 0xc000_0000_0000;
    const HI: u64 = LO + 0x1000;
    const SP: u64 = LO + 0x800;

    /// Goroutine 21, which waits, with an empty stack.
    fn memory() -> Fake {
        let words = [
            (LAYOUT.stack_lo, LO),
            (LAYOUT.stack_hi, HI),
            (LAYOUT.sched_sp, SP),
            (LAYOUT.sched_pc, 0x40_1000),
            (LAYOUT.atomicstatus, u64::from(WAITING | SCAN)),
            (LAYOUT.goid, 21),
            (LAYOUT.waitreason, 2),
        ];
        let words = words.map(|(at, word)| (at as u64, word));
        let mut memory = Fake::default();
        memory.put(AT, &filled(LAYOUT.size, 0, &words));
        memory.put(LO, &[0; 0x1000]);
        memory
    }

    fn filled(size: usize, start: u64, words: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; size];
        for (at, word) in words {
            let at = usize::try_from(at - start).expect("within");
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn one_that_waits_is_told_with_its_stack() {
        let goroutine = read(&memory(), &LAYOUT, AT).expect("it is there");
        assert_eq!((goroutine.goid, goroutine.status), (21, Status::Waiting));
        assert!(goroutine.stack(&memory()).is_some());
    }

    #[test]
    fn what_is_no_goroutine_is_none() {
        let empty = Fake::default();
        assert_eq!(read(&empty, &LAYOUT, AT), None);
        let mut zeros = Fake::default();
        zeros.put(AT, &[0; 200]);
        let dead = read(&zeros, &LAYOUT, AT).expect("one that has not begun");
        assert_eq!((dead.status, dead.stack(&zeros)), (Status::Dead, None));
        let mut running = Fake::default();
        running.put(AT, &filled(200, 0, &[(144, 2)]));
        assert_eq!(
            read(&running, &LAYOUT, AT),
            None,
            "it has neither number nor stack"
        );
    }
}
