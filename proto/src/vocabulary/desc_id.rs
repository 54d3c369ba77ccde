//! What a descriptor is called.

use std::fmt;
use std::str::FromStr;

/// The id of a descriptor, `slot.generation`. It is unique in its poller for all time: a slot is
/// used again, with another generation.
///
/// ```
/// use netpoller_proto::vocabulary::DescId;
/// let id = DescId { slot: 42, generation: 7 };
/// assert_eq!(id.to_string(), "42.7");
/// assert_eq!("42.7".parse(), Ok(id));
/// assert!("42".parse::<DescId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DescId {
    /// Index in the table of its poller.
    pub slot: u32,
    /// Which of those that have had the slot; 0 is never live.
    pub generation: u32,
}

impl DescId {
    /// The id of no descriptor: what is recorded under it concerns the poller itself.
    pub const NONE: Self = Self {
        slot: 0,
        generation: 0,
    };

    /// Returns `None` for [`DescId::NONE`].
    #[inline]
    #[must_use]
    pub fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    /// Packs it into one word, the slot above the generation.
    #[inline]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.slot as u64) << 32 | self.generation as u64
    }

    /// Returns what [`DescId::to_bits`] has packed.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            slot: (bits >> 32) as u32,
            generation: bits as u32,
        }
    }
}

impl fmt::Display for DescId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// A text that is no [`DescId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidDescId(());

impl fmt::Display for InvalidDescId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no id of a descriptor: write slot.generation, for example 42.7")
    }
}

impl std::error::Error for InvalidDescId {}

impl FromStr for DescId {
    type Err = InvalidDescId;

    fn from_str(text: &str) -> Result<Self, InvalidDescId> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        text.split_once('.')
            .and_then(|(slot, generation)| {
                Some(Self {
                    slot: number(slot)?,
                    generation: number(generation)?,
                })
            })
            .ok_or(InvalidDescId(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_two_numbers_of_digits_with_a_point_between() {
        for (slot, generation) in [(0, 0), (42, 7), (u32::MAX, 1), (1, u32::MAX)] {
            let id = DescId { slot, generation };
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(DescId::from_bits(id.to_bits()), id);
        }
        for text in [
            "",
            ".",
            "1",
            "1.",
            ".1",
            "1.2.3",
            "+1.2",
            "1.+2",
            "-1.2",
            " 1.2",
            "4294967296.1",
        ] {
            assert_eq!(text.parse::<DescId>(), Err(InvalidDescId(())), "{text}");
        }
    }
}
