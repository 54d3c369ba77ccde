//! The task that the calling thread is polling, as far as it is known.

use std::cell::Cell;
use std::sync::Arc;

use super::intern::{Label, Names};

/// Name and number of a task; number 0 is no task.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Task {
    pub(crate) name: Label,
    pub(crate) id: u64,
}

impl Task {
    /// Its name, or its number; empty for none.
    pub(crate) fn text(self) -> Arc<str> {
        match (self.name, self.id) {
            (Label(0), 0) => Arc::default(),
            (Label(0), id) => id.to_string().into(),
            (label, _) => Names::shared().text(label),
        }
    }
}

thread_local! {
    static CURRENT: Cell<Task> = const { Cell::new(Task { name: Label(0), id: 0 }) };
}

/// The task being polled: the innermost named scope, else the runtime's own task.
#[inline]
pub(crate) fn current_task() -> Task {
    let task = CURRENT.with(Cell::get);
    if task.id != 0 {
        return task;
    }
    Task {
        name: Label(0),
        id: runtime_task_id(),
    }
}

/// Makes `task` the current one; returns the one before, to be put back.
pub(crate) fn enter_task(task: Task) -> Task {
    CURRENT.with(|current| current.replace(task))
}

/// Catches the number that an id of tokio's hashes, of a task or a runtime. tokio shows it as text
/// only, which is too slow for every wait.
#[cfg(feature = "tokio")]
pub(crate) struct U64Hasher(pub(crate) u64);

#[cfg(feature = "tokio")]
impl std::hash::Hasher for U64Hasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().rev() {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(feature = "tokio")]
fn runtime_task_id() -> u64 {
    use std::hash::Hash;

    let Some(id) = tokio::task::try_id() else {
        return 0;
    };
    let mut hasher = U64Hasher(0);
    id.hash(&mut hasher);
    hasher.0
}

#[cfg(not(feature = "tokio"))]
fn runtime_task_id() -> u64 {
    0
}

#[cfg(all(test, feature = "tokio", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_tokio_task_has_the_number_that_tokio_shows() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let task = tokio::spawn(async { (current_task().id, tokio::task::id().to_string()) });
            let (ours, theirs) = task.await.unwrap();
            assert_eq!(ours.to_string(), theirs);
        });
    }
}
