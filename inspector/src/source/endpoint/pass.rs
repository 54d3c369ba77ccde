//! Time that goes by between two questions: by itself, or in a recording.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connect::Connection;
use crate::failure::Failure;
use crate::source::cursor::Cursor;

impl Connection {
    /// The same, of a recording.
    pub(in crate::source) fn of_recording(self, cursor: Arc<Cursor>) -> Self {
        Self {
            cursor: Some(cursor),
            ..self
        }
    }

    /// Whether it is a recording that answers.
    pub(crate) fn is_recording(&self) -> bool {
        self.cursor.is_some()
    }

    /// Waits for so long. A recording is looked at so much later, at once.
    pub(crate) async fn pass(&self, time: Duration) {
        match &self.cursor {
            Some(cursor) => cursor.forward(time),
            None => tokio::time::sleep(time).await,
        }
    }

    /// Looks at a recording from where what goes on begins: the moment that was said, or its
    /// beginning.
    pub(crate) fn start(&self) {
        if let Some(cursor) = &self.cursor {
            cursor.go(cursor.start_ns());
        }
    }

    /// Looks at a recording so much earlier.
    pub(crate) fn back(&self, time: Duration) {
        if let Some(cursor) = &self.cursor {
            cursor.back(time);
        }
    }

    /// Looks at a recording at the next moment at which something was found, or at the one before;
    /// where there is none, as before.
    pub(crate) async fn jump(&self, forth: bool) {
        if let Some(cursor) = &self.cursor {
            cursor.jump(forth).await;
        }
    }

    /// Where a recording is looked at; `None` of a process.
    pub(crate) fn moves(&self) -> Option<watch::Receiver<u64>> {
        self.cursor.as_ref().map(|cursor| cursor.place())
    }

    /// Makes what goes on in a recording follow the moment at which it is looked at, so that it
    /// comes when that is moved.
    pub(crate) fn hold(&self) {
        if let Some(cursor) = &self.cursor {
            cursor.hold();
        }
    }

    /// Looks at a recording so much before a moment of it.
    pub(crate) fn look_before(&self, at_ns: u64, time: Duration) {
        if let Some(cursor) = &self.cursor {
            cursor.go(at_ns);
            cursor.back(time);
        }
    }

    /// Whether it is a recording of which there is more.
    pub(crate) fn has_more(&self) -> bool {
        self.is_recording() && !self.is_over()
    }

    /// Whether nothing comes any more: it is a recording at its end.
    pub(crate) fn is_over(&self) -> bool {
        self.cursor.as_ref().is_some_and(|it| it.is_at_end())
    }

    /// A stream has ended: that of a recording at its end, and any other one that has no end.
    pub(crate) async fn ended(&self) -> Result<(), Failure> {
        if self.is_recording() {
            return Ok(());
        }
        let trouble = self.peer.trouble_soon().await;
        let target = self.target.to_string();
        Err(Failure::lost(target, "the stream has ended", trouble))
    }
}
