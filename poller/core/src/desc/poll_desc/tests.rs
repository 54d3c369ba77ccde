//! One life of a slot after another.

use super::*;
use crate::desc::State;
#[cfg(not(netpoller_bare))]
use crate::observe::KEPT_SHIFT;
use crate::observe::Recorder;

#[test]
fn semantics_5_generation_0_is_never_live_not_even_after_a_wrap() {
    let recorder = Recorder::new(0);
    let desc = PollDesc::new(0);
    assert_eq!(desc.open(3, Kind::Tcp, Location::caller()), 1);
    let last = DescId {
        slot: 0,
        generation: u32::MAX,
    };
    desc.id.store(last.to_bits(), Ordering::Relaxed);
    desc.free(&recorder.local());
    assert_eq!(desc.open(3, Kind::Tcp, Location::caller()), 1);
}

#[test]
fn semantics_4_generation_is_raised_when_freed_not_when_reused() {
    let recorder = Recorder::new(0);
    let desc = PollDesc::new(0);
    let generation = desc.open(3, Kind::Tcp, Location::caller());
    assert!(desc.is_live(generation));
    desc.free(&recorder.local());
    assert!(!desc.is_live(generation));
    assert_eq!(desc.live_generation(), None);
    assert_eq!(desc.open(4, Kind::Udp, Location::caller()), generation + 1);
}

#[test]
fn semantics_8_a_new_life_begins_without_readiness_deadline_or_error() {
    let recorder = Recorder::new(0);
    let local = recorder.local();
    let desc = PollDesc::new(0);
    let generation = desc.open(3, Kind::Tcp, Location::caller());
    assert!(desc.ready(Direction::Read, 0, &local).is_none());
    desc.store_deadline(Direction::Write, EXPIRED);
    desc.publish(true);
    desc.info().set_event_err(true, generation);
    desc.free(&local);
    desc.open(3, Kind::Tcp, Location::caller());
    for direction in Direction::ALL {
        assert_eq!(desc.side(direction).state(), State::Nil);
        assert_eq!(desc.deadline(direction), NO_DEADLINE);
        assert_eq!(desc.info().check(direction), Ok(()));
    }
}

#[test]
fn a_new_life_is_shown_as_what_it_was_opened_as_and_keeps_nothing_of_the_one_before() {
    let recorder = Recorder::new(0);
    let desc = PollDesc::new(0);
    desc.open(3, Kind::Tcp, Location::caller());
    desc.set_cookie(7);
    desc.set_label(Label(5));
    desc.set_last_events((libc::EPOLLIN | libc::EPOLLRDHUP) as u32);
    assert_eq!((desc.cookie(), desc.label()), (7, Label(5)));
    desc.free(&recorder.local());

    let (before, here) = (stamp_ns(), Location::caller());
    desc.open(4, Kind::Udp, here);
    assert_eq!((desc.fd(), desc.kind()), (4, Kind::Udp));
    assert_eq!(desc.opened_location(), Some(here));
    assert!((before..=stamp_ns()).contains(&desc.opened_ns()));
    assert_eq!((desc.cookie(), desc.label()), (0, Label(0)));
    assert_eq!(desc.last_events(), 0);
}

#[test]
#[cfg(not(netpoller_bare))]
fn a_new_life_has_no_counts_no_history_and_no_wake_behind_it() {
    let recorder = Recorder::new(0);
    let local = recorder.local();
    let desc = PollDesc::new(0);
    desc.open(3, Kind::Tcp, Location::caller());
    let now = local.stamp() >> KEPT_SHIFT << KEPT_SHIFT;
    for direction in Direction::ALL {
        let side = desc.side(direction);
        side.stamp_wake(9, Before::NONE, Cause::Deadline);
        side.since_ns.store(9, Ordering::Relaxed);
        desc.ready(direction, 9, &local);
        assert_eq!(side.transitions()[Transition::ReadyIdle.index()], 1);
        assert_eq!(side.entered_ns(), now, "when it became ready");
    }
    desc.free(&local);
    desc.open(4, Kind::Udp, Location::caller());
    for direction in Direction::ALL {
        let side = desc.side(direction);
        assert_eq!(side.transitions(), [0; Transition::COUNT]);
        assert_eq!(side.history().count(), 0);
        assert_eq!((side.last_wake(), side.waiter().since_ns), (None, 0));
        assert_eq!(side.entered_ns(), 0);
    }
}

#[test]
fn a_freed_slot_names_no_descriptor_of_the_process() {
    let recorder = Recorder::new(0);
    let desc = PollDesc::new(0);
    assert_eq!(desc.fd(), -1);
    desc.open(3, Kind::Tcp, Location::caller());
    desc.free(&recorder.local());
    assert_eq!(desc.fd(), -1);
}

#[test]
fn semantics_48_the_end_of_a_stream_is_kept_whatever_event_is_dispatched_after_it() {
    const IN: i32 = libc::EPOLLIN;
    const OUT: i32 = libc::EPOLLOUT;
    const PRI: i32 = libc::EPOLLPRI;
    const HUP: i32 = libc::EPOLLHUP;
    const RDHUP: i32 = libc::EPOLLRDHUP;
    for (kind, events, kept) in [
        (Kind::Tcp, IN | OUT, 0),
        (Kind::Tcp, IN | OUT | RDHUP, RDHUP),
        // A socket that is not connected yet.
        (Kind::Tcp, OUT | HUP, 0),
        // Urgent data was sent once, and may be again.
        (Kind::Tcp, IN | PRI, PRI),
        (Kind::Tcp, RDHUP | HUP | PRI, RDHUP | PRI),
        (Kind::Unix, IN | OUT | RDHUP | HUP, RDHUP),
        (Kind::Pipe, HUP, HUP),
        (Kind::Other, IN | RDHUP | HUP | PRI, RDHUP | HUP),
    ] {
        let desc = PollDesc::new(0);
        desc.open(3, kind, Location::caller());
        desc.set_last_events(events as u32);
        assert_eq!(desc.last_events(), events as u32, "{kind:?}");
        desc.set_last_events(OUT as u32);
        assert_eq!(desc.last_events(), (OUT | kept) as u32, "{kind:?}");
        // What came before is not forgotten because of another end.
        desc.set_last_events((IN | RDHUP) as u32);
        assert_eq!(desc.last_events(), (IN | RDHUP | kept) as u32, "{kind:?}");
    }
}

#[test]
#[cfg(not(netpoller_bare))]
fn what_the_writer_parks_for_is_the_connection_until_it_is_made() {
    let desc = PollDesc::new(0);
    desc.open(3, Kind::Tcp, Location::caller());
    assert_eq!(desc.connect_parks(), 0, "nobody connects");
    desc.begin_connect();
    assert_eq!(desc.connect_parks(), u64::MAX, "all, as yet");
    let writer = desc.side(Direction::Write);
    for _ in 0..3 {
        writer.count(Transition::Park);
    }
    desc.end_connect();
    writer.count(Transition::Park);
    assert_eq!(desc.connect_parks(), 3);
    // However often it parked, the connection is made.
    writer.transitions[Transition::Park.index()].store(u32::MAX, Ordering::Relaxed);
    desc.end_connect();
    assert_eq!(desc.connect_parks(), u64::from(u32::MAX) - 1);
}
