//! Numbered statements of the semantics and bugs that bit other pollers, seen through the types
//! that users hold. Those of a poller alone have their tests in `poller/core/src/poller/tests`.

mod cancel;
mod input;
mod short_read;
mod sockets;
