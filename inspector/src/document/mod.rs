//! The JSON documents: `{"schema", "target", "captured_at", "complete", "items"}`.
//!
//! Names are stable, numbers are integers, and a field is always there: `null` where a table shows
//! a dash.
//!
//! | file | holds the items of |
//! |---|---|
//! | `descriptor`, `socket`, `waiting`, `poller` | `ls`: descriptors, waiters and deadlines, pollers |
//! | `detail` | `describe` |
//! | `event` | `events` |
//! | `target` | `targets` |
//! | `stats`, `transitions`, `histogram` | `stats` and `hist` |
//! | `law` | `audit` |
//! | `site` | `leaks` |

mod descriptor;
mod detail;
mod event;
mod histogram;
mod law;
mod poller;
mod site;
mod socket;
mod stats;
mod target;
mod transitions;
mod waiting;

use crate::source::Connection;

pub(crate) use descriptor::{Descriptor, Line, descriptor, line};
pub(crate) use detail::{Detail, detail};
pub(crate) use event::{event, event_names, event_records};
pub(crate) use histogram::{Histogram, histogram};
pub(crate) use law::audited;
pub(crate) use poller::poller;
pub(crate) use site::{SiteItem, site};
pub(crate) use stats::stats;
pub(crate) use target::target;
pub(crate) use waiting::{Row, row};

/// One whole answer.
#[derive(serde::Serialize)]
pub(crate) struct Document<'a, T> {
    pub(crate) schema: &'a str,
    pub(crate) target: Option<Target<'a>>,
    pub(crate) captured_at: Option<String>,
    pub(crate) captured_at_ns: u64,
    /// False if rows were left out by `--limit`.
    pub(crate) complete: bool,
    pub(crate) items: T,
}

/// The process that answered.
#[derive(serde::Serialize)]
pub(crate) struct Target<'a> {
    address: String,
    pid: u32,
    executable: &'a str,
    start_ticks: u64,
    boot_id: &'a str,
    kernel: &'a str,
    version: &'a str,
    protocol: u32,
    /// What it is made of, if it is read from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Where it answers.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn of(connection: &'a Connection) -> Self {
        let server = &connection.server;
        Self {
            address: connection.target.to_string(),
            pid: server.pid,
            executable: &server.executable,
            start_ticks: server.start_ticks,
            boot_id: &server.boot_id,
            kernel: &server.kernel,
            version: &server.version,
            protocol: server.protocol,
            outside: server.outside.as_ref().map(|it| it.runtime.as_str()),
        }
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
