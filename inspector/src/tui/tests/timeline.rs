//! How a process went on, over time.

use netpoller_proto::v1::{GetServerResponse, Recording};

use super::pictures::assert_picture;
use super::*;
use crate::timeline::Sample;

const SECOND: u64 = 1_000_000_000;

/// A recording of five minutes with a burst and a fault, looked at so many seconds after its
/// beginning.
fn recorded(second: u64) -> Feed {
    let mut timeline = Timeline::default();
    let begins_at_ns = fixture::NOW_NS;
    let mut edges = 0;
    for tick in 0..=300 {
        let at_ns = begins_at_ns + tick * SECOND;
        let is_burst = (120..150).contains(&tick);
        edges += if is_burst { 9_000 } else { 1_000 + 10 * tick };
        timeline.sample(Sample {
            at_ns,
            descriptors: 100 + tick,
            waiters: if is_burst { 20 } else { 90 + tick % 7 },
            edges,
            parks: edges / 2,
        });
        if tick % 10 == 0 {
            timeline.look(at_ns, u64::from(tick >= 200), tick == 200);
        }
    }
    let mut feed = feed(5, 3);
    let server = feed.server.take().expect("a server");
    feed.server = Some(Arc::new(GetServerResponse {
        recording: Some(Recording {
            begins_at_ns,
            ends_at_ns: begins_at_ns + 300 * SECOND,
            ..Recording::default()
        }),
        ..GetServerResponse::clone(&server)
    }));
    feed.model.captured_at_ns = begins_at_ns + second * SECOND;
    feed.timeline = Arc::new(timeline);
    feed.is_recording = true;
    feed
}

fn shown(second: u64, size: (u16, u16)) -> App {
    let mut app = app(5, size);
    update(&mut app, Msg::Feed(Box::new(recorded(second))));
    press(&mut app, KeyCode::Char('8'));
    app
}

#[test]
fn the_charts_of_a_recording_have_its_moment_and_where_something_was_found() {
    for size in [(120, 30), (80, 24)] {
        assert_picture("timeline-recorded", &shown(135, size));
    }
}

#[test]
fn values_are_those_of_the_moment_that_is_looked_at() {
    let value = |second, name: &str| {
        let shown = picture(&shown(second, (120, 30)), (120, 30));
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!(" {name}")));
        let line = line.unwrap_or_else(|| panic!("no {name}: {shown}"));
        line.split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        (value(135, "waiters"), value(135, "edges/s")),
        ("20".into(), "9.0k".into())
    );
    assert_eq!(
        (value(20, "findings"), value(250, "findings")),
        ("0".into(), "1".into())
    );
}

#[test]
fn before_anything_is_known_that_is_said() {
    let mut app = shown(135, (80, 24));
    app.feed.timeline = Arc::default();
    assert!(picture(&app, app.size).contains("reading all of it"));
    app.feed.is_timeline_whole = true;
    assert!(picture(&app, app.size).contains("too short"));
    app.feed.server = None;
    assert!(picture(&app, app.size).contains("waiting for the first moments"));
}
