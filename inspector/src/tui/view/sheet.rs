//! Small tables as lines: all of it, to scroll by, or with one row selected.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::app::App;
use super::widgets::field;
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
    let fits = fits(context, columns, rows, width);
    let tone = |row: &R, tone| if is_quiet(row) { Tone::Dim } else { tone };
    let lines = rows.iter().map(|row| {
        let style = |it| theme.tone(tone(row, it));
        line(app, context, &fits, row, style)
    });
    let titles = titles(app, &fits, width);
    std::iter::once(titles).chain(lines).collect()
}

/// A table of which one row is selected, so much of it as fits `room` with that row in it.
pub(super) fn chosen<R>(
    app: &App,
    context: &Context,
    columns: &'static [Column<R>],
    rows: &[R],
    selected: usize,
    (width, height): (usize, usize),
) -> Vec<Line<'static>> {
    let visible = height.saturating_sub(1).max(1);
    let first = (selected + 1).saturating_sub(visible);
    from(
        app,
        context,
        columns,
        rows,
        selected,
        (first, visible),
        width,
    )
}

/// The same, from a row on so many of them.
pub(super) fn from<R>(
    app: &App,
    context: &Context,
    columns: &'static [Column<R>],
    rows: &[R],
    selected: usize,
    (first, visible): (usize, usize),
    width: usize,
) -> Vec<Line<'static>> {
    let theme = app.theme;
    let fits = fits(context, columns, rows, width);
    let shown = rows.iter().enumerate().skip(first).take(visible);
    let lines = shown.map(|(index, row)| match index == selected {
        false => line(app, context, &fits, row, |tone| theme.tone(tone)),
        true => {
            let mut line = line(app, context, &fits, row, |_| theme.selected());
            let rest = " ".repeat(width.saturating_sub(line.width()));
            line.push_span(Span::styled(rest, theme.selected()));
            line
        }
    });
    let titles = titles(app, &fits, width);
    std::iter::once(titles).chain(lines).collect()
}

fn fits<R>(
    context: &Context,
    columns: &'static [Column<R>],
    rows: &[R],
    width: usize,
) -> Vec<Fit<R>> {
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
    fit(wanted, width.saturating_sub(2))
}

fn aligned<R>(app: &App, fit: &Fit<R>, content: &str) -> String {
    field(
        &fit.column.cut(content, fit.width, app.theme.ascii),
        fit.width,
        fit.column.align == Align::Right,
        app.theme.ascii,
    )
}

fn titles<R>(app: &App, fits: &[Fit<R>], width: usize) -> Line<'static> {
    let titles = fits.iter().map(|fit| aligned(app, fit, fit.column.title));
    heading(app, &titles.collect::<Vec<_>>().join("  "), width)
}

fn line<R>(
    app: &App,
    context: &Context,
    fits: &[Fit<R>],
    row: &R,
    style: impl Fn(Tone) -> Style,
) -> Line<'static> {
    let mut spans = vec![Span::styled(" ", style(Tone::Plain))];
    for (index, fit) in fits.iter().enumerate() {
        if index > 0 {
            spans.push(Span::styled("  ", style(Tone::Plain)));
        }
        let cell = fit.column.cell(row, context);
        spans.push(Span::styled(
            aligned(app, fit, &cell.text),
            style(cell.tone),
        ));
    }
    Line::from(spans)
}

/// Titles, or one title, over the whole width.
pub(super) fn heading(app: &App, titles: &str, width: usize) -> Line<'static> {
    Line::styled(
        field(&format!(" {titles}"), width, false, app.theme.ascii),
        app.theme.heading(),
    )
}
