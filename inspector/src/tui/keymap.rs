//! The keys. One table: what a key does, how it is written, and what the help says, so that none
//! can go stale.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::App;
use super::view::VIEWS;

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

/// What a key does, how it is written, and what is said of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    key: Key,
    /// Another one that does the same.
    other: Option<Key>,
    action: Action,
    /// How the keys are written, in Unicode and in ASCII; a letter as it is.
    written: Option<(&'static str, &'static str)>,
    /// What the help says.
    pub(crate) help: &'static str,
    /// One word for the footer; empty for those that are only in the help.
    pub(crate) footer: &'static str,
}

/// A key with or without control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
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

const fn on(key: Key, action: Action, help: &'static str) -> Binding {
    Binding {
        key,
        other: None,
        action,
        written: None,
        help,
        footer: "",
    }
}

impl Binding {
    const fn or(self, other: Key) -> Self {
        let other = Some(other);
        Self { other, ..self }
    }

    const fn written(self, unicode: &'static str, ascii: &'static str) -> Self {
        let written = Some((unicode, ascii));
        Self { written, ..self }
    }

    const fn footer(self, footer: &'static str) -> Self {
        Self { footer, ..self }
    }

    /// Returns whether the footer of this screen has it: whether there is something to do it with.
    pub(crate) fn is_offered(&self, app: &App) -> bool {
        let is_over = app.overlay.is_some();
        let is_here = match self.action {
            Action::Open => !is_over && app.descriptor().is_some(),
            Action::Filter | Action::SortNext | Action::SortInvert => {
                !is_over && app.table().is_some()
            }
            Action::Back => is_over,
            _ => true,
        };
        is_here && !self.footer.is_empty()
    }

    /// Returns how its keys are written.
    pub(crate) fn label(&self, ascii: bool) -> String {
        match (self.written, self.key.code) {
            (Some((_, plain)), _) if ascii => plain.to_owned(),
            (Some((pretty, _)), _) => pretty.to_owned(),
            (None, KeyCode::Char(letter)) => letter.to_string(),
            (None, _) => String::new(),
        }
    }
}

/// The bindings that the help tells first.
const FIRST: [Binding; 14] = [
    on(letter('q'), Action::Quit, "quit (also ctrl-c)")
        .or(control('c'))
        .footer("quit"),
    on(letter('?'), Action::Help, "show or hide this help")
        .or(key(KeyCode::F(1)))
        .footer("help"),
    on(
        key(KeyCode::Enter),
        Action::Open,
        "details of the selected descriptor",
    )
    .written("⏎", "enter")
    .footer("details"),
    on(
        letter('/'),
        Action::Filter,
        "filter: words, or state=parked and since>5s",
    )
    .footer("filter"),
    on(letter('s'), Action::SortNext, "sort by the next column").footer("sort"),
    on(letter('i'), Action::SortInvert, "invert the order (also r)")
        .or(letter('r'))
        .footer("invert"),
    on(
        letter(' '),
        Action::Freeze,
        "freeze the picture, or let it go on",
    )
    .written("space", "space")
    .footer("freeze"),
    on(
        key(KeyCode::Esc),
        Action::Back,
        "go back, or clear the filter",
    )
    .written("esc", "esc")
    .footer("back"),
    on(key(KeyCode::Up), Action::Up, "up")
        .or(letter('k'))
        .written("↑ k", "up k"),
    on(key(KeyCode::Down), Action::Down, "down")
        .or(letter('j'))
        .written("↓ j", "down j"),
    on(key(KeyCode::PageUp), Action::PageUp, "a page up")
        .or(control('b'))
        .written("pgup", "pgup"),
    on(key(KeyCode::PageDown), Action::PageDown, "a page down")
        .or(control('f'))
        .written("pgdn", "pgdn"),
    on(key(KeyCode::Home), Action::First, "to the first row")
        .or(letter('g'))
        .written("home g", "home g"),
    on(key(KeyCode::End), Action::Last, "to the last row")
        .or(letter('G'))
        .written("end G", "end G"),
];

/// And those behind the views.
const LAST: [Binding; 4] = [
    on(key(KeyCode::Tab), Action::NextView, "the next view").written("tab", "tab"),
    on(
        key(KeyCode::BackTab),
        Action::PreviousView,
        "the view before",
    )
    .written("shift-tab", "shift-tab"),
    on(control('l'), Action::Redraw, "draw the screen anew").written("ctrl-l", "ctrl-l"),
    on(control('z'), Action::Suspend, "suspend; `fg` comes back").written("ctrl-z", "ctrl-z"),
];

/// Returns all bindings, in the order of the help; the footer takes them in the same order.
pub(crate) fn bindings() -> impl Iterator<Item = Binding> {
    let views = VIEWS.iter().enumerate();
    let views = views.map(|(index, view)| on(letter(view.key), Action::View(index), view.help));
    FIRST.into_iter().chain(views).chain(LAST)
}

/// What the key asks for.
pub(crate) fn action(event: KeyEvent) -> Option<Action> {
    let pressed = Key {
        code: event.code,
        control: event.modifiers.contains(KeyModifiers::CONTROL),
    };
    bindings()
        .find(|it| it.key == pressed || it.other == Some(pressed))
        .map(|binding| binding.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        let keys: Vec<Key> = bindings()
            .flat_map(|binding| [Some(binding.key), binding.other])
            .flatten()
            .collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "{key:?}");
        }
    }

    #[test]
    fn every_binding_is_explained_and_can_be_written_in_ascii() {
        for binding in bindings() {
            assert!(!binding.help.is_empty());
            let label = binding.label(true);
            assert!(!label.is_empty() && label.is_ascii(), "{binding:?}");
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
