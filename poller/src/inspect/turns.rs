//! Questions that take long: how many are worked on at a time.
//!
//! The endpoint has one thread, and one client must not take it from the others.
//!
//! | question | takes | at a time |
//! |---|---|---|
//! | `ListDescriptors` | a walk through the whole table, and the memory of a page | [`WALKS`]; the others wait, in order |
//! | `Diagnose` | seconds, and questions to the kernel for each suspect | [`DIAGNOSES`]; the others are refused |

use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

/// Pages that are looked for at a time. More would be answered no sooner, and each holds a page of rows.
pub(super) const WALKS: usize = 1;
/// Diagnoses at a time. Each looks at every table again and again for as long as the client likes, up to its longest window.
pub(super) const DIAGNOSES: usize = 2;

/// Turns of one endpoint.
#[derive(Debug)]
pub(super) struct Turns {
    walks: Semaphore,
    diagnoses: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            walks: Semaphore::new(WALKS),
            diagnoses: Semaphore::new(DIAGNOSES),
        }
    }
}

impl Turns {
    /// Waits for the turn to walk through the table; it is over when the permit is dropped.
    pub(super) async fn walk(&self) -> Result<SemaphorePermit<'_>, Status> {
        let turn = self.walks.acquire().await;
        turn.map_err(|_| Status::unavailable("the endpoint is ending"))
    }

    /// The right to look for faults, until the permit is dropped. Nobody waits for it: it may take seconds, and as many again.
    pub(super) fn diagnose(&self) -> Result<SemaphorePermit<'_>, Status> {
        self.diagnoses.try_acquire().map_err(|_| {
            Status::resource_exhausted(format!(
                "{DIAGNOSES} clients run Diagnose already, each for a few seconds at most; ask again then"
            ))
        })
    }
}
