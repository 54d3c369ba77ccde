//! What stands at a place of the screen.

use ratatui::layout::{Position, Rect};

use super::super::app::App;
use super::areas::areas;
use super::header;
use super::table::laid;

/// What can be pointed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    /// The tab of a view.
    Tab(usize),
    /// The title of a column.
    Title(&'static str),
    /// A row of the open table.
    Row(usize),
}

/// Returns what stands at this place.
pub(crate) fn hit(app: &App, x: u16, y: u16) -> Option<Hit> {
    let [_, tabs, body, _] = areas(Rect::new(0, 0, app.size.0, app.size.1));
    let at = Position { x, y };
    if tabs.contains(at) {
        let mut end = 1;
        let (labels, between) = header::labels(app, tabs.width);
        let mut ends = labels.iter().map(|label| {
            end += crate::text::width(label) + between.len();
            end
        });
        return ends
            .position(|end| usize::from(x - tabs.x) < end)
            .map(Hit::Tab);
    }
    let state = app.table().filter(|_| body.contains(at))?;
    if state.by.is_some() {
        let line = usize::from(y - body.y).checked_sub(1)?;
        let row = state.first(usize::from(body.height).saturating_sub(1)) + line;
        return Some(row).filter(|row| *row < state.len()).map(Hit::Row);
    }
    let laid = laid(app, state, body);
    match usize::from(y - body.y).checked_sub(1) {
        None => {
            let column = laid.column_at(usize::from(x - body.x))?;
            Some(Hit::Title(column.name))
        }
        Some(line) => Some(laid.first + line)
            .filter(|row| *row < state.rows.len())
            .map(Hit::Row),
    }
}
