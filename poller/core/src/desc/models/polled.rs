//! Waits by poll functions: they have no future to drop, so the next waiter takes the place of the
//! last.

use super::*;

fn poll_once(side: &Side) -> (Arc<Calls>, Poll<Outcome>) {
    let (calls, waker) = Calls::new();
    (calls, side.poll(&mut Token::default(), true, &waker))
}

#[test]
fn loom_a_poll_function_that_comes_back_is_woken_by_its_last_waker() {
    explore("polled, polled until ready | ready", || {
        let side = Side::new();
        assert!(poll_once(&side).1.is_pending());
        let poller = spawn(&side, Side::ready);
        let parker = Parker::new();
        let waker = parker.clone().into();
        loop {
            match side.poll(&mut Token::default(), true, &waker) {
                Poll::Ready(outcome) => break assert_eq!(outcome, Ok(())),
                Poll::Pending => parker.park(),
            }
        }
        poller.join().unwrap();
        side.check_idle();
    });
}

#[test]
fn loom_a_future_takes_the_place_of_a_poll_function_beside_a_close() {
    explore("polled, future | close", || {
        let side = Side::new();
        assert!(poll_once(&side).1.is_pending());
        let closer = spawn(&side, Side::evict);
        assert_eq!(side.wait(&mut Token::default()), CLOSED);
        closer.join().unwrap();
        side.check_idle();
    });
}

#[test]
fn loom_of_two_poll_functions_at_a_time_one_is_busy_or_taken_over() {
    explore_three("polled | polled | ready", || {
        let side = Side::new();
        let other = spawn(&side, poll_once);
        let poller = spawn(&side, Side::ready);
        let (mine, my_poll) = poll_once(&side);
        let (theirs, their_poll) = other.join().unwrap();
        poller.join().unwrap();
        let consumed = [&my_poll, &their_poll]
            .iter()
            .filter(|poll| ***poll == Poll::Ready(Ok(())))
            .count();
        assert!(consumed <= 1);
        if consumed == 0 {
            assert_eq!(side.word.state(), State::Ready);
            let parked = [&my_poll, &their_poll]
                .iter()
                .filter(|poll| poll.is_pending())
                .count();
            assert!(parked > 0, "a busy one must have met another");
            assert!(
                mine.count() + theirs.count() > 0,
                "the last of those parked is woken"
            );
        }
        side.word
            .reset(|transition| side.counts.count(transition))
            .unwrap();
        side.publish(false, true);
        side.check_idle();
    });
}

#[test]
fn loom_a_reset_beside_a_wait_left_behind_keeps_the_laws() {
    explore("polled, reset and read | edge", || {
        let side = Side::new();
        assert!(poll_once(&side).1.is_pending());
        let poller = spawn(&side, Side::edge);
        assert_eq!(side.read(), Ok(()));
        poller.join().unwrap();
        side.check_idle();
    });
}
