//! Events of the flight recorder beside the rows of the table: what a filter can be asked about,
//! and how many there were of each kind.
//!
//! | file | holds |
//! |---|---|
//! | `subject` | an event as a row that a filter can be asked about |
//! | `counted` | events, counted by what they have in common |

mod counted;
mod subject;

pub(crate) use counted::Counted;
pub(crate) use subject::subject;
