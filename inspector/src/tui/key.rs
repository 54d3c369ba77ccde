//! A key of the keyboard, and how it is written: `q`, `G`, `ctrl-c`, `space`, `pgup`, `f1`.

use std::str::FromStr;

use crossterm::event::KeyCode;

/// A key with or without control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(super) code: KeyCode,
    pub(super) control: bool,
}

/// The keys that have a name: in a configuration, and on the screen where more than ASCII can be
/// shown.
const NAMED: [(KeyCode, &str, &str); 16] = [
    (KeyCode::Char(' '), "space", "space"),
    (KeyCode::Enter, "enter", "⏎"),
    (KeyCode::Esc, "esc", "esc"),
    (KeyCode::Tab, "tab", "tab"),
    (KeyCode::BackTab, "shift-tab", "shift-tab"),
    (KeyCode::Backspace, "backspace", "backspace"),
    (KeyCode::Delete, "del", "del"),
    (KeyCode::Insert, "ins", "ins"),
    (KeyCode::Up, "up", "↑"),
    (KeyCode::Down, "down", "↓"),
    (KeyCode::Left, "left", "←"),
    (KeyCode::Right, "right", "→"),
    (KeyCode::PageUp, "pgup", "pgup"),
    (KeyCode::PageDown, "pgdn", "pgdn"),
    (KeyCode::Home, "home", "home"),
    (KeyCode::End, "end", "end"),
];

/// A key as it is.
pub(super) const fn of(code: KeyCode) -> Key {
    Key {
        code,
        control: false,
    }
}

/// A letter with control.
pub(super) const fn control(letter: char) -> Key {
    Key {
        code: KeyCode::Char(letter),
        control: true,
    }
}

impl Key {
    /// Returns how it is written.
    pub(crate) fn written(&self, ascii: bool) -> String {
        let named = NAMED.iter().find(|(code, ..)| *code == self.code);
        let name = match (named, self.code) {
            (Some((_, plain, pretty)), _) => if ascii { plain } else { pretty }.to_string(),
            (None, KeyCode::Char(letter)) => letter.to_string(),
            (None, KeyCode::F(number)) => format!("f{number}"),
            (None, _) => String::new(),
        };
        if self.control {
            format!("ctrl-{name}")
        } else {
            name
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (control, name) = match text.strip_prefix("ctrl-") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let mut letters = name.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) if !letter.is_control() && letter != ' ' => {
                Some(KeyCode::Char(letter))
            }
            (Some('f'), Some(_)) => name[1..]
                .parse()
                .ok()
                .filter(|number| (1..=12).contains(number))
                .map(KeyCode::F),
            _ => None,
        };
        let named = NAMED.iter().find(|(_, plain, _)| *plain == name);
        match code.or(named.map(|(code, ..)| *code)) {
            Some(code) => Ok(Self { code, control }),
            None => {
                let names = NAMED.map(|(_, plain, _)| plain);
                Err(format!(
                    "`{text}` is no key; write a letter, f1 to f12, {}, or ctrl- before one of these",
                    names.join(", ")
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for text in [
            "q",
            "G",
            "?",
            "/",
            "ctrl-c",
            "space",
            "pgup",
            "f1",
            "f12",
            "shift-tab",
            "ö",
        ] {
            let key: Key = text.parse().expect(text);
            assert_eq!(key.written(true), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_hint() {
        for text in ["", " ", "ctrl-", "f0", "f13", "hyper-x", "pageup"] {
            let error = text.parse::<Key>().expect_err(text);
            assert!(error.contains("pgup"), "{error}");
        }
    }
}
