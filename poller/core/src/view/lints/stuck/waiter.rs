//! Who is stuck.

use crate::observe::Direction;
use crate::view::raw::RawRow;

/// A waiter that is stuck for certain.
pub(in crate::view::lints) struct Waiter<'r> {
    pub(in crate::view::lints) row: &'r RawRow,
    pub(in crate::view::lints) direction: Direction,
    pub(super) since_ns: u64,
}
