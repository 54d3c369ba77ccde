//! Who waits: tasks, and threads outside of any, and what their wakes and waits tell of them.

use std::collections::HashMap;

use netpoller_core::Direction;

use super::entities::{Task, TaskStats};
use super::ids::Table;
use super::process::{Reading, Side, Who};

#[derive(Debug)]
struct Seen {
    id: u64,
    at_ns: u64,
}

/// A task that goes from one descriptor to the next is on none at times. Not seen for so long, it
/// is gone.
const GONE_NS: u64 = 2_500_000_000;

/// The tasks that have numbers.
#[derive(Debug, Default)]
pub(super) struct People(HashMap<Who, Seen>);

impl People {
    /// The number of the task that waits in `direction` of `row`, or was the last to; `None` if
    /// nobody has parked there yet, or there are no numbers left.
    pub(super) fn find(
        &mut self,
        tasks: &mut Table<Task>,
        row: &impl Reading,
        direction: Direction,
        sample: u64,
        now_ns: u64,
    ) -> Option<u64> {
        let who = row.who(direction)?;
        if let Some(seen) = self.0.get_mut(&who) {
            seen.at_ns = now_ns;
            return Some(seen.id);
        }
        let since_ns = row.side(direction).since_ns;
        let task = Task {
            name: row.name(&who, direction),
            number: match who {
                Who::Named(number) | Who::Runtime(number) => Some(number),
                Who::Thread(..) => None,
            },
            location: row.line(direction),
            created_ns: if since_ns == 0 { now_ns } else { since_ns },
            stats: TaskStats::default(),
            has_lost_waker: false,
            wake_latency: Default::default(),
            run_time: Default::default(),
        };
        let id = tasks.insert(task, sample, now_ns)?;
        self.0.insert(who, Seen { id, at_ns: now_ns });
        Some(id)
    }

    /// Ends those that no descriptor has named for a while.
    pub(super) fn end_unseen(&mut self, tasks: &mut Table<Task>, sample: u64, now_ns: u64) {
        self.0.retain(|_, seen| {
            let gone = seen.at_ns + GONE_NS <= now_ns;
            if gone {
                tasks.end(seen.id, sample, seen.at_ns);
            }
            !gone
        });
    }
}

/// How many events one that was read stands for, where the flight recorder had overwritten some
/// before they were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight(f64);

impl Weight {
    pub(super) fn of(read: u64, lost: u64) -> Self {
        Self((read as f64 + lost as f64) / read.max(1) as f64)
    }

    fn times(self, ns: u64) -> u64 {
        (ns as f64 * self.0) as u64
    }
}

impl TaskStats {
    /// Adds what `side` has seen of the task since it was `before`.
    pub(super) fn add(&mut self, side: &Side, before: Option<&Side>) {
        let since = |count: fn(&Side) -> u64| count(side).saturating_sub(before.map_or(0, count));
        self.parks = self.parks.saturating_add(since(|side| side.parks));
        self.wakes = self.wakes.saturating_add(since(|side| side.wakes));
        if let Some(wake) = side.last_wake {
            self.woken_ns = self.woken_ns.max(wake.called_ns);
            if let Some(ran_ns) = wake.ran_ns {
                self.started_ns = self.started_ns.max(ran_ns);
            }
        }
        if side.is_waiting() {
            self.ended_ns = self.ended_ns.max(side.since_ns);
            // It parked, so it ran: for another reason than the wake, if that is not known to have
            // made it run.
            if side.since_ns >= self.woken_ns {
                self.started_ns = self.started_ns.max(self.woken_ns);
            }
        }
    }
}

impl Task {
    /// It runs after a wake that took so long. Returns that it has changed.
    pub(super) fn resumed(&mut self, latency_ns: u64, weight: Weight) -> bool {
        self.wake_latency.record(latency_ns);
        let scheduled_ns = weight.times(latency_ns);
        self.stats.scheduled_ns = self.stats.scheduled_ns.saturating_add(scheduled_ns);
        true
    }

    /// It parked, and had run since. Returns that it has changed.
    pub(super) fn parked(&mut self, since_ns: u64, at_ns: u64, weight: Weight) -> bool {
        let run_ns = at_ns.saturating_sub(since_ns);
        self.run_time.record(run_ns);
        let busy_ns = weight.times(run_ns);
        self.stats.busy_ns = self.stats.busy_ns.saturating_add(busy_ns);
        self.stats.ended_ns = self.stats.ended_ns.max(at_ns);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use netpoller_core::internals::{self, Label};
    use netpoller_core::{Kind, Poller, task};

    use super::*;

    #[test]
    fn a_named_future_and_a_task_of_a_runtime_with_the_same_number_are_two() {
        let poller = Poller::builder().name("same_number").build().unwrap();
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
        let mut reads = pin!(task::named("dial", desc.wait(Direction::Read)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(reads.as_mut().poll(&mut cx).is_pending());
        let row = internals::slot(&poller, desc.id().slot).unwrap().read();
        let named = row.unwrap();
        let mut runtimes = named;
        runtimes.sides[0].task = Label::default();
        let (mut people, mut tasks) = (People::default(), Table::new(8));
        let mut find = |row| people.find(&mut tasks, row, Direction::Read, 1, 1);
        let (first, second) = (find(&named), find(&runtimes));
        assert!(first.is_some() && second.is_some() && first != second);
        assert_eq!((find(&named), find(&runtimes)), (first, second));
    }
}
