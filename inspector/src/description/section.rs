//! What a description is made of.

use netpoller_proto::Direction;

use crate::paint::Tone;
use crate::table::Align;

/// What is described under one title.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Section {
    pub(crate) part: Part,
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// Which part of a descriptor it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Identity,
    Direction(Direction),
    History,
    Latencies,
    Kernel,
    Memory,
    Pollers,
    Hints,
}

/// A line of a section.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Fact(Fact),
    /// What stands below a fact and belongs to it.
    Below(String),
    /// Cells, each at a side of a field of a width.
    Cells(Vec<(String, Tone, Align, usize)>),
    /// A sentence of its own.
    Sentence(String),
}

/// Something and its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    /// Empty for what goes on with the fact above.
    pub(crate) name: String,
    /// Empty if there is nothing to say.
    pub(crate) value: String,
    pub(crate) tone: Tone,
}

impl Section {
    pub(super) fn new(part: Part, title: impl Into<String>) -> Self {
        Self {
            part,
            title: title.into(),
            lines: Vec::new(),
        }
    }

    pub(super) fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.toned(name, value, Tone::Plain);
    }

    pub(super) fn toned(&mut self, name: &str, value: impl Into<String>, tone: Tone) {
        self.lines.push(Line::Fact(Fact {
            name: name.to_owned(),
            value: value.into(),
            tone,
        }));
    }

    /// A fact, where there is one.
    pub(super) fn known(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.fact(name, value);
        }
    }
}
