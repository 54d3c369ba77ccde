//! What all who ask have in common.

use std::time::Duration;

use tokio::sync::watch;

use super::super::known::Feed;
use super::kept::Kept;
use crate::source::{Connection, Target};

/// Whom to ask, and how often.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) target: Target,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

/// What all who ask have in common.
pub(super) struct Asked<'a> {
    pub(super) connection: &'a Connection,
    pub(super) interval: Duration,
    /// Where it is told.
    pub(super) feed: &'a watch::Sender<Feed>,
    /// What the process says is kept there.
    pub(super) kept: &'a Kept,
    /// It is what is remembered that is asked.
    pub(super) is_memory: bool,
}
