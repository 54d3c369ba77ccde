//! Whether to use colour, which colours there are, and the escape sequences of the plain tables.
//!
//! One table says how a meaning looks; the plain tables and the terminal UI both read it. Its
//! colours are the sixteen of every terminal, which follow what the user has chosen there.

use std::ffi::OsStr;

use clap::ValueEnum;

/// What `--color` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorChoice {
    /// As the environment and the terminal suggest.
    #[default]
    Auto,
    /// Even into a pipe.
    Always,
    /// Not even on a terminal.
    Never,
}

impl ColorChoice {
    /// Decides for this process. `--color` beats CLICOLOR_FORCE beats NO_COLOR beats the terminal.
    pub(crate) fn enabled(self, terminal: bool) -> bool {
        let set = |name| {
            std::env::var_os(name)
                .is_some_and(|value| !value.is_empty() && value != OsStr::new("0"))
        };
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        self.decide(set("CLICOLOR_FORCE"), no_color, terminal && !is_dumb())
    }

    fn decide(self, force: bool, no_color: bool, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => force || (!no_color && terminal),
        }
    }
}

/// Whether the terminal obeys no escape sequences, which is what it is called then.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == OsStr::new("dumb"))
}

/// Whether the environment wants ASCII: its locale is `C`, or of another character set than UTF-8.
/// One that says nothing wants what nearly every terminal shows.
pub(crate) fn wants_ascii() -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"].map(std::env::var_os);
    let said = variables
        .into_iter()
        .flatten()
        .find(|value| !value.is_empty());
    said.is_some_and(|locale| !is_utf8(&locale.to_string_lossy()))
}

fn is_utf8(locale: &str) -> bool {
    let charset = locale.split('@').next().and_then(|it| it.split_once('.'));
    let Some((_, charset)) = charset else {
        // Without a character set it is that of the language, which is not to be known from here;
        // these two have none.
        return !matches!(locale, "C" | "POSIX");
    };
    charset.to_ascii_lowercase().replace('-', "") == "utf8"
}

/// What a piece of text means; themes turn it into colours and modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// Of less interest.
    Dim,
    /// Titles and keys.
    Title,
    /// A parked waiter.
    Parked,
    /// Readiness that nobody has consumed.
    Ready,
    /// A waiter that is about to park.
    Wait,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// Which colours to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Palette {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// No colour: bold, underlined and reversed text alone.
    Mono,
    /// Bright and bold on black, nothing dimmed.
    HighContrast,
}

/// How a text looks: a foreground and a background of the sixteen colours, and what else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ink {
    pub(crate) fg: Option<u8>,
    pub(crate) bg: Option<u8>,
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) underlined: bool,
    pub(crate) reversed: bool,
}

impl Ink {
    pub(crate) const PLAIN: Self = Self {
        fg: None,
        bg: None,
        bold: false,
        dim: false,
        underlined: false,
        reversed: false,
    };

    pub(crate) const fn fg(color: u8) -> Self {
        Self {
            fg: Some(color),
            ..Self::PLAIN
        }
    }

    pub(crate) const fn on(self, color: u8) -> Self {
        Self {
            bg: Some(color),
            ..self
        }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) const fn dim(self) -> Self {
        Self { dim: true, ..self }
    }

    pub(crate) const fn underlined(self) -> Self {
        Self {
            underlined: true,
            ..self
        }
    }

    pub(crate) const fn reversed(self) -> Self {
        Self {
            reversed: true,
            ..self
        }
    }

    /// The text with escape sequences around it, if there is anything to them.
    fn around(self, text: &str) -> String {
        let color = |color: u8, normal: u8, bright: u8| match color {
            0..8 => normal + color,
            _ => bright + color - 8,
        };
        let codes = [
            self.bold.then_some(1),
            self.dim.then_some(2),
            self.underlined.then_some(4),
            self.reversed.then_some(7),
            self.fg.map(|it| color(it, 30, 90)),
            self.bg.map(|it| color(it, 40, 100)),
        ];
        let codes: Vec<String> = codes.iter().flatten().map(u8::to_string).collect();
        match codes.is_empty() {
            true => text.to_owned(),
            false => format!("\x1b[{}m{text}\x1b[0m", codes.join(";")),
        }
    }
}

/// The sixteen colours, as terminals number them.
pub(crate) mod color {
    pub(crate) const BLACK: u8 = 0;
    pub(crate) const RED: u8 = 1;
    pub(crate) const GREEN: u8 = 2;
    pub(crate) const YELLOW: u8 = 3;
    pub(crate) const BLUE: u8 = 4;
    pub(crate) const MAGENTA: u8 = 5;
    pub(crate) const CYAN: u8 = 6;
    pub(crate) const GRAY: u8 = 7;
    pub(crate) const DARK_GRAY: u8 = 8;
    pub(crate) const BRIGHT_GREEN: u8 = 10;
    pub(crate) const BRIGHT_YELLOW: u8 = 11;
    pub(crate) const BRIGHT_CYAN: u8 = 14;
    pub(crate) const WHITE: u8 = 15;
}

impl Tone {
    /// How the meaning looks.
    pub(crate) const fn ink(self, palette: Palette) -> Ink {
        use color::*;
        let plain = Ink::PLAIN;
        // In the order: dark, light, mono, high contrast.
        let [dark, light, mono, contrast] = match self {
            Self::Plain => [plain; 4],
            Self::Dim => [Ink::fg(DARK_GRAY), Ink::fg(DARK_GRAY), plain.dim(), plain],
            Self::Title => [plain.bold(); 4],
            Self::Parked => [
                Ink::fg(CYAN),
                Ink::fg(BLUE),
                plain,
                Ink::fg(BRIGHT_CYAN).bold(),
            ],
            Self::Ready | Self::Good => [
                Ink::fg(GREEN),
                Ink::fg(GREEN),
                plain,
                Ink::fg(BRIGHT_GREEN).bold(),
            ],
            Self::Wait => [
                Ink::fg(YELLOW),
                Ink::fg(MAGENTA),
                plain,
                Ink::fg(BRIGHT_YELLOW).bold(),
            ],
            Self::Warn => [
                Ink::fg(YELLOW),
                Ink::fg(MAGENTA),
                plain.underlined(),
                Ink::fg(BRIGHT_YELLOW).bold().underlined(),
            ],
            Self::Bad => [
                Ink::fg(RED).bold(),
                Ink::fg(RED).bold(),
                plain.bold().underlined(),
                Ink::fg(WHITE).on(RED).bold(),
            ],
        };
        match palette {
            Palette::Dark => dark,
            Palette::Light => light,
            Palette::Mono => mono,
            Palette::HighContrast => contrast,
        }
    }

    /// The text with escape sequences around it; as it is, where there are no colours.
    pub(crate) fn paint(self, text: &str, palette: Palette) -> String {
        match palette {
            Palette::Mono => text.to_owned(),
            palette => self.ink(palette).around(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_environment_and_the_environment_beats_the_terminal() {
        assert!(ColorChoice::Always.decide(false, true, false));
        assert!(!ColorChoice::Never.decide(true, false, true));
        assert!(ColorChoice::Auto.decide(true, true, false));
        assert!(!ColorChoice::Auto.decide(false, true, true));
        assert!(ColorChoice::Auto.decide(false, false, true));
        assert!(!ColorChoice::Auto.decide(false, false, false));
    }

    #[test]
    fn a_locale_says_which_characters_can_be_shown() {
        for (locale, expected) in [
            ("C", false),
            ("POSIX", false),
            ("C.UTF-8", true),
            ("en_US.utf8", true),
            ("de_DE.ISO-8859-1", false),
            ("de_DE.UTF-8@euro", true),
            ("de_DE", true),
        ] {
            assert_eq!(is_utf8(locale), expected, "{locale}");
        }
    }

    #[test]
    fn a_tone_is_painted_in_the_colours_of_its_palette() {
        for (tone, palette, painted) in [
            (Tone::Bad, Palette::Dark, "\x1b[1;31mx\x1b[0m"),
            (Tone::Dim, Palette::Light, "\x1b[90mx\x1b[0m"),
            (Tone::Bad, Palette::HighContrast, "\x1b[1;97;41mx\x1b[0m"),
            (Tone::Bad, Palette::Mono, "x"),
            (Tone::Dim, Palette::HighContrast, "x"),
        ] {
            assert_eq!(tone.paint("x", palette), painted, "{tone:?} {palette:?}");
        }
    }

    #[test]
    fn no_palette_for_a_light_background_has_what_is_not_seen_on_it() {
        for tone in [Tone::Parked, Tone::Wait, Tone::Warn, Tone::Good, Tone::Bad] {
            let ink = tone.ink(Palette::Light);
            assert!(
                ink.fg
                    .is_some_and(|it| it < 7 && it != color::YELLOW && it != color::CYAN)
            );
        }
    }
}
