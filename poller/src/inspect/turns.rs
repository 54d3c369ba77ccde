//! Questions that take long: how many are worked on at a time.
//!
//! The endpoint has one thread, and one client must not take it from the others.
//!
//! | question | takes | at a time |
//! |---|---|---|
//! | `ListDescriptors` | a walk through the whole table, and the memory of a page | [`WALKS`]; the others wait, in order |
//! | `Audit` with the kernel's view, `GetDescriptor` | the mutex of the epoll instance, which the data path wants too | one, then none for [`REST`] times as long; the others wait, in order |
//! | `Diagnose` | seconds, and questions to the kernel for each suspect, and the list seven times a second at most | [`DIAGNOSES`]; the others are refused |

use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

/// Pages that are looked for at a time. More would be answered no sooner, and each holds a page of rows.
pub(super) const WALKS: usize = 1;
/// Diagnoses at a time. Each looks at every table again and again for as long as the client likes, up to its longest window.
pub(super) const DIAGNOSES: usize = 2;
/// How much longer the kernel's list is left alone than its reading took: the kernel keeps events waiting while it writes the
/// list (see [`view::kernel_registrations`](crate::view::kernel_registrations)), and no client may do that to the data path for
/// more than a tenth of the time.
pub(super) const REST: u32 = 9;

/// Turns of one endpoint.
#[derive(Debug)]
pub(super) struct Turns {
    walks: Semaphore,
    /// Until when the kernel's list is left alone.
    kernel: Mutex<Instant>,
    diagnoses: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            walks: Semaphore::new(WALKS),
            kernel: Mutex::new(Instant::now()),
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

    /// Waits for the turn to read the kernel's list; it is over when what is returned is dropped.
    pub(super) async fn kernel(&self) -> KernelTurn<'_> {
        let resting = self.kernel.lock().await;
        sleep_until(*resting).await;
        KernelTurn {
            began: Instant::now(),
            resting,
        }
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

/// The right to read the kernel's list of registrations.
pub(super) struct KernelTurn<'t> {
    began: Instant,
    resting: MutexGuard<'t, Instant>,
}

impl Drop for KernelTurn<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        *self.resting = now + REST * now.duration_since(self.began);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_kernels_list_rests_nine_times_as_long_as_it_was_read_even_if_the_reader_gave_up() {
        let turns = Turns::default();
        let began = Instant::now();
        for _ in 0..3 {
            let _turn = turns.kernel().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Three readings, and two rests between them.
        assert_eq!(began.elapsed(), Duration::from_millis(210));
        let third = Instant::now();
        let waiting = tokio::time::timeout(Duration::from_millis(50), turns.kernel()).await;
        assert!(waiting.is_err(), "it rests");
        drop(turns.kernel().await);
        assert_eq!(third.elapsed(), Duration::from_millis(90));
    }
}
