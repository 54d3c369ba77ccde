//! Quantiles of histograms.

use crate::v1::Histogram;

impl Histogram {
    /// Returns the upper bound of the bucket in which the quantile lies; `None` without samples.
    ///
    /// The bound and not an interpolation: what is printed was certainly not exceeded by that share
    /// of the samples.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let counts = self.buckets.iter().map(|bucket| bucket.count);
        let count = counts.fold(0, u64::saturating_add);
        if count == 0 {
            return None;
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count);
        let mut seen = 0_u64;
        let bucket = self.buckets.iter().find(|bucket| {
            seen = seen.saturating_add(bucket.count);
            seen >= rank
        });
        bucket.map(|bucket| match self.max {
            0 => bucket.upper_bound,
            max => bucket.upper_bound.min(max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::Bucket;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket_and_no_more_than_the_largest_sample() {
        let buckets = [(10, 50), (20, 40), (40, 9), (80, 1)].map(|(upper_bound, count)| Bucket {
            upper_bound,
            count,
            ..Bucket::default()
        });
        let histogram = Histogram {
            max: 70,
            buckets: buckets.to_vec(),
            ..Histogram::default()
        };
        assert_eq!(histogram.quantile(0.5), Some(10));
        assert_eq!(histogram.quantile(0.9), Some(20));
        assert_eq!(histogram.quantile(0.99), Some(40));
        assert_eq!(histogram.quantile(0.999), Some(70));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
