//! The flight recorder, the shares of a wake, and dumps.

use super::*;
use crate::view::recorder::{self, Cursor, Event};
use crate::view::{Cause, EventKind, dump};

/// Names of what happened to a descriptor in one direction.
fn kinds(events: &[Event], desc: &Desc, direction: Direction) -> Vec<&'static str> {
    events
        .iter()
        .filter(|event| event.id() == Some(desc.id()) && event.direction == Some(direction))
        .map(|event| event.kind.name())
        .collect()
}

#[test]
fn a_read_is_told_from_the_kernels_event_to_the_waiter_that_runs() {
    let poller = poller("recorder");
    let mut cursor = Cursor::now(&poller);
    let (_ours, mut theirs, desc) = open(&poller);
    poll_now(&poller); // the edge for writing that every new socket has
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    theirs.write_all(b"x").unwrap();
    poll_now(&poller);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_ready());

    let mut events = Vec::new();
    assert_eq!(cursor.read(&poller, &mut events), 0);
    let read = ["arm", "park", "ready_parked", "consume", "run"];
    assert_eq!(kinds(&events, &desc, Direction::Read), read);
    let all: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!((all[0], all[1]), (EventKind::Opened, EventKind::Poll));
    assert_eq!(events[0].argument as i32, desc.fd());
    let arrival = events
        .iter()
        .rfind(|event| event.kind == EventKind::Event)
        .unwrap();
    assert_ne!(arrival.argument & libc::EPOLLIN as u64, 0, "its raw bits");
    assert!(events.is_sorted_by_key(|event| event.at_ns));
    assert_eq!(cursor.read(&poller, &mut events), 0);
    assert_eq!(all.len(), events.len(), "nothing is told twice");
}

#[test]
fn a_descriptor_remembers_its_last_transitions_when_the_ring_has_forgotten_them() {
    let poller = Poller::builder()
        .name("forgetful")
        .flight_recorder(4 * 24)
        .build()
        .unwrap();
    let (_ours, _theirs, stuck) = open(&poller);
    let mut wait = pin!(stuck.wait(Direction::Read));
    park(wait.as_mut());
    let (_busy_ours, _busy_theirs, busy) = open(&poller);
    for _ in 0..100 {
        busy.set_deadline(None, Sides::Read);
    }
    assert!(kinds(&recorder::recorded(&poller), &stuck, Direction::Read).is_empty());
    let stuck_id = stuck.id();
    let kept = recorder::history(&poller, stuck_id);
    assert_eq!(kinds(&kept, &stuck, Direction::Read), ["arm", "park"]);
    assert_eq!(Some(&*kept[0].thread_name()), std::thread::current().name());
    stuck.close_once();
    assert!(recorder::history(&poller, stuck_id).is_empty());
}

#[test]
fn what_was_overwritten_before_it_was_read_is_counted_as_lost() {
    let poller = Poller::builder()
        .name("lossy")
        .flight_recorder(8 * 24)
        .build()
        .unwrap();
    let (_ours, _theirs, desc) = open(&poller);
    let mut cursor = Cursor::now(&poller);
    for _ in 0..20 {
        desc.set_deadline(None, Sides::Read);
    }
    let mut events = Vec::new();
    let lost = cursor.read(&poller, &mut events);
    assert_eq!(lost + events.len() as u64, 20);
    assert!(lost >= 12 && !events.is_empty(), "{lost} lost");
    let volume = poller.stats().recorder();
    assert_eq!(
        (volume.bytes, volume.unrecorded),
        (8 * 24 * volume.rings, 0)
    );
    assert!(volume.recorded > 20);
}

#[test]
fn what_an_idle_thread_does_is_dated_when_it_does_it() {
    let poller = poller("idle");
    let (_ours, mut theirs, desc) = open(&poller);
    theirs.write_all(b"x").unwrap();
    poll_now(&poller);
    let pause = || {
        std::thread::sleep(Duration::from_millis(3));
        now_ns()
    };
    let mut after = [0; 3];
    after[0] = pause();
    let (long, began) = (Duration::from_secs(600), Instant::now());
    desc.set_deadline(Some(began + long), Sides::Read);
    let took = began.elapsed();
    after[1] = pause();
    desc.reset(Direction::Write).unwrap();
    after[2] = pause();
    let mut wait = pin!(desc.wait(Direction::Read));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_ready());

    let events = recorder::recorded(&poller);
    let kinds = [EventKind::DeadlineSet, EventKind::Reset, EventKind::Consume];
    for (kind, after) in kinds.into_iter().zip(after) {
        let event = events.iter().find(|event| event.kind == kind).unwrap();
        // A stamp may err by less than a microsecond.
        assert!(event.at_ns + 1000 >= after, "{kind:?} is dated too early");
    }
    let set = events
        .iter()
        .find(|event| event.kind == EventKind::DeadlineSet);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap();
    let left = set.unwrap().argument;
    assert!((micros(long - took) - 10..=micros(long) + 10).contains(&left));
}

#[test]
fn a_poller_without_a_flight_recorder_counts_all_the_same() {
    let poller = Poller::builder()
        .name("off")
        .flight_recorder(0)
        .build()
        .unwrap();
    let (_ours, _theirs, desc) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    assert!(recorder::recorded(&poller).is_empty());
    assert_eq!(
        poller.stats().transition(Direction::Read, Transition::Park),
        1
    );
    assert_eq!(poller.stats().recorder().recorded, 0);
    desc.unblock();
}

#[test]
fn a_wake_is_split_into_the_pollers_share_and_the_schedulers() {
    let poller = poller("shares");
    let (_ours, mut theirs, desc) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    assert_eq!(poller.rows()[0].read.last_wake, None);
    theirs.write_all(b"x").unwrap();

    let mut ready = ReadyList::default();
    let before = now_ns();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    let fetched = poller.rows()[0].read.last_wake.unwrap();
    assert_eq!(
        (
            fetched.cause,
            fetched.poller_to_waker_ns,
            fetched.waker_to_run_ns
        ),
        (Cause::Io, None, None)
    );
    assert!((before..=now_ns()).contains(&fetched.fetched_ns));
    // A poller that is slow to call the waker, and a scheduler that is slow to run the waiter.
    std::thread::sleep(Duration::from_millis(2));
    ready.wake_all();
    std::thread::sleep(Duration::from_millis(4));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_ready());

    let wake = poller.rows()[0].read.last_wake.unwrap();
    assert_eq!(wake.fetched_ns, fetched.fetched_ns);
    assert!(wake.poller_to_waker_ns.unwrap() >= 2_000_000, "{wake:?}");
    assert!(wake.waker_to_run_ns.unwrap() >= 4_000_000, "{wake:?}");
    let stats = poller.stats();
    for share in [
        crate::Histogram::PollerToWaker,
        crate::Histogram::WakerToRun,
    ] {
        let histogram = stats.histogram(share);
        assert_eq!(histogram.count(), 1, "{share:?}");
        let exemplar = histogram.exemplars().next().unwrap().unwrap();
        assert_eq!(exemplar.descriptor(), Some(desc.id()));
    }
}

/// The first time nobody knows which of a group was slow.
#[test]
fn those_behind_a_slow_waker_wait_for_the_poller_and_not_for_the_scheduler() {
    struct Slow;
    impl std::task::Wake for Slow {
        fn wake(self: std::sync::Arc<Self>) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let poller = poller("slow_waker");
    let open: Vec<_> = (0..4).map(|_| kept(&poller)).collect();
    let mut ready = ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    let slow = Waker::from(std::sync::Arc::new(Slow));
    for round in 0..2 {
        for (desc, ..) in &open {
            desc.reset(Direction::Read).unwrap();
        }
        let mut waits: Vec<_> = open
            .iter()
            .map(|(desc, ..)| Box::pin(desc.wait(Direction::Read)))
            .collect();
        for (index, wait) in waits.iter_mut().enumerate() {
            let waker = if index == 1 { &slow } else { Waker::noop() };
            let mut cx = Context::from_waker(waker);
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        for (_, _, theirs) in &open {
            let mut theirs: &UnixStream = theirs;
            theirs.write_all(b"x").unwrap();
        }
        poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
        ready.wake_all();
        if round == 1 {
            let shares = poller.rows().into_iter().map(|row| {
                let wake = row.read.last_wake.unwrap();
                wake.poller_to_waker_ns.unwrap()
            });
            let slept = 5_000_000;
            let shares: Vec<_> = shares.collect();
            assert!(shares[2] >= slept && shares[3] >= slept, "{shares:?}");
        }
        for wait in &mut waits {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }
    }
}

#[test]
fn a_release_says_whether_it_was_the_deadline_or_close() {
    let poller = poller("causes");
    let (_ours, _theirs, desc) = open(&poller);
    let mut cx = Context::from_waker(Waker::noop());
    for cause in [Cause::Deadline, Cause::Close] {
        let mut wait = pin!(desc.wait(Direction::Read));
        park(wait.as_mut());
        match cause {
            Cause::Deadline => desc.set_deadline(Some(Instant::now()), Sides::Read),
            _ => drop(desc.unblock()),
        }
        assert!(wait.as_mut().poll(&mut cx).is_ready());
        desc.set_deadline(None, Sides::Read);
    }
    let causes: Vec<_> = recorder::recorded(&poller)
        .iter()
        .filter(|event| event.kind == EventKind::UnblockParked)
        .map(|event| event.cause().unwrap())
        .collect();
    assert_eq!(causes, [Cause::Deadline, Cause::Close]);
    let kept = recorder::history(&poller, desc.id());
    let kept: Vec<_> = kept.iter().filter_map(Event::cause).collect();
    assert_eq!(kept, causes);
}

#[test]
fn events_in_the_kernel_while_nobody_polls_are_accounted_for() {
    let poller = poller("away");
    let (_ours, mut theirs, _desc) = open(&poller);
    poll_now(&poller);
    let before = poller.stats();
    theirs.write_all(b"x").unwrap();
    std::thread::sleep(Duration::from_millis(3));
    poll_now(&poller);
    let interval = poller.stats().since(&before);
    for which in [crate::Histogram::KernelToPoller, crate::Histogram::PollGap] {
        let histogram = interval.histogram(which);
        assert_eq!(histogram.count(), 1, "{which:?}");
        assert!(histogram.sum() >= 3_000_000, "{which:?}");
    }
}

#[test]
fn a_dump_is_private_names_what_happened_and_is_made_when_a_condition_comes_true() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let poller = poller("dumped");
    let (_ours, _theirs, desc) = open(&poller);
    let path = dump::to_file(directory.path(), "by/hand").unwrap();
    assert!(path.to_string_lossy().contains("-byhand-"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("# poller dumped: "), "{text}");
    let line = text
        .lines()
        .find(|line| line.contains(&format!(" {} ", desc.id())) && line.contains(" opened "));
    assert!(line.is_some(), "{text}");

    let parked = |poller: &Poller| poller.name() == "dumped" && poller.any_waiters();
    let trigger = dump::when(directory.path(), Duration::from_millis(1), parked).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let triggered = || {
        let files = std::fs::read_dir(directory.path()).unwrap();
        files
            .filter(|file| {
                let name = file.as_ref().unwrap().file_name();
                name.to_string_lossy().contains("-trigger-")
            })
            .count()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while triggered() == 0 {
        assert!(Instant::now() < deadline, "no dump was made");
        std::thread::yield_now();
    }
    drop(trigger);
    assert_eq!(triggered(), 1, "once for each time it comes true");
    desc.unblock();
}

#[test]
fn a_directory_that_is_not_there_is_named_in_the_error() {
    let error = dump::to_file(std::path::Path::new("/nonexistent/here"), "x").unwrap_err();
    assert!(error.to_string().contains("/nonexistent/here/"), "{error}");
}

/// Whoever looks at a bar an hour later finds whose it was, though the descriptor has gone.
#[test]
fn an_exemplar_knows_the_line_and_the_task_that_waited_after_its_descriptor_has_gone() {
    use crate::Histogram;

    let poller = poller("exemplars");
    let (_ours, mut theirs, desc) = open(&poller);
    let id = desc.id();
    let line = line!() + 1;
    let wait = async { desc.wait(Direction::Read).await.unwrap() };
    {
        let mut wait = pin!(crate::task::named("reader", wait));
        park(wait.as_mut());
        theirs.write_all(b"x").unwrap();
        poll_now(&poller);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    }
    desc.close();

    let stats = poller.stats();
    for which in [
        Histogram::TimeParkedReadIo,
        Histogram::WakeLatencyRead,
        Histogram::WakerToRun,
    ] {
        let exemplar = stats.histogram(which).exemplars().next().unwrap().unwrap();
        assert_eq!(exemplar.descriptor(), Some(id));
        let location = exemplar.location().unwrap();
        assert_eq!((location.file(), location.line()), (file!(), line));
        assert_eq!(&*exemplar.task(), "reader");
        assert_ne!(exemplar.task_id(), 0);
    }
    // What is no wait has neither.
    for which in [Histogram::EpollCtlAdd, Histogram::EpollCtlDel] {
        let exemplar = stats.histogram(which).exemplars().next().unwrap().unwrap();
        assert_eq!(exemplar.descriptor(), Some(id));
        assert_eq!((exemplar.location(), &*exemplar.task()), (None, ""));
    }
}
