//! What the endpoint and the metrics server stand on: a thread with a runtime of its own, an accept
//! loop, and what the one has to tell of itself through the other.
//!
//! | file | holds |
//! |---|---|
//! | `thread` | the thread, behind those of the service |
//! | `accept` | what to do when accept(2) fails, and a reserve of descriptors |
//! | `places` | how many connections, and who goes when another one comes |
//! | `names` | by which names a request may call us |
//! | `posture` | what the process tells of how open it is |
//!
//! Neither uses the pollers of the program, nor its runtime, nor its threads: whoever looks at a
//! program that is stuck must not be stuck with it.
//!
//! It is for these two and not under semver.
#![forbid(unsafe_code)]

#[cfg(feature = "server")]
mod accept;
#[cfg(feature = "server")]
mod names;
#[cfg(feature = "server")]
mod places;
pub mod posture;
#[cfg(feature = "server")]
mod thread;

#[cfg(feature = "server")]
pub use accept::{Backoff, Reserve};
#[cfg(feature = "server")]
pub use names::name_us;
#[cfg(feature = "server")]
pub use places::{Place, Places, Seat, UnderWay};
#[cfg(feature = "server")]
pub use thread::HostThread;
