//! One of several workers of a runtime that a task keeps, while the others do its work: nothing is
//! late that a poller knows of, and a part of the runtime is lost.
//!
//! tokio tells of each worker how often it has parked and for how long it was busy. One that is not
//! parked, and of which both stay the same, is at one task; if that blocks in place, another thread
//! goes on with the worker. Which thread it is tokio does not tell: it is one that is named as
//! those that poll are, that the kernel finds busy, and that has not touched the poller since.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::blocked::{Culprit, LastRun, last_of};
use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use crate::driver::{Worker, workers};
use crate::observe::{thread_id, thread_name};
use crate::view::os_thread::{self, OsThread, State as Doing};
use crate::view::polled_by::polls;

/// For so many times as long as a blocked executor a worker must be lost, or its thread be away
/// from the poller: the numbers are brought up to date when a worker parks, and else only between
/// two tasks of some dozens.
const TIMES: u64 = 20;
/// For so many times as long it must be seen to be lost where its thread is known to be away, so
/// that a short look finds it.
const SEEN: u64 = 8;
/// Looks after the first in which its thread must have been at the same.
const LOOKS: u32 = 2;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// By runtime and index: as it was last seen to come back, and when that was.
    workers: HashMap<(u64, usize), (Worker, u64)>,
    /// What threads have been at, for as long as a worker may be lost.
    threads: HashMap<i32, Kept>,
}

/// A thread that is at the same in each look.
#[derive(Clone, Copy, Debug)]
struct Kept {
    doing: Doing,
    /// How long it had run when it was first seen so.
    ran_ns: u64,
    looks: u32,
}

impl Kept {
    /// `None` if it waits where executors do.
    fn of(now: &OsThread) -> Option<Self> {
        let doing = match now.is_runnable() {
            true => Doing::Runs,
            false => now.doing(None),
        };
        doing.is_busy().then_some(Self {
            doing,
            ran_ns: now.times_ns().0?,
            looks: 0,
        })
    }

    /// The same, seen once more.
    fn again(self, now: Self) -> Self {
        // One that sleeps again and again has run in between.
        let is_same =
            self.doing == now.doing && (self.doing == Doing::Runs || self.ran_ns == now.ran_ns);
        match is_same {
            true => Self {
                looks: self.looks + 1,
                ..self
            },
            false => now,
        }
    }

    /// Whether it has been at one thing, given how long it has run by now: one that is runnable
    /// must have run for so long since, for else it may only wait for a processor.
    fn is_certain(&self, now_ns: u64, for_ns: u64) -> bool {
        let ran_ns = now_ns.saturating_sub(self.ran_ns);
        self.looks >= LOOKS && (self.doing != Doing::Runs || ran_ns >= for_ns)
    }
}

/// A thread that may be a lost worker's.
struct Suspect {
    tid: i32,
    doing: Doing,
    /// If it has ever touched the poller: its number, and when and for whom that was.
    known: Option<(usize, Culprit)>,
}

impl Lost {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Option<Finding> {
        if !observation.runs(Lint::BlockedExecutor) {
            return None;
        }
        let hold_ns = observation.hold_ns(Lint::BlockedExecutor);
        let workers = workers(&observation.poller.shared);
        let lost = self.see(workers, observation.now_ns, hold_ns);
        let Some((worker, since_ns)) = lost.first() else {
            self.threads.clear();
            return None;
        };
        // From here on they are watched, so that it is known by then what they are at.
        let suspects = self.suspects(observation, *since_ns);
        let among = suspects.iter().filter(|it| it.known.is_none()).count();
        let suspect = suspects.into_iter().next()?;
        let is_older =
            |since_ns, times| observation.age_ns(since_ns) > hold_ns.saturating_mul(times);
        let is_certain = match &suspect.known {
            Some((_, last)) => is_older(*since_ns, SEEN) && is_older(last.since_ns, TIMES),
            None => is_older(*since_ns, TIMES),
        };
        if !is_certain {
            return None;
        }
        let others = lost
            .iter()
            .filter(|(it, since_ns)| it.runtime == worker.runtime && is_older(*since_ns, SEEN));
        let count = others.count();
        let finding = describe(observation, worker, count, *since_ns, &suspect);
        Some(match suspect.known {
            None if among > 1 => finding.evidence("threads that it may be", among.to_string()),
            _ => finding,
        })
    }

    /// Notes the workers. Returns those that have not come back for so long, and since when, the
    /// first ones first.
    fn see(&mut self, workers: Vec<Worker>, now_ns: u64, hold_ns: u64) -> Vec<(Worker, u64)> {
        let before = std::mem::take(&mut self.workers);
        // Where it is the only one nobody polls, which is told as that.
        for worker in workers.into_iter().filter(|it| it.of > 1) {
            let key = (worker.runtime, worker.index);
            let same = before.get(&key).filter(|(it, _)| *it == worker);
            let since_ns = same.map_or(now_ns, |(_, since_ns)| *since_ns);
            self.workers.insert(key, (worker, since_ns));
        }
        let is_lost = |(worker, since_ns): &&(Worker, u64)| {
            !worker.is_parked() && now_ns.saturating_sub(*since_ns) > hold_ns
        };
        let mut lost: Vec<_> = self.workers.values().filter(is_lost).copied().collect();
        lost.sort_by_key(|(worker, since_ns)| (*since_ns, worker.runtime, worker.index));
        lost
    }

    /// The threads that have been busy elsewhere since `since_ns`: those first that run, and of
    /// them those that were here last.
    fn suspects(&mut self, observation: &Observation<'_>, since_ns: u64) -> Vec<Suspect> {
        let hold_ns = observation.hold_ns(Lint::BlockedExecutor);
        let recorder = &observation.poller.shared.recorder;
        let numbers = recorder.threads();
        let numbers: HashMap<i32, usize> = numbers
            .filter_map(|thread| Some((thread_id(thread)?, thread)))
            .collect();
        let polling = polls(observation.poller).filter_map(|it| os_thread::name_of(it.tid));
        let names: BTreeSet<String> = polling.collect();
        let me = crate::sys::thread_id();
        let before = std::mem::take(&mut self.threads);
        let mut suspects = Vec::new();
        for tid in os_thread::all().into_iter().filter(|tid| *tid != me) {
            let Some(now) = OsThread::read(tid) else {
                continue;
            };
            let Some(now) = Kept::of(&now) else {
                continue;
            };
            let kept = before.get(&tid).map_or(now, |it| it.again(now));
            self.threads.insert(tid, kept);
            if !kept.is_certain(now.ran_ns, hold_ns) {
                continue;
            }
            let number = numbers.get(&tid).copied();
            let known = number.and_then(|it| Some((it, last_of(observation.poller, it as u32)?)));
            // Since the worker was first seen so it may have run several tasks before this one.
            let came_back = known.as_ref().is_some_and(|(_, it)| {
                it.since_ns > since_ns && observation.age_ns(it.since_ns) <= hold_ns
            });
            let is_named_so = || os_thread::name_of(tid).is_some_and(|it| names.contains(&it));
            if !came_back && is_named_so() {
                let doing = kept.doing;
                suspects.push(Suspect { tid, doing, known });
            }
        }
        let last_ns = |it: &Suspect| it.known.as_ref().map(|(_, it)| it.since_ns);
        let order = |it: &Suspect| (it.doing != Doing::Runs, Reverse(last_ns(it)), it.tid);
        suspects.sort_by_key(order);
        suspects
    }
}

fn describe(
    observation: &Observation<'_>,
    worker: &Worker,
    count: usize,
    seen_ns: u64,
    suspect: &Suspect,
) -> Finding {
    let Suspect { tid, doing, known } = suspect;
    let last_ns = known.as_ref().map(|(_, it)| it.since_ns);
    let since_ns = last_ns.unwrap_or(seen_ns);
    let age = span(observation.age_ns(since_ns));
    let thread = match known {
        Some((number, _)) => thread_name(*number).to_string(),
        None => os_thread::name_of(*tid).unwrap_or_default(),
    };
    let of = worker.of;
    let lost = if count == 1 {
        format!("one of the {of} workers of its runtime runs nothing else")
    } else {
        format!("{count} of the {of} workers of its runtime, of which it is one, run nothing else")
    };
    let summary = format!("thread {thread} has not come back for {age} and {doing}: {lost}");
    let last = known.as_ref();
    let last = last.map(|(_, culprit)| LastRun::of(observation, culprit));
    let last = last.unwrap_or_default();
    let finding = last.finding(observation, since_ns, summary);
    let finding = match last_ns {
        Some(_) => finding,
        None => finding.first_seen(),
    };
    let finding = finding
        .evidence("thread", thread)
        .evidence("tid", tid.to_string())
        .evidence("it", doing.to_string())
        .evidence_if("last here", last_ns.map(|_| format!("{age} ago")));
    last.name(finding)
        .evidence("workers lost", format!("{count} of {of}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn kept(doing: Doing, ran_ns: u64) -> Kept {
        Kept {
            doing,
            ran_ns,
            looks: 0,
        }
    }

    #[test]
    fn a_thread_is_kept_that_computes_or_sleeps_in_one_call_all_the_while() {
        let after = |seen: &[Kept]| {
            let (first, others) = seen.split_first().unwrap();
            others.iter().fold(*first, |it, now| it.again(*now)).looks
        };
        let computes = |ran_ns| kept(Doing::Runs, ran_ns);
        let sleeps = |ran_ns| kept(Doing::Sleeps(35), ran_ns);
        assert_eq!(after(&[computes(1), computes(5), computes(9)]), 2);
        assert_eq!(after(&[sleeps(1), sleeps(1), sleeps(1)]), 2);
        assert_eq!(
            after(&[sleeps(1), sleeps(1), sleeps(2)]),
            0,
            "it has come back"
        );
        assert_eq!(after(&[computes(1), computes(5), sleeps(5)]), 0);
        let seen = |doing| Kept {
            looks: LOOKS,
            ..kept(doing, 10)
        };
        let (computes, sleeps) = (seen(Doing::Runs), seen(Doing::Sleeps(35)));
        assert!(computes.is_certain(17, 7) && !computes.is_certain(16, 7));
        assert!(sleeps.is_certain(10, 7));
        assert!(!kept(Doing::Runs, 10).is_certain(17, 7), "seen once");
    }

    fn worker(index: usize, of: usize, parks: u64, busy_ms: u64) -> Worker {
        Worker {
            runtime: 1,
            index,
            of,
            parks,
            busy: Duration::from_millis(busy_ms),
        }
    }

    /// Those that are lost after looks at these moments, for longer than 100.
    fn lost(looks: &[(u64, &[Worker])]) -> Vec<(usize, u64)> {
        let mut all = Lost::default();
        let mut lost = Vec::new();
        for (now_ns, workers) in looks {
            lost = all.see(workers.to_vec(), *now_ns, 100);
        }
        let lost = lost.iter().map(|(it, since_ns)| (it.index, *since_ns));
        lost.collect()
    }

    #[test]
    fn a_worker_is_lost_that_neither_parks_nor_goes_on_for_long() {
        let (idle, kept) = (worker(0, 2, 7, 3), worker(1, 2, 4, 3));
        assert_eq!(lost(&[(5, &[idle, kept]), (105, &[idle, kept])]), []);
        let looks: [(u64, &[Worker]); 2] = [(5, &[idle, kept]), (106, &[idle, kept])];
        assert_eq!(lost(&looks), [(1, 5)]);
    }

    #[test]
    fn a_worker_that_comes_back_in_between_is_not_lost_and_neither_is_the_only_one() {
        let before = worker(1, 2, 4, 3);
        for after in [worker(1, 2, 6, 3), worker(1, 2, 4, 5), worker(1, 2, 5, 3)] {
            let looks: [(u64, &[Worker]); 3] = [(0, &[before]), (90, &[after]), (180, &[after])];
            assert_eq!(lost(&looks), [], "{after:?}");
        }
        let only = [worker(0, 1, 4, 3)];
        assert_eq!(lost(&[(0, &only), (200, &only)]), []);
        assert_eq!(
            lost(&[(0, &[before]), (200, &[])]),
            [],
            "its runtime has ended"
        );
    }
}
