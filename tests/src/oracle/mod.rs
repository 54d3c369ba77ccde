//! The Go oracle: scripts whose outcomes real Go has told, run on our poller in each form of its
//! API.
//!
//! `tests/conformance/oracle/README.md` defines the language. One controller executes the lines of
//! a script in order; operations that may block run on lanes. Each script has a poller of its own,
//! and when it is over and everything is closed, the laws of that poller are checked.
//!
//! | file | holds |
//! |---|---|
//! | `script` | the tree of a script |
//! | `parse` | the parser, with the line and the remedy in each error |
//! | `outcome` | what an operation ended with, in the words of the goldens |
//! | `thing` | what a name stands for: a socket, an end of a pipe, a file |
//! | `make`, `dial` | how those are made |
//! | `work` | one operation, with futures or blocking handles |
//! | `lane` | an operation that runs beside the controller |
//! | `form` | who runs operations: threads, an executor in `block_on`, tokio |
//! | `parked` | whether a lane is parked, asked of the poller's tables |
//! | `run` | the controller |
//! | `pool` | many scripts side by side |
//! | `random`, `hunt` | scripts made at random, run on both sides, and made small where these differ |
//! | `go` | the Go program, built and asked |
//! | `golden` | printing and comparing |

mod dial;
mod form;
mod go;
mod golden;
mod hunt;
mod lane;
mod make;
mod outcome;
mod parked;
mod parse;
mod pool;
mod random;
mod run;
mod script;
mod thing;
mod work;

pub use form::Form;
pub use go::{Go, GoError};
pub use golden::{Difference, compare, print};
pub use hunt::{Found, Hunt, HuntError, random_script};
pub use parse::{Problem, parse};
pub use pool::{Verdict, check_all, run_all};
pub use run::{Report, run, run_while};
pub use script::Script;
