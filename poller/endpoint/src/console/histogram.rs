//! Durations of one task, kept small, and sent as the histogram that tokio-console draws.
//!
//! An HdrHistogram for a second in nanoseconds takes 24 KiB, and there are two for each of
//! thousands of tasks of which one is looked at. So they are kept as counts by rounded value, and
//! made when somebody asks.

use std::collections::BTreeMap;

use console_api::tasks::DurationHistogram;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};

/// What is longer counts as an outlier, and as so long in the histogram: the scale is drawn for the
/// rest.
const MAX_NS: u64 = 1_000_000_000;
/// Two digits: the client walks all buckets for each frame that it draws.
const DIGITS: u8 = 2;
/// Bits that are kept of a value. With two digits a histogram tells no more apart.
const BITS: u32 = 8;

/// Durations in nanoseconds.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Durations {
    /// Counts by value, rounded down to eight bits: at most some 3000 different ones, in practice a
    /// hundred.
    counts: BTreeMap<u64, u64>,
    outliers: u64,
    highest: u64,
}

impl Durations {
    pub(super) fn record(&mut self, ns: u64) {
        if ns > MAX_NS {
            self.outliers += 1;
            self.highest = self.highest.max(ns);
        }
        *self.counts.entry(rounded(ns.min(MAX_NS))).or_default() += 1;
    }

    /// As the message; empty if the histogram cannot be made, which the client shows as nothing.
    pub(super) fn message(&self) -> DurationHistogram {
        DurationHistogram {
            raw_histogram: self.encoded().unwrap_or_default(),
            max_value: MAX_NS,
            high_outliers: self.outliers,
            // Without a value beside the count the client panics.
            highest_outlier: (self.outliers > 0).then_some(self.highest),
        }
    }

    fn encoded(&self) -> Option<Vec<u8>> {
        let mut histogram = Histogram::<u64>::new_with_max(MAX_NS, DIGITS).ok()?;
        for (value, count) in &self.counts {
            histogram.saturating_record_n(*value, *count);
        }
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut bytes).ok()?;
        Some(bytes)
    }
}

fn rounded(ns: u64) -> u64 {
    let bits = u64::BITS - ns.leading_zeros();
    let dropped = bits.saturating_sub(BITS);
    ns >> dropped << dropped
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

    use super::*;

    fn decoded(message: &DurationHistogram) -> Histogram<u64> {
        Deserializer::new()
            .deserialize(&mut message.raw_histogram.as_slice())
            .unwrap()
    }

    #[test]
    fn what_is_sent_is_what_a_histogram_fed_with_every_value_would_be() {
        let mut durations = Durations::default();
        let mut direct = Histogram::<u64>::new_with_max(MAX_NS, DIGITS).unwrap();
        let mut value = 1_u64;
        while value < MAX_NS {
            for offset in [0, 1, value / 3, value / 2 + 1] {
                durations.record(value + offset);
                direct.saturating_record((value + offset).min(MAX_NS));
            }
            value = value * 7 / 4 + 1;
        }
        let sent = decoded(&durations.message());
        let counts = |histogram: &Histogram<u64>| -> Vec<_> {
            histogram
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect()
        };
        assert_eq!(counts(&sent), counts(&direct));
    }

    #[test]
    fn an_outlier_is_clamped_counted_and_named() {
        let mut durations = Durations::default();
        durations.record(5);
        assert_eq!(durations.message().highest_outlier, None);
        durations.record(3 * MAX_NS);
        durations.record(2 * MAX_NS);
        let message = durations.message();
        assert_eq!(
            (message.high_outliers, message.highest_outlier),
            (2, Some(3 * MAX_NS))
        );
        let sent = decoded(&message);
        assert_eq!(sent.len(), 3);
        assert!(sent.equivalent(sent.max(), MAX_NS));
    }

    #[test]
    fn a_million_values_take_the_room_of_some_thousand() {
        let mut durations = Durations::default();
        (0..1_000_000_u64).for_each(|i| durations.record(i * 997));
        assert!(durations.counts.len() < 3_100, "{}", durations.counts.len());
    }

    #[test]
    fn a_histogram_of_nothing_can_be_read() {
        assert!(decoded(&Durations::default().message()).is_empty());
    }
}
