//! The keys, out of the table that they are read from.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::app::App;
use super::areas::areas;
use super::widgets::{more_below, popup, scrolled, toned};
use crate::paint::Tone;

const WIDEST: u16 = 70;

pub(super) fn render(app: &App, scroll: usize, frame: &mut Frame<'_>, area: Rect) {
    let lines = lines(app);
    let middle = place(lines.len(), area);
    let inside = popup(app.theme, "keys", frame, middle);
    let below = lines
        .len()
        .saturating_sub(scroll + usize::from(inside.height));
    frame.render_widget(scrolled(lines, scroll, inside.height), inside);
    more_below(app.theme, below, frame, middle);
}

/// By how many lines it can be scrolled.
pub(super) fn room_below(app: &App) -> usize {
    let [_, _, body, _] = areas(Rect::new(0, 0, app.size.0, app.size.1));
    let lines = lines(app).len();
    lines.saturating_sub(place(lines, body).height.saturating_sub(2).into())
}

/// A box in the middle that so many lines fit in, if they can.
fn place(lines: usize, area: Rect) -> Rect {
    let width = area.width.min(WIDEST);
    let height = u16::try_from(lines + 2)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let middle = Rect {
        x: area.x.saturating_add(area.width.saturating_sub(width) / 2),
        y: area
            .y
            .saturating_add(area.height.saturating_sub(height) / 2),
        width,
        height,
    };
    middle.intersection(area)
}

fn lines(app: &App) -> Vec<Line<'static>> {
    let theme = app.theme;
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
    lines
}
