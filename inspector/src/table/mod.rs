//! Tables: which columns there are, what stands in them, and how they are laid out.
//!
//! The same columns serve `ls`, `top` and the terminal UI, so that a column means the same wherever it is seen.

mod cells;
mod column;
mod descriptors;
mod entry;
mod laws;
mod layout;
mod pollers;
mod sort;
mod targets;

pub(crate) use cells::{epoll_names, state_cell};
pub(crate) use column::{Align, Cell, Column, Context, Cut, find, sort};
pub(crate) use descriptors::{DEADLINES, DESCRIPTORS, WAITERS};
pub(crate) use entry::{Entry, Side, are_of_several, deadlines, descriptors, waiters};
pub(crate) use laws::{LAWS, LawRow, law_state};
pub(crate) use layout::{Fit, fit};
pub(crate) use pollers::POLLERS;
pub(crate) use sort::SortSpec;
pub(crate) use targets::{TARGETS, descriptors as descriptors_of};
