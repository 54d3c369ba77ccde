//! The keys. One table: what a key does, how it is written, and what the help says, so that none
//! can go stale.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Back,
    View(usize),
    NextView,
    PreviousView,
    SortNext,
    SortInvert,
    Filter,
    Freeze,
    Help,
    Redraw,
    Suspend,
    Quit,
}

/// A binding.
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    pub(crate) action: Action,
    /// How the keys are written, in Unicode and in ASCII.
    pub(crate) written: (&'static str, &'static str),
    /// What the help says.
    pub(crate) help: &'static str,
    /// One word for the footer; empty for those that are only in the help.
    pub(crate) footer: &'static str,
}

/// A key with or without control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    control: bool,
}

const fn key(code: KeyCode) -> Key {
    Key {
        code,
        control: false,
    }
}

const fn letter(letter: char) -> Key {
    key(KeyCode::Char(letter))
}

const fn control(letter: char) -> Key {
    Key {
        code: KeyCode::Char(letter),
        control: true,
    }
}

const fn same(text: &'static str) -> (&'static str, &'static str) {
    (text, text)
}

/// All bindings, in the order of the help; the footer takes them in the same order.
pub(crate) const BINDINGS: [Binding; 22] = [
    Binding {
        keys: &[letter('q'), control('c')],
        action: Action::Quit,
        written: same("q"),
        help: "quit (also ctrl-c)",
        footer: "quit",
    },
    Binding {
        keys: &[letter('?'), key(KeyCode::F(1))],
        action: Action::Help,
        written: same("?"),
        help: "show or hide this help",
        footer: "help",
    },
    Binding {
        keys: &[key(KeyCode::Enter)],
        action: Action::Open,
        written: ("⏎", "enter"),
        help: "details of the selected descriptor",
        footer: "details",
    },
    Binding {
        keys: &[letter('/')],
        action: Action::Filter,
        written: same("/"),
        help: "filter: words, or state=parked && since>5s",
        footer: "filter",
    },
    Binding {
        keys: &[letter('s')],
        action: Action::SortNext,
        written: same("s"),
        help: "sort by the next column",
        footer: "sort",
    },
    Binding {
        keys: &[letter('i'), letter('r')],
        action: Action::SortInvert,
        written: same("i"),
        help: "invert the order (also r)",
        footer: "invert",
    },
    Binding {
        keys: &[letter(' ')],
        action: Action::Freeze,
        written: same("space"),
        help: "freeze the picture, or let it go on",
        footer: "freeze",
    },
    Binding {
        keys: &[key(KeyCode::Esc)],
        action: Action::Back,
        written: same("esc"),
        help: "go back, or clear the filter",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::Up), letter('k')],
        action: Action::Up,
        written: ("↑ k", "up k"),
        help: "up",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::Down), letter('j')],
        action: Action::Down,
        written: ("↓ j", "down j"),
        help: "down",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::PageUp), control('b')],
        action: Action::PageUp,
        written: same("pgup"),
        help: "a page up",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::PageDown), control('f')],
        action: Action::PageDown,
        written: same("pgdn"),
        help: "a page down",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::Home), letter('g')],
        action: Action::First,
        written: same("home g"),
        help: "to the first row",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::End), letter('G')],
        action: Action::Last,
        written: same("end G"),
        help: "to the last row",
        footer: "",
    },
    Binding {
        keys: &[letter('1')],
        action: Action::View(0),
        written: same("1"),
        help: "descriptors",
        footer: "",
    },
    Binding {
        keys: &[letter('2')],
        action: Action::View(1),
        written: same("2"),
        help: "waiters",
        footer: "",
    },
    Binding {
        keys: &[letter('3')],
        action: Action::View(2),
        written: same("3"),
        help: "latency histograms",
        footer: "",
    },
    Binding {
        keys: &[letter('4')],
        action: Action::View(3),
        written: same("4"),
        help: "pollers, counters and laws",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::Tab)],
        action: Action::NextView,
        written: same("tab"),
        help: "the next view",
        footer: "",
    },
    Binding {
        keys: &[key(KeyCode::BackTab)],
        action: Action::PreviousView,
        written: same("shift-tab"),
        help: "the view before",
        footer: "",
    },
    Binding {
        keys: &[control('l')],
        action: Action::Redraw,
        written: same("ctrl-l"),
        help: "draw the screen anew",
        footer: "",
    },
    Binding {
        keys: &[control('z')],
        action: Action::Suspend,
        written: same("ctrl-z"),
        help: "suspend; `fg` comes back",
        footer: "",
    },
];

/// What the key asks for.
pub(crate) fn action(event: KeyEvent) -> Option<Action> {
    let pressed = Key {
        code: event.code,
        control: event.modifiers.contains(KeyModifiers::CONTROL),
    };
    BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&pressed))
        .map(|binding| binding.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        let keys: Vec<Key> = BINDINGS
            .iter()
            .flat_map(|binding| binding.keys)
            .copied()
            .collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "{key:?}");
        }
    }

    #[test]
    fn every_binding_is_explained_and_can_be_written_in_ascii() {
        for binding in &BINDINGS {
            assert!(!binding.help.is_empty());
            assert!(binding.written.1.is_ascii());
        }
    }

    #[test]
    fn control_tells_keys_apart() {
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
            Some(Action::Quit)
        );
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)),
            None
        );
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT)),
            Some(Action::Last)
        );
    }
}
