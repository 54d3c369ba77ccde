//! Who ran when, from the flight recorder.

use netpoller_core::view::EventKind;
use netpoller_core::{Poller, internals};

use super::Model;
use crate::console::tasks::Weight;

impl Model {
    /// What the flight recorder has recorded since.
    pub(super) fn replay(&mut self, poller: &Poller) {
        let Some(followed) = self.pollers.get_mut(&internals::id(poller)) else {
            return;
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let lost = followed.recorded.read(poller, &mut events);
        followed.overwritten += lost;
        if lost > 0 {
            // What is missing may have ended a run.
            followed.running.clear();
        }
        let weight = Weight::of(events.len() as u64, lost);
        for event in &events {
            match event.kind {
                EventKind::Run => {
                    let listed = self.descriptors.get(&(internals::id(poller), event.slot));
                    let task = listed
                        .filter(|listed| listed.row.generation == event.generation)
                        .zip(event.direction)
                        .and_then(|(listed, direction)| listed.sides[direction.index()].task);
                    // Whoever this thread has resumed before is over, and has not parked.
                    followed.running.remove(&event.thread);
                    if let Some(task) = task {
                        followed.running.insert(event.thread, (task, event.at_ns));
                        self.tasks.update(task, self.sample, |task| {
                            task.resumed(event.argument, weight)
                        });
                    }
                }
                // What parks next on the thread is the task that it has resumed, be it on a sleep
                // that is not listed.
                EventKind::Park => {
                    if let Some((task, since_ns)) = followed.running.remove(&event.thread) {
                        self.tasks.update(task, self.sample, |task| {
                            task.parked(since_ns, event.at_ns, weight)
                        });
                    }
                }
                _ => {}
            }
        }
        self.events = events;
    }
}
