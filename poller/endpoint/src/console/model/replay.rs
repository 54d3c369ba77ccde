//! Who ran when, from the flight recorder.

use netpoller_core::view::EventKind;

use super::{At, Model};
use crate::console::process::{Process, Reading};
use crate::console::tasks::Weight;

impl<P: Process> Model<P> {
    /// What the flight recorder has recorded since.
    pub(super) fn replay(&mut self, poller: At) {
        let Some(followed) = self.pollers.get_mut(&poller.number) else {
            return;
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let heard = self.process.events(poller.index, &mut events);
        followed.overwritten = followed.overwritten.saturating_add(heard.overwritten);
        if heard.is_cut {
            // What is missing may have ended a run.
            followed.running.clear();
        }
        let weight = Weight::of(heard.read, heard.lost);
        for event in &events {
            match event.kind {
                EventKind::Run => {
                    let listed = self.descriptors.get(&(poller.number, event.id.slot));
                    let task = listed
                        .filter(|listed| listed.row.id() == event.id)
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
