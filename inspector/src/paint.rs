//! Whether to use colour, and the few escape sequences that the plain tables use.

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
        self.decide(set("CLICOLOR_FORCE"), no_color, terminal)
    }

    fn decide(self, force: bool, no_color: bool, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => force || (!no_color && terminal),
        }
    }
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

impl Tone {
    /// The text with escape sequences around it, if colour is on.
    pub(crate) fn paint(self, text: &str, color: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Dim => "2",
            Self::Title => "1",
            Self::Parked => "36",
            Self::Ready | Self::Good => "32",
            Self::Wait | Self::Warn => "33",
            Self::Bad => "1;31",
        };
        if color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
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
}
