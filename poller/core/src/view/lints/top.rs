//! Who does the most of what happens too often, as far as the flight recorder still holds it.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::lint::Lint;
use super::observation::Observation;
use crate::observe::{DescId, Direction, EventKind, RawEvent, thread_name};
use crate::view::line::Place;
use crate::view::raw::RawRow;

/// How many are named.
const NAMED: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Thread(usize),
    Desc(DescId, Option<Direction>),
    Line(Place),
}

/// The three that did the most of it in the last `window_ns`, with their shares.
pub(super) fn top(observation: &Observation<'_>, lint: Lint, window_ns: u64) -> Option<String> {
    let recorder = &observation.poller.shared.recorder;
    let from_ns = observation.now_ns.saturating_sub(window_ns);
    let mut counts: HashMap<Who, u64> = HashMap::new();
    for thread in recorder.threads() {
        let count = |event: RawEvent| {
            let who = (event.at_ns >= from_ns)
                .then(|| who(observation, lint, thread, &event))
                .flatten();
            if let Some(who) = who {
                *counts.entry(who).or_default() += 1;
            }
        };
        recorder.read_ring(thread, 0, u64::MAX, count);
    }
    let all: u64 = counts.values().sum();
    let mut most: Vec<_> = counts.into_iter().collect();
    most.sort_by_cached_key(|(who, count)| (Reverse(*count), name(observation, who)));
    let named: Vec<_> = most
        .iter()
        .take(NAMED)
        .map(|(who, count)| format!("{} {} %", name(observation, who), count * 100 / all.max(1)))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// Who is to be named for an event, if it is one of those that make the rate.
fn who(observation: &Observation<'_>, lint: Lint, thread: usize, event: &RawEvent) -> Option<Who> {
    let of_desc = || Who::Desc(event.desc, event.direction);
    match (lint, event.kind) {
        (Lint::WakeStorm, EventKind::BreakWritten) => Some(Who::Thread(thread)),
        (Lint::SpuriousRatio | Lint::SlowDispatch, EventKind::ReadyParked) => Some(of_desc()),
        (Lint::StarvedBatch, EventKind::Event) => Some(of_desc()),
        (Lint::GenerationChurn, EventKind::Closed) => {
            let desc = observation.poller.shared.cache.get(event.desc.slot)?;
            // Of whoever lives there now, who most often comes from the same line.
            desc.opened_location().map(|at| Who::Line(at.into()))
        }
        _ => None,
    }
}

fn name(observation: &Observation<'_>, who: &Who) -> String {
    match who {
        Who::Thread(thread) => format!("thread {}", thread_name(*thread)),
        Who::Line(at) => format!("what is opened at {at}"),
        Who::Desc(id, direction) => {
            let row: Option<&RawRow> = observation.rows.iter().find(|row| row.id() == *id);
            let side = row.zip(*direction).map(|(row, it)| &row.sides[it.index()]);
            let waits = row.zip(*direction).and_then(|(row, it)| row.place(it));
            let at = waits.or(row.and_then(|row| row.opened_location).map(Place::from));
            let task = side
                .map(|side| side.task_name())
                .filter(|it| !it.is_empty());
            let task = task.map_or(String::new(), |task| format!(" of task {task}"));
            let at = at.map_or(String::new(), |at| format!(" at {at}"));
            format!("{}{task}{at}", observation.id(*id))
        }
    }
}
