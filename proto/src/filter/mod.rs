//! Filters and orders of the descriptor table, evaluated in one way by servers and by clients.
//!
//! | file | holds |
//! |---|---|
//! | `field` | the one table of the fields that a filter, an order and a column may name |
//! | `predicate` | a [`v1::Filter`](crate::v1::Filter) that was checked, and whether it holds for a row |
//! | `error` | what may be wrong with one, and how large one may be |
//! | `key` | what rows are sorted by, and how two are compared |
//!
//! A server evaluates a filter to send fewer rows. A client evaluates it again where a server may
//! be too old to know it: such a server ignores the field, and sends all rows.

mod error;
mod field;
mod key;
mod predicate;

pub use error::{DEEPEST, FilterError, LARGEST};
pub use field::{Field, Type, any_text};
pub use key::Key;
pub use predicate::Predicate;
