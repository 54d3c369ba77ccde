//! A task that keeps its executor, and machines that only look like it.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netpoller::driver::ThreadDriver;
use netpoller::net::UnixStream;
use netpoller::view::lints::{Finding, Lint, Lints, Options};
use netpoller::{Direction, Poller, task};
use netpoller_tests::{eventually, new_poller, unix_pair, until};

use super::{StopOnDrop, connection, evidence, found_among, kept, silent};

/// Those that may be found first, before it is certain that a thread is to blame.
const BEFORE: [Lint; 3] = [Lint::PollerAway, Lint::OverdueDeadline, Lint::WokenNotRun];

/// Computes until it is to end, or pauses in between.
fn compute(until: Instant, over: &AtomicBool) {
    while Instant::now() < until && !over.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// Runs `hog` in tasks of a tokio runtime, each of which was woken once, and a reader beside them
/// whose bytes keep coming. Returns what `look` finds, and the line where those tasks have waited.
fn hogged(
    workers: usize,
    hogs: usize,
    hog: fn(&AtomicBool),
    look: fn(&Poller) -> Finding,
) -> (Finding, u32) {
    let poller = new_poller();
    let over = Arc::new(AtomicBool::new(false));
    let mut builder = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap();
    let thread = std::thread::spawn({
        let (poller, over) = (poller.clone(), over.clone());
        move || {
            runtime.block_on(async {
                let (mut tasks, mut to_hogs) = (Vec::new(), Vec::new());
                for _ in 0..hogs {
                    let (ours, theirs) = unix_pair(&poller);
                    to_hogs.push(theirs);
                    let over = over.clone();
                    tasks.push(tokio::spawn(task::named("hog", async move {
                        ours.read(&mut [0; 4]).await.unwrap();
                        while !over.load(Ordering::Relaxed) {
                            hog(&over);
                            tokio::task::yield_now().await;
                        }
                    })));
                }
                let (ours, theirs) = unix_pair(&poller);
                tasks.push(tokio::spawn(task::named("victim", async move {
                    while ours.read(&mut [0; 4]).await.is_ok_and(|bytes| bytes > 0) {}
                })));
                let feeding = std::thread::spawn({
                    let (poller, over) = (poller.clone(), over.clone());
                    move || {
                        until("they wait", || poller.info().waiters == hogs as i64 + 1);
                        to_hogs.iter().for_each(drop_in);
                        feed(&theirs, &over);
                    }
                });
                while !over.load(Ordering::Relaxed) {
                    netpoller::time::sleep(Duration::from_millis(5)).await;
                }
                feeding.join().unwrap();
                for task in tasks {
                    task.abort();
                }
            });
        }
    });
    let line = line!() - 29;
    let finding = look(&poller);
    over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    (finding, line)
}

fn blocked(poller: &Poller) -> Finding {
    found_among(poller, Lint::BlockedExecutor, &BEFORE)
}

/// Some are lost although nobody need be late. It may be late as well, where processors are short.
fn lost(poller: &Poller) -> Finding {
    let mut lints = Lints::new(Options::new().hold(Lint::BlockedExecutor, super::BRIEF));
    eventually("a worker is found lost", || {
        let found = lints.look(poller).into_iter();
        let mut lost = found.filter(|it| it.evidence.iter().any(|it| it.0 == "workers lost"));
        lost.next()
    })
}

/// The same where the tasks compute for ever: they are named, with the line where they have waited.
fn hogged_for_ever(workers: usize, hogs: usize, look: fn(&Poller) -> Finding) -> Finding {
    let (finding, line) = hogged(workers, hogs, |over| compute(far(), over), look);
    assert_eq!(evidence(&finding, "it"), "runs (R)");
    let task = evidence(&finding, "task that ran last");
    assert!(task.starts_with("hog"), "{finding:#?}");
    let at = finding.location.expect("a line");
    assert!(
        at.file().ends_with("blocked.rs") && at.line() == line,
        "{at}"
    );
    finding
}

/// Writes a byte every now and then.
fn feed(stream: &UnixStream, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let mut write = pin!(stream.write(b"x"));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = write.as_mut().poll(&mut cx);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_task_that_computes_for_ever_is_named_on_a_runtime_of_one_thread() {
    let finding = hogged_for_ever(1, 1, blocked);
    // The victim was woken by the same poll, or is never found ready again.
    let summary = &finding.summary;
    assert!(
        summary.contains("nobody polls") || summary.contains("do not run"),
        "{summary}"
    );
}

#[test]
fn a_task_that_computes_for_ever_is_named_on_both_of_two_workers() {
    hogged_for_ever(2, 2, blocked);
}

/// The other worker goes on with everything else, or with nothing: where the task keeps the one
/// that was waiting for events, tokio may leave nobody to wait for them.
#[test]
fn a_task_that_keeps_one_of_two_workers_is_named_whatever_the_other_does() {
    let finding = hogged_for_ever(2, 1, |poller| {
        let mut lints = Lints::new(Options::new().hold(Lint::BlockedExecutor, super::BRIEF));
        eventually("the task is found", || {
            let mut found = lints.look(poller).into_iter();
            found.find(|it| it.lint == Lint::BlockedExecutor)
        })
    });
    let summary = &finding.summary;
    let has_lost = finding.evidence.iter().any(|it| it.0 == "workers lost");
    let says = |text| summary.contains(text);
    assert_eq!(says("one of the 2 workers"), has_lost, "{summary}");
    assert!(
        has_lost || says("nobody polls") || says("do not run"),
        "{summary}"
    );
}

/// So nothing is known of it but its thread.
#[test]
fn a_worker_is_found_lost_to_a_task_that_has_never_waited_for_anything() {
    let poller = new_poller();
    let over = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("kept-worker")
        .enable_all()
        .build()
        .unwrap();
    let hog = runtime.spawn({
        let over = over.clone();
        async move { compute(far(), &over) }
    });
    let (ours, theirs) = runtime.block_on(async { unix_pair(&poller) });
    runtime
        .spawn(async move { while ours.read(&mut [0; 4]).await.is_ok_and(|bytes| bytes > 0) {} });
    let feeding = || {
        drop_in(&theirs);
        super::rest(5_000);
    };
    super::beside(feeding, || {
        let finding = lost(&poller);
        assert_eq!(evidence(&finding, "thread"), "kept-worker");
        assert_eq!(evidence(&finding, "it"), "runs (R)");
        assert_eq!(finding.location, None);
        assert!(finding.first_seen, "{finding:#?}");
        over.store(true, Ordering::Relaxed);
    });
    runtime.block_on(hog).unwrap();
}

/// The sleep has no row any more, and somebody may even have its slot.
#[test]
fn a_task_that_slept_last_is_named_too() {
    for is_slot_taken in [false, true] {
        let poller = new_poller();
        let over = AtomicBool::new(false);
        let (stream, peer) = unix_pair(&poller);
        let line = std::sync::OnceLock::new();
        std::thread::scope(|scope| {
            let _stop = StopOnDrop(&over);
            scope.spawn(|| {
                let hog = async {
                    netpoller::time::sleep(Duration::from_millis(20)).await;
                    line.set(line!() - 1).unwrap();
                    compute(far(), &over);
                };
                let waits = async { drop(stream.read(&mut [0; 4]).await) };
                let both = futures_lite::future::zip(waits, task::named("hog", hog));
                netpoller::block_on_poller(&poller, both);
            });
            until("it computes", || line.get().is_some());
            drop_in(&peer);
            let _taken = is_slot_taken.then(|| kept(&poller));
            let finding = found_among(&poller, Lint::BlockedExecutor, &BEFORE);
            over.store(true, Ordering::Relaxed);
            let task = evidence(&finding, "task that ran last");
            assert!(task.starts_with("hog"), "{finding:#?}");
            assert_eq!(finding.location.map(|it| it.line()), line.get().copied());
        });
    }
}

/// It may be any task that waits for nothing of this poller.
#[test]
fn a_task_that_has_parked_is_not_taken_for_the_one_that_runs_after_it() {
    let poller = new_poller();
    let over = AtomicBool::new(false);
    let begun = AtomicBool::new(false);
    let (stream, peer) = unix_pair(&poller);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&over);
        scope.spawn(|| {
            let echo = task::named("innocent", async { drop(stream.read(&mut [0; 4]).await) });
            let hog = async {
                futures_lite::future::yield_now().await;
                begun.store(true, Ordering::Relaxed);
                compute(far(), &over);
            };
            netpoller::block_on_poller(&poller, futures_lite::future::zip(echo, hog));
        });
        until("it computes", || begun.load(Ordering::Relaxed));
        drop_in(&peer);
        let finding = found_among(&poller, Lint::BlockedExecutor, &BEFORE);
        over.store(true, Ordering::Relaxed);
        let names = |(name, _): &(&str, String)| *name == "task that ran last";
        assert!(!finding.evidence.iter().any(names), "{finding:#?}");
        assert_eq!(finding.location, None);
        assert!(evidence(&finding, "last poll").ends_with(" ago"));
        assert!(evidence(&finding, "tid").parse::<u32>().is_ok());
    });
}

#[test]
fn a_task_that_computes_again_and_again_is_named() {
    let hog = |over: &AtomicBool| compute(Instant::now() + Duration::from_millis(300), over);
    let (finding, _) = hogged(1, 1, hog, blocked);
    assert!(evidence(&finding, "looks that found it").contains("of the last 5"));
}

#[test]
fn a_task_that_sleeps_with_its_thread_is_named_by_its_system_call() {
    let (finding, _) = hogged(
        1,
        1,
        |_| std::thread::sleep(Duration::from_millis(400)),
        blocked,
    );
    assert!(
        evidence(&finding, "it").contains("nanosleep"),
        "{finding:#?}"
    );
}

#[test]
fn a_task_on_an_executor_beside_a_thread_that_polls_is_named() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let over = AtomicBool::new(false);
    let (_hog_ours, mut to_hog, hog) = connection(&poller);
    let (_ours, mut to_victim, victim) = connection(&poller);
    let mut line = 0;
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&over);
        let executor = std::thread::Builder::new().name("executor".into());
        let line = &mut line;
        let run = || {
            let hogs = task::named("hog", async {
                hog.wait(Direction::Read).await.unwrap();
                compute(far(), &over);
            });
            *line = line!() - 3;
            let waits = task::named("victim", victim.wait(Direction::Read));
            let both = futures_lite::future::zip(waits, hogs);
            let _ = futures_lite::future::block_on(both).0;
        };
        executor.spawn_scoped(scope, run).unwrap();
        let parked = |count| until("they wait", || poller.info().waiters == count);
        parked(2);
        to_hog.write_all(b"x").unwrap();
        parked(1);
        until("it computes", || {
            let rows = poller.rows();
            let row = rows.iter().find(|row| row.id() == hog.id()).unwrap();
            row.read.state != netpoller::view::State::Woken
        });
        to_victim.write_all(b"x").unwrap();
        let finding = found_among(&poller, Lint::BlockedExecutor, &BEFORE);
        over.store(true, Ordering::Relaxed);
        assert_eq!(evidence(&finding, "thread"), "executor");
        assert!(
            evidence(&finding, "task that ran last").starts_with("hog"),
            "{finding:#?}"
        );
        assert!(
            finding.summary.contains("do not run"),
            "{}",
            finding.summary
        );
    });
    assert!(line > 0);
}

#[test]
fn an_executor_that_works_much_and_comes_back_is_not_blocked() {
    let poller = new_poller();
    let over = AtomicBool::new(false);
    let (stream, peer) = unix_pair(&poller);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&over);
        scope.spawn(|| {
            let read = async {
                let mut buf = [0; 4];
                while !over.load(Ordering::Relaxed) && stream.read(&mut buf).await.is_ok() {
                    compute(Instant::now() + Duration::from_millis(2), &over);
                }
            };
            netpoller::block_on_poller(&poller, task::named("busy", read));
        });
        scope.spawn(|| feed(&peer, &over));
        silent(&poller);
        over.store(true, Ordering::Relaxed);
        drop_in(&peer);
    });
}

/// The last byte, so that whoever reads sees that it is over.
fn drop_in(stream: &UnixStream) {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut write = pin!(stream.write(b"x"));
    let _ = write.as_mut().poll(&mut cx);
}

#[test]
fn waits_without_a_deadline_are_one_finding_for_each_line() {
    let poller = new_poller();
    let _driver = ThreadDriver::start(&poller).unwrap();
    let many: Vec<_> = (0..3).map(|_| kept(&poller)).collect();
    let mut waits: Vec<_> = many
        .iter()
        .map(|(desc, _, _)| Box::pin(desc.wait(Direction::Read)))
        .collect();
    let line = line!() - 2;
    for wait in &mut waits {
        super::waits::park(wait.as_mut());
    }
    let options = Options::new().hold(Lint::NoDeadline, super::BRIEF);
    let mut lints = Lints::new(options);
    let mut finding = None;
    until("it is found", || {
        let found = |it: &Finding| it.lint == Lint::NoDeadline;
        finding = lints.look(&poller).into_iter().find(found);
        finding
            .as_ref()
            .is_some_and(|it| evidence(it, "waits without a deadline") == "3")
    });
    assert_eq!(finding.unwrap().location.unwrap().line(), line);
    // With one there is nothing to say, and so it is after a shorter time than five minutes.
    for (desc, _, _) in &many {
        let later = Instant::now() + Duration::from_secs(600);
        desc.set_deadline(Some(later), netpoller::Sides::Both);
    }
    assert!(lints.look(&poller).is_empty());
}
