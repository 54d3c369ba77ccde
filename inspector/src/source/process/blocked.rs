//! Runtimes whose threads ask for no events, although tasks wait for what there is.
//!
//! A thread of such a runtime runs tasks, and between them asks the kernel what has come. A task
//! that computes, or waits in a call that blocks, keeps it from that.

use std::collections::{HashMap, HashSet};

use netpoller_core::view::lints::Lint;
use netpoller_proto::v1::{Evidence, Finding, Since};

use super::calls::{Waits, keeps, waits};
use super::facts::Thread;
use super::finding::finding;
use super::kept::Waiter;
use super::look::Look;
use super::stuck::Stuck;
use crate::text;

/// It takes the memory of the process.
pub(super) const LINT: Lint = Lint::BlockedExecutor;

/// A thread that ran for one in so many parts of the time has been busy.
const BUSY: u64 = 2;
/// Threads that are named.
const MOST_NAMED: usize = 3;

/// Runtimes for whose events nobody asked, by the number of the epoll set.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    sets: HashMap<i32, Before>,
    /// The other numbers of these.
    duplicates: HashMap<i32, i32>,
    /// How long each thread had run.
    ran_ns: HashMap<i32, u64>,
    began_ns: u64,
}

/// What a runtime was at in the first look.
#[derive(Debug)]
struct Before {
    /// By descriptor and address, how many events there had been.
    events: HashMap<(i32, u64), u64>,
    /// The tasks that ran.
    running: HashSet<u64>,
}

impl Blocked {
    pub(super) fn of(look: &Look, allow: &[String]) -> Self {
        let mut blocked = Self::default();
        if look.is_stopped || allow.iter().any(|it| it == LINT.name()) {
            return blocked;
        }
        for poller in look.pollers.iter().filter(|it| !it.blocked) {
            let set = poller.epoll_fd;
            let events = events(look, set);
            if !events.is_empty() {
                let running = running(look, set).map(|it| it.task_id).collect();
                blocked.sets.insert(set, Before { events, running });
            }
        }
        blocked.duplicates = look.duplicates.clone();
        let ran = look.threads.iter().filter_map(ran_ns);
        blocked.ran_ns = ran.collect();
        blocked.began_ns = look.captured_at_ns;
        blocked
    }

    /// Forgets those for whose events somebody asks.
    pub(super) fn confirm(&mut self, threads: &[Thread]) {
        for thread in threads {
            if let Some(Waits::Events(fd)) = thread.call.and_then(waits) {
                self.sets.remove(self.duplicates.get(&fd).unwrap_or(&fd));
            }
        }
    }

    /// Returns those that are left at the last look, and their epoll sets.
    pub(super) fn findings(
        &self,
        look: &Look,
        stuck: &Stuck,
        began_ns: u64,
    ) -> (Vec<Finding>, HashSet<i32>) {
        let mut due = HashMap::<i32, u64>::new();
        for ((set, ..), ..) in stuck.unwoken(look) {
            *due.entry(set).or_default() += 1;
        }
        let mut sets = HashSet::new();
        let findings = look.pollers.iter().filter_map(|poller| {
            let set = poller.epoll_fd;
            let before = self.sets.get(&set).filter(|_| !look.is_stopped && !poller.blocked)?;
            let due = text::several(*due.get(&set)?, "task");
            // Somebody has asked in between.
            let now = events(look, set);
            let is_same = |(key, count): (_, &u64)| now.get(key).is_none_or(|it| it == count);
            if !before.events.iter().all(is_same) {
                return None;
            }
            sets.insert(set);
            let culprit = running(look, set).find(|it| before.running.contains(&it.task_id));
            let summary = match culprit {
                Some(task) => format!(
                    "{} keeps its thread, and no thread asks {} for events, of which there are some for {due}",
                    task.called(),
                    poller.name
                ),
                None => format!(
                    "no thread asks {} for events, of which there are some for {due}",
                    poller.name
                ),
            };
            let task = culprit.map(|it| ("task that runs".to_owned(), it.called()));
            let evidence = task.into_iter().chain(self.busy(look));
            Some(Finding {
                poller: poller.name.clone(),
                since_ns: began_ns,
                since: Since::FirstSeen.into(),
                nearest: culprit.and_then(Waiter::nearest),
                evidence: evidence.map(|(name, value)| Evidence { name, value }).collect(),
                ..finding(LINT, summary)
            })
        });
        (findings.collect(), sets)
    }

    /// The threads that ran, or are in a call that keeps them.
    fn busy(&self, look: &Look) -> Vec<(String, String)> {
        let passed_ns = look.captured_at_ns.saturating_sub(self.began_ns);
        let busy = look.threads.iter().filter_map(|thread| {
            let called = format!("{} (tid {})", thread.name, thread.tid);
            let ran = ran_ns(thread).zip(self.ran_ns.get(&thread.tid));
            let ran = ran.map_or(0, |((_, now), before)| now.saturating_sub(*before));
            if ran > 0 && ran >= passed_ns / BUSY {
                let ran = text::duration(ran);
                let of = text::duration(passed_ns);
                return Some((
                    "thread that ran".to_owned(),
                    format!("{called} for {ran} of {of}"),
                ));
            }
            let call = thread.call.and_then(|(number, _)| keeps(number))?;
            Some(("thread in a call".to_owned(), format!("{called} in {call}")))
        });
        busy.take(MOST_NAMED).collect()
    }
}

fn ran_ns(thread: &Thread) -> Option<(i32, u64)> {
    Some((thread.tid, thread.times_ns?.0))
}

/// How many events the runtime has had of each descriptor of its set.
fn events(look: &Look, set: i32) -> HashMap<(i32, u64), u64> {
    let rows = look.kept.iter().filter(|((of, _), _)| *of == set);
    let events = rows.filter_map(|((_, fd), row)| Some(((*fd, row.address), row.events?)));
    events.collect()
}

fn running(look: &Look, set: i32) -> impl Iterator<Item = &Waiter> {
    let tasks = look.tasks.get(&set);
    tasks.into_iter().flat_map(|it| &it.running)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_core::internals::Listed;
    use netpoller_proto::v1;

    use super::super::kept::{Tasks, made};
    use super::*;

    /// A runtime that has had so many events, and a task of which waits for five bytes that are
    /// there; task 9 runs, and its thread has run for so long.
    fn look(events: u64, ran_ns: u64) -> Look {
        let task = |number: u64| Waiter {
            task: number.to_string(),
            task_id: number,
            ..Waiter::default()
        };
        let row = made::row(events, made::waits(task(7)));
        let mut listed = Listed::default();
        (listed.socket.recvq, listed.socket.bytes_received) = (Some(5), Some(5));
        let runs = Waiter {
            future: "hog::{async fn}".to_owned(),
            ..task(9)
        };
        let tasks = Tasks {
            running: vec![runs],
            ..Tasks::default()
        };
        Look {
            captured_at_ns: ran_ns,
            pollers: vec![v1::Poller {
                name: "epoll-3".to_owned(),
                epoll_fd: 3,
                ..v1::Poller::default()
            }],
            inodes: HashMap::from([(6, 61)]),
            sockets: Arc::new(HashMap::from([(61, listed)])),
            kept: HashMap::from([((3, 6), row)]),
            tasks: HashMap::from([(3, tasks)]),
            threads: vec![
                thread(20, None, ran_ns),
                thread(21, Some(libc::SYS_futex), 5),
            ],
            duplicates: HashMap::from([(5, 3)]),
            is_inside: true,
            ..Look::default()
        }
    }

    fn thread(tid: i32, call: Option<i64>, ran_ns: u64) -> Thread {
        Thread {
            tid,
            name: format!("worker-{tid}"),
            call: call.map(|number| (number, 5)),
            stack: None,
            times_ns: Some((ran_ns, 0)),
        }
    }

    fn found(first: &Look, between: &[Thread], last: &Look) -> Option<Finding> {
        let (mut blocked, stuck) = (Blocked::of(first, &[]), Stuck::of(first, &[]));
        blocked.confirm(between);
        let (findings, sets) = blocked.findings(last, &stuck, 7);
        assert_eq!(sets.contains(&3), !findings.is_empty());
        // It explains who is not woken.
        let woken = stuck.findings(last, &sets, 7);
        assert_eq!(woken.is_empty(), !findings.is_empty(), "{woken:?}");
        findings.into_iter().next()
    }

    #[test]
    fn a_task_that_keeps_the_thread_from_asking_for_events_is_named_with_the_thread() {
        let finding = found(&look(3, 0), &[], &look(3, 1_000_000_000)).expect("it is found");
        assert_eq!(
            (&*finding.lint, &*finding.poller),
            ("blocked-executor", "epoll-3")
        );
        assert!(
            finding
                .summary
                .starts_with("task 9 (hog::{async fn}) keeps its thread"),
            "{}",
            finding.summary
        );
        let evidence: Vec<_> = finding.evidence.iter().map(|it| &*it.value).collect();
        let ran = "worker-20 (tid 20) for 1.0s of 1.0s";
        assert_eq!(evidence, ["task 9 (hog::{async fn})", ran]);
        // Nothing ran, and a thread is in a call.
        let mut sleeps = look(3, 1_000_000_000);
        sleeps.threads = vec![thread(20, Some(libc::SYS_clock_nanosleep), 0)];
        sleeps.tasks.clear();
        let finding = found(&look(3, 0), &[], &sleeps).expect("it is found");
        assert!(
            finding.summary.starts_with("no thread asks epoll-3"),
            "{}",
            finding.summary
        );
        let in_call = "worker-20 (tid 20) in nanosleep(2)";
        assert_eq!(finding.evidence.first().map(|it| &*it.value), Some(in_call));
    }

    #[test]
    fn who_has_asked_meanwhile_is_not_blocked() {
        let first = || look(3, 0);
        let last = || look(3, 1_000_000_000);
        // By a second number of the set.
        let asks = thread(20, Some(libc::SYS_epoll_pwait), 0);
        assert_eq!(found(&first(), &[asks], &last()), None);
        assert_eq!(found(&first(), &[], &look(4, 1_000_000_000)), None);
        let mut waits = last();
        waits.pollers[0].blocked = true;
        assert_eq!(found(&first(), &[], &waits), None);
        assert_eq!(found(&waits, &[], &last()), None);
        // Or there is nothing to ask for, or nothing goes on.
        let (stuck, blocked) = (Stuck::default(), Blocked::of(&first(), &[]));
        assert_eq!(blocked.findings(&last(), &stuck, 7).0, []);
        let stopped = Look {
            is_stopped: true,
            ..first()
        };
        assert!(Blocked::of(&stopped, &[]).sets.is_empty());
        assert!(
            Blocked::of(&first(), &[LINT.name().to_owned()])
                .sets
                .is_empty()
        );
    }
}
