//! A table of rows, of which only those on the screen are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, TableState, View, Wants};
use super::super::known::Link;
use super::areas::areas;
use super::sheet::from;
use super::widgets::{field, toned};
use crate::findings::tone;
use crate::paint::Tone;
use crate::query::Scope;
use crate::table::{self, Align, Cell, Column, Entry, Fit, Shown, fit};
use crate::text;

pub(super) const DESCRIPTORS: View = View {
    title: "Descriptors",
    key: '1',
    help: "descriptors",
    wants: Wants::Nothing,
    scope: Some(Scope::of(&table::DESCRIPTORS)),
    body: Body::Table {
        table: &table::DESCRIPTORS,
        sort: "since",
        descending: true,
    },
};

pub(super) const WAITERS: View = View {
    title: "Waiters",
    key: '2',
    help: "waiters",
    wants: Wants::Nothing,
    scope: Some(Scope::of(&table::WAITERS)),
    body: Body::Table {
        table: &table::WAITERS,
        sort: "age",
        descending: true,
    },
};

/// What of a table is on the screen, and how it is laid out.
pub(crate) struct Laid<'a> {
    /// The first row.
    pub(crate) first: usize,
    shown: &'a [Entry],
    /// Columns with the cells of these rows, and with the room that each wants.
    candidates: Vec<(&'static Column<Entry>, usize, Vec<Cell>)>,
    pub(crate) fits: Vec<Fit<Entry>>,
}

impl Laid<'_> {
    /// The room that each column wants.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.candidates
            .iter()
            .map(|(column, width, _)| (column.name, *width))
    }

    /// The column at this place of a line.
    pub(crate) fn column_at(&self, x: usize) -> Option<&'static Column<Entry>> {
        let mut begin = 1;
        for fit in &self.fits {
            // The gap behind a title belongs to it.
            let end = begin + fit.width + 2;
            if (begin..end).contains(&x) {
                return Some(fit.column);
            }
            begin = end;
        }
        None
    }
}

/// Lays the open table out.
pub(crate) fn laid<'a>(app: &App, state: &'a TableState, area: Rect) -> Laid<'a> {
    let context = app.context();
    let height = usize::from(area.height.saturating_sub(1));
    let first = state.first(height);
    let last = first.saturating_add(height).min(state.rows.len());
    let shown = state.rows.get(first..last).unwrap_or_default();

    let mut candidates = Vec::new();
    for column in state.columns() {
        let longest = column
            .measure
            .map(|measure| state.rows.iter().map(measure).max().unwrap_or(0));
        let before = state.widths.get(column.name).copied();
        // A column that is not there by default, and empty, would only take room.
        let is_empty = longest.is_none_or(|longest| longest == 0) && before.is_none();
        if state.columns.is_empty() {
            match column.shown {
                Shown::Always => {}
                Shown::Wide | Shown::Filled if !is_empty => {}
                _ => continue,
            }
        }
        let cells: Vec<Cell> = shown
            .iter()
            .map(|entry| column.cell(entry, &context))
            .collect();
        let titled = column.title.len() + usize::from(column.name == state.sort.column);
        let widest = cells.iter().map(|cell| text::width(&cell.text)).max();
        let width = [
            titled,
            column.least.into(),
            longest.unwrap_or(0),
            widest.unwrap_or(0),
            before.unwrap_or(0),
        ];
        candidates.push((column, width.into_iter().max().unwrap_or(0), cells));
    }
    let wanted = candidates
        .iter()
        .map(|(column, width, _)| Fit::new(column, *width, &state.rows))
        .collect();
    let fits: Vec<Fit<Entry>> = fit(wanted, usize::from(area.width.saturating_sub(2)));
    Laid {
        first,
        shown,
        candidates,
        fits,
    }
}

/// The room that each column of the open table wants now.
pub(crate) fn widths(app: &App) -> Vec<(&'static str, usize)> {
    let [_, _, body, _] = areas(Rect::new(0, 0, app.size.0, app.size.1));
    let laid = app.table().map(|state| laid(app, state, body));
    laid.map(|laid| laid.wanted().collect()).unwrap_or_default()
}

pub(super) fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(state) = app.table() else { return };
    if let Some(by) = state.by.filter(|_| !state.rows.is_empty()) {
        let (width, visible) = (
            usize::from(area.width),
            usize::from(area.height).saturating_sub(1),
        );
        let (context, columns) = (app.context(), by.columns());
        let (cursor, first) = (state.cursor, state.first(visible));
        let lines = from(
            app,
            &context,
            columns,
            &state.groups,
            cursor,
            (first, visible),
            width,
        );
        frame.render_widget(Paragraph::new(lines), area);
        return;
    }
    let laid = laid(app, state, area);
    let Laid {
        first,
        shown,
        candidates,
        fits,
    } = &laid;
    let mut lines = vec![titles(app, state, fits, area.width)];
    for (index, entry) in shown.iter().enumerate() {
        let cells = fits.iter().filter_map(|fit| {
            let (_, _, cells) = candidates
                .iter()
                .find(|(column, _, _)| std::ptr::eq(*column, fit.column))?;
            cells.get(index).map(|cell| (fit, cell))
        });
        let selected = *first + index == state.cursor;
        lines.push(row(app, entry, cells, selected, area.width));
    }
    frame.render_widget(Paragraph::new(lines), area);
    if state.rows.is_empty() {
        nothing(app, frame, area);
    }
}

fn titles(app: &App, state: &TableState, fits: &[Fit<Entry>], width: u16) -> Line<'static> {
    let theme = app.theme;
    let mut spans = vec![Span::styled(" ", theme.heading())];
    for (index, fit) in fits.iter().enumerate() {
        if index > 0 {
            spans.push(Span::styled("  ", theme.heading()));
        }
        let sorts = fit.column.name == state.sort.column;
        let title = if sorts {
            format!("{}{}", fit.column.title, theme.arrow(state.sort.descending))
        } else {
            fit.column.title.to_owned()
        };
        let style = if sorts {
            theme.active()
        } else {
            theme.heading()
        };
        spans.push(Span::styled(
            field(
                &title,
                fit.width,
                fit.column.align == Align::Right,
                theme.ascii,
            ),
            style,
        ));
    }
    filled(spans, theme.heading(), width)
}

fn row<'a>(
    app: &App,
    entry: &Entry,
    cells: impl Iterator<Item = (&'a Fit<Entry>, &'a Cell)>,
    selected: bool,
    width: u16,
) -> Line<'static> {
    let theme = app.theme;
    // On the selected row colours would fight with its own.
    let style = |tone: Tone| {
        if selected {
            theme.selected()
        } else {
            theme.tone(tone)
        }
    };
    // What the doctor has found something of is marked where nothing else stands.
    let mut spans = vec![match app.feed.checkup.mark(&entry.row) {
        Some(severity) => Span::styled("!", style(tone(severity))),
        None => Span::styled(" ", style(Tone::Plain)),
    }];
    for (index, (fit, cell)) in cells.enumerate() {
        if index > 0 {
            spans.push(Span::styled("  ", style(Tone::Plain)));
        }
        let content = field(
            &fit.column.cut(&cell.text, fit.width, theme.ascii),
            fit.width,
            fit.column.align == Align::Right,
            theme.ascii,
        );
        spans.push(Span::styled(content, style(cell.tone)));
    }
    filled(spans, style(Tone::Plain), width)
}

/// The line, its style carried on to the right edge.
fn filled(mut spans: Vec<Span<'static>>, style: Style, width: u16) -> Line<'static> {
    let used: usize = spans.iter().map(Span::width).sum();
    spans.push(Span::styled(
        " ".repeat(usize::from(width).saturating_sub(used)),
        style,
    ));
    Line::from(spans)
}

fn nothing(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let words = if app.filter.error.is_none() && !app.filter.text.trim().is_empty() {
        "nothing matches the filter; esc clears it"
    } else if matches!(app.link(), Link::Live) {
        "nothing here now"
    } else {
        "waiting for the first answer"
    };
    let below = Rect {
        y: area.y.saturating_add(2),
        height: 1,
        ..area
    };
    let line = Line::from(toned(app.theme, words, Tone::Dim)).centered();
    frame.render_widget(Paragraph::new(line), below.intersection(area));
}
