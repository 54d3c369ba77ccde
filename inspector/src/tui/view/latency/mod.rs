//! The histograms: a line for each, and a picture of the selected one, as it is or over time.
//!
//! | file | holds |
//! |---|---|
//! | `list` | the lines |
//! | `bars` | the picture as it is, and the bar that is chosen |
//! | `heat` | the picture over time |
//! | `parts` | what they have in common |

mod bars;
mod heat;
mod list;
mod parts;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, Steps, View, Wants};
use super::widgets::toned;
use crate::paint::Tone;

pub(crate) use bars::neighbour;

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
