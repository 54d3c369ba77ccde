//! What is wrong with a filter, and how large one may be.

use std::fmt;

use super::field::{Field, Type};
use crate::v1::Operator;

/// Deepest nesting of a filter, in messages: each [`v1::Filter`](crate::v1::Filter) and each
/// [`v1::FilterList`](crate::v1::FilterList) on the way counts. Decoders give up at a hundred.
pub const DEEPEST: usize = 64;
/// Most comparisons, connectives and values of one filter: of a comparison with several values each
/// counts.
pub const LARGEST: usize = 256;

/// Why a filter cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// No field has this name.
    UnknownField(String),
    /// A node of the filter says nothing, or something that a later version added.
    UnknownNode,
    /// The operator is missing, or one that a later version added.
    UnknownOperator(Field),
    /// The field cannot be compared in this way, for example text by size.
    NotComparable(Field, Operator),
    /// The value is not of the field's type.
    WrongValue(Field),
    /// Every operator but `IN` takes one value.
    Values(Field, usize),
    /// Nested deeper than [`DEEPEST`].
    TooDeep,
    /// More nodes and values than [`LARGEST`].
    TooLarge,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField(name) => {
                let known: Vec<&str> = Field::names().collect();
                write!(
                    f,
                    "no field is called {name:?}; known are {}",
                    known.join(", ")
                )
            }
            Self::UnknownNode => {
                f.write_str("a node of the filter is not set, or of a kind that is not known here")
            }
            Self::UnknownOperator(field) => {
                write!(
                    f,
                    "the comparison of `{}` has no operator that is known here",
                    field.name()
                )
            }
            Self::NotComparable(field, op) => {
                write!(
                    f,
                    "`{}` cannot be compared with {}",
                    field.name(),
                    op.as_str_name()
                )
            }
            Self::WrongValue(field) => {
                let wanted = match field.kind() {
                    Type::Text | Type::OneOf(_) => "text",
                    Type::Number => "number or bytes",
                    Type::Duration => "duration_ns",
                };
                write!(
                    f,
                    "`{}` must be compared with a value that is {wanted}",
                    field.name()
                )
            }
            Self::Values(field, count) => {
                write!(
                    f,
                    "`{}` is compared with {count} values; only OPERATOR_IN takes other than one",
                    field.name()
                )
            }
            Self::TooDeep => write!(f, "it is nested too deeply: {DEEPEST} levels are allowed"),
            Self::TooLarge => write!(
                f,
                "it is too large: {LARGEST} comparisons, connectives and values are allowed"
            ),
        }
    }
}

impl std::error::Error for FilterError {}
