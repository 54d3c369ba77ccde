//! Who ran when, from the flight recorder.

use netpoller_core::view::EventKind;

use super::{At, Model};
use crate::console::process::{Event, Process, Reading};
use crate::console::tasks::Weight;

impl<P: Process> Model<P> {
    /// What the flight recorder has recorded since.
    pub(super) fn replay(&mut self, poller: At) {
        // Taken out for the while, so that all else can be asked beside it.
        let Some(mut followed) = self.pollers.remove(&poller.number) else {
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
                    let task = self.waiter(poller, event);
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
                    let run = followed.running.remove(&event.thread);
                    // Where several threads may be called the same, only a task that parks where it
                    // is known to wait, before any other has run or parked on these.
                    let run = run.filter(|(task, _)| {
                        P::KNOWS_THREADS || self.waiter(poller, event) == Some(*task)
                    });
                    if let Some((task, since_ns)) = run {
                        self.tasks.update(task, self.sample, |task| {
                            task.parked(since_ns, event.at_ns, weight)
                        });
                    }
                }
                _ => {}
            }
        }
        self.events = events;
        self.pollers.insert(poller.number, followed);
    }

    /// The task that waits, or has waited, for what the event is about.
    fn waiter(&self, poller: At, event: &Event) -> Option<u64> {
        let listed = self.descriptors.get(&(poller.number, event.id.slot));
        let listed = listed.filter(|listed| listed.row.id() == event.id)?;
        listed.sides[event.direction?.index()].task
    }
}
