//! Answers that this command gives to itself, in the messages of the protocol: of a process that
//! has no endpoint, and of a recording.
//!
//! | file | holds |
//! |---|---|
//! | `within` | a connection within this process |
//! | `wanted` | which rows somebody wants, and how much of them one message holds |
//! | `table` | a table at one moment, and pages of it |
//! | `one` | one descriptor of a table, and the kernel's side of it |
//! | `told` | what a subscriber of the table was told, and what that leaves to tell |

pub(super) mod one;
mod table;
mod told;
mod wanted;
mod within;

pub(super) use table::{Page, Table};
pub(super) use told::Told;
pub(super) use wanted::Wanted;
pub(super) use within::connect;
