//! The lines that open descriptors: what they have open by peer and state, and what has grown since
//! this view was first opened.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::super::app::{App, Body, Steps, View, Wants};
use super::sheet::sheet;
use super::widgets::{scrolled, toned};
use crate::paint::Tone;
use crate::table::{Context, SITES};

pub(super) const VIEW: View = View {
    title: "Leaks",
    key: '5',
    help: "open descriptors by the line that opened them",
    wants: Wants::Sites,
    scope: None,
    body: Body::Drawn {
        render,
        steps: Steps::lines(|app| app.feed.leaks.rows.len()),
    },
};

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let (theme, leaks) = (app.theme, &app.feed.leaks);
    let said = |words: &str, tone| Line::from(toned(theme, words, tone));
    if leaks.summary.is_empty() {
        let line = match leaks.trouble.as_str() {
            "" => said("waiting for the first answer", Tone::Dim),
            trouble => said(trouble, Tone::Warn),
        };
        let words = Paragraph::new(line.centered()).wrap(Wrap { trim: true });
        frame.render_widget(words, area);
        return;
    }
    // Their ages are those of the answer, which may be another moment than that of the table.
    let context = Context {
        now_ns: leaks.captured_at_ns,
        ..app.context()
    };
    let summary = context.written(format!(" {}", leaks.summary));
    let mut head = vec![said(&summary, Tone::Dim)];
    if !leaks.trouble.is_empty() {
        head.push(said(&format!(" {}", leaks.trouble), Tone::Warn));
    }
    let mut lines = sheet(
        app,
        &context,
        &SITES,
        &leaks.rows,
        |_| false,
        area.width.into(),
    );
    // The titles stay where they are.
    head.extend(lines.drain(..1));
    let height = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let [above, below] =
        Layout::vertical([Constraint::Max(height), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(head), above);
    frame.render_widget(scrolled(lines, app.step(), below.height), below);
}
