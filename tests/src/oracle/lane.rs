//! A lane: one operation that runs beside the controller.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netpoller::Direction;

use super::outcome::Outcome;
use super::script::Call;
use super::thing::Thing;
use super::work::Ended;

/// The end of an operation, as the controller sees it.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// In the words of the goldens.
    pub(super) outcome: Outcome,
    /// When it ended.
    pub(super) at: Instant,
}

#[derive(Debug, Default)]
struct State {
    end: Option<End>,
    made: Vec<Thing>,
}

/// Where the end of an operation is put, and waited for.
#[derive(Debug, Default)]
pub(super) struct Cell {
    state: Mutex<State>,
    ended: Condvar,
}

impl Cell {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operation has ended.
    pub(super) fn set(&self, ended: Ended) {
        let at = Instant::now();
        let mut state = self.state();
        state.made = ended.made;
        state.end = Some(End {
            outcome: ended.outcome,
            at,
        });
        self.ended.notify_all();
    }

    /// The end, if it comes within `limit`.
    pub(super) fn wait(&self, limit: Duration) -> Option<End> {
        let state = self.state();
        let waited = self
            .ended
            .wait_timeout_while(state, limit, |state| state.end.is_none());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.end.clone()
    }

    /// What the operation made; once.
    pub(super) fn take_made(&self) -> Vec<Thing> {
        std::mem::take(&mut self.state().made)
    }
}

/// One operation that runs beside the controller.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// As the script names it, and as the tables show who waits.
    pub(super) name: String,
    /// Tells it from an earlier lane of the name.
    pub(super) number: usize,
    /// What it runs; `None` for a close.
    pub(super) call: Option<Call>,
    /// What that runs on; `None` for a dial.
    pub(super) on: Option<Arc<Thing>>,
    /// Its end.
    pub(super) cell: Arc<Cell>,
}

impl Lane {
    /// What it waits for if it waits.
    pub(super) fn waits_for(&self) -> Option<(&Arc<Thing>, Direction)> {
        let (_, direction) = self.call.as_ref()?.waits_for()?;
        Some((self.on.as_ref()?, direction))
    }
}
