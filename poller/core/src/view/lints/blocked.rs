//! A task that keeps its executor: events are due and nobody polls, or tasks that were woken do not
//! run, because one thread has been running something else all the while.
//!
//! The flight recorder knows when each thread last touched this poller, and for whom; the kernel
//! knows whether that thread runs, sleeps in a system call, or is kept from running. Only one that
//! runs, or sleeps somewhere else than where executors sleep, is to blame.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use crate::desc::{StampedWaiter, State};
use crate::observe::{
    DescId, Direction, EventKind, Histogram, Names, RawEvent, Task, known_thread, thread_id,
    thread_name,
};
use crate::poller::{Poller, all_pollers};
use crate::timers::EMPTY;
use crate::view::line::{Place, place_of_exemplar};
use crate::view::os_thread::{OsThread, State as Doing};
use crate::view::raw::RawRow;

/// Looks that are remembered, and how many of them must have found it: a task that comes back now
/// and then is found in some of them.
const LOOKS: usize = 5;
const LATE: usize = 2;
/// Events of a thread that are searched for the task that ran last.
const EVENTS: u64 = 64;
/// Where an exemplar may be of a wait that is over.
const EXEMPLARS: [Histogram; 4] = [
    Histogram::WakerToRun,
    Histogram::TimeParkedTimer,
    Histogram::TimeParkedReadIo,
    Histogram::TimeParkedWriteIo,
];

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// What each thread was like, by its number for the kernel, in the first look since it touched
    /// the poller.
    away: HashMap<i32, Away>,
    /// The threads to blame in each of the last looks.
    late: VecDeque<Option<u32>>,
    first_ns: Option<u64>,
    refused: Option<String>,
}

/// A thread in the first look since it touched the poller at `since_ns`.
#[derive(Debug)]
struct Away {
    since_ns: u64,
    at_ns: u64,
    thread: OsThread,
}

/// A thread that has not come back.
pub(super) struct Culprit {
    thread: u32,
    /// When it last touched the poller.
    pub(super) since_ns: u64,
    doing: Doing,
    /// Whom it touched it for.
    last: Option<(DescId, Direction)>,
}

/// What waits for a thread to come back.
#[derive(Default)]
struct Due {
    unpolled: bool,
    /// Tasks that were woken and do not run, and since when the first, by thread.
    woken: BTreeMap<u32, (usize, u64)>,
}

impl Due {
    fn of(observation: &Observation<'_>, hold_ns: u64) -> Self {
        let info = observation.stats.info();
        let next = observation.poller.shared.timers.peek_ns();
        let is_due = next != EMPTY && observation.age_ns(next) > hold_ns;
        let mut woken = BTreeMap::new();
        for (_, _, side) in observation.sides(State::Woken) {
            if side.since_ns != 0 && observation.age_ns(side.since_ns) > hold_ns {
                let (count, since_ns) = woken.entry(side.thread).or_insert((0, side.since_ns));
                *count += 1;
                *since_ns = side.since_ns.min(*since_ns);
            }
        }
        Self {
            unpolled: info.waiters > 0
                && !info.blocked
                && (observation.pending || is_due)
                && observation.age_ns(observation.last_poll_ns()) > hold_ns,
            woken,
        }
    }

    fn concerns(&self, thread: u32, last_ns: u64) -> bool {
        let waits = |(_, since_ns): &(usize, u64)| *since_ns >= last_ns;
        self.unpolled || self.woken.get(&thread).is_some_and(waits)
    }
}

impl Blocked {
    /// Why the kernel did not tell what threads do.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The finding, and whether a thread is to blame in this look, were it certain or not.
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> (Option<Finding>, bool) {
        if !observation.runs(Lint::BlockedExecutor) {
            return (None, false);
        }
        let hold_ns = observation.hold_ns(Lint::BlockedExecutor);
        self.refused = OsThread::refused().map(|error| {
            format!("a thread that sleeps in a system call is not seen: /proc/self/task: {error}")
        });
        let due = Due::of(observation, hold_ns);
        let mut before = std::mem::take(&mut self.away);
        let recorder = &observation.poller.shared.recorder;
        let mut culprits = Vec::new();
        let me = usize::from(known_thread());
        for thread in recorder.threads().filter(|thread| *thread != me) {
            let Some(mut culprit) = last_of(observation.poller, thread as u32) else {
                continue;
            };
            let Some((tid, now)) =
                thread_id(thread).and_then(|tid| Some((tid, OsThread::read(tid)?)))
            else {
                continue;
            };
            let since_ns = culprit.since_ns;
            let first = before.remove(&tid).filter(|it| it.since_ns == since_ns);
            let earlier = first.as_ref();
            culprit.doing = now.doing(earlier.map(|it| (observation.age_ns(it.at_ns), &it.thread)));
            self.away.insert(
                tid,
                first.unwrap_or(Away {
                    since_ns,
                    at_ns: observation.now_ns,
                    thread: now,
                }),
            );
            let late = observation.age_ns(culprit.since_ns) > hold_ns;
            if late && culprit.doing.is_busy() && due.concerns(culprit.thread, culprit.since_ns) {
                culprits.push(culprit);
            }
        }
        // The one that was here last is most likely the one that polled.
        culprits.sort_by_key(|culprit| std::cmp::Reverse(culprit.since_ns));
        let worst = culprits.first();
        self.late.push_back(worst.map(|culprit| culprit.thread));
        if self.late.len() > LOOKS {
            self.late.pop_front();
        }
        if self.late.iter().flatten().count() == 0 {
            self.first_ns = None;
        }
        let Some(culprit) = worst else {
            return (None, false);
        };
        let first_ns = *self.first_ns.get_or_insert(observation.now_ns);
        let again = self.late.iter().flatten().count();
        let finding = (again >= LATE && first_ns != observation.now_ns)
            .then(|| describe(observation, culprit, &due, again));
        (finding, true)
    }
}

/// What a thread did last, if it has ever polled or run a task of `poller`.
pub(super) fn last_of(poller: &Poller, thread: u32) -> Option<Culprit> {
    let recorder = &poller.shared.recorder;
    let head = recorder.ring_head(thread as usize)?;
    let mut since_ns = 0;
    let mut last = None;
    let found = |event: RawEvent| {
        since_ns = event.at_ns;
        last = match whose(event.kind) {
            Whose::Runs => event.direction.map(|direction| (event.desc, direction)),
            Whose::Nobody => None,
            Whose::Same => last,
        };
    };
    recorder.read_ring(
        thread as usize,
        head.saturating_sub(EVENTS),
        u64::MAX,
        found,
    );
    (since_ns != 0).then_some(Culprit {
        thread,
        since_ns,
        doing: Doing::Waits,
        last,
    })
}

/// Who runs on a thread after an event.
enum Whose {
    /// Whoever waited for that descriptor.
    Runs,
    /// Who ran before has parked, or the thread has polled: whoever runs then has not waited here.
    Nobody,
    /// Whoever ran before.
    Same,
}

fn whose(kind: EventKind) -> Whose {
    match kind {
        EventKind::Run | EventKind::Consume => Whose::Runs,
        EventKind::Arm
        | EventKind::Park
        | EventKind::Rearm
        | EventKind::ReadyIdle
        | EventKind::ReadyArmed
        | EventKind::ReadyParked
        | EventKind::ReadyAgain
        | EventKind::Event
        | EventKind::StaleEvent
        | EventKind::Poll
        | EventKind::BreakDrained
        | EventKind::DeadlineFired => Whose::Nobody,
        _ => Whose::Same,
    }
}

/// For whom a thread last ran, on whichever poller: a sleep is one of the runtime's own.
#[derive(Default)]
pub(super) struct LastRun {
    /// If it is of the poller that is looked at, and nobody else has waited there since.
    row: Option<(RawRow, Direction)>,
    task: Option<String>,
    /// Where it had waited.
    at: Option<Place>,
}

impl LastRun {
    pub(super) fn of(observation: &Observation<'_>, culprit: &Culprit) -> Self {
        let thread = culprit.thread;
        let last_ns = |it: &Poller| it.shared.recorder.last_ns(thread as usize);
        let latest = all_pollers().into_iter().max_by_key(last_ns);
        let elsewhere = latest.and_then(|it| Some((last_of(&it, thread)?, it)));
        match elsewhere.filter(|(last, _)| last.since_ns > culprit.since_ns) {
            Some((last, poller)) => Self {
                row: None,
                ..Self::on(&poller, &last)
            },
            None => Self::on(observation.poller, culprit),
        }
    }

    fn on(poller: &Poller, culprit: &Culprit) -> Self {
        let Some((id, direction)) = culprit.last else {
            return Self::default();
        };
        let Some(desc) = poller.shared.cache.get(id.slot) else {
            return Self::default();
        };
        let waiter = desc.side(direction).waiter();
        // It may have parked on another thread. But somebody else may have waited there since.
        let is_its_own = waiter.since_ns <= culprit.since_ns;
        match RawRow::read(desc).filter(|row| row.id() == id) {
            Some(row) if is_its_own => Self {
                row: Some((row, direction)),
                task: Some(row.sides[direction.index()].task_name().to_string()),
                at: row.place(direction),
            },
            Some(_) => Self::default(),
            // A sleep is gone as soon as it is over.
            None => {
                let is_free = desc.live_generation().is_none();
                let is_next = desc.generation() == id.generation.wrapping_add(1).max(1);
                let left = (is_free && is_next && is_its_own).then_some(waiter);
                Self::gone(poller, id, left)
            }
        }
    }

    /// What is left in the slot if nobody has it, and else an exemplar.
    fn gone(poller: &Poller, id: DescId, left: Option<StampedWaiter>) -> Self {
        if let Some(waiter) = left {
            let task = Task {
                name: waiter.task,
                id: waiter.task_id,
            };
            let named = || Names::shared().line(waiter.task);
            return Self {
                row: None,
                task: Some(task.text().to_string()),
                at: waiter.location.map(|it| Place::of(it, named, None)),
            };
        }
        let stats = poller.stats();
        let exemplar = EXEMPLARS.into_iter().find_map(|which| {
            let histogram = stats.histogram(which);
            let mut all = histogram.exemplars().flatten();
            all.find(|it| it.descriptor() == Some(id))
        });
        exemplar.map_or_else(Self::default, |it| Self {
            row: None,
            task: Some(it.task().to_string()),
            at: place_of_exemplar(poller, &it),
        })
    }

    /// A finding about it.
    pub(super) fn finding(
        &self,
        observation: &Observation<'_>,
        since_ns: u64,
        summary: String,
    ) -> Finding {
        let lint = Lint::BlockedExecutor;
        match &self.row {
            Some((row, direction)) => {
                Finding::of_row(lint, observation, row, Some(*direction), since_ns, summary)
            }
            None => Finding::of_poller(lint, observation, since_ns, summary),
        }
    }

    /// Adds who it is to the finding.
    pub(super) fn name(self, finding: Finding) -> Finding {
        let (task, at) = (self.task.filter(|it| !it.is_empty()), self.at);
        finding
            .evidence_if("task that ran last", task)
            .evidence_if(
                "which was last seen waiting at",
                at.map(|it| it.to_string()),
            )
            .at(at)
    }
}

fn describe(observation: &Observation<'_>, culprit: &Culprit, due: &Due, again: usize) -> Finding {
    let thread = thread_name(culprit.thread as usize);
    let age = span(observation.age_ns(culprit.since_ns));
    let (count, woken_ns) = due.woken.get(&culprit.thread).copied().unwrap_or_default();
    let mut waits = Vec::new();
    if due.unpolled {
        waits.push("events are due and nobody polls".to_owned());
    }
    if count > 0 {
        let tasks = if count == 1 { "task" } else { "tasks" };
        let woken = span(observation.age_ns(woken_ns));
        waits.push(format!(
            "{count} {tasks} woken up to {woken} ago do not run"
        ));
    }
    let summary = format!(
        "thread {thread} has not come back for {age} and {}: {}",
        culprit.doing,
        waits.join(", and ")
    );
    let last = LastRun::of(observation, culprit);
    let finding = last.finding(observation, culprit.since_ns, summary);
    let tid = thread_id(culprit.thread as usize);
    let polled = observation.last_poll_ns();
    let polled = (due.unpolled && polled != 0).then(|| span(observation.age_ns(polled)));
    let finding = finding
        .evidence("thread", &*thread)
        .evidence_if("tid", tid.map(|tid| tid.to_string()))
        .evidence_if("last poll", polled.map(|age| format!("{age} ago")))
        .evidence("it", culprit.doing.to_string())
        .evidence("last here", format!("{age} ago"));
    last.name(finding)
        .evidence(
            "events pending",
            if observation.pending { "yes" } else { "no" },
        )
        .evidence("tasks woken and not run", count.to_string())
        .evidence(
            "looks that found it",
            format!("{again} of the last {LOOKS}"),
        )
}
