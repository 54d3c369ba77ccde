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

/// The moment at which a recording is looked at, as somebody goes through it.
pub(super) struct Moves(Option<watch::Receiver<u64>>);

impl Moves {
    /// What is asked from here on is of the moment that it is now.
    pub(super) fn see(&mut self) {
        if let Some(moves) = &mut self.0 {
            moves.borrow_and_update();
        }
    }

    /// Ends once it is another one: of a process never.
    pub(super) async fn moved(&mut self) {
        let moved = match &mut self.0 {
            Some(moves) => moves.changed().await.is_ok(),
            None => false,
        };
        if !moved {
            std::future::pending::<()>().await;
        }
    }
}

impl Asked<'_> {
    /// The moment at which a recording is looked at.
    pub(super) fn moves(&self) -> Moves {
        Moves(self.connection.moves())
    }
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
