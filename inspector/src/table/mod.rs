//! Tables: which columns there are, what stands in them, and how they are laid out.
//!
//! The same columns serve text, CSV, JSON with `--columns` and the terminal UI, so that a column
//! means the same wherever it is seen.
//!
//! | file | holds |
//! |---|---|
//! | `column` | what a column is, and how one is found by its name |
//! | `cell`, `look` | what stands in a column for people, and how it looks |
//! | `value` | what stands in it for machines |
//! | `sort` | what `--sort` says, and how rows are sorted |
//! | `layout` | which columns fit a width |
//! | `entry`, `descriptor_cells` | a row of the descriptor table, and what may stand in its cells |
//! | `descriptors`, `pollers`, `targets`, `laws`, `counts`, `histograms`, `events`, `sites` | the columns of each table |
//! | `entry_groups` | rows of the descriptor table that have something in common, as one row |
//! | `event_counts` | what events are counted by, with a column of each |
//! | `numbers` | the statistics as one list of numbers |
//! | `differences` | the columns of `diff` |
//! | `settings` | the columns of `config show` |
//! | `named` | tables by their names |
//! | `leaks` | what has become of sites between two answers |

mod cell;
mod column;
mod counts;
mod descriptor_cells;
mod descriptors;
mod differences;
mod entry;
mod entry_groups;
mod event_counts;
mod events;
mod histograms;
mod laws;
mod layout;
pub(crate) mod leaks;
mod look;
mod named;
mod numbers;
mod pollers;
mod settings;
mod sites;
mod sort;
mod targets;
mod value;

pub(crate) use cell::{Cell, Context};
pub(crate) use column::{Align, Column, Cut, Shown, find};
pub(crate) use counts::{
    COUNTER_RATES, COUNTERS, CounterRow, TASKS, TRANSITION_RATES, TRANSITIONS, TransitionRow,
};
pub(crate) use descriptor_cells::{at_least, epoll_names, state_cell};
pub(crate) use descriptors::{DEADLINES, DESCRIPTORS, WAITERS};
pub(crate) use differences::{
    CHANGED_ROWS, ChangedRow, Difference, LATENCY_DIFFERENCES, LEVEL_DIFFERENCES, TOTAL_DIFFERENCES,
};
#[cfg(test)]
pub(crate) use entry::descriptors;
pub(crate) use entry::waiters;
pub(crate) use entry::{Entry, Rows, are_of_several};
pub(crate) use entry_groups::{Group, GroupBy, grouped};
pub(crate) use event_counts::{
    CountBy, EVENT_COUNTS, EVENT_COUNTS_BY_PLACE, EventCount, EventGroup,
};
pub(crate) use events::{EVENTS, detail};
pub(crate) use histograms::{
    GROUP_RECORDS, GROUPS, HISTOGRAM_RECORDS, HISTOGRAMS, HISTOGRAMS_OF_ALL_TIME, HistogramRow,
    LATENCIES,
};
pub(crate) use laws::{LAWS, LAWS_OF_ALL, LAWS_OF_ONE, LawRow};
pub(crate) use layout::{Fit, fit};
pub(crate) use leaks::Leak;
pub(crate) use named::{Named, TABLES, known_anywhere};
pub(crate) use numbers::{NUMBERS, Number, Of, numbers};
pub(crate) use pollers::{POLLERS, counted};
pub(crate) use settings::{Origin, SETTINGS, Setting};
pub(crate) use sites::{SITE_RECORDS, SITES, SITES_WIDE, SiteCounts, SiteRow};
pub(crate) use sort::{SortSpec, sort};
pub(crate) use targets::{TARGETS, descriptors as descriptors_of};
pub(crate) use value::{Raw, Value};
