//! One descriptor of Go's network poller: `runtime.pollDesc`.
//!
//! The kernel gives back, with each event, the word with which a descriptor was registered; in a
//! program of Go it says where its `pollDesc` is. How, differs by version (`tagptr_64bit.go`), so
//! each way is tried, and the one is right at whose end there is a `pollDesc` of this descriptor.

use super::layout;
use crate::source::process::memory::{Memory, half, word};

/// The values of `rg` and `wg` that are no goroutine (`netpoll.go`: pdReady, pdWait).
const READY: u64 = 1;
const WAIT: u64 = 2;

/// Bits of `atomicInfo` (pollClosing, pollEventErr).
const CLOSING: u32 = 1;
const EVENT_ERR: u32 = 2;

/// A `pollDesc`, as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PollDesc {
    pub(super) address: u64,
    /// How often it was used for another descriptor before; not known before Go 1.20.
    pub(super) fdseq: Option<u64>,
    pub(super) closing: bool,
    /// The last event was of an error alone.
    pub(super) event_err: bool,
    pub(super) read: Side,
    pub(super) write: Side,
}

/// One direction of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) waits: Waits,
    /// `rd` or `wd`: 0 for none, below 0 for one that has passed, else CLOCK_MONOTONIC.
    pub(super) deadline: i64,
}

/// What `rg` or `wg` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Nobody,
    /// Nobody, and there is an event that nobody has taken.
    Ready,
    /// Somebody who is about to.
    Soon,
    /// The goroutine at this address.
    Goroutine(u64),
}

/// The addresses that the word of a registration may stand for, with the tag that came with each
/// and how many bits of it there are: of Go 1.25 and later, of 1.20 to 1.24, and of those before.
fn addresses(data: u64) -> [(u64, u64, u32); 3] {
    let signed = data.cast_signed();
    let address = |tag: u32, shift: u32| (signed >> tag << shift).cast_unsigned();
    let tag = |bits: u32| data & ((1 << bits) - 1);
    [
        (address(24, 9), tag(24), 24),
        (address(19, 3), tag(19), 19),
        (data, 0, 0),
    ]
}

/// Reads the `pollDesc` of descriptor `fd`, which was registered with this word; `None` if it has
/// none, as the descriptor by which the runtime is woken.
pub(super) fn read(
    memory: &impl Memory,
    layout: &layout::PollDesc,
    fd: i32,
    data: u64,
) -> Option<PollDesc> {
    let fd = u64::try_from(fd).ok()?;
    let mut all = addresses(data).into_iter().filter(|(address, ..)| {
        *address != 0 && address.is_multiple_of(8) && i64::try_from(*address).is_ok()
    });
    all.find_map(|(address, tag, bits)| {
        let bytes = memory.bytes(address, layout.size)?;
        let has_tag = match (layout.fdseq, bits) {
            (_, 0) => true,
            (None, _) => false,
            (Some(at), bits) => word(&bytes, at)? & ((1 << bits) - 1) == tag,
        };
        if word(&bytes, layout.fd)? != fd || !has_tag {
            return None;
        }
        parse(layout, address, &bytes)
    })
}

/// Takes apart what was read of it; `None` for what no `pollDesc` can hold.
fn parse(layout: &layout::PollDesc, address: u64, bytes: &[u8]) -> Option<PollDesc> {
    let side = |group: usize, deadline: usize| {
        Some(Side {
            waits: match word(bytes, group)? {
                0 => Waits::Nobody,
                READY => Waits::Ready,
                WAIT => Waits::Soon,
                g if g.is_multiple_of(8) && i64::try_from(g).is_ok() => Waits::Goroutine(g),
                _ => return None,
            },
            deadline: word(bytes, deadline)?.cast_signed(),
        })
    };
    let closing = match bytes.get(layout.closing)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    // It says so too, but for a moment in which both are being written.
    let info = half(bytes, layout.atomic_info)?;
    if (info & CLOSING != 0) != closing {
        return None;
    }
    Some(PollDesc {
        address,
        fdseq: match layout.fdseq {
            Some(at) => Some(word(bytes, at)?),
            None => None,
        },
        closing,
        event_err: info & EVENT_ERR != 0,
        read: side(layout.rg, layout.rd)?,
        write: side(layout.wg, layout.wd)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::made::POLL_DESC as LAYOUT;
    use super::*;
    use crate::source::process::memory::fake::Fake;

    /// Of Go up to 1.19.
    const OLD: layout::PollDesc = layout::PollDesc {
        fdseq: None,
        ..LAYOUT
    };
    const AT: u64 = 0x7f12_3456_7a00;

    /// A `pollDesc` at `AT`, of descriptor 7 for the fifth time, in which these words are changed.
    fn memory(words: &[(usize, u64)]) -> Fake {
        let mut bytes = vec![0; LAYOUT.size];
        for (at, word) in [(8, 7), (16, 5)].iter().chain(words) {
            bytes[*at..at + 8].copy_from_slice(&u64::to_le_bytes(*word));
        }
        let mut memory = Fake::default();
        memory.put(AT, &bytes);
        memory
    }

    #[test]
    fn the_word_of_a_registration_leads_to_it_in_every_version() {
        let (of_1_25, of_1_20) = (AT << 15 | 5, AT << 16 | 5);
        let memory = memory(&[]);
        for data in [of_1_25, of_1_20] {
            let found = read(&memory, &LAYOUT, 7, data).expect("it is there");
            assert_eq!((found.address, found.fdseq), (AT, Some(5)));
            assert_eq!(read(&memory, &LAYOUT, 8, data), None, "another descriptor");
            assert_eq!(read(&memory, &LAYOUT, 7, data + 1), None, "used again");
            assert_eq!(read(&memory, &LAYOUT, -1, data), None);
        }
        let found = read(&memory, &OLD, 7, AT).expect("it is there");
        assert_eq!((found.address, found.fdseq), (AT, None));
        for nowhere in [0, 1, u64::MAX, AT + 4] {
            assert_eq!(read(&memory, &OLD, 7, nowhere), None, "{nowhere:#x}");
            assert_eq!(read(&memory, &LAYOUT, 7, nowhere), None, "{nowhere:#x}");
        }
    }

    #[test]
    fn who_waits_until_when_is_told_for_each_direction() {
        let data = AT << 15 | 5;
        let of = |words: &[(usize, u64)]| read(&memory(words), &LAYOUT, 7, data);
        let past = (-1_i64).cast_unsigned();
        let found = of(&[(32, 0xc000_0010), (168, 1_000), (40, 1), (280, past)]);
        let found = found.expect("it is there");
        assert_eq!(found.read.waits, Waits::Goroutine(0xc000_0010));
        assert_eq!(found.write.waits, Waits::Ready);
        assert_eq!((found.read.deadline, found.write.deadline), (1_000, -1));
        let found = of(&[(32, 2), (24, 2)]).expect("it is there");
        assert_eq!(
            (found.read.waits, found.write.waits),
            (Waits::Soon, Waits::Nobody)
        );
        assert!(found.event_err && !found.closing);
        assert!(of(&[(56, 1), (24, 1)]).is_some_and(|it| it.closing));
    }

    #[test]
    fn what_no_poll_desc_can_hold_is_none() {
        let data = AT << 15 | 5;
        for (at, word) in [
            (32, 3),
            (40, 0xc000_0011),
            (32, 1 << 63),
            (56, 2),
            (56, 1),
            (24, 1),
        ] {
            assert_eq!(
                read(&memory(&[(at, word)]), &LAYOUT, 7, data),
                None,
                "{at}: {word:#x}"
            );
        }
    }
}
