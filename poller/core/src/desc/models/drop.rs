//! A future that is dropped while somebody wakes it. What it was woken for must not be lost with
//! it.

use super::*;

/// Begins a wait with a waker that only counts, and returns its token.
fn begin(side: &Side) -> (Arc<Calls>, Token) {
    let (calls, waker) = Calls::new();
    let mut token = Token::default();
    assert!(side.poll(&mut token, false, &waker).is_pending());
    (calls, token)
}

#[test]
fn loom_readiness_outlives_the_future_that_was_dropped_beside_it() {
    explore("drop | ready", || {
        let side = Side::new();
        let (calls, mut token) = begin(&side);
        let poller = spawn(&side, Side::ready);
        side.cancel(&mut token);
        let woke = poller.join().unwrap();
        assert_eq!(side.word.state(), State::Ready);
        assert_eq!(calls.count(), usize::from(woke));
        side.check_idle();
    });
}

#[test]
fn loom_a_future_dropped_in_the_middle_of_its_first_poll_or_later_loses_no_readiness() {
    explore("poll, drop | ready", || {
        let side = Side::new();
        let waiter = spawn(&side, |side| {
            let (_, waker) = Calls::new();
            let mut token = Token::default();
            let poll = side.poll(&mut token, false, &waker);
            side.cancel(&mut token);
            poll
        });
        side.ready();
        let expected = match waiter.join().unwrap() {
            Poll::Ready(outcome) => {
                assert_eq!(outcome, Ok(()));
                State::Nil
            }
            Poll::Pending => State::Ready,
        };
        assert_eq!(side.word.state(), expected);
        side.check_idle();
    });
}

#[test]
fn loom_a_future_dropped_beside_its_deadline_leaves_no_claim() {
    explore("drop | deadline", || {
        let side = Side::new();
        let (_, mut token) = begin(&side);
        let timer = spawn(&side, Side::expire);
        side.cancel(&mut token);
        timer.join().unwrap();
        assert_eq!(side.word.state(), State::Nil);
        assert_eq!(side.wait(&mut Token::default()), TIMEOUT);
        side.check_idle();
    });
}

#[test]
fn loom_readiness_outlives_a_future_dropped_beside_edge_and_deadline() {
    explore_three("drop | ready | deadline", || {
        let side = Side::new();
        let (_, mut token) = begin(&side);
        let poller = spawn(&side, Side::ready);
        let timer = spawn(&side, Side::expire);
        side.cancel(&mut token);
        poller.join().unwrap();
        timer.join().unwrap();
        assert_eq!(side.word.state(), State::Ready);
        side.check_idle();
    });
}

#[test]
fn loom_the_next_waiter_gets_what_the_dropped_one_was_about_to_get() {
    explore("drop, next waiter | ready", || {
        let side = Side::new();
        let (_, mut token) = begin(&side);
        let poller = spawn(&side, Side::ready);
        side.cancel(&mut token);
        assert_eq!(side.wait(&mut Token::default()), Ok(()));
        poller.join().unwrap();
        side.check_idle();
    });
}

#[test]
fn loom_a_waiter_on_another_thread_meets_the_dropping_one() {
    explore_three("drop | another waiter | ready", || {
        let side = Side::new();
        let (_, mut token) = begin(&side);
        let poller = spawn(&side, Side::ready);
        let next = spawn(&side, |side| {
            let outcome = side.wait(&mut Token::default());
            assert!(outcome == Ok(()) || outcome == BUSY, "{outcome:?}");
            outcome
        });
        side.cancel(&mut token);
        poller.join().unwrap();
        let expected = if next.join().unwrap() == BUSY {
            State::Ready
        } else {
            State::Nil
        };
        assert_eq!(side.word.state(), expected);
        side.check_idle();
    });
}
