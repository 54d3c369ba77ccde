//! The questions that have one answer, and the two things that can be done.
//!
//! | file | holds |
//! |---|---|
//! | `server` | which process this is |
//! | `find` | whom a question means |
//! | `page` | one page of the table: filter, order and place |
//! | `sites` | which lines open descriptors, and who is at the other end of those that are open |
//! | `describe` | everything about one descriptor |
//! | `latencies` | its latencies, from its events |
//! | `stats` | statistics, cumulative and of an interval |
//! | `laws` | a second look at a law before it is called broken |
//! | `diagnose` | the lints, run for a while |
//! | `turns` | how many questions that take long are worked on at a time |
//! | `control` | the service that acts, apart from all others |
//! | `encode` | rows and statistics as messages |
//! | `event` | events as messages |

pub(crate) mod control;
pub(crate) mod describe;
pub(crate) mod diagnose;
pub(crate) mod encode;
pub(crate) mod event;
pub(crate) mod find;
pub(crate) mod latencies;
pub(crate) mod laws;
pub(crate) mod page;
pub(crate) mod server;
pub(crate) mod sites;
pub(crate) mod stats;
pub(crate) mod turns;
