//! Where everything stands.

use ratatui::layout::{Constraint, Layout, Rect};

use super::super::app::App;

/// Rows of a table that fit the terminal.
pub(crate) fn rows_visible(app: &App) -> usize {
    let [_, _, body, _] = areas(Rect::new(0, 0, app.size.0, app.size.1));
    usize::from(body.height.saturating_sub(1))
}

/// The header, the tabs, the view and the footer.
pub(super) fn areas(area: Rect) -> [Rect; 4] {
    // A low terminal keeps its lines for the rows.
    let head = if area.height < 16 { 1 } else { 2 };
    Layout::vertical([
        Constraint::Length(head),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area)
}
