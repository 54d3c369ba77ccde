//! A goroutine that waits: which one it is, for what, and the calls on its stack.
//!
//! Since when it waits, it does not say. Its `waitsince` looks so, but is the time of the
//! collection before the one that has seen it wait (`work.tstart`, from Go 1.19 to 1.27), which may
//! be before it began. But it counts how often it has ceased to run (`trackingSeq`), by which
//! another wait is known that looks the same, unless there were 256 meanwhile, or a multiple.
//!
//! Calls are found by frame pointers, which Go keeps on amd64 and arm64. All that is on the way is
//! the program's own and may be anything, so each step goes up, within the stack.

use super::layout;
use crate::source::process::memory::{Memory, half, word};

/// `atomicstatus` (`runtime2.go`): what a goroutine does.
const IDLE: u32 = 0;
const WAITING: u32 = 4;
const DEAD: u32 = 6;
/// It is beside the others while the collector looks at the stack.
const SCAN: u32 = 0x1000;
const DEAD_EXTRA: u32 = 11;

/// Calls that are followed.
const DEEPEST: usize = 128;
/// The frame of `mcall`: a frame pointer, and where it returns to.
const MCALL: u64 = 16;
/// Bytes of a stack that are read: what is below is not told.
const LARGEST: u64 = 64 << 10;

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
    /// It has waited since then at least (CLOCK_MONOTONIC); 0 unless the collector has seen it.
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

/// Where it goes on, and its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sched {
    sp: u64,
    pc: u64,
    bp: u64,
    lo: u64,
    hi: u64,
}

/// The calls on a stack, and what tells it from the same stack at another time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stack {
    /// The innermost first: where it goes on, then what it returns to.
    pub(super) calls: Vec<u64>,
    /// Of all that is on it.
    pub(super) fingerprint: u64,
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
            bp: word(&bytes, layout.sched_bp)?,
            lo: word(&bytes, layout.stack_lo)?,
            hi: word(&bytes, layout.stack_hi)?,
        },
    };
    let is_one = goroutine.goid != 0 && goroutine.sched.lo < goroutine.sched.hi;
    (is_one || goroutine.status == Status::Dead).then_some(goroutine)
}

impl Goroutine {
    /// Reads the calls on its stack, of one that waits.
    pub(super) fn stack(&self, memory: &impl Memory) -> Option<Stack> {
        let Sched { sp, pc, bp, lo, hi } = self.sched;
        if self.status != Status::Waiting || sp < lo || sp >= hi || !sp.is_multiple_of(8) {
            return None;
        }
        // Up to Go 1.20 `bp` is that of `mcall`, which is left already.
        let start = sp.saturating_sub(MCALL).max(lo);
        let size = usize::try_from((hi - start).min(LARGEST)).ok()?;
        let bytes = memory.bytes(start, size)?;
        let mut calls = vec![pc];
        let (mut frame, mut below) = (bp, start);
        while calls.len() < DEEPEST {
            // The outermost has none, and a wrong one would lead anywhere.
            let at = frame.checked_sub(start);
            let at = at.and_then(|at| usize::try_from(at).ok());
            let is_above = frame >= below && frame.is_multiple_of(8);
            let Some(at) = at.filter(|_| is_above) else {
                break;
            };
            let (Some(next), Some(call)) = (word(&bytes, at), word(&bytes, at.saturating_add(8)))
            else {
                break;
            };
            if call == 0 {
                break;
            }
            if frame >= sp {
                calls.push(call);
            }
            (frame, below) = (next, frame.saturating_add(16));
        }
        Some(Stack {
            calls,
            fingerprint: fingerprint(&bytes),
        })
    }
}

/// FNV-1a, by words: it need not withstand anybody, for a process that lies about its stack gains
/// nothing but that the age of its own wait is wrong.
fn fingerprint(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).filter_map(|it| word(it, 0));
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3)
    })
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

    /// Goroutine 21, which waits, with this at `bp` and these words on its stack.
    fn memory(bp: u64, stack: &[(u64, u64)]) -> Fake {
        let words = [
            (LAYOUT.stack_lo, LO),
            (LAYOUT.stack_hi, HI),
            (LAYOUT.sched_sp, SP),
            (LAYOUT.sched_pc, 0x40_1000),
            (LAYOUT.sched_bp, bp),
            (LAYOUT.atomicstatus, u64::from(WAITING | SCAN)),
            (LAYOUT.goid, 21),
            (LAYOUT.waitreason, 2),
        ];
        let mut memory = Fake::default();
        memory.put(
            AT,
            &filled(
                LAYOUT.size,
                0,
                words.map(|(at, word)| (at as u64, word)).as_ref(),
            ),
        );
        memory.put(LO, &filled(0x1000, LO, stack));
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

    #[track_caller]
    fn calls(memory: &Fake) -> Vec<u64> {
        let goroutine = read(memory, &LAYOUT, AT).expect("it is there");
        assert_eq!((goroutine.goid, goroutine.status), (21, Status::Waiting));
        goroutine.stack(memory).expect("it has one").calls
    }

    #[test]
    fn calls_are_followed_up_the_stack_to_the_last_frame() {
        let stack = [
            (SP + 8, SP + 32),
            (SP + 16, 0x40_2000),
            (SP + 40, 0x40_3000),
        ];
        assert_eq!(
            calls(&memory(SP + 8, &stack)),
            [0x40_1000, 0x40_2000, 0x40_3000]
        );
        // As Go 1.19 leaves it: the frame of the call that has switched away is below.
        let old = [(SP - 16, SP + 8), (SP - 8, 0x40_1000), (SP + 16, 0x40_2000)];
        assert_eq!(calls(&memory(SP - 16, &old)), [0x40_1000, 0x40_2000]);
    }

    #[test]
    fn a_chain_that_goes_down_in_circles_or_off_the_stack_ends() {
        let cases = [
            (SP + 8, vec![(SP + 8, SP + 8), (SP + 16, 0x40_2000)]),
            (
                SP + 32,
                vec![(SP + 32, SP), (SP + 40, 0x40_2000), (SP + 8, 0x40_3000)],
            ),
            (
                SP + 8,
                vec![(SP + 8, HI - 8), (SP + 16, 0x40_2000), (HI - 8, 0x40_3000)],
            ),
            (SP + 8, vec![(SP + 8, u64::MAX - 7), (SP + 16, 0x40_2000)]),
        ];
        for (bp, stack) in cases {
            assert_eq!(
                calls(&memory(bp, &stack)),
                [0x40_1000, 0x40_2000],
                "{stack:x?}"
            );
        }
        for bp in [0, 3, HI, u64::MAX, SP - 24] {
            assert_eq!(calls(&memory(bp, &[])), [0x40_1000], "{bp:#x}");
        }
    }

    #[test]
    fn a_deep_stack_is_cut() {
        let mut stack = Vec::new();
        for frame in (SP..HI - 16).step_by(16) {
            stack.extend([(frame, frame + 16), (frame + 8, 0x40_2000)]);
        }
        assert_eq!(calls(&memory(SP, &stack)).len(), DEEPEST);
    }

    #[test]
    fn what_else_is_on_the_stack_is_in_its_fingerprint() {
        let of = |memory: &Fake| {
            let goroutine = read(memory, &LAYOUT, AT).expect("it is there");
            goroutine.stack(memory).expect("it has one").fingerprint
        };
        let (one, other) = (memory(0, &[(HI - 8, 1)]), memory(0, &[(HI - 8, 2)]));
        assert_ne!(of(&one), of(&other));
        assert_eq!(of(&one), of(&one));
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
