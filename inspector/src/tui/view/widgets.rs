//! What several views are made of.

use netpoller_proto::v1::GetServerResponse;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::super::theme::Theme;
use crate::clock::Anchor;
use crate::paint::Tone;
use crate::text;

/// A box over the view, and the area inside of it.
pub(super) fn popup(theme: Theme, title: &str, frame: &mut Frame<'_>, area: Rect) -> Rect {
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

/// At the lower edge of a box: how many lines there are below.
pub(super) fn more_below(theme: Theme, lines: usize, frame: &mut Frame<'_>, area: Rect) {
    if lines == 0 {
        return;
    }
    let arrow = if theme.ascii { "v" } else { "↓" };
    let words = format!(" {arrow} {} more ", text::several(lines as u64, "line"));
    let width = u16::try_from(text::width(&words)).unwrap_or(u16::MAX);
    let edge = Rect {
        x: area
            .right()
            .saturating_sub(width.saturating_add(2))
            .max(area.x),
        y: area.bottom().saturating_sub(1),
        width,
        height: 1,
    };
    let line = Line::styled(words, theme.tone(Tone::Title));
    frame.render_widget(Paragraph::new(line), edge.intersection(area));
}

/// Lines of which the first `scroll` have been scrolled away, but never all.
pub(super) fn scrolled(
    mut lines: Vec<Line<'static>>,
    scroll: usize,
    height: u16,
) -> Paragraph<'static> {
    let most = lines.len().saturating_sub(usize::from(height));
    lines.drain(..scroll.min(most));
    lines.truncate(height.into());
    Paragraph::new(lines)
}

/// Text at the left or the right of a field of this width, cut if need be.
pub(super) fn field(content: &str, width: usize, right: bool, ascii: bool) -> String {
    let shown = text::cut(content, width, ascii);
    let blanks = " ".repeat(width.saturating_sub(text::width(&shown)));
    if right {
        format!("{blanks}{shown}")
    } else {
        format!("{shown}{blanks}")
    }
}

/// A name in a field of this width. One that does not fit loses its middle: its end tells it from
/// others.
pub(super) fn name_field(name: &str, width: usize, ascii: bool) -> String {
    field(&text::cut_middle(name, width, ascii), width, false, ascii)
}

/// A span of a meaning.
pub(super) fn toned(theme: Theme, content: impl Into<String>, tone: Tone) -> Span<'static> {
    Span::styled(content.into(), theme.tone(tone))
}

/// A count, or how much it is in a second.
pub(super) fn quantity(value: u64, is_rate: bool) -> String {
    #[allow(clippy::cast_precision_loss)]
    match is_rate {
        true => text::rate(value as f64),
        false => text::count(value),
    }
}

/// A duration that the theme can write.
pub(super) fn duration(theme: Theme, ns: u64) -> String {
    let written = text::duration(ns);
    if theme.ascii {
        text::ascii(written)
    } else {
        written
    }
}

/// The time of day of the process; nothing before it has said that.
pub(super) fn clock(server: Option<&GetServerResponse>, at_ns: u64) -> String {
    let written = server.and_then(|server| Anchor::of(server).rfc3339(at_ns));
    let time = written.as_deref().and_then(|it| it.get(11..19));
    time.unwrap_or_default().to_owned()
}
