//! What is wrong with a process, as it says itself: asked for, dated, and told in sentences.
//!
//! `doctor` prints them, and the terminal UI shows them beside the table: the same findings in the
//! same words.
//!
//! | file | holds |
//! |---|---|
//! | `terms` | what is to be looked for |
//! | `catalogue` | the lints of the process, or of this command where no process says |
//! | `case` | what was found |
//! | `laws` | the conservation laws as findings |
//! | `doctor` | one look after another |
//! | `not_run` | what was not looked for |
//! | `prose`, `columns` | how a finding reads, and how several look in a table |

mod case;
mod catalogue;
mod columns;
mod doctor;
pub(crate) mod laws;
mod not_run;
mod prose;
mod terms;

pub(crate) use case::{Case, Key};
pub(crate) use catalogue::{Catalogue, hold, timing};
pub(crate) use columns::FINDINGS;
pub(crate) use doctor::{Doctor, Looked};
pub(crate) use not_run::{NotRun, lines};
pub(crate) use prose::{direction, paragraphs, severity, tone};
pub(crate) use terms::{FEW, Hold, Terms, WINDOW, When};
