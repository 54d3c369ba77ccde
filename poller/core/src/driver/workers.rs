//! What tokio tells of the workers of the runtimes that poll.

use std::time::Duration;

use crate::poller::Shared;

/// One worker at a moment. Its numbers are brought up to date whenever it parks or goes on, and
/// between two tasks every now and then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(feature = "tokio"), allow(dead_code))]
pub(crate) struct Worker {
    /// Number of its runtime.
    pub(crate) runtime: u64,
    pub(crate) index: usize,
    /// So many workers has the runtime.
    pub(crate) of: usize,
    /// How often it has parked, and gone on.
    pub(crate) parks: u64,
    /// For how long it has had something to do.
    pub(crate) busy: Duration,
}

impl Worker {
    /// It has nothing to do.
    pub(crate) fn is_parked(&self) -> bool {
        self.parks % 2 == 1
    }
}

/// The workers of the runtimes that poll a poller.
#[cfg(feature = "tokio")]
pub(crate) fn workers(shared: &Shared) -> Vec<Worker> {
    let runtimes = super::tokio::runtimes(shared);
    let workers = runtimes.into_iter().flat_map(|(runtime, handle)| {
        let metrics = handle.metrics();
        let of = metrics.num_workers();
        (0..of).map(move |index| Worker {
            runtime,
            index,
            of,
            parks: metrics.worker_park_unpark_count(index),
            busy: metrics.worker_total_busy_duration(index),
        })
    });
    workers.collect()
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn workers(_: &Shared) -> Vec<Worker> {
    Vec::new()
}

#[cfg(all(test, feature = "tokio", not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::Poller;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_io()
            .build()
            .unwrap()
    }

    /// Runs `keep` in a task of a runtime of two, until `over`, and looks at its workers meanwhile.
    fn beside(keep: fn(&AtomicBool), look: impl FnOnce(&Poller)) {
        let poller = Poller::builder().build().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let runtime = runtime();
        let (begins, began) = mpsc::channel();
        runtime.block_on(async { crate::driver::tokio::attach(&poller).unwrap() });
        let task = runtime.spawn({
            let over = over.clone();
            async move {
                begins.send(()).unwrap();
                keep(&over);
            }
        });
        began.recv().unwrap();
        look(&poller);
        over.store(true, Ordering::Relaxed);
        runtime.block_on(task).unwrap();
    }

    fn keep(over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
    }

    /// Those of two that are parked, and those that are not.
    fn parked_and_not(poller: &Poller) -> [Vec<Worker>; 2] {
        let workers = workers(&poller.shared);
        assert!(workers.len() == 2 && workers.iter().all(|it| it.of == 2));
        let (parked, others) = workers.into_iter().partition(Worker::is_parked);
        [parked, others]
    }

    #[test]
    fn of_two_workers_the_one_that_is_kept_by_a_task_neither_parks_nor_goes_on() {
        beside(keep, |poller| {
            let kept = loop {
                let [parked, others] = parked_and_not(poller);
                assert!(parked.len() < 2, "a task runs: {parked:?}");
                if let [kept] = others[..] {
                    break kept;
                }
                std::thread::yield_now();
            };
            for _ in 0..1_000 {
                let [_, others] = parked_and_not(poller);
                assert!(others.contains(&kept), "{kept:?}: {others:?}");
            }
        });
    }

    #[test]
    fn a_worker_whose_task_blocks_in_place_goes_on_elsewhere() {
        let blocks = |over: &AtomicBool| tokio::task::block_in_place(|| keep(over));
        beside(blocks, |poller| {
            while parked_and_not(poller)[0].len() < 2 {
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn a_runtime_that_has_ended_has_no_workers() {
        let poller = Poller::builder().build().unwrap();
        let runtime = runtime();
        runtime.block_on(async { crate::driver::tokio::attach(&poller).unwrap() });
        assert_eq!(workers(&poller.shared).len(), 2);
        drop(runtime);
        assert_eq!(workers(&poller.shared), []);
    }
}
