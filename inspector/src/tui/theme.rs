//! From meaning to looks.
//!
//! The mono palette sets neither foreground nor background, modifiers only: on a terminal where
//! colour is unwanted every state can still be told by its word, and the selected row by its
//! reverse video.

use ratatui::style::{Color, Modifier, Style};

use crate::paint::color::{BLACK, BLUE, BRIGHT_YELLOW, CYAN, GRAY, MAGENTA, WHITE, YELLOW};
use crate::paint::{Ink, Palette, Tone};

/// Colours and characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) palette: Palette,
    pub(crate) ascii: bool,
}

/// As the terminal library writes it.
fn style(ink: Ink) -> Style {
    let modifiers = [
        (ink.bold, Modifier::BOLD),
        (ink.dim, Modifier::DIM),
        (ink.underlined, Modifier::UNDERLINED),
        (ink.reversed, Modifier::REVERSED),
    ];
    let modifiers = modifiers.into_iter().filter(|(is_set, _)| *is_set);
    Style {
        fg: ink.fg.map(sixteen),
        bg: ink.bg.map(sixteen),
        ..Style::new()
    }
    .add_modifier(modifiers.map(|(_, modifier)| modifier).collect())
}

/// One of the sixteen colours.
const fn sixteen(number: u8) -> Color {
    const COLORS: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    COLORS[(number & 15) as usize]
}

impl Theme {
    /// The style of a meaning.
    pub(crate) fn tone(self, tone: Tone) -> Style {
        style(tone.ink(self.palette))
    }

    /// What holds now, among what may hold.
    pub(crate) fn lit(self, tone: Tone) -> Style {
        self.tone(tone)
            .remove_modifier(Modifier::DIM)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// The selected row.
    pub(crate) fn selected(self) -> Style {
        style(match self.palette {
            Palette::Dark | Palette::Light => Ink::fg(WHITE).on(BLUE).bold(),
            Palette::Mono => Ink::PLAIN.reversed(),
            Palette::HighContrast => Ink::fg(BLACK).on(BRIGHT_YELLOW).bold(),
        })
    }

    /// The line over a table.
    pub(crate) fn heading(self) -> Style {
        style(match self.palette {
            Palette::Dark => Ink::fg(BLACK).on(CYAN),
            Palette::Light => Ink::fg(BLACK).on(GRAY),
            Palette::Mono => Ink::PLAIN.bold().underlined(),
            Palette::HighContrast => Ink::fg(BLACK).on(WHITE).bold(),
        })
    }

    /// The column that sorts, and the view that is open.
    pub(crate) fn active(self) -> Style {
        style(match self.palette {
            Palette::Dark => Ink::fg(BLACK).on(WHITE).bold(),
            Palette::Light => Ink::fg(WHITE).on(BLACK).bold(),
            Palette::Mono => Ink::PLAIN.bold().reversed(),
            Palette::HighContrast => Ink::fg(BLACK).on(BRIGHT_YELLOW).bold(),
        })
    }

    /// A key in the footer and in the help.
    pub(crate) fn key(self) -> Style {
        style(match self.palette {
            Palette::Dark => Ink::fg(YELLOW).bold(),
            Palette::Light => Ink::fg(MAGENTA).bold(),
            Palette::Mono => Ink::PLAIN.bold(),
            Palette::HighContrast => Ink::fg(BRIGHT_YELLOW).bold(),
        })
    }

    /// Bars of histograms and sparklines.
    pub(crate) fn bar(self) -> Style {
        style(match self.palette {
            Palette::Dark => Ink::fg(CYAN),
            Palette::Light => Ink::fg(BLUE),
            Palette::Mono => Ink::PLAIN,
            Palette::HighContrast => Ink::fg(WHITE).bold(),
        })
    }

    /// Characters of growing height, from nothing to a full cell.
    pub(crate) const fn heights(self) -> &'static [&'static str] {
        if self.ascii {
            &[" ", ".", ":", "|", "#"]
        } else {
            &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        }
    }

    /// Characters of growing weight, from nothing to a full cell.
    pub(crate) const fn shades(self) -> &'static [&'static str] {
        if self.ascii {
            &[" ", ".", ":", "+", "#"]
        } else {
            &[" ", "░", "▒", "▓", "█"]
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
            palette: Palette::Mono,
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
