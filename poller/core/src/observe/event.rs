//! What the flight recorder records, as a ring holds it.

use super::{Direction, EventKind};

/// A descriptor as instrumentation names it. [`DescId::NONE`] for what belongs to the poller
/// itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DescId {
    pub(crate) slot: u32,
    /// 0 is never live.
    pub(crate) generation: u32,
}

impl DescId {
    pub(crate) const NONE: DescId = DescId {
        slot: 0,
        generation: 0,
    };

    #[inline]
    pub(super) fn pack(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    #[inline]
    pub(super) fn unpack(word: u64) -> DescId {
        DescId {
            slot: (word >> 32) as u32,
            generation: word as u32,
        }
    }
}

/// One entry of the flight recorder, as a ring holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawEvent {
    pub(crate) at_ns: u64,
    pub(crate) desc: DescId,
    pub(crate) direction: Option<Direction>,
    pub(crate) kind: EventKind,
    pub(crate) argument: u32,
}

impl RawEvent {
    /// ```text
    /// word 0: when · word 1: slot, generation · word 2: argument, (unused), direction, kind
    /// ```
    #[inline]
    pub(super) fn pack(self) -> [u64; 3] {
        const { assert!(EventKind::COUNT <= 1 << 8 && Direction::COUNT < 1 << 8) };
        let direction = self.direction.map_or(0, |it| it.index() as u64 + 1);
        let what = u64::from(self.argument) << 32 | direction << 8 | self.kind.index() as u64;
        [self.at_ns, self.desc.pack(), what]
    }

    pub(super) fn unpack([at_ns, desc, what]: [u64; 3]) -> Self {
        RawEvent {
            at_ns,
            desc: DescId::unpack(desc),
            direction: usize::from((what >> 8) as u8)
                .checked_sub(1)
                .and_then(Direction::from_index),
            kind: EventKind::from_index(usize::from(what as u8)).unwrap_or(EventKind::Poll),
            argument: (what >> 32) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_packing() {
        for (index, kind) in EventKind::ALL.into_iter().enumerate() {
            let event = RawEvent {
                at_ns: u64::MAX - index as u64,
                desc: DescId {
                    slot: 7,
                    generation: u32::MAX,
                },
                direction: [None, Some(Direction::Read), Some(Direction::Write)][index % 3],
                kind,
                argument: u32::MAX - 1,
            };
            assert_eq!(RawEvent::unpack(event.pack()), event);
        }
    }
}
