//! Listeners from which nobody takes the connections: the acceptor is gone, or waits for something
//! else, as a handshake inside of accept.

use std::collections::HashSet;

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, Suspects, key, same_side};
use super::span;
use crate::desc::{Kind, State};
use crate::observe::{Counter, DescId, Direction, Label, Names, Transition};
use crate::sys::query::{self, TcpInfo};
use crate::view::line::Place;
use crate::view::raw::{RawRow, RawSide};

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Accepts {
    suspects: Suspects<Queue>,
}

/// The connections that wait to be accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Queue {
    length: u32,
    limit: u32,
    /// Accepts of the poller so far, on any listener.
    accepted: u64,
}

impl Queue {
    /// The kernel lets in one more than it was told.
    fn is_full(self) -> bool {
        self.length > self.limit
    }

    /// Whether nobody has taken a connection from `before` to now.
    fn is_left_alone(self, before: Self, state: State) -> bool {
        // Whoever begins to accept takes the readiness. Where it was taken, only the count tells.
        let untouched = state == State::Ready || self.accepted == before.accepted;
        self.length >= before.length && untouched
    }
}

impl Accepts {
    /// Looks at all listeners but those that are `stale`: what the kernel says of their number is
    /// of another file.
    pub(super) fn look(
        &mut self,
        observation: &Observation<'_>,
        stale: &HashSet<DescId>,
    ) -> Vec<Finding> {
        let before = self.suspects.begin();
        if !observation.runs(Lint::AcceptStalled) {
            return Vec::new();
        }
        let accepted = observation.stats.counter(Counter::OpAcceptOk);
        let mut findings = Vec::new();
        for row in observation.rows.iter() {
            let side = &row.sides[Direction::Read.index()];
            let is_asked = row.kind == Kind::TcpListener && !stale.contains(&row.id());
            if !is_asked || side.state == State::Parked {
                continue;
            }
            let Some((length, limit)) = observation
                .ask(row, query::tcp_info)
                .and_then(|tcp: TcpInfo| tcp.accept_queue)
                .filter(|(length, _)| *length > 0)
            else {
                continue;
            };
            let queue = Queue {
                length,
                limit,
                accepted,
            };
            let key = key(row, Direction::Read);
            let same = same_side(side);
            let seen = self
                .suspects
                .see(&before, key, same, observation.now_ns, || queue);
            if seen.first_ns == observation.now_ns {
                continue;
            }
            if !queue.is_left_alone(seen.note, side.state) {
                seen.first_ns = observation.now_ns;
                seen.note = queue;
                continue;
            }
            let since_ns = match side.since_ns {
                0 => seen.first_ns,
                since_ns => since_ns,
            };
            let held = observation.age_ns(since_ns) >= observation.hold_ns(Lint::AcceptStalled);
            if held && findings.len() < SUSPECTS {
                findings.push(describe(observation, row, queue, since_ns));
            }
        }
        findings
    }
}

/// Who accepted last, `None` if nobody has waited to.
fn acceptor(row: &RawRow) -> Option<&RawSide> {
    let side = &row.sides[Direction::Read.index()];
    (side.transitions[Transition::Arm.index()] > 0).then_some(side)
}

/// What the task that accepted last waits for instead.
fn waits_for<'r>(rows: &'r [RawRow], acceptor: &RawSide) -> Option<(&'r RawRow, Direction)> {
    let is_its_own = |side: &RawSide| match acceptor.task_id {
        // Of a thread outside of any task.
        0 => side.task_id == 0 && side.thread == acceptor.thread,
        id => side.task_id == id && side.task == acceptor.task,
    };
    let sides = rows
        .iter()
        .flat_map(|row| Direction::ALL.map(|direction| (row, direction)));
    sides
        .filter(|(row, direction)| {
            let side = &row.sides[direction.index()];
            side.state == State::Parked && is_its_own(side)
        })
        .min_by_key(|(row, direction)| row.sides[direction.index()].since_ns)
}

fn describe(observation: &Observation<'_>, row: &RawRow, queue: Queue, since_ns: u64) -> Finding {
    let age = span(observation.age_ns(since_ns));
    let Queue { length, limit, .. } = queue;
    let acceptor = acceptor(row);
    let task = acceptor.map(|side| match (side.task, side.task_id) {
        (Label(0), 0) => "a thread outside of any task".to_owned(),
        (Label(0), id) => format!("task {id}"),
        (label, _) => format!("task {}", Names::shared().text(label)),
    });
    let held_by = acceptor.and_then(|acceptor| waits_for(&observation.rows, acceptor));
    let instead = held_by.map(|(other, direction)| {
        let side = &other.sides[direction.index()];
        let id: DescId = other.id();
        let what = match other.kind {
            Kind::Timer => "sleeps".to_owned(),
            _ => format!("is parked in a {} of {id}", direction.name()),
        };
        let at = other
            .place(direction)
            .map_or_else(String::new, |at| format!(" at {at}"));
        format!("{what}{at} for {}", span(observation.age_ns(side.since_ns)))
    });
    let because = match (&task, &instead) {
        (Some(task), Some(instead)) => format!(": {task}, which accepted last, {instead}"),
        (Some(task), None) => format!("; {task} accepted last, and waits for nothing here"),
        (None, _) => "; nobody ever waited to".to_owned(),
    };
    let full = if queue.is_full() {
        ", and there is no room for more"
    } else {
        ""
    };
    let summary = format!(
        "{length} connections to listener {} wait to be accepted{full}, and nobody has accepted one for {age}{because}",
        row.fd
    );
    // The line that holds it, or else that of the accept.
    let holder = held_by.and_then(|(other, direction)| other.place(direction));
    let accept = acceptor.and_then(|_| row.place(Direction::Read));
    Finding::of_row(
        Lint::AcceptStalled,
        observation,
        row,
        Some(Direction::Read),
        since_ns,
        summary,
    )
    .evidence("accept queue", format!("{length} of {limit}"))
    .evidence_if("accepted last", task)
    .evidence_if("it now", instead)
    .at(holder.or(accept).or(row.opened_location.map(Place::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(length: u32, accepted: u64) -> Queue {
        Queue {
            length,
            limit: 8,
            accepted,
        }
    }

    #[test]
    fn a_queue_is_left_alone_as_long_as_nothing_is_taken_from_it() {
        let (five, six) = (queue(5, 100), queue(6, 100));
        assert!(five.is_left_alone(five, State::Nil) && six.is_left_alone(five, State::Ready));
        assert!(!five.is_left_alone(six, State::Ready), "one was taken");
        // As many came as were accepted, somewhere.
        let busy = queue(5, 130);
        assert!(!busy.is_left_alone(five, State::Nil));
        assert!(busy.is_left_alone(five, State::Ready), "not here");
    }

    #[test]
    fn a_queue_is_full_when_the_kernel_lets_nobody_else_in() {
        assert!(!queue(8, 0).is_full() && queue(9, 0).is_full());
    }
}
