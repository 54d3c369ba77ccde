//! The metrics: what the pollers count, for Prometheus and for the `metrics` facade.
//!
//! | file | holds |
//! |---|---|
//! | `families` | the registry: all metrics, and how they are read |
//! | `family` | what a metric is, and what its series say |
//! | `reading` | what all of them say at one moment: of this every adapter is made |
//! | `buckets` | the exported histograms, and their bounds |
//! | `native` | native histograms |
//! | `process` | the metrics of the process, and what the exposition says of itself |
//! | `wall` | moments by the wall clock |
//! | `negotiate` | the exposition in the format that a request asks for |
//! | `format` | the formats of the exposition, and which one a request asks for |
//! | `exemplar` | what the exposition says of a single sample |
//! | `protobuf` | the exposition as protobuf |
//! | `text` | the exposition as text (feature `prometheus`) |
//! | `collector` | all of it for a registry of `prometheus-client` (feature `prometheus-client`) |
//! | `route` | the answer to a scrape, for a server of the program's own too |
//! | `server` | a small server for it (feature `prometheus`) |
//! | `connection` | one connection of the server |
//! | `table` | `METRICS.md`: all of them, for people |
//! | `watch` | what no counter tells: looked for each second, the last result exported |
//! | `bridge` | the `metrics` facade (feature `metrics`) |
//!
//! A scrape reads the counters that are there anyway. Between scrapes only the thread of the server
//! runs, which looks for faults each second, or each five where that takes long. Every series is
//! exported from the beginning, as 0 (a rate of what was missing is unknown). No series stands for
//! a single descriptor, peer or task, so their number depends on the number of pollers alone: at
//! most 800 each.
//!
//! The label `direction` says `read` or `write`, the words that tables and the protocol use, and of
//! unparks `timer` for sleeps.
//!
//! No two live pollers have one name (the second of a name is called `name_2` for as long as it
//! lives), so no series goes on as that of another poller. A new poller of a name whose owner is
//! gone begins at 0, which `rate()` takes for a restart.
//!
//! `netpoller_build_info` says which features were compiled in, and in `revision` what the
//! environment variable `NETPOLLER_REVISION` held when netpoller was built, `unknown` without it:
//! `NETPOLLER_REVISION=$(git rev-parse HEAD) cargo build`.
//!
#![doc = include_str!("../METRICS.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "metrics")]
mod bridge;
mod buckets;
#[cfg(feature = "prometheus-client")]
mod collector;
#[cfg(feature = "prometheus")]
mod connection;
#[cfg(feature = "prometheus")]
mod exemplar;
mod families;
mod family;
#[cfg(feature = "prometheus")]
mod format;
#[cfg(feature = "prometheus")]
mod native;
#[cfg(feature = "prometheus")]
mod negotiate;
mod process;
#[cfg(feature = "prometheus")]
mod protobuf;
mod reading;
#[cfg(feature = "prometheus")]
mod route;
#[cfg(feature = "prometheus")]
mod server;
#[cfg(test)]
mod table;
#[cfg(feature = "prometheus")]
mod text;
mod wall;
mod watch;

pub use buckets::Buckets;
pub use families::families;
pub use family::{Family, MetricType, Series, Value};
pub use reading::Reading;

#[cfg(feature = "metrics")]
pub use bridge::Bridge;
#[cfg(feature = "prometheus-client")]
pub use collector::Collector;
#[cfg(feature = "prometheus")]
pub use negotiate::encode_for;
#[cfg(feature = "prometheus")]
pub use route::respond;
#[cfg(feature = "prometheus")]
pub use server::{Builder, Server, StartError};
#[cfg(feature = "prometheus")]
pub use text::{CONTENT_TYPE, encode};
