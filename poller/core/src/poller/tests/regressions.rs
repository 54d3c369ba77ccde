//! Bugs that bit other pollers, one test each.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn issue_go_59545_stale_event_err() {
    let fixture = Fixture::new();
    let old = fixture.open(5);
    let event = tag(&old);
    old.close();
    // The batch with the old descriptor's EPOLLERR is dispatched only after its slot went to
    // another.
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    fixture.kernel.late_event(event, ERR);
    assert_eq!(poll_now(&fixture.poller), 0);
    assert_eq!(waiting.poll(), Poll::Pending);
    assert_eq!(desc.check(Read), Ok(()));
}

#[test]
fn issue_go_60782_waiters_counter() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut waiting = Waiting::parked(&desc, Read);
    // A task that moves between executors is polled with another waker each time.
    for _ in 0..5 {
        let (_, waker) = Calls::new();
        assert_eq!(waiting.poll_with(&waker), Poll::Pending);
        assert_eq!(fixture.poller.waiters(), 1);
    }
    assert_eq!(waiting.poll(), Poll::Pending);
    fixture.edge(5, IN);
    assert_eq!(waiting.calls(), 1);
    assert_eq!(fixture.poller.waiters(), 0);
    assert_eq!(waiting.poll(), OK);

    let mut waiting = Waiting::parked(&desc, Write);
    for waker in [Waker::noop(), &Calls::new().1] {
        assert_eq!(waiting.poll_with(waker), Poll::Pending);
    }
    drop(waiting);
    assert_eq!(fixture.poller.waiters(), 0);
    for direction in Direction::ALL {
        check_laws(&desc, direction);
    }
}

#[test]
fn issue_go_60782_waiters_counter_of_poll_functions() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut last = None;
    for _ in 0..4 {
        let (calls, waker) = Calls::new();
        let mut cx = Context::from_waker(&waker);
        let poll = desc.poll_wait(Read, Location::caller(), false, &mut cx);
        assert_eq!(poll, Poll::Pending);
        assert_eq!(fixture.poller.waiters(), 1);
        last = Some(calls);
    }
    fixture.edge(5, IN);
    assert_eq!(last.unwrap().count(), 1);
    assert_eq!(fixture.poller.waiters(), 0);
    check_laws(&desc, Read);
}

#[test]
fn issue_go_67056_unexpected_break_mask() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    for mask in [0, ERR, HUP | ERR, IN | OUT | RDHUP] {
        fixture.poller.wake().unwrap();
        fixture.kernel.late_event(Tag::BREAK, mask);
        let mut ready = ReadyList::default();
        fixture.poller.poll(None, &mut ready).unwrap();
        assert!(!fixture.is_signalled());
    }
    assert_eq!(state(&desc, Read), State::Nil);
    assert_eq!(fixture.count(Counter::StaleEvents), 0);
}

#[test]
fn issue_tokio_3190_earlier_deadline_breaks_the_sleep() {
    let poller = Poller::builder().build().unwrap();
    let (a, _b) = UnixStream::pair().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    poll_now(&poller);
    let mut waiting = Waiting::parked(&desc, Read);
    let sleeper = std::thread::spawn({
        let poller = poller.clone();
        move || {
            let mut ready = ReadyList::default();
            while poller.any_waiters() {
                poller.poll(None, &mut ready).unwrap();
                ready.wake_all();
            }
        }
    });
    // Until the sleeper has said that it sleeps without a limit.
    while poller.shared.poll_until.load(Ordering::Acquire) != u64::MAX {
        std::thread::yield_now();
    }
    desc.set_deadline(Some(Instant::now() + Duration::from_millis(1)), Sides::Read);
    sleeper.join().unwrap();
    assert_eq!(waiting.poll(), TIMEOUT);
}

#[test]
fn issue_miri_4374_every_break_makes_the_instance_readable_anew() {
    let poller = Poller::builder().build().unwrap();
    let mut ready = ReadyList::default();
    for _ in 0..3 {
        poller.wake().unwrap();
        poller.poll(None, &mut ready).unwrap();
        poll_now(&poller);
        assert_eq!(
            count(&poller, Counter::BreaksWritten),
            count(&poller, Counter::BreaksDrained)
        );
    }
    assert_eq!(count(&poller, Counter::BreaksWritten), 3);
}

#[test]
fn issue_go_22606_use_before_init_race() {
    let barrier = std::sync::Barrier::new(8);
    let pollers: Vec<_> = std::thread::scope(|scope| {
        let use_it = || {
            barrier.wait();
            std::ptr::from_ref(Poller::global()) as usize
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(use_it)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(pollers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(
        all_pollers()
            .iter()
            .filter(|poller| poller.name() == "global")
            .count(),
        1
    );
}

#[test]
fn issue_go_35532_setting_deadlines_beside_firing_and_closing_does_not_deadlock() {
    let fixture = Fixture::new();
    let descs: Vec<_> = (0..4).map(|fd| fixture.open(fd)).collect();
    std::thread::scope(|scope| {
        for desc in &descs {
            scope.spawn(move || {
                for round in 0..500 {
                    desc.set_deadline(Some(hours(1 + round % 3)), Sides::Both);
                    desc.set_deadline(past(), Sides::Read);
                    desc.set_deadline(None, Sides::Write);
                }
            });
        }
        scope.spawn(|| (0..500).for_each(|_| fixture.fire_at(hours(9))));
        scope.spawn(|| (0..500).for_each(|fd| fixture.open(100 + fd).close()));
    });
    for desc in descs {
        desc.close();
    }
    assert_eq!(fixture.queued(), 0);
    assert_eq!(
        fixture.count(Counter::Opened),
        fixture.count(Counter::Closed)
    );
}

#[test]
fn issue_go_15735_a_wait_is_over_when_data_comes_and_reads_nothing_itself() {
    let poller = Poller::builder().build().unwrap();
    let (mut a, mut b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    poll_now(&poller);
    desc.reset(Read).unwrap();
    assert_eq!(
        a.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    let mut waiting = Waiting::parked(&desc, Read);
    b.write_all(b"x").unwrap();
    poll_now(&poller);
    assert_eq!(waiting.poll(), OK);
    let mut byte = [0; 4];
    assert_eq!(a.read(&mut byte).unwrap(), 1);
}

#[test]
fn issue_tokio_6133_no_number_of_events_makes_an_old_one_look_new() {
    let fixture = Fixture::new();
    let old = fixture.open(5);
    let event = tag(&old);
    old.close();
    // A tick of 8 or 15 bits would come round: the slot is reused 2^k times, and has seen 2^k
    // events.
    let mut last = event.generation;
    for power in [8_u32, 15, 16] {
        while fixture.count(Counter::Opened) < 1 << power {
            fixture.open(5).close();
        }
        let desc = fixture.open(5);
        assert!(desc.generation > last);
        last = desc.generation;
        for _ in 0..1 << 8 {
            fixture.edge(5, IN);
            assert_eq!(desc.reset(Read), Ok(true));
        }
        fixture.kernel.late_event(event, IN | ERR);
        poll_now(&fixture.poller);
        assert_eq!(desc.reset(Read), Ok(false));
        assert_eq!(desc.check(Read), Ok(()));
        desc.close();
    }
}

#[test]
fn issue_tokio_6133_readiness_that_came_after_the_eagain_is_never_cleared() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    for _ in 0..1 << 16 {
        // The EAGAIN lies between the two: only what was there before the reset may be dropped.
        desc.reset(Read).unwrap();
        fixture.kernel.edge(5, IN);
        poll_now(&fixture.poller);
        assert_eq!(Waiting::new(&desc, Read).poll(), OK);
    }
}

#[test]
fn issue_tokio_8054_an_event_for_writing_does_not_touch_the_reader() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let mut reader = Waiting::parked(&desc, Read);
    for _ in 0..3 {
        fixture.edge(5, OUT);
        assert_eq!(reader.calls(), 0);
        assert_eq!(reader.poll(), Poll::Pending);
        assert_eq!(desc.reset(Write), Ok(true));
    }
    assert_eq!(
        desc.slot.side(Read).transitions()[Transition::Arm.index()],
        1
    );
}

#[test]
fn issue_tokio_4349_an_error_wakes_both_directions() {
    let fixture = Fixture::new();
    let desc = fixture.open(5);
    let (reader, writer) = (Waiting::parked(&desc, Read), Waiting::parked(&desc, Write));
    assert_eq!(fixture.edge(5, ERR), 2);
    assert_eq!((reader.calls(), writer.calls()), (1, 1));
}

#[test]
fn issue_polling_7_a_sleep_of_microseconds_does_not_take_a_millisecond() {
    let poller = Poller::builder().build().unwrap();
    let mut ready = ReadyList::default();
    // The machine may be busy, so the best of many counts.
    let best = (0..200)
        .map(|_| {
            let before = Instant::now();
            poller
                .poll(Some(Duration::from_micros(50)), &mut ready)
                .unwrap();
            before.elapsed()
        })
        .min()
        .unwrap();
    assert!(best >= Duration::from_micros(50));
    assert!(best < Duration::from_millis(1), "{best:?}");
}

#[test]
fn issue_mio_753_a_duplicate_that_outlives_the_descriptor_delivers_nothing() {
    let poller = Poller::builder().build().unwrap();
    let (a, mut b) = UnixStream::pair().unwrap();
    let duplicate = a.try_clone().unwrap();
    let desc = poller.open(a.as_fd(), Kind::Unix).unwrap();
    desc.close();
    drop(a);
    b.write_all(b"x").unwrap();
    poll_now(&poller);
    assert_eq!(
        count(&poller, Counter::EventsIn) + count(&poller, Counter::StaleEvents),
        0
    );
    drop(duplicate);
}
