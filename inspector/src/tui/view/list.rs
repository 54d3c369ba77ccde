//! A list over the view, with a cursor: the columns of a table, or the processes to look at.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use netpoller_proto::filter::Field;

use super::super::app::App;
use super::super::columns::Chooser;
use super::super::targets::Offer;
use super::widgets::{field, name_field, popup, toned};
use crate::paint::Tone;
use crate::text;

const WIDEST: u16 = 100;

/// The columns of the open table.
pub(super) fn columns(app: &App, chooser: &Chooser, frame: &mut Frame<'_>, area: Rect) {
    let names = chooser.all.iter().map(|(name, _)| name.len());
    let name = names.max().unwrap_or(0);
    let line = |(column, is_shown): &(&str, bool)| {
        let mark = if *is_shown { "[x]" } else { "[ ]" };
        let help = Field::named(column).map_or("", Field::help);
        let shown = if *is_shown { Tone::Title } else { Tone::Plain };
        vec![
            (format!("{mark} "), Tone::Plain),
            (field(column, name + 2, false, app.theme.ascii), shown),
            (help.to_owned(), Tone::Dim),
        ]
    };
    let lines = chooser.all.iter().map(line).collect();
    let words = "enter or space shows a column, left and right move it, esc ends";
    list(app, "columns", lines, chooser.cursor, words, frame, area);
}

/// The processes that can be looked at.
pub(super) fn targets(app: &App, offer: &Offer, frame: &mut Frame<'_>, area: Rect) {
    let choices = offer.choices.as_deref().unwrap_or_default();
    let names = choices.iter().map(|it| text::width(&it.name));
    let name = names.max().unwrap_or(0).min(32);
    let lines = choices.iter().map(|it| {
        let pid = it.pid.map_or(String::new(), |pid| pid.to_string());
        vec![
            (name_field(&it.name, name + 2, app.theme.ascii), Tone::Title),
            (field(&pid, 9, false, app.theme.ascii), Tone::Plain),
            (it.state.0.clone(), it.state.1),
        ]
    });
    let words = match (&offer.choices, &offer.hidden) {
        (None, _) => "looking for processes",
        (Some(all), None) if all.is_empty() => "there is none",
        (Some(_), Some(hidden)) => hidden,
        (Some(_), None) => "enter looks at a process beside those that are open, esc ends",
    };
    list(
        app,
        "processes",
        lines.collect(),
        offer.cursor,
        words,
        frame,
        area,
    );
}

/// Draws so many of the lines as there is room for, that of the cursor among them.
fn list(
    app: &App,
    title: &str,
    lines: Vec<Vec<(String, Tone)>>,
    cursor: usize,
    words: &str,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = app.theme;
    let height = u16::try_from(lines.len().max(1) + 4).unwrap_or(u16::MAX);
    let (width, height) = (area.width.min(WIDEST), area.height.min(height));
    let place = Rect {
        x: area.x.saturating_add(area.width.saturating_sub(width) / 2),
        y: area
            .y
            .saturating_add(area.height.saturating_sub(height) / 2),
        width,
        height,
    };
    let inside = popup(theme, title, frame, place.intersection(area));
    let visible = usize::from(inside.height.saturating_sub(2)).max(1);
    let first = (cursor + 1).saturating_sub(visible);
    let count = lines.len();
    let width = usize::from(inside.width);
    let shown = lines.into_iter().enumerate().skip(first).take(visible);
    let mut shown: Vec<Line<'static>> = shown
        .map(|(index, parts)| {
            let is_here = index == cursor;
            let span = |(content, tone): (String, Tone)| match is_here {
                true => Span::styled(content, theme.selected()),
                false => toned(theme, content, tone),
            };
            let mut line = vec![span((" ".into(), Tone::Plain))];
            line.extend(parts.into_iter().map(span));
            let used: usize = line.iter().map(Span::width).sum();
            if is_here {
                line.push(span((" ".repeat(width.saturating_sub(used)), Tone::Plain)));
            }
            Line::from(line)
        })
        .collect();
    shown.resize(visible.min(count.max(1)), Line::default());
    shown.push(Line::default());
    let place = match count {
        0 => String::new(),
        count => format!("{} of {count}; ", cursor + 1),
    };
    shown.push(Line::from(toned(
        theme,
        format!(" {place}{words}"),
        Tone::Dim,
    )));
    frame.render_widget(Paragraph::new(shown), inside);
}
