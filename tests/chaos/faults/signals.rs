//! A storm of signals: every thread is interrupted again and again, wherever it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use netpoller::Counter;
use netpoller_tests::Lane;
use netpoller_tests::interrupt::{interrupt, interrupts, this_thread};

use super::process::threads;
use super::work::{Work, driven};

#[test]
fn in_a_storm_of_signals_nothing_fails_nothing_hangs_and_nothing_is_early() {
    let work = Work::start();
    let _driver = driven(work.poller());
    work.goes_on(5);
    let stop = Arc::new(AtomicBool::new(false));
    let storm = {
        let stop = stop.clone();
        Lane::start(move || {
            while !stop.load(Ordering::Relaxed) {
                for thread in threads().into_iter().filter(|id| *id != this_thread()) {
                    interrupt(thread);
                }
                std::thread::yield_now();
            }
        })
    };
    netpoller_tests::until("thousands of signals have come", || interrupts() > 5_000);
    work.goes_on(200);
    netpoller_tests::until("tens of thousands of signals have come", || {
        interrupts() > 20_000
    });
    work.goes_on(20);
    stop.store(true, Ordering::Relaxed);
    storm.join();
    let interrupted = work.poller().stats().counter(Counter::PollsEintr);
    assert!(interrupted > 0, "no poll was interrupted: no storm");
    work.goes_on(5);
    drop(_driver);
    work.finish();
}
