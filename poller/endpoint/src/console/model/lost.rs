//! Tasks that wait for what will not come.

use std::collections::HashSet;

use super::{At, Model};
use crate::console::process::{Process, Reading};

impl<P: Process> Model<P> {
    /// Tells of the tasks whose waiter is stuck, as the lints find it, that they have lost their
    /// waker: tokio-console warns of those, and nothing else will ever wake them.
    pub(super) fn find_lost(&mut self, pollers: &[At]) {
        let mut lost = HashSet::new();
        for At { index, number } in pollers {
            if !self.pollers.contains_key(number) {
                continue;
            }
            let listed = self.descriptors.iter().filter(|(key, _)| key.0 == *number);
            let rows = listed.map(|(_, listed)| &listed.row);
            for (id, direction) in self.process.lost(*index, rows) {
                let listed = self.descriptors.get(&(*number, id.slot));
                let listed = listed.filter(|listed| listed.row.id() == id);
                lost.extend(listed.and_then(|listed| listed.sides[direction.index()].task));
            }
        }
        for id in self.lost.union(&lost) {
            self.tasks.update(*id, self.sample, |task| {
                let is_lost = lost.contains(id);
                std::mem::replace(&mut task.has_lost_waker, is_lost) != is_lost
            });
        }
        self.lost = lost;
    }
}
