//! What is drawn: pictures that are checked in, and what holds of every picture.

use super::*;
use netpoller_proto::v1::{Bucket, Descriptor, Direction, Histogram, Socket, State};

pub(super) const SIZES: [(u16, u16); 5] = [(200, 60), (120, 30), (80, 24), (60, 15), (30, 8)];

/// Compares with the picture that is checked in. `UPDATE=1 cargo test -p netpoller-inspector`
/// redraws them.
#[track_caller]
pub(super) fn assert_picture(name: &str, app: &App) {
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
fn a_narrow_screen_shows_which_view_it_is_and_who_waits_where() {
    for view in view::VIEWS {
        let mut app = app(40, (40, 10));
        press(&mut app, KeyCode::Char(view.key));
        let shown = picture(&app, app.size);
        let tabs = shown.lines().find(|line| line.contains(view.title));
        let tabs = tabs.unwrap_or_else(|| panic!("{}: {shown}", view.title));
        assert!(tabs.contains('5'), "{shown}");
    }
    let mut waiters = app(40, (50, 10));
    press(&mut waiters, KeyCode::Char('2'));
    let shown = picture(&waiters, waiters.size);
    for column in ["TASK", "AGE", "LOCATION"] {
        assert!(shown.contains(column), "{column} is missing: {shown}");
    }
}

#[test]
fn a_footer_offers_what_works_there() {
    let mut app = app(40, (120, 30));
    let footer = |app: &App| {
        let shown = picture(app, app.size);
        shown.lines().last().unwrap_or_default().to_owned()
    };
    let of_tables = ["details", "filter", "sort", "invert", "1-25 of 40"];
    let offers = |app: &App, words: &[&str]| {
        let footer = footer(app);
        words.iter().filter(|it| footer.contains(*it)).count()
    };
    assert_eq!(offers(&app, &of_tables), of_tables.len());
    assert_eq!(offers(&app, &["back"]), 0);
    press(&mut app, KeyCode::Enter);
    assert_eq!(offers(&app, &of_tables), 0);
    assert_eq!(offers(&app, &["quit", "help", "back"]), 3);
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('4'));
    assert_eq!(offers(&app, &of_tables), 0);
}

#[test]
fn overlays_and_states() {
    let mut help = app(40, (80, 40));
    press(&mut help, KeyCode::Char('?'));
    assert_picture("help", &help);
    help.size = (60, 15);
    press(&mut help, KeyCode::Down);
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
fn open_sites_begin_with_the_one_that_grows_and_say_what_is_not_known_of_them() {
    let mut app = app(10, (120, 20));
    press(&mut app, KeyCode::Char('5'));
    let shown = picture(&app, app.size);
    assert!(shown.contains("opened and"), "{shown}");
    let at = |what: &str| shown.lines().position(|line| line.contains(what));
    let (leak, pool) = (at("src/server.rs:63"), at("pool.rs:118"));
    assert!(leak.is_some() && leak < pool, "{shown}");
    // The titles do not scroll away.
    for _ in 0..5 {
        press(&mut app, KeyCode::Down);
    }
    let scrolled = picture(&app, (120, 12));
    assert!(
        scrolled.contains(" SITE") && !scrolled.contains("server.rs:63"),
        "{scrolled}"
    );

    let trouble = "the kernel does not tell of all sockets";
    let mut leaks = leaks(2);
    leaks.trouble = trouble.into();
    app.feed.leaks = Arc::new(leaks.clone());
    let shown = picture(&app, app.size);
    assert!(
        shown.contains(trouble) && shown.contains("pool.rs:118"),
        "{shown}"
    );
    app.feed.leaks = Arc::new(Leaks {
        trouble: trouble.into(),
        ..Leaks::default()
    });
    let shown = picture(&app, app.size);
    assert!(
        shown.contains(trouble) && !shown.contains("SITE"),
        "{shown}"
    );
    app.feed.leaks = Arc::default();
    assert!(picture(&app, app.size).contains("waiting for the first answer"));
}

/// Alters the row of this slot.
fn alter(app: &mut App, slot: u32, change: impl FnOnce(&mut Descriptor)) {
    let rows = Arc::make_mut(&mut app.feed.model.rows);
    let row = rows.values_mut().find(|row| row.slot == slot);
    change(Arc::make_mut(row.expect("a row")));
}

#[test]
fn of_a_side_that_never_waited_no_wait_has_ended() {
    let mut feed = feed(10, 3);
    let rows = Arc::make_mut(&mut feed.model.rows);
    for row in rows.values_mut() {
        let since_ns = feed.model.captured_at_ns - 40_300_000_000;
        Arc::make_mut(row).write.as_mut().unwrap().since_ns = since_ns;
    }
    let mut app = new("unix:/x".into(), MONO, (120, 30));
    update(&mut app, Msg::Feed(Box::new(feed)));
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    let shown = picture(&app, app.size);
    let write = shown
        .lines()
        .find(|line| line.starts_with("│ state           ready"));
    assert!(
        write.is_some_and(|line| line.contains("ready for 40.3s")),
        "{shown}"
    );
}

#[test]
fn unread_is_what_the_kernel_says_and_readiness_only_where_it_says_nothing() {
    let mut app = app(40, (120, 30));
    let totals = |app: &App| picture(app, app.size).lines().nth(1).unwrap().to_owned();
    let readiness = totals(&app);
    assert!(
        readiness.contains("3 ready, not taken") && !readiness.contains("unread"),
        "{readiness}"
    );
    for (slot, recvq) in [(1, 300), (2, 0), (5, 7)] {
        alter(&mut app, slot, |row| {
            row.socket = Some(Socket {
                recvq: Some(recvq),
                ..Socket::default()
            });
        });
    }
    let bytes = totals(&app);
    assert!(
        bytes.contains("2 unread") && !bytes.contains("ready"),
        "{bytes}"
    );
}

#[test]
fn that_nobody_comes_for_what_is_due_stands_at_the_top() {
    let mut app = app(40, (120, 30));
    let now = app.feed.model.stats.as_ref().unwrap().captured_at_ns;
    let totals = |app: &App| picture(app, app.size).lines().nth(1).unwrap().to_owned();
    let set = |app: &mut App, ago_ns: u64, blocked| {
        let stats = Arc::make_mut(app.feed.model.stats.as_mut().unwrap());
        for poller in stats.pollers.iter_mut().filter_map(|it| it.poller.as_mut()) {
            poller.last_poll_ns = now - ago_ns;
            poller.blocked = blocked;
        }
    };
    let parked = |app: &mut App, deadline_ns, recvq, last_recv_ns| {
        alter(app, 4, |row| {
            row.read = Some(Direction {
                state: State::Parked.into(),
                deadline_ns,
                ..Direction::default()
            });
            row.socket = Some(Socket {
                recvq: Some(recvq),
                last_recv_ns: Some(last_recv_ns),
                ..Socket::default()
            });
        });
    };
    set(&mut app, 9_000_000_000, false);
    for (deadline_ns, recvq, last_recv_ns, is_told) in [
        (0, 0, now - 8_000_000_000, false),
        (0, 5, now - 8_000_000_000, true),
        (0, 5, now - 1_000_000, false),
        (0, 5, now - 10_000_000_000, false),
        (now - 8_000_000_000, 0, 0, true),
        (1, 0, 0, false),
        (now + 8_000_000_000, 0, 0, false),
    ] {
        parked(&mut app, deadline_ns, recvq, last_recv_ns);
        let shown = totals(&app);
        let told = shown.contains("9.0s WITHOUT A POLL");
        assert_eq!(
            told, is_told,
            "{deadline_ns} {recvq} {last_recv_ns}: {shown}"
        );
    }
    parked(&mut app, 0, 5, now - 8_000_000_000);
    set(&mut app, 9_000_000_000, true);
    assert!(!totals(&app).contains("WITHOUT A POLL"));
}

#[test]
fn no_two_labels_under_the_bars_are_the_same() {
    let mut app = app(10, (120, 30));
    let stats = Arc::make_mut(app.feed.model.stats.as_mut().unwrap());
    stats.pollers.truncate(1);
    let bucket = |upper_bound| Bucket {
        upper_bound,
        count: 1,
        ..Bucket::default()
    };
    stats.pollers[0].histograms = vec![Histogram {
        name: "wake_latency".into(),
        unit: "ns".into(),
        count: 2,
        buckets: vec![bucket(1_279), bucket((1 << 24) - 1)],
        ..Histogram::default()
    }];
    press(&mut app, KeyCode::Char('3'));
    let shown = picture(&app, app.size);
    let axis = shown
        .lines()
        .find(|line| line.starts_with("           1.2µs"));
    let labels: Vec<&str> = axis.unwrap_or_default().split_whitespace().collect();
    let mut apart = labels.clone();
    apart.dedup();
    assert!(labels.len() > 3 && apart == labels, "{shown}");
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
    // Rendering every row would take two hundred times as long; to measure all takes some, and more
    // where others use the cache.
    assert!(long < 60 * short, "{long:?}, and the short one {short:?}");
}
