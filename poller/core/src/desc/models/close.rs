//! A waiter and the eviction that begins every close.

use super::*;

#[test]
fn loom_a_waiter_is_released_by_close() {
    explore("reader | close", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        side.evict();
        assert_eq!(reader.join().unwrap(), CLOSED);
        side.check_idle();
    });
}

#[test]
fn loom_a_waiter_between_an_edge_and_close_gets_one_of_them() {
    explore_three("reader | edge | close", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        let poller = spawn(&side, Side::edge);
        side.evict();
        poller.join().unwrap();
        let outcome = reader.join().unwrap();
        assert!(outcome == Ok(()) || outcome == CLOSED, "{outcome:?}");
        side.check_idle();
    });
}

#[test]
fn loom_a_waiter_between_its_deadline_and_close_gets_one_of_them() {
    explore_three("reader | deadline | close", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        let timer = spawn(&side, |side| {
            // A deadline that fires on a closing descriptor does nothing (semantics 34), as in
            // `fire_one`.
            let guard = side.lock.lock().unwrap();
            if side.info.closing() {
                return;
            }
            side.info.publish(false, true, false);
            let waker = side
                .word
                .unblock(|| (), |transition| side.counts.count(transition));
            drop(guard);
            side.woken(waker);
        });
        side.evict();
        timer.join().unwrap();
        let outcome = reader.join().unwrap();
        assert!(outcome == TIMEOUT || outcome == CLOSED, "{outcome:?}");
        assert!(side.info.closing(), "close is for good");
        side.check_laws();
    });
}
