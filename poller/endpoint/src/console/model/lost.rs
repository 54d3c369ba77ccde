//! Tasks that wait for what will not come.

use std::collections::HashSet;

use netpoller_core::{Poller, internals};

use super::Model;

impl Model {
    /// Tells of the tasks whose waiter is stuck, as the lints find it, that they have lost their
    /// waker: tokio-console warns of those, and nothing else will ever wake them.
    pub(super) fn find_lost(&mut self, pollers: &[Poller]) {
        let mut lost = HashSet::new();
        for poller in pollers {
            let id = internals::id(poller);
            let Some(followed) = self.pollers.get_mut(&id) else {
                continue;
            };
            let listed = self.descriptors.iter().filter(|(key, _)| key.0 == id);
            let rows = listed.map(|(_, listed)| &listed.row);
            for (slot, generation, direction) in followed.watch.look(poller, rows) {
                let listed = self.descriptors.get(&(id, slot));
                let listed = listed.filter(|listed| listed.row.generation == generation);
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
