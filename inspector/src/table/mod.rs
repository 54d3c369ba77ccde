//! Tables: which columns there are, what stands in them, and how they are laid out.
//!
//! The same columns serve text, CSV, JSON with `--columns` and the terminal UI, so that a column
//! means the same wherever it is seen.
//!
//! | file | holds |
//! |---|---|
//! | `column` | what a column is, and how one is found and sorted by |
//! | `entry`, `cells` | a row of the descriptor table, and what may stand in its cells |
//! | `descriptors`, `pollers`, `targets`, `laws`, `counts`, `histograms`, `events` | the columns of each table |
//! | `layout` | which columns fit a width |
//! | `sort` | what `--sort` says |

mod cells;
mod column;
mod counts;
mod descriptors;
mod entry;
mod events;
mod histograms;
mod laws;
mod layout;
mod pollers;
mod sort;
mod targets;

pub(crate) use cells::{epoll_names, state_cell};
pub(crate) use column::{Align, Cell, Column, Context, Cut, Raw, Shown, Value, find, sort};
pub(crate) use counts::{
    COUNTER_RATES, COUNTERS, CounterRow, TRANSITION_RATES, TRANSITIONS, TransitionRow,
};
pub(crate) use descriptors::{DEADLINES, DESCRIPTORS, WAITERS};
pub(crate) use entry::{Entry, Rows, are_of_several};
#[cfg(test)]
pub(crate) use entry::{descriptors, waiters};
pub(crate) use events::{EVENTS, detail};
pub(crate) use histograms::{
    HISTOGRAM_RECORDS, HISTOGRAMS, HISTOGRAMS_OF_ALL_TIME, HistogramRow, LATENCIES,
};
pub(crate) use laws::{LAWS, LAWS_OF_ALL, LAWS_OF_ONE, LawRow};
pub(crate) use layout::{Fit, fit};
pub(crate) use pollers::POLLERS;
pub(crate) use sort::SortSpec;
pub(crate) use targets::{TARGETS, descriptors as descriptors_of};
