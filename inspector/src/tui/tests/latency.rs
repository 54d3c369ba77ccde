//! Latencies: of which time and poller, over time, and the samples behind a bar.

use netpoller_proto::v1::{Exemplar, GetServerResponse, Recording};

use super::pictures::{SIZES, assert_picture};
use super::*;

fn open(size: (u16, u16)) -> App {
    let mut app = app(40, size);
    press(&mut app, KeyCode::Char('3'));
    app
}

fn samples(app: &App) -> u64 {
    app.latency.shown.iter().map(|it| it.histogram.count).sum()
}

#[test]
fn the_last_interval_has_what_came_in_it_and_all_time_the_rest_too() {
    let mut app = open((120, 40));
    let all = samples(&app);
    assert!(picture(&app, app.size).contains("time_parked of all time"));
    press(&mut app, KeyCode::Char('t'));
    let shown = picture(&app, app.size);
    assert!(shown.contains("time_parked of the last 1.0s"), "{shown}");
    let of_interval = samples(&app);
    assert!(
        0 < of_interval && of_interval < all / 10,
        "{of_interval} of {all}"
    );
    press(&mut app, KeyCode::Char('t'));
    assert_eq!(samples(&app), all);
}

#[test]
fn an_interval_that_is_not_known_is_not_told() {
    let mut app = new("pid:1".into(), MONO, (120, 40));
    update(&mut app, Msg::Feed(Box::new(feed(5, 1))));
    press(&mut app, KeyCode::Char('3'));
    press(&mut app, KeyCode::Char('t'));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("of all time, for the last interval is not known"),
        "{shown}"
    );
    update(&mut app, Msg::Feed(Box::new(feed(5, 2))));
    assert!(picture(&app, app.size).contains("of the last 1.0s"));
}

#[test]
fn each_poller_has_its_own_and_all_together_are_their_sum() {
    let mut app = open((120, 40));
    let mut sums = Vec::new();
    let all = samples(&app);
    for poller in ["global", "shard-1"] {
        press(&mut app, KeyCode::Char('p'));
        assert!(picture(&app, app.size).contains(&format!("poller {poller}")));
        sums.push(samples(&app));
    }
    assert!(sums.iter().all(|it| *it > 0));
    assert_eq!(sums.iter().sum::<u64>(), all);
    press(&mut app, KeyCode::Char('p'));
    assert_eq!((samples(&app), app.latency.poller.as_deref()), (all, None));
}

#[test]
fn over_time_is_drawn_at_every_size() {
    for size in SIZES {
        let mut app = new("pid:1".into(), MONO, size);
        update(&mut app, Msg::Feed(Box::new(feed(40, 30))));
        press(&mut app, KeyCode::Char('3'));
        press(&mut app, KeyCode::Char('m'));
        assert_picture("latency-over-time", &app);
    }
    let mut ascii = open((80, 24));
    ascii.theme.ascii = true;
    press(&mut ascii, KeyCode::Char('m'));
    assert!(picture(&ascii, ascii.size).is_ascii());
}

#[test]
fn over_time_a_recording_has_the_moment_that_is_looked_at() {
    let mut feed = feed(10, 30);
    let server = feed.server.take().expect("a server");
    feed.server = Some(Arc::new(GetServerResponse {
        recording: Some(Recording {
            begins_at_ns: fixture::NOW_NS,
            ends_at_ns: fixture::NOW_NS + 60_000_000_000,
            ..Recording::default()
        }),
        ..GetServerResponse::clone(&server)
    }));
    feed.is_recording = true;
    feed.is_timeline_whole = true;
    let mut app = new("file:it".into(), MONO, (120, 40));
    update(&mut app, Msg::Feed(Box::new(feed)));
    press(&mut app, KeyCode::Char('3'));
    press(&mut app, KeyCode::Char('m'));
    let shown = picture(&app, app.size);
    let axis = shown.lines().find(|line| line.contains("UTC"));
    assert_eq!(
        axis.map(|it| it.split_whitespace().count()),
        Some(4),
        "{shown}"
    );
}

/// With samples of two descriptors, of which one has gone.
fn with_exemplars() -> App {
    let mut feed = feed(40, 1);
    let mut stats = fixture::stats(40, fixture::NOW_NS + 1_000_000_000, 1);
    let histogram = &mut stats.pollers[0].histograms[0];
    let last = histogram.buckets.len() - 1;
    for (bucket, id) in [(last - 20, "4.5"), (last, "4.4")] {
        histogram.buckets[bucket].exemplar = Some(Exemplar {
            id: id.into(),
            at_ns: fixture::NOW_NS,
            location: "src/conn.rs:89".into(),
            task: "slow".into(),
            ..Exemplar::default()
        });
    }
    feed.model.apply(WatchFrame {
        sequence: 1,
        captured_at_ns: fixture::NOW_NS + 1_000_000_000,
        epoch: 1,
        stats: Some(stats),
        end: true,
        ..WatchFrame::default()
    });
    let mut app = new("pid:1".into(), MONO, (160, 40));
    update(&mut app, Msg::Feed(Box::new(feed)));
    press(&mut app, KeyCode::Char('3'));
    app
}

#[test]
fn a_bar_leads_to_the_descriptor_of_its_last_sample() {
    let mut app = with_exemplars();
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("descriptor global/4.4, which has gone"),
        "{shown}"
    );
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.overlay, None, "it has gone");
    let mut told = String::new();
    for _ in 0..100 {
        press(&mut app, KeyCode::Left);
        told = picture(&app, app.size);
        if told.contains("descriptor global/4.5") {
            break;
        }
    }
    let words = "at src/conn.rs:89, task slow, descriptor global/4.5";
    assert!(told.contains(words), "{told}");
    press(&mut app, KeyCode::Enter);
    let Some(Overlay::Detail(detail)) = &app.overlay else {
        panic!("no details: {told}");
    };
    assert_eq!(detail.last.id().to_string(), "4.5");
    press(&mut app, KeyCode::Esc);
    // Another histogram has other bars.
    press(&mut app, KeyCode::Down);
    assert_eq!(app.latency.bar, None);
}

#[test]
fn bars_are_gone_through_from_one_end_to_the_other() {
    let mut app = open((120, 40));
    let go = |app: &mut App, key| {
        let mut seen = Vec::new();
        for _ in 0..200 {
            press(app, key);
            seen.push(app.latency.bar.expect("a bar"));
        }
        seen.dedup();
        seen
    };
    let down = go(&mut app, KeyCode::Left);
    let up = go(&mut app, KeyCode::Right);
    assert!(down.windows(2).all(|pair| pair[0] > pair[1]) && down.len() > 10);
    assert!(up.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(up.len() + 1, down.len());
}

#[test]
fn a_picture_that_shows_no_bar_has_none_to_choose() {
    let mut app = with_exemplars();
    press(&mut app, KeyCode::Char('m'));
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::Enter);
    assert_eq!((app.latency.bar, &app.overlay), (None, &None));
}

#[test]
fn as_many_histograms_as_fit_a_message_are_shown_without_waiting() {
    let mut feed = feed(1, 1);
    let mut stats = fixture::stats(1, fixture::NOW_NS + 1, 1);
    let one = stats.pollers[0].histograms[0].clone();
    let named = |number: u32| netpoller_proto::v1::Histogram {
        name: format!("histogram_{number}"),
        buckets: one.buckets[..1].to_vec(),
        ..one.clone()
    };
    stats.pollers[0].histograms = (0..20_000).map(named).collect();
    for captured_at_ns in [fixture::NOW_NS + 1, fixture::NOW_NS + 2] {
        stats.captured_at_ns = captured_at_ns;
        Arc::make_mut(&mut feed.timeline).stats(&Arc::new(stats.clone()));
        feed.model.apply(WatchFrame {
            sequence: captured_at_ns,
            captured_at_ns,
            epoch: 1,
            stats: Some(stats.clone()),
            end: true,
            ..WatchFrame::default()
        });
    }
    let mut app = new("pid:1".into(), MONO, (120, 40));
    update(&mut app, Msg::Feed(Box::new(feed)));
    // Where each is compared with each, this takes minutes.
    for key in "3tm".chars() {
        press(&mut app, KeyCode::Char(key));
        draw(&app, app.size);
    }
    assert!(app.latency.shown.len() >= 20_000);
}
