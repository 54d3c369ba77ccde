//! What the flight recorder records, as a ring holds it.

use super::{DescId, Direction, EventKind};

/// One entry of the flight recorder, as a ring holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawEvent {
    pub(crate) at_ns: u64,
    pub(crate) desc: DescId,
    pub(crate) direction: Option<Direction>,
    pub(crate) kind: EventKind,
    /// At most [`MAX_ARGUMENT`].
    pub(crate) argument: u64,
}

/// What fits beside the kind and the direction; as nanoseconds it is 78 hours.
pub(crate) const MAX_ARGUMENT: u64 = (1 << 48) - 1;

impl RawEvent {
    /// ```text
    /// word 0: when · word 1: slot, generation · word 2: argument, direction, kind
    /// ```
    #[inline]
    pub(super) fn pack(self) -> [u64; 3] {
        const { assert!(EventKind::COUNT <= 1 << 8 && Direction::COUNT < 1 << 8) };
        let direction = self.direction.map_or(0, |it| it.index() as u64 + 1);
        let what = self.argument << 16 | direction << 8 | self.kind.index() as u64;
        [self.at_ns, self.desc.to_bits(), what]
    }

    pub(super) fn unpack([at_ns, desc, what]: [u64; 3]) -> Self {
        RawEvent {
            at_ns,
            desc: DescId::from_bits(desc),
            direction: usize::from((what >> 8) as u8)
                .checked_sub(1)
                .and_then(Direction::from_index),
            kind: EventKind::from_index(usize::from(what as u8)).unwrap_or(EventKind::Poll),
            argument: what >> 16,
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
                argument: MAX_ARGUMENT - index as u64,
            };
            assert_eq!(RawEvent::unpack(event.pack()), event);
        }
    }
}
