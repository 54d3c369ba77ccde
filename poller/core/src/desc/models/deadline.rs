//! A waiter and its deadline: the store-buffer pair of `word.rs`.

use super::*;

#[test]
fn loom_a_waiter_is_released_by_its_deadline() {
    explore("reader | deadline", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        side.expire();
        assert_eq!(reader.join().unwrap(), TIMEOUT);
        side.check_idle();
    });
}

#[test]
fn loom_a_waiter_whose_deadline_is_cleared_again_goes_on_or_times_out_but_never_hangs() {
    explore("reader | deadline, cleared, edge", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        side.expire();
        side.publish(false, false);
        side.edge();
        let outcome = reader.join().unwrap();
        assert!(outcome == Ok(()) || outcome == TIMEOUT, "{outcome:?}");
        side.check_idle();
    });
}

#[test]
fn loom_an_edge_beside_a_deadline_is_read_now_or_by_the_next_operation() {
    explore_three("reader | edge | deadline", || {
        let side = Side::new();
        let reader = spawn(&side, Side::read);
        let timer = spawn(&side, Side::expire);
        side.edge();
        timer.join().unwrap();
        match reader.join().unwrap() {
            Ok(()) => {}
            outcome => {
                assert_eq!(outcome, TIMEOUT);
                // The deadline is moved, and somebody waits without having looked: the edge must
                // still be there, unless the reader has looked after it.
                side.publish(false, false);
                assert_eq!(side.read(), Ok(()));
            }
        }
        side.check_idle();
    });
}

#[test]
fn loom_readiness_outlives_a_wait_that_timed_out() {
    explore_three("wait | ready | deadline", || {
        let side = Side::new();
        let waiter = spawn(&side, |side| side.wait(&mut Token::default()));
        let timer = spawn(&side, Side::expire);
        side.ready();
        timer.join().unwrap();
        match waiter.join().unwrap() {
            Ok(()) => assert_eq!(side.word.state(), State::Nil),
            outcome => {
                assert_eq!(outcome, TIMEOUT);
                assert_eq!(
                    side.word.state(),
                    State::Ready,
                    "semantics 20: a deadline leaves readiness alone"
                );
            }
        }
        side.check_idle();
    });
}
