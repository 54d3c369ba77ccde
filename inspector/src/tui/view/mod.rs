//! From the state to a picture.
//!
//! Everything is drawn within the area that the frame has now, which need not be the size that the
//! state knows: nothing here may index or subtract without looking.

mod areas;
mod detail;
mod footer;
mod header;
mod help;
mod histogram;
mod latency;
mod pollers;
mod table;
mod widgets;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub(crate) use areas::rows_visible;

use super::app::{App, Overlay, View};
use super::theme::Theme;
use crate::paint::Tone;
use areas::areas;

/// The least size at which something useful can be shown.
const LEAST: (u16, u16) = (40, 10);

/// Lines by which details can be scrolled at most.
pub(crate) const DETAIL_LINES: usize = 64;

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
    match app.view {
        View::Descriptors | View::Waiters => {
            if let Some(state) = app.table() {
                table::render(app, state, frame, body);
            }
        }
        View::Latency => latency::render(app, frame, body),
        View::Pollers => pollers::render(app, frame, body),
    }
    footer::render(app, frame, foot);
    match &app.overlay {
        Some(Overlay::Help(scroll)) => help::render(app, *scroll, frame, body),
        Some(Overlay::Detail {
            last,
            seen_ns,
            epoch,
            scroll,
        }) => {
            let seen = detail::Seen {
                row: last,
                at_ns: *seen_ns,
                epoch: *epoch,
            };
            detail::render(app, &seen, *scroll, frame, body);
        }
        None => {}
    }
}

/// Lines of the view of pollers at the width of the terminal.
pub(crate) fn pollers_lines(app: &App) -> usize {
    pollers::lines(app, app.size.0).len()
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
