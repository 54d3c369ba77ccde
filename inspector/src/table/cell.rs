//! A cell: what stands in a column of one row, for people.

use crate::clock::Anchor;
use crate::paint::Tone;
use crate::text;

/// What a cell needs to know besides its row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    /// The moment at which the rows were read, on the monotonic clock of the process.
    pub(crate) now_ns: u64,
    /// Ties that clock to the calendar.
    pub(crate) anchor: Anchor,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// There are several pollers, so an id is written with the name of its own: `slot.generation`
    /// is unique in one only.
    pub(crate) several: bool,
}

impl Context {
    /// The text in characters that are wanted.
    pub(crate) fn written(&self, text: String) -> String {
        if self.ascii { text::ascii(text) } else { text }
    }
}

/// One field of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Cell {
    /// Ordinary text; a dash where there is none.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    /// Text with a meaning; a dash where there is none.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self {
                text: "-".into(),
                tone: Tone::Dim,
            };
        }
        Self { text, tone }
    }

    /// This text and nothing else, even where there is none.
    pub(crate) fn exactly(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        Self { text, tone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cell_is_a_dash() {
        assert_eq!(Cell::plain("").text, "-");
    }
}
