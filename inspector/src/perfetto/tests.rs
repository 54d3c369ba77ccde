//! Traces of events that are made up, read by their bytes.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use netpoller_proto::v1::{Cause, Descriptor, Event, EventKind, Mode, TransitionsFrame};
use netpoller_proto::vocabulary::Direction;
use netpoller_tests::perfetto::{Of, Slice, Trace as Read};

use super::Trace;
use crate::fixture;

const NOW: u64 = fixture::NOW_NS;

fn event(kind: EventKind, ns: u64, thread: &str) -> Event {
    let row = fixture::parked_reader();
    let is_of_poller = matches!(kind, EventKind::Event | EventKind::Closed | EventKind::Poll);
    Event {
        at_ns: NOW + ns,
        poller: row.poller.clone(),
        id: match kind {
            EventKind::Poll => String::new(),
            _ => row.id().to_string(),
        },
        direction: match is_of_poller {
            true => Mode::Unspecified.into(),
            false => Mode::Read.into(),
        },
        kind: kind.into(),
        thread: thread.to_owned(),
        argument: match kind {
            EventKind::Event => 1,
            EventKind::UnblockParked => Cause::Deadline as u64,
            EventKind::Run => 50,
            _ => 0,
        },
    }
}

/// Memory that is written to.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A trace that is written to memory.
struct Written {
    memory: Memory,
    trace: Trace<Memory>,
    row: Option<Arc<Descriptor>>,
    lost: u64,
}

impl Written {
    fn new(row: Option<Descriptor>) -> Self {
        let server = fixture::server(3, NOW);
        let memory = Memory::default();
        Self {
            trace: Trace::new(memory.clone(), &server).expect("written to memory"),
            memory,
            row: row.map(Arc::new),
            lost: 0,
        }
    }

    fn take(&mut self, events: &[Event]) {
        let last_ns = events.last().map_or(NOW, |event| event.at_ns);
        self.take_at(last_ns, events);
    }

    fn take_at(&mut self, captured_at_ns: u64, events: &[Event]) {
        let frame = TransitionsFrame {
            captured_at_ns,
            events: events.to_vec(),
            lost: self.lost,
            ..TransitionsFrame::default()
        };
        let row = self.row.clone();
        self.trace
            .take(frame, |_| row.clone())
            .expect("written to memory");
    }

    #[track_caller]
    fn read(mut self) -> Read {
        let row = self.row.clone();
        self.trace
            .finish(|_| row.clone())
            .expect("written to memory");
        let read = Read::read(&self.memory.0.borrow());
        read.must_be_sound();
        read
    }
}

fn row_that_waits_since(ns: u64) -> Descriptor {
    let mut row = fixture::parked_reader();
    if let Some(read) = &mut row.read {
        read.since_ns = NOW + ns;
    }
    row
}

fn waits(read: &Read) -> Vec<Slice> {
    let slices = read.slices().into_iter();
    slices.filter(|slice| slice.name == "wait").collect()
}

#[test]
fn a_wait_goes_from_park_to_run_and_an_arrow_from_the_event_through_the_wake_to_the_run() {
    let mut written = Written::new(Some(row_that_waits_since(100)));
    written.take(&[
        event(EventKind::Park, 100, "worker-1"),
        event(EventKind::Poll, 900, "poller-thread"),
        event(EventKind::Event, 900, "poller-thread"),
        event(EventKind::ReadyParked, 900, "poller-thread"),
    ]);
    written.take(&[event(EventKind::Run, 950, "worker-1")]);
    let read = written.read();
    let waits = waits(&read);
    let [wait] = &waits[..] else {
        panic!("one wait: {waits:?}")
    };
    assert_eq!((wait.begin_ns, wait.end_ns), (NOW + 100, NOW + 950));
    for (name, value) in [
        ("outcome", "run"),
        ("cause", "io"),
        ("parked_ns", "800"),
        ("task", "conn-42"),
        ("location", "src/server.rs:88"),
        ("waiter_seen", "in this wait"),
        ("thread", "worker-1"),
    ] {
        assert_eq!(
            wait.args.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let path = read.path(wait.track);
    let [_, poller, descriptor, side] = &path[..] else {
        panic!("{path:?}")
    };
    assert_eq!((poller.as_str(), side.as_str()), ("poller global", "read"));
    assert_eq!(descriptor, "42.7 fd 19 tcp 10.0.0.1:8080 to 10.0.0.9:51234");
    let arrows = read.arrows();
    let names = |marks: &Vec<&netpoller_tests::perfetto::Mark>| {
        let names = marks.iter().map(|mark| mark.name.clone());
        names.collect::<Vec<_>>()
    };
    let arrows: Vec<_> = arrows.values().map(names).collect();
    assert_eq!(arrows, [["event", "woken", "run"]]);
    let run = read.marks.iter().find(|mark| mark.name == "run");
    let run = run.expect("it runs");
    assert_eq!(run.args["wake_latency_ns"], "50");
    assert_eq!(read.path(run.track)[2], "thread worker-1");
    assert!(
        read.clocks
            .iter()
            .any(|(clock, at_ns)| (*clock, *at_ns) == (3, NOW))
    );
}

#[test]
fn what_is_not_told_is_not_made_up() {
    let mut written = Written::new(None);
    written.take(&[
        // Its beginning was overwritten.
        event(EventKind::ReadyParked, 10, "poller-thread"),
        event(EventKind::Run, 20, "worker-1"),
        // Its end.
        event(EventKind::Park, 30, "worker-1"),
        event(EventKind::Park, 40, "worker-1"),
        event(EventKind::UnblockParked, 50, "poller-thread"),
        // Its run, and it goes on to be closed.
        event(EventKind::Closed, 60, "worker-1"),
    ]);
    let read = written.read();
    let waits = waits(&read);
    let told = waits.iter().map(|wait| {
        (
            wait.begin_ns - NOW,
            wait.end_ns - NOW,
            wait.args["outcome"].as_str(),
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(30, 40, "not told"), (40, 60, "closed")]
    );
    assert!(waits.iter().all(|wait| !wait.args.contains_key("task")));
    let woken = read.marks.iter().find(|mark| mark.name == "woken");
    let woken = woken.expect("a wake");
    assert_eq!(woken.of, Of::Instant);
    assert_eq!(woken.args["wait_began"], "not told");
    assert_eq!(read.path(woken.track)[2], "42.7");
    assert!(read.marks.iter().any(|mark| mark.name == "run_not_told"));
}

#[test]
fn who_waits_longer_than_the_events_tell_does_so_since_when_the_table_says_and_goes_on() {
    let row = fixture::parked_reader();
    let mut written = Written::new(Some(row.clone()));
    let shared = Arc::new(row.clone());
    written.trace.began(&shared, Direction::Read);
    written.trace.began(&shared, Direction::Write);
    written.take(&[event(EventKind::Poll, 500, "poller-thread")]);
    let read = written.read();
    let waits = waits(&read);
    let [wait] = &waits[..] else {
        panic!("one wait: {waits:?}")
    };
    let since_ns = row.read.expect("a reader").since_ns;
    assert_eq!((wait.begin_ns, wait.end_ns), (since_ns, NOW + 500));
    assert_eq!(wait.args["told_by"], "the table");
    assert_eq!(wait.args["outcome"], "still waiting");
    assert_eq!(wait.args["waiter_seen"], "in this wait");
}

#[test]
fn a_wait_that_table_and_events_tell_of_is_one() {
    let row = row_that_waits_since(100);
    let mut written = Written::new(Some(row.clone()));
    written.trace.began(&Arc::new(row), Direction::Read);
    written.take(&[event(EventKind::Park, 100, "worker-1")]);
    assert_eq!(waits(&written.read()).len(), 1);
}

#[test]
fn an_event_of_a_later_frame_that_happened_before_is_told_before() {
    let mut written = Written::new(None);
    written.take(&[event(EventKind::ReadyParked, 200, "poller-thread")]);
    written.take(&[
        event(EventKind::Park, 100, "worker-1"),
        event(EventKind::Run, 300, "worker-1"),
    ]);
    let waits = waits(&written.read());
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].args["outcome"], "run");
}

#[test]
fn an_event_that_comes_too_late_is_told_where_it_can_be_with_the_time_at_which_it_was() {
    let mut written = Written::new(None);
    let second = 1_000_000_000;
    for at in 1..4 {
        written.take(&[event(EventKind::Poll, at * second, "poller-thread")]);
    }
    written.take(&[event(EventKind::Park, 10, "worker-1")]);
    let read = written.read();
    let wait = &waits(&read)[0];
    assert!(wait.begin_ns >= NOW + 2 * second, "{wait:?}");
    assert_eq!(wait.args["happened_at_ns"], (NOW + 10).to_string());
}

#[test]
fn a_wait_across_a_loss_says_that_it_may_be_several() {
    let mut written = Written::new(None);
    written.take(&[event(EventKind::Park, 100, "worker-1")]);
    written.lost = 7;
    written.take(&[
        event(EventKind::ReadyParked, 200, "poller-thread"),
        event(EventKind::Run, 300, "worker-1"),
        event(EventKind::Park, 400, "worker-1"),
        event(EventKind::CancelParked, 500, "worker-1"),
    ]);
    let read = written.read();
    let waits = waits(&read);
    let [across, after] = &waits[..] else {
        panic!("two waits: {waits:?}")
    };
    assert_eq!(across.args["events_lost_meanwhile"], "true");
    assert!(!after.args.contains_key("events_lost_meanwhile"));
    assert_eq!(after.args["outcome"], "cancel_parked");
    let lost = read.marks.iter().find(|mark| mark.name == "events_lost");
    assert_eq!(lost.expect("it is told").args["events"], "7");
}

#[test]
fn a_waiter_with_another_waker_waits_on() {
    let mut written = Written::new(None);
    written.take(&[
        event(EventKind::Park, 100, "worker-1"),
        event(EventKind::Rearm, 200, "worker-1"),
        event(EventKind::Park, 210, "worker-2"),
        event(EventKind::Rearm, 300, "worker-2"),
        // The event came before it was parked again.
        event(EventKind::ReadyArmed, 310, "poller-thread"),
    ]);
    let waits = waits(&written.read());
    let [wait] = &waits[..] else {
        panic!("one wait: {waits:?}")
    };
    assert_eq!((wait.begin_ns, wait.end_ns), (NOW + 100, NOW + 310));
    assert_eq!(wait.args["outcome"], "ready_armed");
}

/// The same of a descriptor with this id.
fn of(id: &str, event: Event) -> Event {
    Event {
        id: id.to_owned(),
        ..event
    }
}

fn outcomes(read: &Read) -> Vec<String> {
    let waits = waits(read).into_iter();
    waits.map(|wait| wait.args["outcome"].clone()).collect()
}

#[test]
fn a_wait_whose_end_was_lost_ends_when_its_slot_has_another_life() {
    let mut written = Written::new(None);
    written.take(&[of("4.1", event(EventKind::Park, 100, "worker-1"))]);
    written.lost = 7;
    written.take(&[
        of("4.2", event(EventKind::Park, 200, "worker-1")),
        of("4.2", event(EventKind::ReadyParked, 300, "poller-thread")),
        of("4.2", event(EventKind::Run, 350, "worker-1")),
        // It comes too late for a slice.
        of("4.1", event(EventKind::ReadyParked, 400, "poller-thread")),
        event(EventKind::Poll, 900, "poller-thread"),
    ]);
    let read = written.read();
    assert_eq!(outcomes(&read), ["not told", "run"]);
    assert_eq!(waits(&read)[0].end_ns, NOW + 200);
}

#[test]
fn who_waits_across_a_loss_does_so_still_only_if_the_table_says_so() {
    let row = Arc::new(row_that_waits_since(100));
    for (is_asked, outcome) in [(true, "still waiting"), (false, "not told")] {
        let mut written = Written::new(Some(Descriptor::clone(&row)));
        let second = 1_000_000_000;
        written.take(&[event(EventKind::Park, 100, "worker-1")]);
        written.take(&[event(EventKind::Poll, second, "poller-thread")]);
        assert!(written.trace.unseen().is_empty(), "its row is known");
        written.lost = 7;
        written.take(&[event(EventKind::Poll, 2 * second, "poller-thread")]);
        assert_eq!(written.trace.unseen().len(), 1, "it is to be asked for");
        if is_asked {
            written.trace.saw(&row);
            assert!(written.trace.unseen().is_empty());
        }
        assert_eq!(outcomes(&written.read()), [outcome]);
    }
}

#[test]
fn what_is_told_of_a_descriptor_after_it_was_closed_has_an_end() {
    let mut written = Written::new(None);
    let second = 1_000_000_000;
    written.take(&[
        event(EventKind::Reset, 0, "worker-1"),
        event(EventKind::Closed, 10, "worker-1"),
        event(EventKind::ReadyParked, 20, "poller-thread"),
        event(EventKind::Park, 30, "worker-1"),
    ]);
    for at in 1..6 {
        written.take(&[event(EventKind::Poll, at * second, "poller-thread")]);
    }
    assert_eq!(outcomes(&written.read()), ["not told"]);
}

#[test]
fn times_that_cannot_be_are_told_where_they_can_be() {
    let mut written = Written::new(None);
    // A moment that has not come, and no moment at all.
    let later = Event {
        at_ns: u64::MAX,
        ..event(EventKind::Park, 0, "worker-1")
    };
    written.take_at(NOW + 50, &[later]);
    written.take_at(0, &[event(EventKind::ReadyParked, 60, "poller-thread")]);
    let last = Event {
        at_ns: u64::MAX,
        ..event(EventKind::Poll, 0, "poller-thread")
    };
    written.take_at(u64::MAX, &[last]);
    let read = written.read();
    let wait = &waits(&read)[0];
    assert_eq!(wait.begin_ns, NOW + 50);
    assert_eq!(wait.args["happened_at_ns"], u64::MAX.to_string());
    let last = read.marks.iter().map(|mark| mark.at_ns).max();
    assert_eq!(last, Some(i64::MAX.cast_unsigned()));
}

#[test]
fn no_more_is_held_than_there_is_room_for_though_time_stands_still() {
    let mut written = Written::new(None);
    let polls = vec![event(EventKind::Poll, 0, "poller-thread"); 10_000];
    for _ in 0..30 {
        written.take(&polls);
    }
    let told = written.trace.summary().events;
    assert!((100_000..300_000).contains(&told), "{told}");
}

#[test]
fn a_wake_of_nobody_has_no_arrow() {
    let mut written = Written::new(None);
    for id in ["", "4.1"] {
        let both = |kind| Event {
            direction: Mode::Unspecified.into(),
            ..of(id, event(kind, 10, "poller-thread"))
        };
        written.take(&[both(EventKind::Event), both(EventKind::ReadyParked)]);
    }
    assert!(written.read().arrows().is_empty());
}

#[test]
fn sleeps_of_a_slot_share_a_track_and_what_may_be_a_sleep_is_drawn_there_until_it_is_none() {
    let mut written = Written::new(None);
    let opened = |id, at| Event {
        argument: u64::from(u32::MAX),
        ..of(id, event(EventKind::Opened, at, "worker-1"))
    };
    written.take(&[
        opened("4.1", 100),
        of("4.1", event(EventKind::Park, 110, "worker-1")),
        of("4.1", event(EventKind::UnblockParked, 120, "poller-thread")),
        of("4.1", event(EventKind::Run, 130, "worker-1")),
        opened("4.2", 200),
        of("4.2", event(EventKind::Park, 210, "worker-1")),
        // Their beginnings were overwritten.
        of("5.1", event(EventKind::UnblockParked, 300, "poller-thread")),
        of("6.1", event(EventKind::UnblockParked, 310, "poller-thread")),
        of("6.1", event(EventKind::Reset, 320, "worker-1")),
    ]);
    let read = written.read();
    let waits = waits(&read);
    assert_eq!(waits.len(), 2);
    assert_eq!(waits[0].track, waits[1].track);
    let names = |id: &str| {
        let marks = read
            .marks
            .iter()
            .filter(|it| it.args.get("id").is_some_and(|it| it == id) && it.name != "run_not_told");
        marks
            .map(|it| read.path(it.track)[2].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("5.1"), ["sleeps"]);
    assert_eq!(names("6.1"), ["sleeps", "6.1"]);
}
