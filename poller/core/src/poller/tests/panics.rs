//! Wakers that panic: one panic reaches the caller, everybody else is woken, what is closed is
//! closed, the laws hold.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::desc::foreign::{Foreign, Part};

const PARTS: [Part; 4] = [Part::Clone, Part::Wake, Part::WakeByRef, Part::Drop];

/// Runs `step`, which may panic once for all the panics of `foreign` in it, and must if there was
/// one.
#[track_caller]
fn step(foreign: &Arc<Foreign>, what: &str, step: impl FnOnce()) {
    let before = foreign.panics();
    let outcome = catch_unwind(AssertUnwindSafe(step));
    let panicked = foreign.panics() > before;
    assert_eq!(outcome.is_err(), panicked, "{what}: {foreign:?}");
    if let Err(payload) = outcome {
        assert!(payload.is::<Part>(), "{what}: a panic of our own");
    }
}

/// Ends the waits of two descriptors.
type End = fn(&Fixture, [&Desc; 2]);

fn by_events(fixture: &Fixture, _: [&Desc; 2]) {
    fixture.kernel.edge(5, IN | OUT);
    fixture.kernel.edge(6, IN | OUT);
    poll_now(&fixture.poller);
}

fn by_a_past_deadline(_: &Fixture, descs: [&Desc; 2]) {
    let mut panics = crate::sync::Panics::default();
    for desc in descs {
        panics.catch(|| desc.set_deadline(past(), Sides::Both));
    }
    panics.resume();
}

fn by_a_deadline_that_fires(fixture: &Fixture, descs: [&Desc; 2]) {
    for desc in descs {
        desc.set_deadline(Some(hours(1)), Sides::Both);
    }
    fixture.fire_at(hours(2));
}

fn by_eviction(_: &Fixture, descs: [&Desc; 2]) {
    let mut panics = crate::sync::Panics::default();
    for desc in descs {
        panics.catch(|| desc.unblock());
    }
    panics.resume();
}

const ENDS: [(&str, End); 4] = [
    ("events", by_events),
    ("a past deadline", by_a_past_deadline),
    ("a deadline that fires", by_a_deadline_that_fires),
    ("eviction", by_eviction),
];

/// Three foreign waiters and one of our own, which is the last.
fn park<'a>(foreign: &Arc<Foreign>, descs: [&'a Desc; 2], rearm: bool) -> Vec<Waiting<'a>> {
    let [first, second] = descs;
    let mut all = Vec::new();
    for (desc, direction) in [(first, Read), (first, Write), (second, Read)] {
        let mut waiting = Waiting::new(desc, direction);
        // Each takes the place of the one before.
        let other = Foreign::new(Part::Clone, 0);
        for turn in 0..if rearm { 3 } else { 1 } {
            let waker = if turn == 1 {
                other.waker()
            } else {
                foreign.waker()
            };
            step(foreign, "parking", || {
                let _ = waiting.poll_with(&waker);
            });
            step(foreign, "letting go of a waker", || drop(waker));
        }
        all.push(waiting);
    }
    all.push(Waiting::parked(second, Write));
    all
}

#[test]
fn wakers_that_panic_wherever_they_do_hold_nobody_up_who_is_released() {
    for (end_name, end) in ENDS {
        for part in PARTS {
            for times in [1, 2, u32::MAX] {
                for rearm in [false, true] {
                    let fixture = Fixture::new();
                    let (first, second) = (fixture.open(5), fixture.open(6));
                    let foreign = Foreign::new(part, times);
                    let name = format!("{end_name}, {part:?} × {times}, rearm {rearm}");
                    let mut all = park(&foreign, [&first, &second], rearm);
                    let parked = fixture.poller.waiters();
                    step(&foreign, &name, || end(&fixture, [&first, &second]));
                    // One whose clone panics leaves the waker in place that was there before.
                    if part != Part::Clone || !rearm {
                        assert_eq!(foreign.calls(), parked as usize - 1, "{name}");
                    }
                    let ours = all.pop().expect("the last one");
                    assert_eq!(ours.calls(), 1, "{name}");
                    assert_eq!(fixture.poller.waiters(), 0, "{name}");
                    for waiting in all {
                        step(&foreign, &name, || drop(waiting));
                    }
                    drop(ours);
                    assert_eq!(foreign.alive(), 0, "{name}: a waker is left");
                    for desc in [&first, &second] {
                        for direction in Direction::ALL {
                            check_laws(desc, direction);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn wakers_that_panic_hold_up_no_cancellation_and_no_close() {
    for part in PARTS {
        for times in [1, 2, u32::MAX] {
            for closes in [false, true] {
                let fixture = Fixture::new();
                let (first, second) = (fixture.open(5), fixture.open(6));
                let foreign = Foreign::new(part, times);
                let name = format!("{part:?} × {times}, close {closes}");
                for waiting in park(&foreign, [&first, &second], true) {
                    if closes {
                        // One that was forgotten, which close must release.
                        std::mem::forget(waiting);
                    } else {
                        step(&foreign, &name, || drop(waiting));
                    }
                }
                if !closes {
                    assert_eq!(foreign.alive(), 0, "{name}: a waker is left");
                    assert_eq!(fixture.poller.waiters(), 0, "{name}");
                    for direction in Direction::ALL {
                        check_laws(&first, direction);
                    }
                }
                let shared = fixture.poller.shared.clone();
                for desc in [first, second] {
                    step(&foreign, &name, || desc.close());
                }
                assert_eq!(fixture.poller.waiters(), 0, "{name}");
                assert_eq!(shared.cache.free_count(), 2, "{name}: a slot is lost");
                assert_eq!(fixture.count(Counter::Closed), 2, "{name}");
            }
        }
    }
}

#[test]
fn issue_tokio_a_panic_while_another_one_unwinds_does_not_end_the_process() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.open(5), fixture.open(6));
    for part in PARTS {
        let foreign = Foreign::new(part, u32::MAX);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let waker = foreign.waker();
            let mut all = [(&first, Read), (&first, Write), (&second, Read)]
                .map(|(desc, direction)| Waiting::new(desc, direction));
            for waiting in &mut all {
                let _ = waiting.poll_with(&waker);
            }
            std::mem::forget(waker);
            panic!("while they wait");
        }));
        assert!(outcome.is_err());
        assert_eq!(fixture.poller.waiters(), 0, "{part:?}");
    }
}

#[test]
fn a_list_that_is_dropped_wakes_all_and_keeps_the_panics_to_itself() {
    for times in [1, 2, u32::MAX] {
        let fixture = Fixture::new();
        let (first, second) = (fixture.open(5), fixture.open(6));
        let foreign = Foreign::new(Part::Wake, times);
        let all = park(&foreign, [&first, &second], false);
        fixture.kernel.edge(5, IN | OUT);
        fixture.kernel.edge(6, IN | OUT);
        let mut ready = ReadyList::default();
        let woken = fixture.poller.poll(Some(Duration::ZERO), &mut ready);
        assert_eq!(woken.unwrap(), 4);
        drop(ready);
        assert_eq!((foreign.calls(), all[3].calls()), (3, 1));
        assert_eq!(fixture.poller.waiters(), 0);
    }
}
