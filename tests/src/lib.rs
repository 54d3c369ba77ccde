//! The kit of the tests of this tree: a runner that notices hangs, connected pairs of every kind,
//! waits that end when a waiter is provably parked, and assertions about errors.
//!
//! | file | holds |
//! |---|---|
//! | `pair` | pollers and connected pairs |
//! | `run`, `wait` | a runner that notices hangs, and waits for facts |
//! | `alone` | a test in a process of its own |
//! | `lateness` | how late the machine is |
//! | `error` | assertions about errors |
//! | `program`, `tool`, `go`, `rust` | programs that tests start or build, and the tools they need |
//! | `pty`, `tmux` | terminals: one that nobody sees, and a real one |
//! | `rows`, `mock` | made-up rows, and an endpoint that serves them |
//! | `oracle` | the Go oracle: scripts, and what runs them here and there |
//! | `op_script`, `wire` | what a fuzzer's bytes mean: operations on streams, and messages |
//! | `perfetto` | traces, read from their bytes |
//! | `poll2`, `interrupt`, `seccomp` | poll(2) as somebody's loop calls it, and calls that are interrupted or refused |
//!
//! No test sleeps to get an order, and none uses a fixed port. A test has a poller of its own
//! wherever a constructor takes one, so that its count of waiters is its own.

mod alone;
mod error;
pub mod go;
pub mod interrupt;
mod lateness;
#[cfg(feature = "mock")]
pub mod mock;
pub mod op_script;
pub mod oracle;
mod pair;
pub mod perfetto;
pub mod poll2;
pub mod program;
pub mod pty;
pub mod rows;
mod run;
pub mod rust;
pub mod seccomp;
pub mod tmux;
mod tool;
mod wait;
pub mod wire;

pub use alone::is_alone;
pub use error::{assert_closed, assert_errno, assert_timeout, errno};
pub use lateness::Lateness;
pub use pair::{
    deaf, full, loopback, new_poller, small_buffers, std_tcp_pair, tcp_and_peer, tcp_pair,
    udp_pair, unix_pair,
};
pub use run::{Lane, run, run_on};
pub use tool::{built, example, tool};
pub use wait::{LIMIT, assert_blocked, eventually, is_parked, past, pause, soon, until};

/// The programs of the README, compiled as a user would.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And those of SECURITY.md.
#[cfg(doctest)]
#[doc = include_str!("../../SECURITY.md")]
struct Security;
