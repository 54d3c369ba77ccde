//! A second look at a law before it is called broken.

use netpoller_proto::v1::GetStatsResponse;

use super::encode;
use crate::poller::Poller;
use crate::view::{self, Auditor, Law, READ_INTERVAL, READS};

/// Statistics of `pollers` with laws that were read once if all hold, else again after a pause.
pub(super) async fn audited(pollers: &[Poller]) -> GetStatsResponse {
    let mut auditors: Vec<Auditor> = pollers.iter().map(|_| Auditor::new()).collect();
    let mut laws = read(pollers, &mut auditors);
    for _ in 1..2 * READS {
        if !auditors.iter().any(Auditor::is_suspicious) {
            break;
        }
        tokio::time::sleep(READ_INTERVAL).await;
        laws = read(pollers, &mut auditors);
    }
    response(pollers.iter().zip(laws))
}

/// Statistics of `pollers` without their laws.
pub(super) fn unaudited(pollers: &[Poller]) -> GetStatsResponse {
    response(pollers.iter().map(|poller| (poller, Vec::new())))
}

fn read(pollers: &[Poller], auditors: &mut [Auditor]) -> Vec<Vec<Law>> {
    pollers
        .iter()
        .zip(auditors)
        .map(|(poller, auditor)| auditor.read(poller))
        .collect()
}

pub(super) fn response<'a>(
    pollers: impl Iterator<Item = (&'a Poller, Vec<Law>)>,
) -> GetStatsResponse {
    let captured_at_ns = view::now_ns();
    let pollers = pollers
        .map(|(poller, laws)| encode::stats(&view::stats(poller), &laws))
        .collect();
    GetStatsResponse {
        captured_at_ns,
        pollers,
        epoch: view::started_at_ns(),
        ..Default::default()
    }
}
