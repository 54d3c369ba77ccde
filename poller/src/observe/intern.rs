//! Short texts (labels, names of tasks) kept once and named by a number, so that a slot holds four bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most texts a table keeps. What comes later is shown as [`OVERFLOW`]: a program that labels every connection with a
/// text of its own must not grow without bound.
const MAX_TEXTS: usize = 65_536;
const OVERFLOW: &str = "(too many labels)";

/// Longest text kept, in bytes.
const MAX_LENGTH: usize = 128;

/// A text in a table; 0 is the empty one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Label(pub(crate) u32);

/// A table of texts. Grows, never shrinks.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_text: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Names {
    /// The one table of the process.
    pub(crate) fn shared() -> &'static Names {
        static NAMES: std::sync::LazyLock<Names> = std::sync::LazyLock::new(Names::default);
        &NAMES
    }

    /// The label of `text`: control characters replaced, cut at 128 bytes.
    pub(crate) fn label(&self, text: &str) -> Label {
        let text = printable(text);
        if text.is_empty() {
            return Label(0);
        }
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = table.by_text.get(text.as_str()) {
            return Label(*index);
        }
        let full = table.texts.len() >= MAX_TEXTS;
        let text: Arc<str> = if full { OVERFLOW.into() } else { text.into() };
        if let Some(index) = table.by_text.get(&text) {
            return Label(*index);
        }
        table.texts.push(text.clone());
        let index = table.texts.len() as u32;
        table.by_text.insert(text, index);
        Label(index)
    }

    /// The text of `label`, empty for an unknown one.
    pub(crate) fn text(&self, label: Label) -> Arc<str> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (label.0 as usize)
            .checked_sub(1)
            .and_then(|index| table.texts.get(index).cloned())
            .unwrap_or_default()
    }
}

/// `text` without what a terminal would obey, cut at 128 bytes.
pub(super) fn printable(text: &str) -> String {
    let mut end = text.len().min(MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end]
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_label_and_a_label_its_text() {
        let names = Names::default();
        let label = names.label("upstream");
        assert_eq!(names.label("upstream"), label);
        assert_eq!(&*names.text(label), "upstream");
        assert_eq!(names.label(""), Label(0));
        assert_eq!(&*names.text(Label(99)), "");
    }

    #[test]
    fn escape_sequences_do_not_reach_a_terminal_and_long_texts_are_cut_at_a_character() {
        let names = Names::default();
        assert!(!names.text(names.label("a\x1b[31m")).contains('\x1b'));
        let long = "é".repeat(200);
        assert_eq!(names.text(names.label(&long)).len(), 128);
    }

    #[test]
    fn a_flood_of_labels_is_bounded() {
        let names = Names::default();
        for i in 0..MAX_TEXTS + 100 {
            names.label(&i.to_string());
        }
        assert_eq!(&*names.text(names.label("one more")), OVERFLOW);
        assert_eq!(names.0.lock().unwrap().texts.len(), MAX_TEXTS + 1);
    }
}
