//! A look at I/O in passing, by whoever is about to go on with something else.

use std::cell::Cell;
use std::sync::Arc;

use super::{ReadyList, Shared};
use crate::sync::Panics;

crate::sync::thread_local! {
    static READY: Cell<Option<ReadyList>> = const { Cell::new(None) };
}

impl Shared {
    /// Polls without waiting, unless some thread waits in its poll anyway: one at a time is enough
    /// (golang/go#65064). Wakers that panic are kept in `panics`.
    #[cold]
    pub(crate) fn poll_in_passing(self: &Arc<Self>, panics: &mut Panics) {
        if self.role.is_held() {
            return;
        }
        // There is none if a waker comes here, which is called with it, or while the thread ends.
        let last = READY.try_with(Cell::take).ok().flatten();
        let mut ready = last
            .filter(|ready| ready.capacity() >= self.batch)
            .unwrap_or_else(|| ReadyList::with_capacity(self.batch));
        ready.begin(self);
        // An error here is one that the next poll which waits will meet as well, and it has
        // nowhere to go.
        let _ = self.poll_now(&mut ready);
        ready.release(panics);
        let _ = READY.try_with(|cell| cell.set(Some(ready)));
    }

    /// [`poll_in_passing`](Self::poll_in_passing) for an operation that was refused, because its
    /// task has used up its budget.
    ///
    /// A waker that panics here is no business of the task that was refused; the panic hook has
    /// reported it.
    #[cold]
    pub(crate) fn give_way(self: &Arc<Self>) {
        self.poll_in_passing(&mut Panics::default());
    }
}
