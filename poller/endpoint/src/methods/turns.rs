//! Questions that take long: how many are worked on at a time.
//!
//! The endpoint has one thread, and one client must not take it from the others.
//!
//! | question | takes | at a time |
//! |---|---|---|
//! | `ListDescriptors`, `ListSites`, each look of `Diagnose` without the kernel's view | a walk through the whole table, and the memory of a page, or of some 100 bytes a row | [`WALKS`]; the others wait, in order |
//! | `Audit` with the kernel's view, `GetDescriptor`, each look of `Diagnose` with it | the mutex of the epoll instance, which the data path wants too | one, then none for [`REST`] times as long; the others wait, in order |
//! | what the kernel knows of sockets, for whoever shows it | a list of those of the network namespace | one for all who ask, until [`REST`] times as long has passed as it took |
//! | `Diagnose` | seconds, and questions to the kernel for each suspect | [`DIAGNOSES`] of a listener; the others are refused |
//!
//! Whoever may connect to one listener, as every user of the machine may on loopback, must not keep
//! those of another one waiting. So each listener has a queue of its own, and only the first of
//! each waits for the thread or the kernel's list, which are there once: however many ask
//! elsewhere, it is one of each listener that is served before.

use std::sync::Arc;
use std::time::Duration;

use netpoller_core::view::{self, Reading, Sockets};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::guard::guarded;

/// Pages that are looked for at a time. More would be answered no sooner, and each holds a page of
/// rows.
pub(super) const WALKS: usize = 1;
/// Diagnoses at a time. Each looks at every table again and again for as long as the client likes,
/// up to its longest window.
pub(crate) const DIAGNOSES: usize = 2;
/// How much longer the kernel's list is left alone than its reading took: the kernel keeps events
/// waiting while it writes the list (see
/// [`view::kernel_registrations`](netpoller_core::view::kernel_registrations)), and no client may
/// do that to the data path for more than a tenth of the time. A diagnosis rests so long between
/// two looks whatever it looks at.
pub(crate) const REST: u32 = 9;

/// What is there once, for all listeners of an endpoint.
#[derive(Debug)]
pub(crate) struct Common {
    walks: Arc<Semaphore>,
    /// Until when the kernel's list is left alone.
    kernel: Arc<Mutex<Instant>>,
    /// What the kernel last said of sockets.
    sockets: Mutex<Option<Arc<Sockets>>>,
}

impl Common {
    /// What the kernel knows of the sockets of all pollers: what it said last, or what it says now
    /// if it has been left alone for long enough since.
    pub(crate) async fn sockets(&self) -> Result<Arc<Sockets>, Status> {
        let mut last = self.sockets.lock().await;
        let rests = |sockets: &&Arc<Sockets>| {
            let age_ns = view::now_ns().saturating_sub(sockets.read_at_ns());
            age_ns < u64::from(REST).saturating_mul(sockets.took_ns())
        };
        if let Some(sockets) = last.as_ref().filter(rests) {
            return Ok(sockets.clone());
        }
        let mut reading = Reading::new(view::pollers());
        while guarded(|| reading.step())? {
            // Others are served between two steps.
            tokio::task::yield_now().await;
        }
        let sockets = Arc::new(guarded(|| reading.finish())?);
        *last = Some(sockets.clone());
        Ok(sockets)
    }
}

impl Default for Common {
    fn default() -> Self {
        Self {
            walks: Arc::new(Semaphore::new(WALKS)),
            kernel: Arc::new(Mutex::new(Instant::now())),
            sockets: Mutex::default(),
        }
    }
}

/// Turns of one listener.
#[derive(Debug)]
pub(crate) struct Turns {
    walks: Arc<Mutex<()>>,
    kernel: Arc<Mutex<()>>,
    diagnoses: Arc<Semaphore>,
    common: Arc<Common>,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Turns {
    pub(crate) fn new(common: Arc<Common>) -> Self {
        Self {
            walks: Arc::default(),
            kernel: Arc::default(),
            diagnoses: Arc::new(Semaphore::new(DIAGNOSES)),
            common,
        }
    }

    /// What all listeners have in common.
    pub(crate) fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// Waits for the turn to walk through the table; it is over when what is returned is dropped.
    pub(crate) async fn walk(&self) -> Result<WalkTurn, Status> {
        let first = self.walks.clone().lock_owned().await;
        let turn = self.common.walks.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Status::unavailable("the endpoint is ending"))?;
        Ok(WalkTurn {
            _turn: turn,
            _first: first,
        })
    }

    /// Waits for the turn to read the kernel's list; it is over when what is returned is dropped.
    pub(crate) async fn kernel(&self) -> KernelTurn {
        let first = self.kernel.clone().lock_owned().await;
        let resting = self.common.kernel.clone().lock_owned().await;
        sleep_until(*resting).await;
        KernelTurn {
            began: Instant::now(),
            took: None,
            resting,
            _first: first,
        }
    }

    /// Waits for the turn of one look of a diagnosis, at the table or at the kernel's list as well.
    pub(super) async fn look(&self, kernel: bool) -> Result<LookTurn, Status> {
        Ok(match kernel {
            true => LookTurn {
                kernel: Some(self.kernel().await),
                _walk: None,
            },
            false => LookTurn {
                kernel: None,
                _walk: Some(self.walk().await?),
            },
        })
    }

    /// The right to look for faults, until the permit is dropped. Nobody waits for it: it may take
    /// seconds, and as many again.
    pub(crate) fn diagnose(&self) -> Result<OwnedSemaphorePermit, Status> {
        self.diagnoses.clone().try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{DIAGNOSES} clients run Diagnose already, each for a few seconds at most; ask again then"
            ))
        })
    }
}

/// The right to look once, until it is dropped.
#[derive(Debug)]
pub(super) struct LookTurn {
    kernel: Option<KernelTurn>,
    _walk: Option<WalkTurn>,
}

impl LookTurn {
    /// Says how much of it went into the kernel's list, if that was its turn.
    pub(super) fn took(&mut self, took: Duration) {
        if let Some(turn) = &mut self.kernel {
            turn.took(took);
        }
    }
}

impl KernelTurn {
    /// Says how much of it went into the kernel's list.
    pub(crate) fn took(&mut self, took: Duration) {
        self.took = Some(took);
    }
}

/// The right to walk through the table.
#[derive(Debug)]
pub(crate) struct WalkTurn {
    _turn: OwnedSemaphorePermit,
    _first: OwnedMutexGuard<()>,
}

/// The right to read the kernel's list of registrations.
#[derive(Debug)]
pub(crate) struct KernelTurn {
    began: Instant,
    /// How much of the turn went into the kernel's list; all of it unless that is said.
    took: Option<Duration>,
    resting: OwnedMutexGuard<Instant>,
    _first: OwnedMutexGuard<()>,
}

impl Drop for KernelTurn {
    fn drop(&mut self) {
        let now = Instant::now();
        let took = self.took.unwrap_or_else(|| now.duration_since(self.began));
        *self.resting = now + REST * took;
    }
}

#[cfg(test)]
mod tests {
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

    #[tokio::test(start_paused = true)]
    async fn however_many_wait_at_one_listener_another_one_waits_for_one_of_them() {
        let common = Arc::<Common>::default();
        let listeners = [0, 1].map(|_| Arc::new(Turns::new(common.clone())));
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        let ask = |listener: usize| {
            let (turns, served) = (listeners[listener].clone(), served.clone());
            tokio::spawn(async move {
                let _kernel = turns.kernel().await;
                let _walk = turns.walk().await.expect("it goes on");
                tokio::time::sleep(Duration::from_millis(1)).await;
                let _ = served.send(listener);
            })
        };
        let mut asked: Vec<_> = (0..50).map(|_| ask(0)).collect();
        // They wait, each where it has to.
        tokio::task::yield_now().await;
        asked.push(ask(1));
        let mut before = 0;
        while order.recv().await.expect("it is served") == 0 {
            before += 1;
        }
        assert!(before <= 2, "{before} of the other listener came before");
        asked.into_iter().for_each(|task| task.abort());
    }

    #[test]
    fn diagnoses_at_one_listener_keep_nobody_at_another_from_one() {
        let common = Arc::<Common>::default();
        let (one, other) = (Turns::new(common.clone()), Turns::new(common));
        let running: Vec<_> = (0..DIAGNOSES).map(|_| one.diagnose()).collect();
        assert!(running.iter().all(Result::is_ok) && one.diagnose().is_err());
        assert!(other.diagnose().is_ok());
    }
}
