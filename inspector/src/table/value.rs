//! What stands in a column for machines: numbers, texts and truths, without any presentation.

use netpoller_proto::filter::Key;

use super::cell::Context;

/// A field of a row as machines read it: with its unit in the name, and without any presentation.
#[derive(Debug)]
pub(crate) struct Raw<R: 'static> {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&R, &Context) -> Value,
}

/// A number, a text, a truth, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Number(i128),
    Truth(bool),
    Text(String),
}

impl Value {
    /// A text; nothing where a table has a dash.
    pub(crate) fn text(text: String) -> Self {
        match text.as_str() {
            "" | "-" => Self::Nothing,
            _ => Self::Text(text),
        }
    }

    /// A number that may not be there.
    pub(crate) fn number(number: Option<impl Into<i128>>) -> Self {
        number.map_or(Self::Nothing, |number| Self::Number(number.into()))
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Absent => Self::Nothing,
            Key::Number(number) => Self::Number(number),
            Key::Text(text) => Self::text(text),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_i128(*number),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}
