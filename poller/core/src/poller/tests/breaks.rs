//! Statements 39 to 42 and 51: breaks, and who blocks.

use std::io;

use super::*;

#[test]
fn semantics_39_any_number_of_breaks_is_one_write_until_a_blocking_poll_takes_it() {
    let fixture = Fixture::new();
    let mut ready = ReadyList::default();
    for round in 1..=2 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| fixture.poller.wake().unwrap()));
            }
        });
        assert_eq!(fixture.kernel.break_writes(), round);
        assert!(fixture.is_signalled());
        fixture.poller.poll(None, &mut ready).unwrap();
        assert!(!fixture.is_signalled());
    }
    assert_eq!(fixture.count(Counter::BreaksRequested), 80);
    assert_eq!(fixture.count(Counter::BreaksWritten), 2);
    assert_eq!(fixture.count(Counter::BreaksCoalesced), 78);
    assert_eq!(fixture.count(Counter::BreaksDrained), 2);
}

#[test]
fn semantics_39_a_break_with_nobody_blocked_ends_the_next_blocking_poll_at_once() {
    let poller = Poller::builder().build().unwrap();
    poller.wake().unwrap();
    let mut ready = ReadyList::default();
    // Would hang if the break were lost.
    assert_eq!(poller.poll(None, &mut ready).unwrap(), 0);
    let before = Instant::now();
    poller
        .poll(Some(Duration::from_millis(2)), &mut ready)
        .unwrap();
    assert!(
        before.elapsed() >= Duration::from_millis(2),
        "and only that one"
    );
}

#[test]
fn semantics_40_a_poll_that_does_not_wait_leaves_the_break_to_the_one_that_does() {
    let fixture = Fixture::new();
    fixture.poller.wake().unwrap();
    for _ in 0..3 {
        assert_eq!(poll_now(&fixture.poller), 0);
        assert!(fixture.is_signalled());
    }
    fixture.poller.wake().unwrap();
    assert_eq!(fixture.kernel.break_writes(), 1);
    assert_eq!(fixture.count(Counter::BreaksDrained), 0);
}

#[test]
fn semantics_40_the_poll_of_a_nested_poller_takes_the_break_unless_somebody_blocks() {
    let fixture = Fixture::new();
    fixture.poller.nest().unwrap();
    fixture.poller.wake().unwrap();
    poll_now(&fixture.poller);
    assert!(!fixture.is_signalled());
    let role = fixture.poller.shared.take_role().unwrap();
    fixture.poller.wake().unwrap();
    poll_now(&fixture.poller);
    assert!(
        fixture.is_signalled(),
        "it was meant for the thread that blocks"
    );
    drop(role);
    poll_now(&fixture.poller);
    assert!(!fixture.is_signalled());
}

#[test]
fn semantics_51_one_thread_at_a_time_blocks() {
    let fixture = Fixture::new();
    let role = fixture.poller.shared.take_role().unwrap();
    let mut ready = ReadyList::default();
    for delay in [None, Some(Duration::from_secs(1))] {
        let error = fixture.poller.poll(delay, &mut ready).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    }
    assert_eq!(
        poll_now(&fixture.poller),
        0,
        "any number may poll without waiting"
    );
    drop(role);
    fixture.poller.poll(None, &mut ready).unwrap();
    fixture.poller.poll(None, &mut ready).unwrap();
}

#[test]
fn semantics_51_a_deadline_breaks_the_sleep_that_would_outlast_it_and_no_other() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let other = fixture.open(6);
    let shared = &fixture.poller.shared;
    desc.set_deadline(Some(hours(1)), Sides::Read);
    assert!(!fixture.is_signalled(), "nobody sleeps");
    shared.publish_sleep(None);
    other.set_deadline(Some(hours(2)), Sides::Read);
    assert!(!fixture.is_signalled(), "it wakes before that");
    other.set_deadline(Some(hours(1) - Duration::from_secs(60)), Sides::Write);
    assert!(fixture.is_signalled());
}

#[test]
fn semantics_51_a_sleep_without_a_deadline_is_broken_by_the_first_one() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let (timeout, _) = fixture.poller.shared.publish_sleep(None);
    assert_eq!(timeout, crate::sys::Timeout::Never);
    desc.set_deadline(Some(hours(900)), Sides::Both);
    assert!(fixture.is_signalled());
}

#[test]
fn a_sleep_ends_with_the_limit_or_the_first_deadline_whichever_comes_first() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    desc.set_deadline(Some(hours(2)), Sides::Both);
    let hour = Duration::from_secs(3600).as_nanos() as u64;
    let now = clock::now_ns();
    for (limit, at_most) in [
        (None, 2 * hour),
        (Some(now + hour), hour),
        (Some(now + 9 * hour), 2 * hour),
    ] {
        match fixture.poller.shared.publish_sleep(limit).0 {
            crate::sys::Timeout::Nanos(ns) => {
                assert!((at_most - hour / 2..=at_most).contains(&ns), "{ns}")
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        fixture.poller.shared.publish_sleep(Some(1)).0,
        crate::sys::Timeout::Zero,
        "a limit that is past"
    );
}
