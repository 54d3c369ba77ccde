//! Since when somebody was seen to wait.
//!
//! When a wait began nobody knows who looks from outside. But whoever waits as they did at the look
//! before has waited since then at least.

use std::collections::{HashMap, HashSet};

use super::calls::{Waits, waits};
use super::facts::Thread;
use super::kept::{Key, Parked};

/// The kernel's times of a socket are known to within this.
const TICKS_NS: u64 = 20_000_000;

/// Who waited at the last look, and since when at least; 0 if they were not seen there before.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Threads in their calls.
    threads: HashMap<i32, (Waits, u64)>,
    /// Tasks of the runtime, and those of the look before.
    tasks: HashMap<Key, (Parked, u64)>,
    before: HashMap<Key, (Parked, u64)>,
    /// When the last look was, and the one before.
    looked_ns: u64,
    before_ns: u64,
}

impl Seen {
    /// Begins a look, at which threads are in these calls.
    pub(super) fn begin(&mut self, threads: &[Thread], now_ns: u64) {
        self.before_ns = std::mem::replace(&mut self.looked_ns, now_ns);
        self.before = std::mem::take(&mut self.tasks);
        let before = std::mem::take(&mut self.threads);
        for thread in threads {
            if let Some(now) = thread.call.and_then(waits) {
                let since_ns = self.since(before.get(&thread.tid), now);
                self.threads.insert(thread.tid, (now, since_ns));
            }
        }
    }

    /// Returns what a thread waits for, and since when.
    pub(super) fn waits(&self, tid: i32) -> Option<(Waits, u64)> {
        self.threads.get(&tid).copied()
    }

    /// Returns the descriptors for which threads wait.
    pub(super) fn descriptors(&self) -> HashSet<i32> {
        let waits = self.threads.values().filter_map(|(waits, _)| match waits {
            Waits::Descriptor(fd, ..) => Some(*fd),
            Waits::Events(_) => None,
        });
        waits.collect()
    }

    /// Takes note of a task that waits, and returns since when. `moved_ns` is when something last
    /// moved that would have woken it.
    pub(super) fn parked(&mut self, key: Key, parked: Parked, moved_ns: Option<u64>) -> u64 {
        let since_ns = self.since(self.before.get(&key), parked);
        let since_ns = match moved_ns {
            // It has run since then, even if it looks the same.
            Some(moved_ns) if moved_ns.saturating_add(TICKS_NS) >= since_ns => 0,
            _ => since_ns,
        };
        self.tasks.insert(key, (parked, since_ns));
        since_ns
    }

    fn since<T: PartialEq>(&self, before: Option<&(T, u64)>, now: T) -> u64 {
        match before {
            Some((was, 0)) if *was == now => self.before_ns,
            Some((was, since_ns)) if *was == now => *since_ns,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::Direction;

    use super::super::kept::made;
    use super::super::kept::{Row, Waiter};
    use super::*;

    const KEY: Key = (3, 6, Direction::Read);
    const SECOND: u64 = 1_000_000_000;

    fn waits(task_id: u64) -> Parked {
        let waiter = Waiter {
            task_id,
            ..Waiter::default()
        };
        let row: Row = made::row(0, made::waits(waiter));
        row.parked(Direction::Read).expect("somebody waits")
    }

    /// What is told at each look, a second after the other, of who waits and when data came.
    fn told(looks: &[(Option<u64>, Option<u64>)]) -> Vec<Option<u64>> {
        let mut seen = Seen::default();
        let times = (1..).map(|second| second * SECOND);
        let looks = looks.iter().zip(times).map(|((task, moved_ns), now_ns)| {
            seen.begin(&[], now_ns);
            task.map(|task| seen.parked(KEY, waits(task), *moved_ns))
        });
        looks.collect()
    }

    #[test]
    fn a_task_has_waited_since_the_look_before_if_it_waits_as_it_did_then() {
        let waits = [(Some(7), None), (Some(7), None), (Some(7), None)];
        assert_eq!(told(&waits), [Some(0), Some(SECOND), Some(SECOND)]);
        let another = [(Some(7), None), (Some(8), None), (Some(8), None)];
        assert_eq!(told(&another), [Some(0), Some(0), Some(2 * SECOND)]);
        let between = [(Some(7), None), (None, None), (Some(7), None)];
        assert_eq!(told(&between), [Some(0), None, Some(0)]);
    }

    #[test]
    fn who_was_sent_something_since_has_run() {
        let old = [(Some(7), Some(SECOND / 2)); 2];
        assert_eq!(told(&old), [Some(0), Some(SECOND)]);
        let new = [(Some(7), None), (Some(7), Some(3 * SECOND / 2))];
        assert_eq!(told(&new), [Some(0), Some(0)]);
    }
}
