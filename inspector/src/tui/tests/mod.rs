//! The UI without a terminal: pictures that are checked in, behaviour of keys, and anything at any
//! size.

mod any;
mod command;
mod detail;
mod events;
mod findings;
mod keys;
mod latency;
mod lists;
mod mouse;
mod pictures;
mod timeline;

use super::app::{App, Overlay, TableState};
use super::keymap;
use super::known::{Checkup, Feed, Leaks, Link};
use super::theme::Theme;
use super::update::{Cmd, Msg, update};
use super::view;
use crate::findings::{Case, Looked, NotRun};
use crate::fixture;
use crate::model::Model;
use crate::paint::Palette;
use crate::timeline::Timeline;
use clap::ValueEnum;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use netpoller_proto::v1::{Evidence, Finding, Mode, Severity, WatchFrame};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

const MONO: Theme = Theme {
    palette: Palette::Mono,
    ascii: false,
};

fn feed(rows: u32, groups: u64) -> Feed {
    let (mut model, mut timeline) = (Model::default(), Timeline::default());
    for sequence in 0..groups {
        let now_ns = fixture::NOW_NS + sequence * 1_000_000_000;
        let stats = fixture::stats(rows.into(), now_ns, sequence);
        timeline.stats(&Arc::new(stats.clone()));
        timeline.look(now_ns, sequence % 4, sequence == 1);
        model.apply(WatchFrame {
            sequence,
            captured_at_ns: now_ns,
            epoch: 1,
            keyframe: sequence == 0,
            upserts: (0..rows).map(|slot| fixture::row(slot, now_ns)).collect(),
            stats: Some(stats),
            end: true,
            ..WatchFrame::default()
        });
    }
    Feed {
        is_recording: false,
        is_timeline_whole: false,
        is_over: false,
        timeline: Arc::new(timeline),
        is_remembered: false,
        before: None,
        server: Some(Arc::new(fixture::server(rows.into(), fixture::NOW_NS))),
        model,
        leaks: Arc::new(leaks(groups)),
        checkup: Arc::new(checkup(rows)),
        events: Arc::default(),
        described: None,
        link: Link::Live,
    }
}

/// What is found of a process of so many rows.
fn checkup(rows: u32) -> Checkup {
    let finding = |lint: &str, severity: Severity, slot: Option<u32>| Finding {
        lint: lint.to_owned(),
        severity: severity.into(),
        poller: "global".into(),
        descriptor: slot.map(|slot| fixture::row(slot, fixture::NOW_NS)),
        direction: slot.map_or(Mode::Unspecified, |_| Mode::Read).into(),
        since_ns: fixture::NOW_NS - 12_400_000_000,
        summary:
            "somebody has waited to read for 12.4 s although the kernel says that it is readable"
                .into(),
        evidence: vec![Evidence {
            name: "poll(2)".into(),
            value: "IN".into(),
        }],
        advice:
            "an edge was lost: look whether somebody else reads from a duplicate of the descriptor"
                .into(),
        location: "src/conn.rs:89".into(),
        ..Finding::default()
    };
    let slot = |slot: u32| (slot < rows).then_some(slot);
    let findings = [
        slot(2).map(|_| finding("slow-dispatch", Severity::Warning, None)),
        slot(4).map(|slot| finding("stuck-waiter", Severity::Error, Some(slot))),
        slot(6).map(|slot| finding("leaked-readiness", Severity::Info, Some(slot))),
    ];
    Checkup::of(Looked {
        cases: findings.into_iter().flatten().map(Case::new).collect(),
        more: 0,
        lints: vec![String::new(); 14],
        laws: Some(8),
        not_run: vec![NotRun {
            check: "ghost-registration".into(),
            why: "it reads the kernel's list of registrations".into(),
            flag: Some("--kernel".into()),
            younger_than_ns: None,
        }],
        captured_at_ns: fixture::NOW_NS,
    })
}

fn leaks(looks: u64) -> Leaks {
    let now_ns = fixture::NOW_NS + looks * 1_000_000_000;
    let first = fixture::sites(fixture::NOW_NS, 0);
    Leaks::between(&first, fixture::sites(now_ns, looks))
}

fn new(target: String, theme: Theme, size: (u16, u16)) -> App {
    App::new(view::VIEWS, keymap::keymap(), target, theme, size)
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

fn current_id(app: &App) -> String {
    table(app).current().expect("a row").row.id().to_string()
}
