//! A waiter and the edges it waits for.

use loom::sync::atomic::AtomicU32;

use super::*;

#[test]
fn loom_a_reader_is_woken_by_the_edge_that_follows_its_eagain() {
    explore("reader | edge", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        side.edge();
        assert_eq!(reader.join().unwrap(), Ok(()));
        side.check_idle();
    });
}

#[test]
fn loom_a_reader_gets_both_bytes_that_two_pollers_announce() {
    explore_three("reader | edge | edge", || {
        let side = Side::new();
        let reader = spawn(&side, |side| side.read().and_then(|()| side.read()));
        let poller = spawn(&side, Side::edge);
        side.edge();
        poller.join().unwrap();
        assert_eq!(reader.join().unwrap(), Ok(()));
        side.check_idle();
    });
}

#[test]
fn loom_a_spurious_edge_ends_no_wait_for_good() {
    explore_three("reader | edge | spurious edge", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        let poller = spawn(&side, Side::ready);
        side.edge();
        poller.join().unwrap();
        assert_eq!(reader.join().unwrap(), Ok(()));
        side.check_idle();
    });
}

#[test]
fn loom_whoever_takes_readiness_down_sees_the_mask_of_each_edge_that_found_it_there() {
    explore("reset | mask, edge", || {
        let side = Side::new();
        side.ready();
        // Told beside the word, without an order of its own.
        let mask = Arc::new(AtomicU32::new(0));
        let poller = spawn(&side, {
            let mask = mask.clone();
            move |side| {
                mask.store(1, Ordering::Relaxed);
                side.ready()
            }
        });
        let reset = side.word.reset(|transition| side.counts.count(transition));
        assert_eq!(reset, Ok(true));
        let seen = mask.load(Ordering::Relaxed) == 1;
        poller.join().unwrap();
        // An edge that came after the reset has left readiness of its own.
        assert!(seen || side.word.state() == State::Ready);
        side.check_idle();
    });
}

#[test]
fn loom_the_last_waker_is_the_one_that_is_called() {
    explore("another waker | ready", || {
        let side = Side::new();
        let (first, waker) = Calls::new();
        let mut token = Token::default();
        assert!(side.poll(&mut token, false, &waker).is_pending());
        let poller = spawn(&side, Side::ready);
        // A task that was moved is polled again, without a wake, by its new executor.
        let (second, waker) = Calls::new();
        let again = side.poll(&mut token, false, &waker);
        let woke = poller.join().unwrap();
        match again {
            Poll::Ready(outcome) => assert_eq!(outcome, Ok(())),
            Poll::Pending => {
                assert!(second.count() > 0, "pending with a waker that nobody calls");
                let (_, waker) = Calls::new();
                assert_eq!(side.poll(&mut token, false, &waker), Poll::Ready(Ok(())));
            }
        }
        assert!(first.count() + second.count() > 0 || !woke);
        side.check_idle();
    });
}

#[test]
fn loom_a_waiter_that_changes_its_waker_until_it_is_woken_is_woken() {
    explore_three("waker changes, then waits | edge | deadline", || {
        let side = Side::new();
        let (_, waker) = Calls::new();
        let mut token = Token::default();
        assert!(side.poll(&mut token, false, &waker).is_pending());
        let poller = spawn(&side, Side::ready);
        let timer = spawn(&side, Side::expire);
        let outcome = side.wait(&mut token);
        assert!(outcome == Ok(()) || outcome == TIMEOUT, "{outcome:?}");
        poller.join().unwrap();
        timer.join().unwrap();
        side.check_idle();
    });
}

#[test]
fn loom_one_of_two_waiters_is_busy_and_the_other_is_woken() {
    explore_three("waiter | waiter | edge", || {
        let side = Side::new();
        let waiter = |side: &Side| {
            let mut token = Token::default();
            let outcome = side.wait(&mut token);
            if outcome == Ok(()) {
                // Hand it on, so that the other one, if it came later, is not left waiting.
                side.ready();
            }
            outcome
        };
        let other = spawn(&side, waiter);
        let poller = spawn(&side, Side::ready);
        let mine = waiter(&side);
        poller.join().unwrap();
        let theirs = other.join().unwrap();
        for outcome in [&mine, &theirs] {
            assert!(*outcome == Ok(()) || *outcome == BUSY, "{outcome:?}");
        }
        assert!(
            mine == Ok(()) || theirs == Ok(()),
            "a refused waiter must have met another one"
        );
        side.check_idle();
    });
}
