//! Three at a time on a whole poller, at preemption bound 3 but for one.

use super::*;

#[test]
fn loom_a_waiter_is_released_in_time_by_a_deadline_set_beside_a_break_and_a_sleep() {
    explore_three_big("wait | set | break | sleep, fire", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let waiter = spawn({
            let desc = desc.clone();
            move || block_on(desc.wait(Direction::Read))
        });
        let setter = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(1)), Sides::Read)
        });
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        fixture.poller.wake().unwrap();
        setter.join().unwrap();
        assert!(timeout != Timeout::Never || fixture.is_signalled());
        fire(&fixture, later(2)).join().unwrap();
        assert_eq!(waiter.join().unwrap(), Err(Error::DeadlineExceeded));
        assert_eq!(fixture.poller.waiters(), 0);
        fixture.check_breaks();
    });
}

/// At the bound of the pairs, for at 3 it takes ten times as long as all others together.
#[test]
fn loom_an_old_event_beside_close_and_next_life_is_spurious_at_most() {
    explore_big("close, next life waits | old event | its own edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        fixture.kernel.edge(100, libc::EPOLLERR);
        let polling = spawn({
            let poller = fixture.poller.clone();
            move || poll(&poller, Some(Duration::ZERO))
        });
        Arc::into_inner(desc).unwrap().close();
        let next = fixture.open();
        let own = fixture.edge();
        assert_eq!(block_on(next.wait(Direction::Read)), Ok(()));
        polling.join().unwrap();
        own.join().unwrap();
        assert_eq!(next.check(Direction::Read), Ok(()), "golang/go#59545");
        assert_eq!(fixture.poller.waiters(), 0);
    });
}

#[test]
fn loom_a_waiter_between_its_deadline_a_move_of_it_and_an_edge_ends_for_one_of_them() {
    explore_three_big("wait | fire | move later, edge", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        let waiter = spawn({
            let desc = desc.clone();
            move || block_on(desc.wait(Direction::Read))
        });
        let firing = fire(&fixture, later(2));
        desc.set_deadline(Some(later(3)), Sides::Read);
        fixture.edge().join().unwrap();
        firing.join().unwrap();
        let outcome = waiter.join().unwrap();
        assert!(
            matches!(outcome, Ok(()) | Err(Error::DeadlineExceeded)),
            "{outcome:?}"
        );
        assert_eq!(fixture.poller.waiters(), 0);
        assert_eq!(
            desc.check(Direction::Read),
            Ok(()),
            "set last, so not expired"
        );
        check_deadlines(&fixture, &desc);
    });
}
