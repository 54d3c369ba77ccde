//! The stack of a goroutine that waits, and the calls on it.
//!
//! They are found as Go itself finds them: the tables of functions say how much each has on the
//! stack, and beside that is where it returns to. Frame pointers would be less to read. But on
//! arm64, up to Go 1.20, those of a stack that has grown are of the one before, and none leads to
//! who has called a function that was interrupted before it had any.
//!
//! All that is on the way is the program's own and may be anything, so each step goes up, within
//! the stack.

use super::functions::{Functions, Room};
use crate::source::process::memory::{Memory, word};

/// Calls that are followed.
const DEEPEST: usize = 128;
/// Bytes of where a call returns to.
const WORD: u64 = 8;
/// What a signal puts on the stack of a processor with a link register before it calls `sigpanic`:
/// what was in that register.
const SIGNAL: u64 = 16;
/// Bytes of a stack that are read: what is below is not told.
const LARGEST: u64 = 64 << 10;

/// Where a goroutine goes on, and its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sched {
    pub(super) sp: u64,
    pub(super) pc: u64,
    pub(super) lo: u64,
    pub(super) hi: u64,
}

/// What is on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stack {
    sched: Sched,
    /// From `sp` on.
    bytes: Vec<u8>,
}

impl Room {
    /// Returns the address behind that at which a call was made, by where that goes on.
    fn behind(self, call: u64) -> u64 {
        call.saturating_add(self.is_sigpanic.into())
    }
}

impl Stack {
    /// Reads it; `None` if nobody is there who could go on.
    pub(super) fn read(memory: &impl Memory, sched: Sched) -> Option<Self> {
        let Sched { sp, lo, hi, .. } = sched;
        if sp < lo || sp >= hi || !sp.is_multiple_of(8) {
            return None;
        }
        let size = usize::try_from((hi - sp).min(LARGEST)).ok()?;
        let bytes = memory.bytes(sp, size)?;
        Some(Self { sched, bytes })
    }

    /// Returns the instruction behind each call, the innermost first. A signal has called before
    /// the instruction that goes on: of that it is the one after it, as of `runtime.Callers`.
    pub(super) fn calls<M: Memory>(&self, functions: &Functions<M>, bias: u64) -> Vec<u64> {
        let room = |pc: u64| functions.room(pc.checked_sub(bias)?);
        match functions.has_link_register() {
            true => self.linked(room),
            false => self.pushed(room),
        }
    }

    /// The same, of a processor that puts where it returns to on the stack when it calls.
    fn pushed(&self, room: impl Fn(u64) -> Option<Room>) -> Vec<u64> {
        let Sched { mut pc, mut sp, .. } = self.sched;
        let mut calls = vec![pc];
        while calls.len() < DEEPEST {
            let Some(room) = room(pc) else { break };
            let above = sp.saturating_add(room.size.into());
            let Some(call) = self.word(above) else { break };
            calls.push(room.behind(call));
            (pc, sp) = (call, above.saturating_add(WORD));
        }
        calls
    }

    /// The same, of one that puts it in its link register, and each function the lowest on the
    /// stack.
    fn linked(&self, room: impl Fn(u64) -> Option<Room>) -> Vec<u64> {
        let Sched { mut pc, mut sp, .. } = self.sched;
        let mut calls = vec![pc];
        // What was in that register when a signal interrupted this function.
        let mut link = None;
        while calls.len() < DEEPEST {
            let Some(room) = room(pc) else { break };
            let call = match (link.take(), room.size) {
                // It had put nothing there yet.
                (Some(link), 0) => Some(link),
                (None, 0) => None,
                _ => self.word(sp),
            };
            let Some(call) = call else { break };
            sp = sp.saturating_add(room.size.into());
            if room.is_sigpanic {
                link = self.word(sp);
                sp = sp.saturating_add(SIGNAL);
            }
            calls.push(room.behind(call));
            pc = call;
        }
        calls
    }

    /// Returns what tells it from the same stack at another time.
    ///
    /// FNV-1a, by words: it need not withstand anybody, for a process that lies about its stack
    /// gains nothing but that the age of its own wait is wrong.
    pub(super) fn fingerprint(&self) -> u64 {
        let words = self.bytes.chunks_exact(8);
        let words = words.filter_map(|it| word(it, 0));
        words.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
            (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    fn word(&self, address: u64) -> Option<u64> {
        let at = address.checked_sub(self.sched.sp)?;
        word(&self.bytes, usize::try_from(at).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::process::memory::fake::Fake;

    const LO: u64 = 0xc000_0000_0000;
    const HI: u64 = LO + 0x1000;
    const SP: u64 = LO + 0x800;

    /// The stack of a goroutine with these words on it.
    fn stack(words: &[(u64, u64)]) -> Stack {
        let mut bytes = vec![0; 0x1000];
        for (address, word) in words {
            let at = usize::try_from(address - LO).expect("within");
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let mut memory = Fake::default();
        memory.put(LO, &bytes);
        let sched = Sched {
            sp: SP,
            pc: 0x40_1000,
            lo: LO,
            hi: HI,
        };
        Stack::read(&memory, sched).expect("it has one")
    }

    /// Functions with so much on the stack: at 0x40_1000, the one that signals call if there is
    /// one, at 0x40_2000, and so on.
    fn rooms(sizes: &[u32], has_signal: bool) -> impl Fn(u64) -> Option<Room> {
        move |pc| {
            let number = usize::try_from(pc >> 12).ok()?.checked_sub(0x401)?;
            Some(Room {
                size: *sizes.get(number)?,
                is_sigpanic: has_signal && number == 0,
            })
        }
    }

    const CALLS: [u64; 4] = [0x40_1000, 0x40_2000, 0x40_3000, 0x40_4000];

    #[test]
    fn each_call_returns_to_what_is_above_its_room() {
        let words = [
            (SP + 24, 0x40_2000),
            (SP + 32, 0x40_3000),
            (SP + 56, 0x40_4000),
        ];
        let of = |sizes: &[u32]| stack(&words).pushed(rooms(sizes, false));
        assert_eq!(of(&[24, 0, 16]), CALLS, "the last is not known");
        assert_eq!(of(&[24, 0]), CALLS[..3]);
        assert_eq!(of(&[]), CALLS[..1]);
        assert_eq!(of(&[24, 0x800]), CALLS[..2], "off the stack");
        assert_eq!(of(&[u32::MAX]), CALLS[..1], "off the stack");
        assert_eq!(of(&[16]), [CALLS[0], 0], "to nowhere");
    }

    #[test]
    fn of_a_processor_with_a_link_register_it_returns_to_what_is_lowest_in_its_room() {
        let words = [(SP, 0x40_2000), (SP + 32, 0x40_3000), (SP + 48, 0x40_4000)];
        let of = |sizes: &[u32]| stack(&words).linked(rooms(sizes, false));
        assert_eq!(of(&[32, 16, 64]), CALLS, "the last is not known");
        assert_eq!(of(&[32, 16]), CALLS[..3]);
        assert_eq!(of(&[32, 16, 0]), CALLS[..3], "it calls nobody");
        assert_eq!(of(&[]), CALLS[..1]);
        assert_eq!(of(&[0x800, 16]), CALLS[..2], "off the stack");
        assert_eq!(of(&[u32::MAX, 16]), CALLS[..2], "off the stack");
        assert_eq!(of(&[24, 16]), [CALLS[0], CALLS[1], 0], "to nowhere");
    }

    #[test]
    fn what_a_signal_has_interrupted_returns_to_where_it_would_have() {
        // The signal has put 16 bytes between the first function and the second one.
        let words = [(SP, 0x40_2000), (SP + 32, 0x40_4000), (SP + 48, 0x40_3000)];
        let of = |sizes: &[u32]| stack(&words).linked(rooms(sizes, true));
        let interrupted = CALLS[1] + 1;
        assert_eq!(of(&[32, 16]), [CALLS[0], interrupted, CALLS[2]]);
        assert_eq!(of(&[32, 0]), [CALLS[0], interrupted, CALLS[3]]);
        // Where the signal itself puts on the stack what it has interrupted.
        let words = [(SP + 32, CALLS[1]), (SP + 40, CALLS[2])];
        let calls = stack(&words).pushed(rooms(&[32, 0], true));
        assert_eq!(calls, [CALLS[0], interrupted, CALLS[2]]);
    }

    #[test]
    fn a_deep_stack_is_cut() {
        let words: Vec<_> = (SP..HI).step_by(8).map(|it| (it, 0x40_1000)).collect();
        let stack = stack(&words);
        assert_eq!(stack.pushed(rooms(&[0], false)).len(), DEEPEST);
        assert_eq!(stack.linked(rooms(&[8], false)).len(), DEEPEST);
    }

    #[test]
    fn what_else_is_on_the_stack_is_in_its_fingerprint() {
        let (one, other) = (stack(&[(HI - 8, 1)]), stack(&[(HI - 8, 2)]));
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint(), one.clone().fingerprint());
    }
}
