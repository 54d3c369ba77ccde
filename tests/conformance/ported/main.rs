//! Tests of Go, tokio, mio and polling in our words: what they say about a poller, said of ours.
//!
//! `tests/conformance/PORTED.md` lists where each comes from, and those that others of our tests
//! cover already. Each test names its origin. The first ones to be ported, Go's deadlines and
//! closes, are the test `go` beside this one.

mod go_net;
mod go_net_timeout;
mod go_os_fifo;
mod go_os_pipe;
mod go_poll;
mod go_runtime;
mod mio_net;
mod mio_poll;
mod mio_waker;
mod polling;
mod regressions;
mod support;
mod table;
mod tokio_async_fd;
mod tokio_driver;
mod tokio_net;
