//! Writes answers.

use std::fmt::{self, Display, Formatter, Write};

/// A value.
#[derive(Clone)]
pub enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    pub fn numbers(of: &[i64]) -> Self {
        Self::List(of.iter().map(|it| Self::Number(*it)).collect())
    }

    pub fn texts(of: &[&str]) -> Self {
        Self::List(of.iter().map(|it| Self::Text((*it).to_owned())).collect())
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(it) => write!(f, "{it}"),
            Self::Number(it) => write!(f, "{it}"),
            Self::Text(it) => text(it, f),
            Self::List(all) => {
                f.write_char('[')?;
                for (index, it) in all.iter().enumerate() {
                    separate(index, f)?;
                    it.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(all) => {
                f.write_char('{')?;
                for (index, (name, it)) in all.iter().enumerate() {
                    separate(index, f)?;
                    write!(f, "\"{name}\":{it}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn separate(index: usize, f: &mut Formatter<'_>) -> fmt::Result {
    match index {
        0 => Ok(()),
        _ => f.write_char(','),
    }
}

fn text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            ' '.. => f.write_char(letter)?,
            _ => write!(f, "\\u{:04x}", u32::from(letter))?,
        }
    }
    f.write_char('"')
}
