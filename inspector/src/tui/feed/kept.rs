//! Remembering what a process tells while it is looked at.

use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::source::{Connection, Memory, Recalled};

/// What is remembered; nothing of a recording, which is there already.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Memory>>);

impl Kept {
    fn with<T>(&self, what: impl FnOnce(&mut Option<Memory>) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers what comes over a new connection, and what came before if it is the same process.
    pub(super) fn begin(&self, connection: &Connection) {
        self.with(|memory| {
            if memory
                .as_ref()
                .is_some_and(|it| it.is_of(&connection.server))
            {
                return;
            }
            // Without it everything else works.
            *memory = match connection.is_recording() {
                true => None,
                false => Memory::new(connection.server.clone()).ok(),
            };
        });
    }

    /// Remembers something.
    pub(super) fn keep(&self, what: impl FnOnce(&mut Memory) -> Result<(), Failure>) {
        self.with(|memory| {
            if let Some(Err(_)) = memory.as_mut().map(what) {
                // What comes after something that is missing would mislead.
                *memory = None;
            }
        });
    }

    /// All that is remembered now; `None` if that is nothing.
    pub(super) fn recall(&self) -> Option<Recalled> {
        self.with(|memory| memory.as_mut()?.recall().ok())
    }
}
