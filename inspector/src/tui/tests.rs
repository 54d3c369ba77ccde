//! The UI without a terminal: pictures that are checked in, behaviour of keys, and anything at any
//! size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use netpoller_proto::v1::WatchFrame;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::app::{App, Feed, Link, Overlay, TableState};
use super::theme::Theme;
use super::update::{Cmd, Msg, update};
use super::view;
use crate::fixture;
use crate::model::Model;

const SIZES: [(u16, u16); 5] = [(200, 60), (120, 30), (80, 24), (60, 15), (30, 8)];
const MONO: Theme = Theme {
    color: false,
    ascii: false,
};

fn feed(rows: u32, groups: u64) -> Feed {
    let mut model = Model::default();
    for sequence in 0..groups {
        let now_ns = fixture::NOW_NS + sequence * 1_000_000_000;
        model.apply(WatchFrame {
            sequence,
            captured_at_ns: now_ns,
            epoch: 1,
            keyframe: sequence == 0,
            upserts: (0..rows).map(|slot| fixture::row(slot, now_ns)).collect(),
            stats: Some(fixture::stats(rows.into(), now_ns, sequence)),
            end: true,
            ..WatchFrame::default()
        });
    }
    Feed {
        server: Some(Arc::new(fixture::server(rows.into(), fixture::NOW_NS))),
        model,
        link: Link::Live,
    }
}

fn new(target: String, theme: Theme, size: (u16, u16)) -> App {
    App::new(view::VIEWS, target, theme, size)
}

fn table(app: &App) -> &TableState {
    app.table().expect("a view that is a table")
}

fn app(rows: u32, size: (u16, u16)) -> App {
    let mut app = new(
        "unix:/run/user/1000/netpoller/4242-987654.sock".into(),
        MONO,
        size,
    );
    update(&mut app, Msg::Feed(Box::new(feed(rows, 3))));
    app
}

fn press(app: &mut App, code: KeyCode) -> Option<Cmd> {
    update(app, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn type_text(app: &mut App, text: &str) {
    for letter in text.chars() {
        press(app, KeyCode::Char(letter));
    }
}

fn draw(app: &App, (width, height): (u16, u16)) -> ratatui::buffer::Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal
        .draw(|frame| view::render(app, frame))
        .expect("draw");
    terminal.backend().buffer().clone()
}

fn picture(app: &App, size: (u16, u16)) -> String {
    let buffer = draw(app, size);
    let mut text = String::new();
    for y in 0..size.1 {
        let line: String = (0..size.0).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Compares with the picture that is checked in. `UPDATE=1 cargo test -p netpoller-inspector` draws
/// them anew.
#[track_caller]
fn assert_picture(name: &str, app: &App) {
    let shown = picture(app, app.size);
    let file = format!("{name}-{}x{}.txt", app.size.0, app.size.1);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(&file);
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("a directory")).expect("make the directory");
        fs::write(&path, &shown).expect("write the picture");
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == shown,
        "{file} is drawn differently now; if that is meant: UPDATE=1 cargo test -p netpoller-inspector\n\
         before:\n{known}\nnow:\n{shown}"
    );
}

fn current_id(app: &App) -> String {
    table(app).current().expect("a row").row.id().to_string()
}

#[test]
fn every_view_at_every_size() {
    for size in SIZES {
        for view in view::VIEWS {
            let mut app = app(120, size);
            press(&mut app, KeyCode::Char(view.key));
            press(&mut app, KeyCode::Down);
            assert_picture(&view.title.to_lowercase(), &app);
        }
    }
}

#[test]
fn overlays_and_states() {
    let mut detail = app(40, (120, 30));
    press(&mut detail, KeyCode::Down);
    press(&mut detail, KeyCode::Enter);
    assert_picture("detail", &detail);
    let mut help = app(40, (80, 40));
    press(&mut help, KeyCode::Char('?'));
    assert_picture("help", &help);
    let mut filter = app(40, (120, 12));
    press(&mut filter, KeyCode::Char('/'));
    type_text(&mut filter, "state=parkd");
    assert_picture("filter-error", &filter);
    let mut ascii = app(40, (100, 24));
    ascii.theme.ascii = true;
    press(&mut ascii, KeyCode::Char('3'));
    assert_picture("latency-ascii", &ascii);
    assert!(picture(&ascii, ascii.size).is_ascii());
    assert_picture(
        "connecting",
        &new("http://[::1]:6669".into(), MONO, (80, 12)),
    );
}

#[test]
fn a_lost_connection_says_why_and_keeps_the_table() {
    let mut app = app(10, (120, 20));
    let lost = Link::Lost {
        reason: "connection refused".into(),
        attempt: 3,
        retry_in: Duration::from_secs(2),
    };
    let feed = Feed {
        link: lost,
        ..app.feed.clone()
    };
    update(&mut app, Msg::Feed(Box::new(feed)));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("LOST (try 3, next in 2s): connection refused"),
        "{shown}"
    );
    assert!(shown.contains("1-10 of 10"), "{shown}");
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
fn the_executable_is_named_unless_it_is_this_command() {
    let mut app = app(3, (160, 20));
    let shown = picture(&app, app.size);
    assert!(
        shown.starts_with(" netpoller  echo-server pid 4242"),
        "{shown}"
    );
    let mut server = fixture::server(3, fixture::NOW_NS);
    server.executable = "/usr/bin/netpoller".into();
    app.feed.server = Some(Arc::new(server));
    let shown = picture(&app, app.size);
    assert!(shown.starts_with(" netpoller pid 4242"), "{shown}");
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
    assert!(matches!(app.overlay, Some(Overlay::Detail { .. })));
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
fn names_that_differ_in_their_ends_are_told_apart_however_narrow_it_is() {
    for width in [40, 60, 80, 120] {
        let mut app = app(10, (width, 30));
        let mut model = app.feed.model.clone();
        let mut stats = model.stats.as_deref().cloned().unwrap();
        let (first, _) = stats.pollers.split_at_mut(1);
        for (histogram, name) in first[0].histograms.iter_mut().zip([
            "time_parked_read_io",
            "time_parked_read_deadline",
            "time_parked_read_close",
        ]) {
            histogram.name = name.into();
        }
        stats.pollers.truncate(1);
        model.stats = Some(Arc::new(stats));
        app.feed.model = model;
        press(&mut app, KeyCode::Char('3'));
        let shown = picture(&app, app.size);
        for name in [
            "time_parked_read_io",
            "time_parked_read_deadline",
            "time_parked_read_close",
        ] {
            assert!(shown.contains(name), "{width}: {shown}");
        }
    }
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

#[test]
fn without_colour_no_cell_has_one_and_the_cursor_is_reversed() {
    let app = app(30, (120, 30));
    let buffer = draw(&app, app.size);
    assert!(
        buffer
            .content()
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    assert!(
        buffer
            .content()
            .iter()
            .any(|cell| cell.modifier.contains(Modifier::REVERSED))
    );
}

#[test]
fn a_long_table_is_drawn_about_as_fast_as_a_short_one() {
    let [short, long] = [100, 20_000].map(|rows| {
        let mut app = app(rows, (200, 60));
        press(&mut app, KeyCode::End);
        app
    });
    assert!(picture(&long, long.size).contains("of 20 000"));
    let time = |app: &App| {
        let start = std::time::Instant::now();
        draw(app, app.size);
        start.elapsed()
    };
    // In turn, and the best of each: what else the machine does slows some rounds down, not all.
    let rounds: Vec<_> = (0..20).map(|_| (time(&short), time(&long))).collect();
    let best = |which: fn(&(Duration, Duration)) -> Duration| rounds.iter().map(which).min();
    let (short, long) = (best(|it| it.0).unwrap(), best(|it| it.1).unwrap());
    // Rendering every row would take two hundred times as long.
    assert!(long < 20 * short, "{long:?}, and the short one {short:?}");
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        6 => prop::sample::select("qjkgGsir/?1234 =<>~&()tcp".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        4 => prop::sample::select(vec![
            KeyCode::Up, KeyCode::Down, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Enter,
            KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Backspace, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![4 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::SHIFT)];
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

/// Rows with nothing where something is expected, and numbers at their ends.
fn any_feed() -> impl Strategy<Value = Feed> {
    let number = || prop_oneof![Just(0u64), Just(1), Just(u64::MAX), any::<u64>()];
    (
        0u32..40,
        number(),
        number(),
        "\\PC{0,12}",
        any::<i32>(),
        any::<bool>(),
        0i32..12,
    )
        .prop_map(|(rows, now, then, text, fd, sparse, kind)| {
            let mut feed = feed(rows, 2);
            let mut frame = WatchFrame {
                sequence: 5,
                captured_at_ns: now,
                epoch: 1,
                end: true,
                lost: then,
                ..WatchFrame::default()
            };
            for slot in 0..rows / 2 {
                let mut row = fixture::row(slot * 2, fixture::NOW_NS);
                row.fd = fd;
                row.kind = kind;
                row.peer.clone_from(&text);
                row.label.clone_from(&text);
                row.opened_at_ns = then;
                if sparse {
                    row.read = None;
                }
                if let Some(write) = row.write.as_mut() {
                    write.since_ns = then;
                    write.deadline_ns = now;
                    write.state = kind;
                }
                frame.upserts.push(row);
            }
            let mut stats = fixture::stats(rows.into(), fixture::NOW_NS, 1);
            stats.captured_at_ns = now;
            for poller in &mut stats.pollers {
                poller
                    .histograms
                    .truncate(usize::try_from(fd.unsigned_abs() % 9).unwrap_or(0));
                for histogram in &mut poller.histograms {
                    histogram.max = then;
                    if let Some(bucket) = histogram.buckets.last_mut() {
                        bucket.upper_bound = then;
                        bucket.count = now;
                    }
                    if sparse {
                        histogram.buckets.clear();
                    }
                }
                if sparse {
                    poller.poller = None;
                }
            }
            frame.stats = Some(stats);
            feed.model.apply(frame);
            feed
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_whatever_is_known_pressed_or_resized(
        first in any_feed(),
        second in any_feed(),
        known in (0u16..300, 0u16..100),
        drawn in (0u16..300, 0u16..100),
        keys in prop::collection::vec(any_key(), 20),
        theme in (any::<bool>(), any::<bool>()),
    ) {
        let mut app = new("pid:1".into(), Theme { color: theme.0, ascii: theme.1 }, known);
        update(&mut app, Msg::Feed(Box::new(first)));
        for (index, key) in keys.into_iter().enumerate() {
            update(&mut app, Msg::Key(key));
            if index == 10 {
                update(&mut app, Msg::Feed(Box::new(second.clone())));
                update(&mut app, Msg::Paste("\u{1b}[31m&&".into()));
            }
            if index % 5 == 0 {
                draw(&app, known);
            }
        }
        draw(&app, drawn);
        update(&mut app, Msg::Resize(drawn.0, drawn.1));
        draw(&app, drawn);
    }
}
