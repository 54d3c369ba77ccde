//! What keys do, and which do: the bindings that hold while the UI runs.

use crossterm::event::{KeyEvent, KeyModifiers};

use super::key::Key;
use crate::text;

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
    Left,
    Right,
    Back,
    View(usize),
    NextView,
    PreviousView,
    SortNext,
    SortInvert,
    Aggregate,
    Interval,
    Poller,
    OverTime,
    Sleeps,
    Filter,
    Freeze,
    Command,
    Columns,
    Group,
    Targets,
    NextTarget,
    PreviousTarget,
    CloseTarget,
    Copy,
    Save,
    TimeBack,
    TimeForth,
    FindingBack,
    FindingForth,
    Help,
    Redraw,
    Suspend,
    Quit,
}

impl Action {
    /// Returns the name of the variant, as a configuration writes it.
    pub(super) fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

/// What keys do, and what is said of it.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// In a configuration.
    pub(crate) name: String,
    pub(crate) keys: Vec<Key>,
    pub(crate) action: Action,
    /// What the help says.
    pub(crate) help: &'static str,
    /// One word for the footer; empty for those that are only in the help.
    pub(crate) footer: &'static str,
}

impl Binding {
    /// Returns how the first of its keys is written; the footer has no room for more.
    pub(crate) fn label(&self, ascii: bool) -> String {
        self.keys
            .first()
            .map_or_else(String::new, |key| key.written(ascii))
    }

    /// Returns how its keys are written.
    pub(crate) fn labels(&self, ascii: bool) -> String {
        let keys = self.keys.iter().map(|key| key.written(ascii));
        keys.collect::<Vec<_>>().join(" ")
    }
}

/// All bindings, in the order of the help.
#[derive(Debug, Clone)]
pub(crate) struct Keymap(Vec<Binding>);

impl FromIterator<Binding> for Keymap {
    fn from_iter<I: IntoIterator<Item = Binding>>(bindings: I) -> Self {
        Self(bindings.into_iter().collect())
    }
}

impl Keymap {
    /// Returns all bindings.
    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.0
    }

    /// Gives an action these keys, in place of its own. Whatever else had one of them has it no
    /// more.
    pub(crate) fn bind(&mut self, name: &str, keys: Vec<Key>) -> Result<(), String> {
        let Some(index) = self.0.iter().position(|it| it.name == name) else {
            let known = self.0.iter().map(|it| it.name.as_str());
            return Err(format!(
                "no action is called `{name}`; {}",
                text::suggestion(name, known)
            ));
        };
        for binding in &mut self.0 {
            binding.keys.retain(|key| !keys.contains(key));
        }
        if let Some(binding) = self.0.get_mut(index) {
            binding.keys = keys;
        }
        Ok(())
    }

    /// What the key asks for.
    pub(crate) fn action(&self, event: KeyEvent) -> Option<Action> {
        let pressed = Key {
            code: event.code,
            control: event.modifiers.contains(KeyModifiers::CONTROL),
        };
        let found = self.0.iter().find(|it| it.keys.contains(&pressed));
        found.map(|binding| binding.action)
    }
}
