//! The whole screen: header, tabs, view and footer, and what lies over them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, Overlay};
use super::super::theme::Theme;
use super::areas::areas;
use super::{detail, footer, header, help, list, table};
use crate::paint::Tone;

/// The least size at which something useful can be shown.
const LEAST: (u16, u16) = (40, 10);

/// Draws everything.
pub(crate) fn render(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(app.theme, frame, area);
        return;
    }
    let [head, tabs, body, foot] = areas(area);
    header::render(app, frame, head);
    header::tabs(app, frame, tabs);
    match app.view().map(|view| &view.body) {
        Some(Body::Drawn { render, .. }) => render(app, frame, body),
        _ => table::render(app, frame, body),
    }
    footer::render(app, frame, foot);
    match &app.overlay {
        Some(Overlay::Help(scroll)) => help::render(app, *scroll, frame, body),
        Some(Overlay::Detail(it)) => detail::render(app, it, frame, body),
        Some(Overlay::Columns(it)) => list::columns(app, it, frame, body),
        Some(Overlay::Targets(it)) => list::targets(app, it, frame, body),
        None => {}
    }
}

/// By how many lines what lies over the view can be scrolled.
pub(crate) fn room_below(app: &App) -> usize {
    match &app.overlay {
        Some(Overlay::Help(_)) => help::room_below(app),
        Some(Overlay::Detail(detail)) => detail::room_below(app, detail),
        Some(Overlay::Columns(_) | Overlay::Targets(_)) | None => 0,
    }
}

fn too_small(theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let words = [
        "terminal too small".to_owned(),
        format!(
            "{}x{}, needs {}x{}",
            area.width, area.height, LEAST.0, LEAST.1
        ),
    ];
    let lines: Vec<Line<'_>> = words
        .iter()
        .zip([Tone::Title, Tone::Dim])
        .map(|(words, tone)| Line::styled(words.as_str(), theme.tone(tone)).centered())
        .collect();
    let top = area.height.saturating_sub(2) / 2;
    let middle = Rect {
        y: area.y.saturating_add(top),
        height: area.height.saturating_sub(top),
        ..area
    };
    frame.render_widget(Paragraph::new(lines), middle.intersection(area));
}
