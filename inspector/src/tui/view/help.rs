//! The keys, out of the table that they are read from.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::app::App;
use super::widgets::{popup, scrolled, toned};
use crate::paint::Tone;

pub(super) fn render(app: &App, scroll: usize, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let width = area.width.min(70);
    let height = area
        .height
        .min(u16::try_from(app.keymap.bindings().len() + 7).unwrap_or(u16::MAX));
    let middle = Rect {
        x: area.x.saturating_add(area.width.saturating_sub(width) / 2),
        y: area
            .y
            .saturating_add(area.height.saturating_sub(height) / 2),
        width,
        height,
    };
    let inside = popup(theme, "keys", frame, middle.intersection(area));
    let mut lines: Vec<Line<'static>> = app
        .keymap
        .bindings()
        .iter()
        .map(|binding| {
            let written = binding.labels(theme.ascii);
            Line::from(vec![
                Span::styled(format!(" {written:>10}  "), theme.key()),
                Span::raw(binding.help),
            ])
        })
        .collect();
    lines.push(Line::default());
    for (word, tone, meaning) in [
        (
            "parked",
            Tone::Parked,
            "somebody waits; SINCE says how long",
        ),
        ("wait", Tone::Wait, "somebody is about to wait"),
        (
            "ready",
            Tone::Ready,
            "readiness nobody has consumed; usual for an idle WR",
        ),
        ("nil", Tone::Dim, "neither"),
    ] {
        lines.push(Line::from(vec![
            Span::raw(" "),
            toned(theme, format!("{word:>10}"), tone),
            Span::raw(format!("  {meaning}")),
        ]));
    }
    frame.render_widget(scrolled(lines, scroll, inside.height), inside);
}
