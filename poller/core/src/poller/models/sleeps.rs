//! A poller that goes to sleep, and what must wake it in time.

use super::*;

#[test]
fn loom_issue_tokio_3190_a_deadline_beside_a_poller_that_goes_to_sleep_is_seen_by_one_of_them() {
    explore_big("go to sleep | deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let setter = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(1)), Sides::Read)
        });
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        setter.join().unwrap();
        assert!(
            timeout != Timeout::Never || fixture.is_signalled(),
            "it sleeps for ever, and nobody wakes it"
        );
    });
}

#[test]
fn loom_the_earlier_of_two_deadlines_bounds_the_sleep() {
    explore_big("go to sleep | late deadline | early deadline", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        let other = Arc::new(
            fixture
                .poller
                .open_at(101, Kind::Tcp, std::panic::Location::caller())
                .unwrap(),
        );
        let late = spawn({
            let desc = desc.clone();
            move || desc.set_deadline(Some(later(200)), Sides::Both)
        });
        let early = spawn({
            let other = other.clone();
            move || other.set_deadline(Some(later(1)), Sides::Write)
        });
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        late.join().unwrap();
        early.join().unwrap();
        let hour = Duration::from_secs(3600).as_nanos() as u64;
        let in_time = matches!(timeout, Timeout::Nanos(ns) if ns <= hour);
        assert!(
            in_time || fixture.is_signalled(),
            "it sleeps beyond the early deadline"
        );
    });
}

#[test]
fn loom_a_deadline_that_is_queued_again_is_seen_by_a_poller_that_goes_to_sleep() {
    explore_big("fire, requeue | sleep", || {
        let fixture = Fixture::new();
        let desc = fixture.open();
        desc.set_deadline(Some(later(1)), Sides::Read);
        // Extended lazily: the entry stays at 1 h.
        desc.set_deadline(Some(later(3)), Sides::Read);
        let firing = fire(&fixture, later(2));
        let (timeout, _) = fixture.poller.shared.publish_sleep(None);
        firing.join().unwrap();
        assert!(
            timeout != Timeout::Never || fixture.is_signalled(),
            "it sleeps for ever, the deadline in 3 h unseen"
        );
        drop(desc);
    });
}
