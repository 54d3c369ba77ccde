//! A table without a cursor, all of it, as lines to scroll by.

use ratatui::text::{Line, Span};

use super::super::app::App;
use super::widgets::{field, toned};
use crate::paint::Tone;
use crate::table::{Align, Column, Context, Fit, Shown, fit};
use crate::text;

/// A table as wide as its rows need, or as there is room.
pub(super) fn sheet<R>(
    app: &App,
    context: &Context,
    columns: &'static [Column<R>],
    rows: &[R],
    is_quiet: fn(&R) -> bool,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = app.theme;
    let wanted = columns
        .iter()
        .filter(|column| column.shown == Shown::Always)
        .map(|column| {
            let cells = rows.iter().map(|row| column.cell(row, context).text);
            let widest = cells.map(|cell| text::width(&cell)).max().unwrap_or(0);
            let width = widest.max(column.title.len()).max(column.least.into());
            Fit::new(column, width, rows)
        })
        .collect();
    let fits = fit(wanted, width.saturating_sub(2));
    let align = |fit: &Fit<R>, content: &str| {
        field(
            &fit.column.cut(content, fit.width, theme.ascii),
            fit.width,
            fit.column.align == Align::Right,
            theme.ascii,
        )
    };
    let titles: Vec<String> = fits
        .iter()
        .map(|fit| align(fit, fit.column.title))
        .collect();
    let mut lines = vec![heading(app, &titles.join("  "), width)];
    for row in rows {
        let mut spans = vec![Span::raw(" ")];
        for (index, fit) in fits.iter().enumerate() {
            if index > 0 {
                spans.push(Span::raw("  "));
            }
            let cell = fit.column.cell(row, context);
            let tone = if is_quiet(row) { Tone::Dim } else { cell.tone };
            spans.push(toned(theme, align(fit, &cell.text), tone));
        }
        lines.push(Line::from(spans));
    }
    lines
}

/// Titles, or one title, over the whole width.
pub(super) fn heading(app: &App, titles: &str, width: usize) -> Line<'static> {
    Line::styled(
        field(&format!(" {titles}"), width, false, app.theme.ascii),
        app.theme.heading(),
    )
}
