//! What keys and news from the process do.

use netpoller_proto::v1::{GetServerResponse, Recording};

use super::*;
use crate::tui::known::Travel;

#[test]
fn a_process_that_was_restarted_is_said_to_be_one() {
    let mut app = app(3, (120, 30));
    assert!(!picture(&app, (120, 30)).contains("restarted"));
    app.feed.before = Some(17);
    assert!(picture(&app, (120, 30)).contains("pid 4242 restarted, was 17"));
}

#[test]
fn the_cursor_stays_on_its_descriptor_when_rows_come_go_and_are_sorted() {
    let mut app = app(50, (120, 20));
    for _ in 0..30 {
        press(&mut app, KeyCode::Down);
    }
    let id = current_id(&app);
    press(&mut app, KeyCode::Char('s'));
    press(&mut app, KeyCode::Char('i'));
    assert_eq!(current_id(&app), id);
    update(&mut app, Msg::Feed(Box::new(feed(200, 4))));
    assert_eq!(current_id(&app), id);
    let (cursor, offset) = (table(&app).cursor, table(&app).offset);
    assert!(
        cursor >= offset && cursor < offset + view::rows_visible(&app),
        "it is on the screen"
    );
}

#[test]
fn as_long_as_no_row_was_chosen_the_table_shows_what_comes_first() {
    let mut app = app(50, (120, 20));
    let first = current_id(&app);
    // The order turns round, and the row that was first goes to the end.
    press(&mut app, KeyCode::Char('i'));
    assert_ne!(current_id(&app), first);
    assert_eq!((table(&app).cursor, table(&app).offset), (0, 0));

    // A row that was chosen is followed …
    press(&mut app, KeyCode::Down);
    let chosen = current_id(&app);
    press(&mut app, KeyCode::Char('i'));
    assert_eq!(current_id(&app), chosen);
    assert!(table(&app).offset > 0);
    // … until one goes back to the top.
    press(&mut app, KeyCode::Home);
    press(&mut app, KeyCode::Char('i'));
    assert_eq!((table(&app).cursor, table(&app).offset), (0, 0));

    // To look at a row's details is to choose it.
    let looked_at = current_id(&app);
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('i'));
    assert_eq!(current_id(&app), looked_at);
}

#[test]
fn when_the_selected_descriptor_goes_the_cursor_stays_in_place() {
    let mut app = app(50, (120, 20));
    press(&mut app, KeyCode::End);
    update(&mut app, Msg::Feed(Box::new(feed(20, 4))));
    assert_eq!(table(&app).cursor, 19);
    update(&mut app, Msg::Feed(Box::new(feed(0, 4))));
    assert_eq!(table(&app).cursor, 0);
    assert!(picture(&app, app.size).contains("nothing here now"));
}

#[test]
fn a_word_or_an_expression_filters_and_escape_clears() {
    let mut app = app(200, (120, 30));
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "udp");
    let udp = table(&app).rows.len();
    assert!(udp > 0 && udp < 200);
    assert_eq!(
        press(&mut app, KeyCode::Char('q')),
        None,
        "letters go into the filter"
    );
    press(&mut app, KeyCode::Backspace);
    press(&mut app, KeyCode::Enter);
    assert!(!app.filter.editing);
    assert_eq!(table(&app).rows.len(), udp);
    press(&mut app, KeyCode::Esc);
    assert_eq!(table(&app).rows.len(), 200);
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "rd=parked && kind=tcp");
    assert!(app.filter.error.is_none());
    let found = table(&app).rows.len();
    assert!(found > 0 && found < 200);
    type_text(&mut app, " && fd=");
    assert!(app.filter.error.is_some());
    assert_eq!(
        table(&app).rows.len(),
        200,
        "what is not finished does not filter"
    );
}

#[test]
fn a_filter_with_an_error_stays_open_until_it_is_mended_or_given_up() {
    let mut app = app(50, (120, 20));
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "state=parkd");
    press(&mut app, KeyCode::Enter);
    assert!(app.filter.editing);
    let error = app.filter.error.clone().expect("an error");
    assert!(picture(&app, app.size).contains(&error), "{error}");
    press(&mut app, KeyCode::Backspace);
    type_text(&mut app, "ed");
    press(&mut app, KeyCode::Enter);
    assert!(!app.filter.editing);
    let found = table(&app).rows.len();
    assert!(found > 0 && found < 50, "{found}");
}

#[test]
fn a_frozen_picture_does_not_move_until_it_is_let_go() {
    let mut app = app(10, (120, 30));
    press(&mut app, KeyCode::Char(' '));
    let before = table(&app).rows.clone();
    update(&mut app, Msg::Feed(Box::new(feed(90, 4))));
    press(&mut app, KeyCode::Char('i'));
    press(&mut app, KeyCode::Char('i'));
    assert_eq!(table(&app).rows, before);
    assert!(picture(&app, app.size).contains("FROZEN"));
    press(&mut app, KeyCode::Char(' '));
    assert_eq!(table(&app).rows.len(), 90);
}

#[test]
fn details_follow_the_descriptor_and_outlive_it() {
    let mut app = app(10, (120, 40));
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    assert!(matches!(app.overlay, Some(Overlay::Detail(_))));
    let mut gone = feed(10, 4);
    gone.model = feed(1, 1).model;
    update(&mut app, Msg::Feed(Box::new(gone)));
    assert!(picture(&app, app.size).contains("GONE, as last seen"));
    press(&mut app, KeyCode::Esc);
    assert!(app.overlay.is_none());
}

#[test]
fn what_has_gone_grows_no_older() {
    let group = |sequence, slots: std::ops::Range<u32>| {
        let now_ns = fixture::NOW_NS + sequence * 1_000_000_000;
        let row = |slot| fixture::row(slot, fixture::NOW_NS);
        WatchFrame {
            sequence,
            captured_at_ns: now_ns,
            epoch: 1,
            keyframe: true,
            upserts: slots.map(row).collect(),
            stats: Some(fixture::stats(3, now_ns, sequence)),
            end: true,
            ..WatchFrame::default()
        }
    };
    let mut latest = feed(0, 0);
    let mut app = new("unix:/x".into(), MONO, (120, 40));
    app.sort_by(&"id".parse().unwrap());
    let mut tell = |app: &mut App, frame| {
        latest.model.apply(frame);
        update(app, Msg::Feed(Box::new(latest.clone())));
    };
    tell(&mut app, group(0, 0..3));
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    tell(&mut app, group(2, 0..3));
    // All that stands under the title.
    let shown = |app: &App| {
        let picture = picture(app, app.size);
        let body = picture.lines().skip(4).filter(|line| line.contains('│'));
        body.collect::<Vec<_>>().join("\n")
    };
    let living = shown(&app);
    assert!(living.contains("parked for 7.3s"), "{living}");
    for sequence in [3, 9, 300] {
        tell(&mut app, group(sequence, 0..1));
        assert_eq!(shown(&app), living, "{sequence}");
        let ago = crate::text::duration((sequence - 2) * 1_000_000_000);
        let title = format!("GONE, as last seen {ago} ago");
        assert!(picture(&app, app.size).contains(&title), "{title}");
    }
    // A later life of the process has another descriptor of the same name.
    let other = WatchFrame {
        epoch: 2,
        ..group(400, 0..3)
    };
    tell(&mut app, other);
    assert_eq!(shown(&app), living);
    assert!(picture(&app, app.size).contains("GONE with its process"));
}

#[test]
fn a_filter_is_held_against_what_the_view_and_the_process_have() {
    let mut app = app(40, (120, 12));
    press(&mut app, KeyCode::Char('2'));
    press(&mut app, KeyCode::Char('/'));
    for letter in "dir=read".chars() {
        press(&mut app, KeyCode::Char(letter));
    }
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.filter.error, None);
    press(&mut app, KeyCode::Char('1'));
    let shown = picture(&app, app.size);
    assert!(shown.contains("`dir` is a field of waiters"), "{shown}");
    press(&mut app, KeyCode::Char('2'));
    assert_eq!(app.filter.error, None);
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('/'));
    for letter in "poller=gobal".chars() {
        press(&mut app, KeyCode::Char(letter));
    }
    let said = app.filter.error.clone().unwrap_or_default();
    assert!(said.contains("did you mean `global`?"), "{said}");
}

#[test]
fn a_table_begins_in_the_order_that_is_asked_for() {
    let mut app = new("unix:/x".into(), MONO, (120, 30));
    app.sort_by(&"fd:desc".parse().unwrap());
    update(&mut app, Msg::Feed(Box::new(feed(9, 1))));
    assert_eq!(table(&app).rows[0].row.fd, 15);
}

#[test]
fn quitting_works_from_everywhere() {
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut app = app(3, (80, 24));
    assert_eq!(press(&mut app, KeyCode::Char('q')), Some(Cmd::Quit));
    press(&mut app, KeyCode::Char('?'));
    assert_eq!(press(&mut app, KeyCode::Char('q')), Some(Cmd::Quit));
    press(&mut app, KeyCode::Char('?'));
    press(&mut app, KeyCode::Char('/'));
    assert_eq!(update(&mut app, Msg::Key(interrupt)), Some(Cmd::Quit));
}

/// The same, as of a recording of a minute.
fn recorded(mut feed: Feed, is_remembered: bool) -> Feed {
    let at_ns = feed.model.captured_at_ns;
    let server = feed.server.as_ref().expect("a server");
    feed.server = Some(Arc::new(GetServerResponse {
        recording: Some(Recording {
            begins_at_ns: at_ns - 60_000_000_000,
            ends_at_ns: at_ns,
            ..Recording::default()
        }),
        ..GetServerResponse::clone(server)
    }));
    Feed {
        is_remembered,
        is_recording: true,
        is_over: true,
        ..feed
    }
}

#[test]
fn one_goes_through_a_recording_as_far_as_it_reaches() {
    let mut app = app(5, (120, 20));
    update(&mut app, Msg::Feed(Box::new(recorded(feed(5, 4), false))));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("recording, ") && shown.contains("of 1m00s"),
        "{shown}"
    );
    assert!(shown.contains("earlier"), "{shown}");
    // There is nothing later.
    press(&mut app, KeyCode::Char(']'));
    assert_eq!(app.wanted().travel, Travel::default());
    press(&mut app, KeyCode::Char('['));
    press(&mut app, KeyCode::Char('['));
    press(&mut app, KeyCode::Char('{'));
    let there = Travel {
        in_memory: false,
        steps: -2,
        finds: -1,
    };
    assert_eq!(app.wanted().travel, there);
}

#[test]
fn one_goes_from_a_process_to_what_is_remembered_of_it_and_back() {
    let mut app = app(5, (120, 20));
    for key in [']', '}'] {
        press(&mut app, KeyCode::Char(key));
        assert_eq!(app.wanted().travel, Travel::default());
    }
    press(&mut app, KeyCode::Char('['));
    let mut there = Travel {
        in_memory: true,
        steps: -1,
        finds: 0,
    };
    assert_eq!(app.wanted().travel, there);
    assert!(picture(&app, app.size).contains("going back"));
    update(&mut app, Msg::Feed(Box::new(recorded(feed(5, 4), true))));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("PAST, ") && !shown.contains("going back"),
        "{shown}"
    );
    press(&mut app, KeyCode::Char('{'));
    there.finds = -1;
    assert_eq!(app.wanted().travel, there);
    // No finding comes behind the last moment, and now does.
    press(&mut app, KeyCode::Char('}'));
    assert_eq!(app.wanted().travel, there);
    press(&mut app, KeyCode::Char(']'));
    there.in_memory = false;
    assert_eq!(app.wanted().travel, there);
    press(&mut app, KeyCode::Char('{'));
    assert!(app.wanted().travel.in_memory);
    press(&mut app, KeyCode::Esc);
    assert!(!app.wanted().travel.in_memory);
}
