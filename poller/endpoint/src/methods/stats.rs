//! Statistics, cumulative and of an interval.

use std::time::Duration;

use netpoller_core::Poller;
use netpoller_core::view::{self, Law, Stats};
use netpoller_proto::v1::{GetStatsRequest, GetStatsResponse, PollingThread};
use tonic::Status;

use super::{encode, find, laws};
use crate::guard::guarded;

/// The longest interval of one answer: clients wait for one for five seconds, unless they say how
/// long, and a second look at a law takes half a one.
const LONGEST: Duration = Duration::from_secs(4);

/// The statistics that are asked for. With an interval the answer takes as long as that.
pub(crate) async fn stats(request: &GetStatsRequest) -> Result<GetStatsResponse, Status> {
    let pollers = guarded(|| find::pollers(&request.poller))??;
    let before = match interval(request.interval_ns)? {
        None => None,
        Some(interval) => {
            let before = guarded(|| Reading::of(&pollers))?;
            tokio::time::sleep(interval).await;
            Some(before)
        }
    };
    let laws = laws::audited(&pollers, None).await;
    guarded(|| Reading::of(&pollers).response(&pollers, &laws, before.as_ref()))
}

/// The interval that a request asks for, `None` for none.
fn interval(interval_ns: u64) -> Result<Option<Duration>, Status> {
    let interval = Duration::from_nanos(interval_ns);
    if interval > LONGEST {
        return Err(Status::invalid_argument(format!(
            "interval_ns: the longest interval of one answer is {LONGEST:?}; for a longer one ask twice and subtract"
        )));
    }
    Ok((!interval.is_zero()).then_some(interval))
}

/// The statistics of several pollers.
pub(crate) struct Reading {
    captured_at_ns: u64,
    pollers: Vec<Stats>,
    /// The threads that poll each.
    polled_by: Vec<Vec<PollingThread>>,
}

impl Reading {
    pub(crate) fn of(pollers: &[Poller]) -> Self {
        Self {
            captured_at_ns: view::now_ns(),
            pollers: pollers.iter().map(Poller::stats).collect(),
            polled_by: pollers.iter().map(encode::polled_by).collect(),
        }
    }

    /// The answer, of what was read of these pollers: with the laws of each, and with what was
    /// counted since `before`. A poller that was not there then has counted all of it since.
    pub(crate) fn response(
        &self,
        pollers: &[Poller],
        laws: &[Vec<Law>],
        before: Option<&Self>,
    ) -> GetStatsResponse {
        let laws = || {
            laws.iter()
                .map(Vec::as_slice)
                .chain(std::iter::repeat(&[][..]))
        };
        let cumulative = || pollers.iter().zip(&self.pollers).zip(laws());
        let interval = |before: &Self| {
            let encoded =
                cumulative().map(
                    |((poller, stats), laws)| match before.find(stats.info().id) {
                        Some(before) => encode::stats(poller, &stats.since(before), laws),
                        None => encode::stats(poller, stats, laws),
                    },
                );
            encoded.collect()
        };
        GetStatsResponse {
            captured_at_ns: self.captured_at_ns,
            pollers: cumulative()
                .zip(&self.polled_by)
                .map(|(((poller, stats), laws), polled_by)| {
                    let mut stats = encode::stats(poller, stats, laws);
                    if let Some(poller) = &mut stats.poller {
                        poller.polled_by.clone_from(polled_by);
                    }
                    stats
                })
                .collect(),
            interval_ns: before.map_or(0, |before| {
                self.captured_at_ns.saturating_sub(before.captured_at_ns)
            }),
            interval: before.map(interval).unwrap_or_default(),
            epoch: view::started_at_ns(),
        }
    }

    fn find(&self, id: u32) -> Option<&Stats> {
        self.pollers.iter().find(|stats| stats.info().id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_longer_than_an_answer_may_take_is_refused() {
        assert_eq!(interval(0).unwrap(), None);
        assert_eq!(
            interval(4_000_000_000).unwrap(),
            Some(Duration::from_secs(4))
        );
        let status = interval(4_000_000_001).unwrap_err();
        assert!(status.message().starts_with("interval_ns"), "{status}");
    }
}
