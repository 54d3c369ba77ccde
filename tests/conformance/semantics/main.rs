//! Numbered statements of the semantics and bugs that bit other pollers, seen through the types
//! that users hold.

mod cancel;
mod input;
mod short_read;
mod statements;
