//! A section of a description, as lines of a width.

use ratatui::text::Line;

use super::super::super::app::App;
use super::super::widgets::{field, toned};
use super::{states, wake};
use crate::description::{self, Fact, Part, Section};
use crate::paint::Tone;
use crate::table::{Align, Context, Entry};
use crate::text;

/// Names stand before this column.
const NAME: usize = 17;

pub(super) fn of(
    app: &App,
    entry: &Entry,
    section: &Section,
    context: &Context,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = app.theme;
    let mut lines = Vec::new();
    // What it is stands over all of it already.
    if section.part != Part::Identity {
        let tone = match section.part {
            Part::Hints => Tone::Warn,
            _ => Tone::Title,
        };
        let title = format!(
            " {}",
            text::cut(&section.title, width.saturating_sub(1), theme.ascii)
        );
        lines.push(Line::from(toned(theme, title, tone)));
    }
    let side = match section.part {
        Part::Direction(direction) => entry.row.side(direction),
        _ => None,
    };
    lines.extend(side.map(|side| states::diagram(theme, side.state(), width)));
    let widths = widths(section);
    for line in &section.lines {
        match line {
            description::Line::Fact(it) => lines.extend(fact(app, it, context, width)),
            description::Line::Below(below) => {
                let room = width.saturating_sub(NAME + 2);
                let below = cut(app, below, room);
                let below = format!("{}{below}", " ".repeat(NAME + 2));
                lines.push(Line::from(toned(theme, below, Tone::Dim)));
            }
            description::Line::Cells(cells) => {
                let spans = cells
                    .iter()
                    .zip(&widths)
                    .map(|((text, tone, align, _), width)| {
                        let text = context.written(text.trim().to_owned());
                        let text = field(&text, *width, *align == Align::Right, theme.ascii);
                        toned(theme, format!(" {text}"), *tone)
                    });
                lines.push(Line::from(spans.collect::<Vec<_>>()));
            }
            description::Line::Sentence(sentence) => {
                let sentence = context.written(sentence.clone());
                let said = text::wrapped(&sentence, width.saturating_sub(4)).into_iter();
                lines.extend(said.enumerate().map(|(index, line)| {
                    let mark = if index == 0 { " - " } else { "   " };
                    Line::from(toned(theme, format!("{mark}{line}"), Tone::Plain))
                }));
            }
        }
        if let (description::Line::Fact(Fact { name, .. }), Some(side)) = (line, side)
            && name == "scheduler"
            && let Some(wake) = &side.last_wake
        {
            lines.extend(wake::shares(theme, wake, NAME, width));
        }
    }
    lines
}

/// The room that each cell of a line needs.
fn widths(section: &Section) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for line in &section.lines {
        let description::Line::Cells(cells) = line else {
            continue;
        };
        widths.resize(widths.len().max(cells.len()), 0);
        for ((text, ..), width) in cells.iter().zip(&mut widths) {
            *width = (*width).max(text::width(text.trim()));
        }
    }
    widths
}

/// A fact, if there is one, in as many lines as it takes.
fn fact(app: &App, fact: &Fact, context: &Context, width: usize) -> Vec<Line<'static>> {
    let theme = app.theme;
    let room = width.saturating_sub(NAME);
    let value = context.written(fact.value.clone());
    let lines = match text::width(&value) {
        0 => Vec::new(),
        width if width <= room => vec![value],
        _ => text::wrapped(&value, room),
    };
    let lines = lines.into_iter().enumerate();
    let line = |(index, line): (usize, String)| {
        let name = if index == 0 { fact.name.as_str() } else { "" };
        let name = text::cut(name, NAME - 2, theme.ascii);
        let name = format!(" {name:<width$}", width = NAME - 1);
        let line = cut(app, &line, room);
        Line::from(vec![
            toned(theme, name, Tone::Dim),
            toned(theme, line, fact.tone),
        ])
    };
    lines.map(line).collect()
}

/// Of a path the end tells it from others, of a name both ends.
fn cut(app: &App, line: &str, room: usize) -> String {
    let ascii = app.theme.ascii;
    match line.contains('/') {
        true => text::cut_start(line, room, ascii).into_owned(),
        false => text::cut_middle(line, room, ascii).into_owned(),
    }
}
