//! The laws of several pollers, and a second look at one before it is called broken.

use netpoller_core::view::{self, Auditor, Law, READ_INTERVAL, READS};
use netpoller_core::{Poller, internals};
use netpoller_proto::v1::{AuditResponse, PollerLaws};

use super::encode;
use super::turns::Turns;

/// The laws of each of `pollers`, read once if all hold, else again after a pause.
///
/// With `kernel` the kernel is asked for its registrations too, each time when it is its turn.
pub(crate) async fn audited(pollers: &[Poller], kernel: Option<&Turns>) -> Vec<Vec<Law>> {
    let mut auditors: Vec<Auditor> = pollers.iter().map(|_| Auditor::new()).collect();
    let mut laws = Vec::new();
    for reads in 0..2 * READS {
        if reads > 0 {
            if !auditors.iter().any(Auditor::is_suspicious) {
                break;
            }
            tokio::time::sleep(READ_INTERVAL).await;
        }
        let mut turn = match kernel {
            Some(turns) => Some(turns.kernel().await),
            None => None,
        };
        internals::list_took();
        laws = read(pollers, &mut auditors, kernel.is_some());
        if let Some(turn) = &mut turn {
            turn.took(internals::list_took());
        }
    }
    laws
}

fn read(pollers: &[Poller], auditors: &mut [Auditor], kernel: bool) -> Vec<Vec<Law>> {
    pollers
        .iter()
        .zip(auditors)
        .map(|(poller, auditor)| {
            if kernel {
                auditor.read_with_kernel(poller)
            } else {
                auditor.read(poller)
            }
        })
        .collect()
}

/// The answer to `Audit`.
pub(crate) async fn audit(pollers: &[Poller], kernel: Option<&Turns>) -> AuditResponse {
    let laws = audited(pollers, kernel).await;
    AuditResponse {
        captured_at_ns: view::now_ns(),
        pollers: pollers
            .iter()
            .zip(laws)
            .map(|(poller, laws)| PollerLaws {
                poller: poller.name().to_owned(),
                laws: laws.iter().map(encode::law).collect(),
            })
            .collect(),
        epoch: view::started_at_ns(),
    }
}
