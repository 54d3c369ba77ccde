//! How a process stood at a moment.

use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, GetServerResponse, GetStatsResponse};

use crate::findings::Case;

/// Which life of which process it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    boot_id: String,
    pid: u32,
    start_ticks: u64,
    started_at_ns: u64,
    /// Who has counted its descriptors, where the process does not do that itself: which recording,
    /// or this command now. By another count they have other ids.
    counted_by: Option<u64>,
}

impl Life {
    /// The life of the process that said this.
    pub(crate) fn of(server: &GetServerResponse) -> Self {
        Self {
            boot_id: server.boot_id.clone(),
            pid: server.pid,
            start_ticks: server.start_ticks,
            started_at_ns: server.started_at_ns,
            counted_by: server.outside.as_ref().map(|_| {
                let recording = server.recording.as_ref();
                recording.map_or(0, |it| it.begins_at_ns)
            }),
        }
    }
}

/// What a process has told at a moment.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) life: Life,
    pub(crate) rows: Vec<Arc<Descriptor>>,
    pub(crate) stats: GetStatsResponse,
    /// What was found; `None` if nobody looked.
    pub(crate) cases: Option<Vec<Case>>,
    /// Findings beyond those, which the process does not list.
    pub(crate) more: u64,
}

impl Moment {
    /// When that was, on the clock of the process.
    pub(crate) fn at_ns(&self) -> u64 {
        self.stats.captured_at_ns
    }
}
