//! From meaning to looks.
//!
//! The mono theme sets neither foreground nor background, modifiers only: on a terminal where
//! colour is unwanted every state can still be told by its word, and the selected row by its
//! reverse video.

use ratatui::style::{Color, Modifier, Style};

use crate::paint::Tone;

/// Colours and characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) color: bool,
    pub(crate) ascii: bool,
}

impl Theme {
    /// The style of a meaning. The sixteen colours only: they follow the palette that the user has
    /// chosen.
    pub(crate) fn tone(self, tone: Tone) -> Style {
        let style = Style::new();
        if !self.color {
            return match tone {
                Tone::Plain | Tone::Ready | Tone::Good | Tone::Parked | Tone::Wait => style,
                Tone::Dim => style.add_modifier(Modifier::DIM),
                Tone::Title => style.add_modifier(Modifier::BOLD),
                Tone::Warn => style.add_modifier(Modifier::UNDERLINED),
                Tone::Bad => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            };
        }
        match tone {
            Tone::Plain => style,
            Tone::Dim => style.fg(Color::DarkGray),
            Tone::Title => style.add_modifier(Modifier::BOLD),
            Tone::Parked => style.fg(Color::Cyan),
            Tone::Ready | Tone::Good => style.fg(Color::Green),
            Tone::Wait | Tone::Warn => style.fg(Color::Yellow),
            Tone::Bad => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// The selected row.
    pub(crate) fn selected(self) -> Style {
        if self.color {
            Style::new()
                .bg(Color::Blue)
                .fg(Color::White)
                .add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// The line over a table.
    pub(crate) fn heading(self) -> Style {
        if self.color {
            Style::new().fg(Color::Black).bg(Color::Cyan)
        } else {
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        }
    }

    /// The column that sorts, and the view that is open.
    pub(crate) fn active(self) -> Style {
        if self.color {
            Style::new()
                .fg(Color::Black)
                .bg(Color::White)
                .add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)
        }
    }

    /// A key in the footer and in the help.
    pub(crate) fn key(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.color {
            style.fg(Color::Yellow)
        } else {
            style
        }
    }

    /// Bars of histograms and sparklines.
    pub(crate) fn bar(self) -> Style {
        if self.color {
            Style::new().fg(Color::Cyan)
        } else {
            Style::new()
        }
    }

    /// Characters of growing height, from nothing to a full cell.
    pub(crate) const fn heights(self) -> &'static [&'static str] {
        if self.ascii {
            &[" ", ".", ":", "|", "#"]
        } else {
            &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        }
    }

    /// A mark for either order.
    pub(crate) const fn arrow(self, descending: bool) -> &'static str {
        match (self.ascii, descending) {
            (false, false) => "▲",
            (false, true) => "▼",
            (true, false) => "^",
            (true, true) => "v",
        }
    }

    /// A mark between things on one line.
    pub(crate) const fn dot(self) -> &'static str {
        if self.ascii { "|" } else { "·" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [Tone; 9] = [
        Tone::Plain,
        Tone::Dim,
        Tone::Title,
        Tone::Parked,
        Tone::Ready,
        Tone::Wait,
        Tone::Good,
        Tone::Warn,
        Tone::Bad,
    ];

    #[test]
    fn the_mono_theme_sets_no_colour_at_all() {
        let mono = Theme {
            color: false,
            ascii: false,
        };
        let mut styles: Vec<Style> = TONES.iter().map(|tone| mono.tone(*tone)).collect();
        styles.extend([
            mono.selected(),
            mono.heading(),
            mono.active(),
            mono.key(),
            mono.bar(),
        ]);
        for style in styles {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert!(mono.selected().add_modifier.contains(Modifier::REVERSED));
    }
}
