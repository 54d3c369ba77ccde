//! How a poller is made.

use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

use super::break_signal::BreakSignal;
use super::role::RoleQueue;
use super::{Poller, Shared, registry};
use crate::clock;
use crate::desc::PollCache;
use crate::observe::{EVENT_BYTES, Recorder, Sites};
use crate::sync::CachePadded;
use crate::sync::atomic::{AtomicI64, AtomicU64};
use crate::sys::Backend;
use crate::timers::DeadlineQueue;

/// Events of one poll, as in Go (semantics 47).
const BATCH: usize = 128;

/// Bytes of each thread's flight recorder: 4096 events.
const FLIGHT_RECORDER: usize = 4096 * EVENT_BYTES;

/// Makes a [`Poller`].
#[derive(Clone, Debug)]
pub struct Builder {
    name: Option<String>,
    is_global: bool,
    batch: usize,
    flight_recorder: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: None,
            is_global: false,
            batch: BATCH,
            flight_recorder: FLIGHT_RECORDER,
        }
    }
}

impl Builder {
    /// That of the global poller.
    pub(super) fn global() -> Self {
        Self {
            is_global: true,
            ..Self::default().name(registry::GLOBAL)
        }
    }

    /// Sets the name in tables and in metric labels: 1 to 32 characters of `a-z`, `0-9` and `_`.
    /// Without one it is called `poller_` and its number. While another poller has the name, `_2`
    /// is added to it, or the next number that is free, and stays for as long as the poller lives:
    /// see [`Poller::name`].
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the maximum number of events that one poll fetches, 1 to 65 536; 128 unless set
    /// (semantics 47).
    #[must_use]
    pub fn batch(mut self, events: usize) -> Self {
        self.batch = events.clamp(1, 65_536);
        self
    }

    /// Sets the maximum of memory, in bytes, of the flight recorder of each thread that uses the
    /// poller; 96 KiB unless set, which holds its last 4096 events, and at most 16 MiB. Rounded
    /// down so that the number of events is a power of two; below 24 there is no flight recorder.
    /// It is [read](crate::view::recorder) on demand and costs some nanoseconds an event.
    #[must_use]
    pub fn flight_recorder(mut self, bytes: usize) -> Self {
        self.flight_recorder = bytes.min(16 << 20);
        self
    }

    /// Makes the poller.
    ///
    /// # Errors
    ///
    /// What `epoll_create1(2)` or `eventfd(2)` said, mostly a limit of open files;
    /// [`io::ErrorKind::InvalidInput`] for a name that is not allowed.
    pub fn build(self) -> io::Result<Poller> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        let backend = Backend::init()
            .map_err(|e| crate::error::context("cannot make an epoll instance", e))?;
        Ok(self.build_on(backend))
    }

    pub(crate) fn build_on(self, backend: Backend) -> Poller {
        let id = registry::next_id();
        let name = self.name.unwrap_or_else(|| format!("poller_{id}"));
        let shared = Shared {
            name: name.into_boxed_str(),
            id,
            created_ns: clock::now_ns(),
            process: crate::sys::Process::current(),
            backend,
            cache: Arc::new(PollCache::new()),
            timers: DeadlineQueue::new(),
            recorder: Recorder::new(self.flight_recorder / EVENT_BYTES),
            sites: Sites::new(),
            waiters: CachePadded(AtomicI64::new(0)),
            signal: CachePadded(BreakSignal::new()),
            poll_until: CachePadded(AtomicU64::new(0)),
            role: CachePadded(RoleQueue::new()),
            last_poll_ns: AtomicU64::new(0),
            nested: OnceLock::new(),
            batch: self.batch,
            duplicates: std::sync::Mutex::new(Vec::new()),
            queued: super::QueuedList::default(),
            drivers: AtomicU32::new(0),
        };
        Poller {
            shared: registry::register(shared, self.is_global),
        }
    }
}

fn check_name(name: &str) -> io::Result<()> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if (1..=32).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "poller name {name:?}: use 1 to 32 characters of a-z, 0-9 and _; it becomes a metric label"
        ),
    ))
}
