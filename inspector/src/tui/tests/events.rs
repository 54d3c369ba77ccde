//! The flight recorder, on the screen.

use super::pictures::{SIZES, assert_picture};
use super::*;
use netpoller_proto::v1::{Event, EventKind, TransitionsFrame};

/// What happened at some descriptors, again and again.
pub(super) fn frame(events: u64) -> TransitionsFrame {
    let kinds = [EventKind::Park, EventKind::ReadyParked, EventKind::Run];
    let event = |number: u64| {
        let slot = 1 + u32::try_from(number % 5).unwrap_or(0);
        let row = fixture::row(slot, fixture::NOW_NS);
        Event {
            at_ns: fixture::NOW_NS + number * 1_000,
            poller: row.poller.clone(),
            id: row.id().to_string(),
            direction: Mode::Read.into(),
            kind: kinds[usize::try_from(number % 3).unwrap_or(0)].into(),
            thread: format!("worker-{}", number % 2),
            argument: number,
        }
    };
    TransitionsFrame {
        events: (0..events).map(event).collect(),
        ..TransitionsFrame::default()
    }
}

/// What comes next.
fn tell(app: &mut App, frame: TransitionsFrame) {
    let latest = app.frozen.as_deref().unwrap_or(&app.feed);
    let mut feed = latest.clone();
    Arc::make_mut(&mut feed.events).take(frame);
    update(app, Msg::Feed(Box::new(feed)));
}

fn open(size: (u16, u16)) -> App {
    let mut app = app(40, size);
    press(&mut app, KeyCode::Char('7'));
    assert!(app.wanted().events, "they are asked for");
    tell(&mut app, frame(100));
    app
}

#[test]
fn events_at_every_size_one_by_one_and_counted() {
    for size in SIZES {
        let mut app = open(size);
        assert_picture("events-told", &app);
        press(&mut app, KeyCode::Char('a'));
        assert_picture("events-counted", &app);
    }
}

#[test]
fn what_came_last_stands_at_the_top_until_another_is_chosen() {
    let mut app = open((120, 30));
    let top = |app: &App| {
        let shown = picture(app, app.size);
        shown.lines().nth(5).unwrap_or_default().to_owned()
    };
    let before = top(&app);
    tell(&mut app, frame(3));
    assert_ne!(top(&app), before);
    assert_eq!(app.step(), 0);
    press(&mut app, KeyCode::Down);
    let chosen = app.chosen();
    tell(&mut app, frame(7));
    assert_eq!((app.step(), app.chosen()), (8, chosen));
    press(&mut app, KeyCode::Enter);
    assert!(matches!(app.overlay, Some(Overlay::Detail(_))));
}

#[test]
fn the_filter_of_the_table_holds_for_events_and_their_counts() {
    let mut app = open((120, 30));
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "thread=worker-1 and where~conn.rs");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.filter.error, None);
    let admitted = app.events.shown.len();
    assert!(admitted > 0 && admitted < 100, "{admitted}");
    assert!(
        app.events
            .shown
            .iter()
            .all(|(_, event)| event.thread == "worker-1")
    );
    assert_eq!(app.events.counts[0].all, admitted as u64);
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.events.shown.len(), 100);
    // A word is looked for in what is shown.
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "ready_parked");
    assert_eq!(app.events.shown.len(), 33);
}

#[test]
fn a_frozen_picture_keeps_its_events_and_misses_none_when_it_goes_on() {
    let mut app = open((120, 30));
    press(&mut app, KeyCode::Char(' '));
    tell(&mut app, frame(40));
    tell(&mut app, frame(2));
    assert_eq!(app.events.shown.len(), 100);
    press(&mut app, KeyCode::Char(' '));
    assert_eq!(app.events.shown.len(), 142);
}

#[test]
fn events_are_asked_for_only_while_somebody_looks() {
    let mut app = open((80, 24));
    press(&mut app, KeyCode::Char('1'));
    assert!(!app.wanted().events);
    press(&mut app, KeyCode::Char('a'));
    assert!(!app.events.are_counted, "there is nothing to count here");
}
