//! Programs that are healthy and look odd: nothing is found in them, however long one looks.
//!
//! Each is a process of its own, in which all lints look at all pollers all the while. In CI they
//! run for some seconds, ten times as fast as they are, against hold times a tenth as long; with
//! `SILENCE_SECS=60` as they are, for a minute, against those that `netpoller doctor` has.

mod connections;
mod listeners;
mod metrics;
mod processes;
mod timers;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use netpoller::view::lints::{Finding, Lint, Lints, Options, Timing};
use netpoller::{Poller, block_on_poller, view};
use netpoller_tests::{Lateness, is_alone};

/// How much faster than told the programs run, in CI.
const FASTER: u32 = 10;
/// How long they are looked at then.
const LOOK: Duration = Duration::from_secs(6);
/// No hold time is made shorter than this: below it a healthy thread may look like a dead one.
const SHORTEST: Duration = Duration::from_millis(100);

/// How fast a program runs.
#[derive(Clone, Copy)]
struct Pace {
    look: Duration,
    divisor: u32,
}

impl Pace {
    fn asked() -> Self {
        match std::env::var("SILENCE_SECS") {
            Ok(text) => Self {
                look: Duration::from_secs(text.parse().expect("seconds")),
                divisor: 1,
            },
            Err(_) => Self {
                look: LOOK,
                divisor: FASTER,
            },
        }
    }

    fn of(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds) / self.divisor
    }

    /// What there is less of in CI.
    fn many(self, count: usize) -> usize {
        count / self.divisor as usize
    }

    /// A hold time, `times` as long because the machine is late.
    fn hold(self, lint: Lint, times: u32) -> Duration {
        let hold = lint.default_hold();
        (hold / self.divisor).max(hold.min(SHORTEST)) * times
    }
}

/// What keeps a program going.
type Program = Box<dyn Any>;

/// Runs the program of the test `name` in a process of its own and looks at it.
#[track_caller]
fn silent(name: &str, start: impl FnOnce(Pace) -> Program) {
    if !is_alone(name) {
        return;
    }
    let pace = Pace::asked();
    let _program = start(pace);
    let mut times = 1;
    while !is_silent(pace, times) {
        times *= 2;
        assert!(times <= 32, "what was found may be true of no machine");
    }
}

/// The same of a program whose threads are late by design: what is only their lateness is no false
/// alarm.
#[track_caller]
fn silent_but_late(name: &str, start: impl FnOnce(Pace) -> Program) {
    if !is_alone(name) {
        return;
    }
    let pace = Pace {
        divisor: 1,
        ..Pace::asked()
    };
    let _program = start(pace);
    let lateness = Lateness::watch();
    let mut lints = Lints::new(Options::new().kernel(true));
    let began = Instant::now();
    while began.elapsed() < pace.look {
        let pollers = view::pollers();
        let findings = pollers.iter().flat_map(|it| lints.look(it));
        for finding in findings.filter(is_of_the_program) {
            let hold = finding.lint.default_hold().max(SHORTEST);
            assert!(lateness.explains(hold), "{finding:#?}");
            eprintln!("late: {}: {}", finding.lint, finding.summary);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether it is not, as that a thread is kept from running, the machine's: which is true then,
/// and is held against the kernel's numbers in the tests of that lint.
fn is_of_the_program(finding: &Finding) -> bool {
    finding.lint != Lint::ThreadStarved
}

/// Whether nothing is found; `false` if the machine may be to blame for what is.
#[track_caller]
fn is_silent(pace: Pace, times: u32) -> bool {
    let lateness = Lateness::watch();
    let options = Lint::ALL
        .into_iter()
        .fold(Options::new().kernel(true), |options, lint| {
            options.hold(lint, pace.hold(lint, times))
        });
    let mut lints = Lints::new(options);
    let began = Instant::now();
    while began.elapsed() < pace.look.max(pace.hold(Lint::LeakedReadiness, times) * 8) {
        for poller in view::pollers() {
            for finding in lints.look(&poller).into_iter().filter(is_of_the_program) {
                let hold = pace.hold(finding.lint, times).max(SHORTEST * times);
                assert!(lateness.explains(hold), "{finding:#?}");
                eprintln!("late: {}: {}", finding.lint, finding.summary);
                // No hold time makes a rate smaller.
                if finding.lint.timing() != Timing::Rate {
                    return false;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

/// A thread that polls `poller` and runs tasks, until it is dropped.
struct Service {
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    poller: Poller,
}

/// The tasks of a service: it is given where to spawn them.
type Tasks = dyn FnOnce(&LocalExecutor<'static>) + Send;

impl Service {
    fn start(poller: &Poller, spawn: Box<Tasks>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (poller, over) = (poller.clone(), Arc::clone(&over));
            move || {
                let executor = LocalExecutor::new();
                spawn(&executor);
                let ends = std::future::poll_fn(|_| match over.load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                });
                block_on_poller(&poller, executor.run(ends));
            }
        });
        Self {
            over,
            thread: Some(thread),
            poller: poller.clone(),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The process ends with the test; a thread that sleeps in between need not be waited for.
        self.over.store(true, Ordering::Relaxed);
        let _ = self.poller.wake();
        drop(self.thread.take());
    }
}

/// Waits for something that no poller knows of, as an answer from a pool of threads.
fn elsewhere(time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let mut done: Option<Arc<AtomicBool>> = None;
    Box::pin(std::future::poll_fn(move |cx| {
        if done.as_ref().is_some_and(|it| it.load(Ordering::Acquire)) {
            return Poll::Ready(());
        }
        if done.is_none() {
            let flag = Arc::new(AtomicBool::new(false));
            done = Some(Arc::clone(&flag));
            let waker = cx.waker().clone();
            std::thread::spawn(move || {
                std::thread::sleep(time);
                flag.store(true, Ordering::Release);
                waker.wake();
            });
        }
        Poll::Pending
    }))
}
