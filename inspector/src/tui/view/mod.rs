//! From the state to a picture.
//!
//! Everything is drawn within the area that the frame has now, which need not be the size that the state knows: nothing
//! here may index or subtract without looking.

mod detail;
mod footer;
mod header;
mod help;
mod histogram;
mod latency;
mod pollers;
mod table;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::app::{App, Overlay, View};
use super::theme::Theme;
use crate::paint::Tone;
use crate::text;

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

/// Rows of a table that fit the terminal.
pub(crate) fn rows_visible(app: &App) -> usize {
    let [_, _, body, _] = areas(Rect::new(0, 0, app.size.0, app.size.1));
    usize::from(body.height.saturating_sub(1))
}

/// Lines of the view of pollers at the width of the terminal.
pub(crate) fn pollers_lines(app: &App) -> usize {
    pollers::lines(app, app.size.0).len()
}

fn areas(area: Rect) -> [Rect; 4] {
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

/// A box over the view, and the area inside of it.
fn popup(theme: Theme, title: &str, frame: &mut Frame<'_>, area: Rect) -> Rect {
    frame.render_widget(Clear, area);
    let mut block =
        Block::bordered().title(Line::styled(format!(" {title} "), theme.tone(Tone::Title)));
    block = block
        .border_style(theme.tone(Tone::Dim))
        .border_type(BorderType::Rounded);
    if theme.ascii {
        block = block.border_set(ASCII_BORDER);
    }
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Lines of which the first so many have been scrolled away, but never all.
fn scrolled(mut lines: Vec<Line<'static>>, scroll: usize, height: u16) -> Paragraph<'static> {
    let most = lines.len().saturating_sub(usize::from(height));
    lines.drain(..scroll.min(most));
    lines.truncate(height.into());
    Paragraph::new(lines)
}

/// Text at the left or the right of a field of this width, cut if need be.
fn field(content: &str, width: usize, right: bool, ascii: bool) -> String {
    let shown = text::cut(content, width, ascii);
    let blanks = " ".repeat(width.saturating_sub(text::width(&shown)));
    if right {
        format!("{blanks}{shown}")
    } else {
        format!("{shown}{blanks}")
    }
}

/// A name in a field of this width. One that does not fit loses its middle: its end tells it from others.
fn name_field(name: &str, width: usize, ascii: bool) -> String {
    field(&text::cut_middle(name, width, ascii), width, false, ascii)
}

/// A span of a meaning.
fn toned(theme: Theme, content: impl Into<String>, tone: Tone) -> Span<'static> {
    Span::styled(content.into(), theme.tone(tone))
}

/// A duration that the theme can write.
fn duration(theme: Theme, ns: u64) -> String {
    let written = text::duration(ns);
    if theme.ascii {
        text::ascii(written)
    } else {
        written
    }
}
