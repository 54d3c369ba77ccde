//! All about one descriptor, on the screen.

use super::pictures::{SIZES, assert_picture};
use super::*;
use netpoller_proto::v1::{
    Bucket, Cause, Descriptor, Event, EventKind, GetDescriptorResponse, Histogram, KernelView, Wake,
};

/// What a process tells of a row that it is asked for.
fn answer(row: &Descriptor) -> GetDescriptorResponse {
    let mut row = row.clone();
    let sides = [&mut row.read, &mut row.write].into_iter().flatten();
    for side in sides {
        if let Some(waiter) = &mut side.waiter {
            waiter.stack = fixture::stack();
            waiter.within = fixture::stack();
            side.last_wake = Some(Wake {
                cause: Cause::Io.into(),
                fetched_ns: fixture::NOW_NS - 6_000_000_000,
                before_poll_ns: Some(1_200_000),
                poller_to_waker_ns: 300_000,
                waker_to_run_ns: 4_500_000,
                ..Wake::default()
            });
        }
    }
    let event = |kind: EventKind, ago_ms: u64| Event {
        kind: kind.into(),
        at_ns: fixture::NOW_NS - ago_ms * 1_000_000,
        direction: Mode::Read.into(),
        id: row.id().to_string(),
        poller: row.poller.clone(),
        thread: "worker-1".into(),
        ..Event::default()
    };
    GetDescriptorResponse {
        captured_at_ns: fixture::NOW_NS + 2_000_000_000,
        epoch: 1,
        history: vec![
            event(EventKind::ReadyParked, 6_000),
            event(EventKind::Consume, 5_995),
            event(EventKind::Arm, 5_300),
            event(EventKind::Park, 5_300),
        ],
        histograms: vec![Histogram {
            name: "wake_latency".into(),
            unit: "ns".into(),
            count: 7,
            buckets: vec![Bucket {
                upper_bound: 5_999_999,
                count: 7,
                ..Bucket::default()
            }],
            ..Histogram::default()
        }],
        kernel: Some(KernelView {
            registered: true,
            events: 0x8000_0005,
            ready: 0x1,
            receive_queue: 300,
            tcp_state: "ESTABLISHED".into(),
            last_data_received_ns: 5_000_000_000,
            rtt_ns: 812_000,
            retransmits: 0,
            inode: 4_711,
            ..KernelView::default()
        }),
        descriptor: Some(row),
        ..GetDescriptorResponse::default()
    }
}

/// Tells what is asked for.
fn tell(app: &mut App) {
    let Some(Overlay::Detail(detail)) = &app.overlay else {
        panic!("no details are open");
    };
    let mut feed = app.feed.clone();
    feed.described = Some(Arc::new(answer(&detail.last)));
    update(app, Msg::Feed(Box::new(feed)));
}

/// The details of a descriptor of which something was found, as told.
fn open(size: (u16, u16)) -> App {
    let mut app = app(40, size);
    press(&mut app, KeyCode::Char('6'));
    press(&mut app, KeyCode::Enter);
    tell(&mut app);
    app
}

#[test]
fn details_at_every_size() {
    for size in SIZES {
        assert_picture("detail", &open(size));
    }
    let mut scrolled = open((60, 15));
    press(&mut scrolled, KeyCode::PageDown);
    press(&mut scrolled, KeyCode::Down);
    assert_picture("detail-scrolled", &scrolled);
    // Before anything is told.
    let mut bare = app(40, (120, 30));
    press(&mut bare, KeyCode::Down);
    press(&mut bare, KeyCode::Enter);
    assert_picture("detail-untold", &bare);
}

/// All that can be scrolled to.
fn whole(app: &mut App) -> String {
    let mut all = picture(app, app.size);
    for _ in 0..20 {
        press(app, KeyCode::PageDown);
        all.push_str(&picture(app, app.size));
    }
    all
}

#[test]
fn all_that_describe_tells_is_there_at_every_size() {
    for size in [(60, 15), (80, 24), (120, 30), (200, 60)] {
        let mut app = open(size);
        let shown = whole(&mut app);
        for words in [
            "stuck-waiter (error)",
            "HINTS",
            "an edge was lost",
            "READ",
            "WRITE",
            "waits at",
            "last wake",
            "before the poll",
            "scheduler",
            "transitions",
            "LAST TRANSITIONS",
            "ready_parked",
            "LATENCIES",
            "KERNEL",
            "to be read",
            "4711",
        ] {
            assert!(shown.contains(words), "{words} at {size:?}: {shown}");
        }
    }
}

#[test]
fn the_last_wake_is_split_into_the_shares_of_those_who_took_part() {
    let app = open((200, 60));
    let shown = picture(&app, app.size);
    for share in ["kernel 20 %", "poller 5 %", "scheduler 75 %"] {
        assert!(shown.contains(share), "{share}: {shown}");
    }
}

#[test]
fn the_state_that_holds_is_lit() {
    let app = open((200, 60));
    let buffer = draw(&app, app.size);
    let lit: String = buffer
        .content()
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::REVERSED | Modifier::BOLD))
        .map(|cell| cell.symbol())
        .collect();
    assert!(lit.contains(" parked ") && lit.contains(" ready "), "{lit}");
    assert!(!lit.contains(" wait "), "{lit}");
}

#[test]
fn arrows_lead_to_the_neighbours_and_the_cursor_follows() {
    let mut app = app(10, (120, 30));
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    let shown = |app: &App| {
        let Some(Overlay::Detail(detail)) = &app.overlay else {
            panic!("no details are open");
        };
        detail.last.id().to_string()
    };
    let second = shown(&app);
    press(&mut app, KeyCode::Right);
    let third = shown(&app);
    assert_ne!(second, third);
    assert_eq!(current_id(&app), third);
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::Left);
    assert_eq!(shown(&app), table(&app).rows[0].row.id().to_string());
    // A finding that is about a poller has no details.
    let mut app = open((120, 30));
    let first = shown(&app);
    press(&mut app, KeyCode::Right);
    assert_eq!(shown(&app), first);
    press(&mut app, KeyCode::Right);
    assert_ne!(shown(&app), first);
}

#[test]
fn what_has_gone_keeps_what_was_told_of_it() {
    let mut app = open((120, 40));
    let before = picture(&app, app.size);
    let mut gone = feed(3, 3);
    gone.model.captured_at_ns += 60_000_000_000;
    gone.checkup = Arc::clone(&app.feed.checkup);
    update(&mut app, Msg::Feed(Box::new(gone)));
    let shown = picture(&app, app.size);
    assert!(shown.contains("GONE, as last seen"), "{shown}");
    let body = |picture: &str| {
        let lines = picture.lines().skip(4).filter(|line| line.starts_with('│'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(body(&shown), body(&before));
}
