//! Rows of `config show`.

use netpoller_proto::filter::Key;
use serde::Serialize;

use super::column::Column;
use super::value::{Raw, Value};
use crate::paint::Tone;

/// A setting of the command, and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    name: String,
    /// Nothing, if it is not set.
    value: Option<String>,
    origin: &'static str,
    /// The variable, or the file and its line.
    place: Option<String>,
}

/// Where a setting comes from, the strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    /// The environment, by the variable.
    Env(String),
    File {
        path: String,
        line: usize,
    },
    Default,
}

impl Setting {
    pub(crate) fn new(name: &str, value: String, origin: Origin) -> Self {
        let (origin, place) = match origin {
            Origin::Flag => ("flag", None),
            Origin::Env(variable) => ("env", Some(variable)),
            Origin::File { path, line } => ("file", Some(format!("{path}:{line}"))),
            Origin::Default => ("default", None),
        };
        Self {
            name: name.to_owned(),
            value: Some(value).filter(|it| !it.is_empty()),
            origin,
            place,
        }
    }
}

fn text(text: Option<&String>) -> Key {
    text.map_or(Key::Absent, |it| Key::Text(it.clone()))
}

type C = Column<Setting>;

/// Columns of `config show`.
pub(crate) static SETTINGS: [C; 4] = [
    C::words("name", "NAME", C::ALWAYS, |it| Key::Text(it.name.clone())).toned(Tone::Title),
    C::words("value", "VALUE", C::ALWAYS, |it| text(it.value.as_ref())).raw(&[Raw {
        name: "value",
        value: |it, _| Value::text(it.value.clone().unwrap_or_default()),
    }]),
    C::words("origin", "ORIGIN", C::ALWAYS, |it| Key::text(it.origin)),
    C::words("place", "PLACE", C::ALWAYS, |it| text(it.place.as_ref())),
];
