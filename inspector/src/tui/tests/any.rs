//! Anything that may be known, pressed and resized, at any size.

use super::*;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        6 => prop::sample::select("qjkgGsir/?1234567ahlzy: =<>~&()tcpmbTX".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        4 => prop::sample::select(vec![
            KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Enter,
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
            Arc::make_mut(&mut feed.timeline).stats(&Arc::new(stats.clone()));
            frame.stats = Some(stats);
            feed.model.apply(frame);
            let (first, mut last) = (fixture::sites(now, 0), fixture::sites(then, 3));
            for site in &mut last.sites {
                (site.opened, site.closed, site.more_groups) = (now, then, then);
                site.location.push_str(&text);
                site.rows = site.rows.take().filter(|_| !sparse);
                for group in &mut site.groups {
                    group.peer.clone_from(&text);
                    if let Some(rows) = &mut group.rows {
                        (rows.count, rows.oldest_at_ns) = (then, now);
                    }
                }
            }
            last.sockets_error = text;
            feed.leaks = Arc::new(Leaks::between(&first, last));
            let mut told = super::events::frame(u64::from(rows) * 3);
            for event in &mut told.events {
                (event.at_ns, event.argument, event.kind) = (now, then, kind);
            }
            Arc::make_mut(&mut feed.events).take(told);
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
        clicks in prop::collection::vec((0u16..300, 0u16..100, 0u8..5), 10),
        theme in (0..4usize, any::<bool>()),
    ) {
        let mut app = new("pid:1".into(), Theme { palette: Palette::value_variants()[theme.0], ascii: theme.1 }, known);
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
        for (column, row, kind) in clicks {
            let kind = match kind {
                0 => MouseEventKind::ScrollUp,
                1 => MouseEventKind::ScrollDown,
                _ => MouseEventKind::Down(MouseButton::Left),
            };
            let modifiers = KeyModifiers::NONE;
            update(&mut app, Msg::Mouse(MouseEvent { kind, column, row, modifiers }));
        }
        draw(&app, drawn);
        update(&mut app, Msg::Resize(drawn.0, drawn.1));
        draw(&app, drawn);
    }
}
