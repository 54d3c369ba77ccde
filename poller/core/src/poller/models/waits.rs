//! Waits on a whole poller.

use super::*;

#[test]
fn loom_a_wait_is_released_once_by_edge_deadline_or_close_and_counted_off() {
    explore_big("wait | poll | deadline and close", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let waiter = spawn({
            let desc = desc.clone();
            move || block_on(desc.wait(Direction::Read))
        });
        let polling = spawn({
            let (poller, kernel) = (fixture.poller.clone(), fixture.kernel.clone());
            move || {
                kernel.edge(100, libc::EPOLLIN);
                let mut ready = ReadyList::with_capacity(4);
                poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
                ready.wake_all();
            }
        });
        desc.unblock();
        let outcome = waiter.join().unwrap();
        polling.join().unwrap();
        assert!(
            matches!(outcome, Ok(()) | Err(crate::Error::Closed)),
            "{outcome:?}"
        );
        assert_eq!(fixture.poller.waiters(), 0);
        assert_eq!(fixture.count(Counter::StaleEvents), 0);
    });
}

#[test]
fn loom_futures_dropped_in_both_directions_are_both_counted_off() {
    explore_big("drop | drop", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (_, reading) = parked(&desc);
        let writing = spawn({
            let desc = desc.clone();
            move || {
                let mut wait = Box::pin(desc.wait(Direction::Write));
                let (calls, poll) = poll_once(&mut wait);
                assert!(poll.is_pending());
                drop(wait);
                calls.count()
            }
        });
        drop(reading);
        assert_eq!(writing.join().unwrap(), 0);
        assert_eq!(fixture.poller.waiters(), 0);
        for direction in Direction::ALL {
            assert_eq!(desc.slot.side(direction).state(), State::Nil);
        }
    });
}

#[test]
fn loom_a_future_dropped_beside_a_poll_function_takes_only_its_own_wait_along() {
    explore_big("drop | poll function", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let (_, wait) = parked(&desc);
        let function = spawn({
            let desc = desc.clone();
            move || {
                let (calls, waker) = Calls::new();
                let mut cx = Context::from_waker(&waker);
                let poll = desc.poll_wait(Direction::Read, Location::caller(), false, &mut cx);
                (calls, poll)
            }
        });
        drop(wait);
        let (calls, poll) = function.join().unwrap();
        let waits = poll.is_pending();
        assert!(
            waits || poll == Poll::Ready(Err(Error::Busy)),
            "it found the future's wait, or came after it: {poll:?}"
        );
        fixture.edge().join().unwrap();
        // Asked to come back, or woken by the edge; and nobody else is.
        assert_eq!(waits, calls.count() > 0);
        assert_eq!(fixture.poller.waiters(), 0);
    });
}
