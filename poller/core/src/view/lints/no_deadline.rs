//! Waits that have lasted for long and have no deadline, one finding for each line that waits.

use std::collections::{HashMap, HashSet};

use super::SUSPECTS;
use super::causes::Causes;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use super::waiters::who;
use crate::desc::State;
use crate::observe::Direction;
use crate::view::line::Place;
use crate::view::raw::{RawRow, RawSide};

type Wait<'r> = (&'r RawRow, Direction, &'r RawSide);

/// Looks at all waits but those that `causes` explain.
pub(super) fn look(observation: &Observation<'_>, causes: &Causes) -> Vec<Finding> {
    if !observation.runs(Lint::NoDeadline) {
        return Vec::new();
    }
    let hold_ns = observation.hold_ns(Lint::NoDeadline);
    // A task that waits for a time as well, as within a timeout, has a deadline there.
    let timed: HashSet<_> = observation
        .sides(State::Parked)
        .filter(|(_, _, side)| side.deadline_ns != 0)
        .map(|(_, _, side)| who(side))
        .collect();
    // By the line that is shown, and of the calls behind it any.
    let mut lines: HashMap<_, (Place, Vec<Wait<'_>>)> = HashMap::new();
    for (row, direction, side) in observation.sides(State::Parked) {
        // Nobody expects a client to come by some time.
        let accepts = row.kind.is_listener();
        let long = side.since_ns != 0 && observation.age_ns(side.since_ns) > hold_ns;
        let bounded = side.deadline_ns != 0 || timed.contains(&who(side));
        if long && !accepts && !bounded && !causes.explain(Lint::NoDeadline, row.id(), direction) {
            let opened = row.opened_location.map(Place::from);
            if let Some(at) = row.place(direction).or(opened) {
                let line = lines.entry(at.shown()).or_insert((at, Vec::new()));
                line.1.push((row, direction, side));
            }
        }
    }
    let mut findings: Vec<_> = lines
        .into_values()
        .filter_map(|(at, waits)| describe(observation, at, &waits))
        .collect();
    findings.sort_by_key(|finding| finding.since_ns);
    findings.truncate(SUSPECTS);
    findings
}

fn describe(observation: &Observation<'_>, at: Place, waits: &[Wait<'_>]) -> Option<Finding> {
    let (row, direction, side) = waits.iter().min_by_key(|(_, _, side)| side.since_ns)?;
    let age = span(observation.age_ns(side.since_ns));
    let (count, have) = match waits.len() {
        1 => ("a wait".to_owned(), "has"),
        many => (format!("{many} waits"), "have"),
    };
    let summary = format!("{count} at {at} {have} no deadline, the longest for {age} so far");
    let lint = Lint::NoDeadline;
    let since_ns = side.since_ns;
    let finding = Finding::of_row(lint, observation, row, Some(*direction), since_ns, summary)
        .evidence("waits without a deadline", waits.len().to_string())
        .evidence("longest", age)
        .at(Some(at));
    Some(finding)
}
