//! A span of time in four bytes.

/// What is longer is not exact.
const EXACT_NS: u64 = 1 << 31;
/// Bits that are not kept of a longer one: it is known to 16 µs.
const COARSE_SHIFT: u32 = 14;
/// The longest.
const LONGEST: u32 = u32::MAX - 1;
/// None.
const UNKNOWN: u32 = u32::MAX;

/// A span of time, or none, in four bytes: exact up to 2.1 s, known to 16 µs up to 9.7 hours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Span(u32);

impl Span {
    pub(crate) const UNKNOWN: Self = Self(UNKNOWN);

    #[inline]
    pub(crate) fn of(ns: u64) -> Self {
        if ns < EXACT_NS {
            Self(ns as u32)
        } else {
            Self::long(ns)
        }
    }

    #[cold]
    fn long(ns: u64) -> Self {
        let coarse = u64::from(LONGEST) - EXACT_NS;
        Self((EXACT_NS + (ns >> COARSE_SHIFT).min(coarse)) as u32)
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) fn to_bits(self) -> u32 {
        self.0
    }

    /// Nanoseconds; `None` if it is not known.
    #[inline]
    pub(crate) fn ns(self) -> Option<u64> {
        let bits = u64::from(self.0);
        if bits < EXACT_NS {
            Some(bits)
        } else if self.0 == UNKNOWN {
            None
        } else {
            Some((bits - EXACT_NS) << COARSE_SHIFT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_exact_for_two_seconds_and_known_to_16_us_for_nine_hours() {
        for ns in [0, 1, 4, 999_999_999, EXACT_NS - 1] {
            assert_eq!(Span::of(ns).ns(), Some(ns));
        }
        const HOUR: u64 = 3_600_000_000_000;
        for ns in [
            EXACT_NS,
            EXACT_NS + 1,
            4_294_967_296,
            75_000_000_123,
            9 * HOUR,
        ] {
            let kept = Span::of(ns).ns().unwrap();
            assert!(kept <= ns && ns - kept < 1 << COARSE_SHIFT, "{ns}: {kept}");
        }
        for ns in [10 * HOUR, u64::MAX] {
            let longest = Span::of(ns).ns().unwrap();
            assert!(longest > 9 * HOUR && Span::of(ns) != Span::UNKNOWN, "{ns}");
        }
        assert_eq!(Span::UNKNOWN.ns(), None);
    }
}
