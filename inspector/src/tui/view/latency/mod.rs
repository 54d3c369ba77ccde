//! The histograms: a line for each, and a picture of the selected one, as it is or over time.
//!
//! | file | holds |
//! |---|---|
//! | `list` | the lines |
//! | `bars` | the picture as it is, and the bar that is chosen |
//! | `heat` | the picture over time |

mod bars;
mod heat;
mod list;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, Steps, View, Wants};
use super::super::latency::Shown;
use super::widgets::{duration, toned};
use crate::paint::Tone;
use crate::text;

pub(crate) use bars::neighbour;

/// Room of a number.
const NUMBER: usize = 8;

pub(super) const VIEW: View = View {
    title: "Latency",
    key: '3',
    help: "latency histograms, as they are and over time",
    wants: Wants::Latencies,
    scope: None,
    body: Body::Drawn {
        render,
        steps: Steps {
            count: |app| app.latency.shown.len(),
            name: |app, step| Some(app.latency.shown.get(step)?.histogram.name.clone()),
            descriptor: |app, step| bars::descriptor(app, app.latency.shown.get(step)?),
        },
    },
};

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let shown = &app.latency.shown;
    if shown.is_empty() {
        let server = app.feed.server.as_ref();
        let why = match server.is_some_and(|it| it.outside.is_some()) {
            true => "nobody measures latencies from outside of the process",
            false if app.feed.model.stats.is_some() => "the last interval is not known yet",
            false => "waiting for the first statistics",
        };
        let line = Line::from(toned(app.theme, why, Tone::Dim)).centered();
        frame.render_widget(Paragraph::new(line), area);
        return;
    }
    let selected = app.step().min(shown.len() - 1);
    let rows = u16::try_from(shown.len())
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    // A low screen has room for a picture only if that is asked for.
    let most = match area.height {
        18.. => area.height / 2,
        _ if app.latency.is_over_time => 4,
        _ => area.height,
    };
    let [list, picture] =
        Layout::vertical([Constraint::Max(rows.min(most)), Constraint::Fill(1)]).areas(area);
    frame.render_widget(
        Paragraph::new(list::lines(app, shown, selected, list)),
        list,
    );
    if let Some(shown) = shown.get(selected) {
        match app.latency.is_over_time {
            true => heat::render(app, shown, frame, picture),
            false => bars::render(app, shown, frame, picture),
        }
    }
}

/// Over the picture: what it is of, and how much there is.
fn title(app: &App, shown: &Shown, more: &str) -> Line<'static> {
    let (theme, latency) = (app.theme, &app.latency);
    let of = match latency.over_ns {
        Some(over_ns) if !latency.is_over_time => {
            format!("of the last {}", duration(theme, over_ns))
        }
        _ if latency.is_over_time => "over time".to_owned(),
        _ => "of all time".to_owned(),
    };
    let poller = match &latency.poller {
        Some(poller) => format!(", poller {poller}"),
        None => String::new(),
    };
    Line::from(vec![
        toned(theme, format!(" {}", shown.histogram.name), Tone::Title),
        toned(theme, format!(" {of}{poller}{more}"), Tone::Dim),
    ])
}

fn written(app: &App, value: u64, unit: &str) -> String {
    let sample = text::sample(value, unit);
    if app.theme.ascii {
        text::ascii(sample)
    } else {
        sample
    }
}
