//! Why a waiter is stuck: by its own doing, or because its edge was lost, and how.

use super::super::finding::Finding;
use super::super::lint::Lint;
use super::super::observation::Observation;
use super::super::span;
use super::waiter::Waiter;
use crate::observe::{Direction, Transition};
use crate::sys::mask_names;
use crate::view::kernel::descriptor::Answer;

/// TCP_INFO counts in ticks of the kernel, which may be 10 ms long.
const TICK_NS: u64 = 20_000_000;
/// What is known of a stuck waiter's descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) parked_at_ns: u64,
    /// The number is closed.
    pub(super) closed: bool,
    /// The kernel's list has it; `None` if the list cannot be read.
    pub(super) registered: Option<bool>,
    /// The registration asks for events of this direction.
    pub(super) asked_for: Option<bool>,
    /// The number stands for the file that was registered.
    pub(super) same_file: Option<bool>,
    /// When the data that is there last came.
    pub(super) data_at_ns: Option<u64>,
}

/// How an edge was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loss {
    Closed,
    NotRegistered,
    OtherFile,
    NotAskedFor,
    CameAfter { ns: u64 },
}

impl Facts {
    /// `None` if the waiter is stuck by its own doing.
    pub(super) fn loss(&self) -> Option<Loss> {
        let after = |at: u64| at.checked_sub(self.parked_at_ns).filter(|ns| *ns > TICK_NS);
        if self.closed {
            Some(Loss::Closed)
        } else if self.registered == Some(false) {
            Some(Loss::NotRegistered)
        } else if self.same_file == Some(false) {
            Some(Loss::OtherFile)
        } else if self.asked_for == Some(false) {
            Some(Loss::NotAskedFor)
        } else {
            let ns = self.data_at_ns.and_then(after)?;
            Some(Loss::CameAfter { ns })
        }
    }
}

/// The finding, with what was seen.
pub(super) fn describe(
    observation: &Observation<'_>,
    waiter: &Waiter<'_>,
    answer: &Answer,
    loss: Option<Loss>,
) -> Finding {
    let Waiter {
        row,
        direction,
        since_ns,
    } = waiter;
    let (who, what) = match direction {
        Direction::Read => ("reader", "readable"),
        Direction::Write => ("writer", "writable"),
    };
    let age = span(observation.age_ns(*since_ns));
    let fd = row.fd;
    let parked = format!("a {who} of descriptor {fd} has been parked for {age}");
    let (lint, summary) = match loss {
        None => (
            Lint::StuckWaiter,
            format!(
                "{parked} although the descriptor is {what}: its edge came before the wait and went by unused"
            ),
        ),
        Some(Loss::Closed) => (
            Lint::LostEdge,
            format!("{parked}, but the number {fd} is closed: nothing can wake it any more"),
        ),
        Some(Loss::NotRegistered) => (
            Lint::LostEdge,
            format!("{parked}, the descriptor is {what}, and its registration with epoll is gone"),
        ),
        Some(Loss::OtherFile) => (
            Lint::LostEdge,
            format!(
                "{parked}, but the number {fd} stands for another file than the one that was registered"
            ),
        ),
        Some(Loss::NotAskedFor) => (
            Lint::LostEdge,
            format!(
                "{parked}, the descriptor is {what}, and its registration with epoll does not ask for that any more"
            ),
        ),
        Some(Loss::CameAfter { ns }) => (
            Lint::LostEdge,
            format!(
                "{parked}; data came {} after it parked, and did not wake it",
                span(ns)
            ),
        ),
    };
    let ready = mask_names(u32::from(answer.ready.cast_unsigned()));
    let edges: u64 = Transition::edges()
        .map(|edge| row.sides[direction.index()].transitions[edge.index()])
        .sum();
    Finding::of_row(lint, observation, row, Some(*direction), *since_ns, summary)
        .evidence("parked for", age)
        .evidence(
            "poll(2) says",
            if answer.is_closed() {
                "NVAL".into()
            } else {
                ready
            },
        )
        .evidence_if(
            "bytes readable",
            answer.receive_queue.map(|bytes| bytes.to_string()),
        )
        .evidence_if(
            "bytes unsent",
            answer
                .send_queue
                .filter(|_| *direction == Direction::Write)
                .map(|bytes| bytes.to_string()),
        )
        .evidence_if(
            "data last came",
            answer
                .last_data_received_ns()
                .map(|ago| format!("{} ago", span(ago))),
        )
        .evidence("last event", mask_names(row.last_events))
        .evidence("edges in this direction", edges.to_string())
        .evidence_if(
            "TCP state",
            answer.tcp.map(|tcp| tcp.state_name().to_owned()),
        )
        .evidence(
            "last poll",
            format!(
                "{} ago",
                span(observation.age_ns(observation.last_poll_ns()))
            ),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn bytes_that_were_there_before_the_wait_are_the_waiters_own_fault() {
        let facts = Facts {
            parked_at_ns: 1_000 * MS,
            registered: Some(true),
            same_file: Some(true),
            data_at_ns: Some(900 * MS),
            ..Facts::default()
        };
        assert_eq!(facts.loss(), None);
        let within_a_tick = Facts {
            data_at_ns: Some(1_010 * MS),
            ..facts
        };
        assert_eq!(within_a_tick.loss(), None);
        let unknown = Facts {
            registered: None,
            same_file: None,
            data_at_ns: None,
            ..facts
        };
        assert_eq!(unknown.loss(), None);
    }

    #[test]
    fn an_edge_is_lost_when_it_could_not_come_or_came_and_woke_nobody() {
        let facts = Facts {
            parked_at_ns: 1_000 * MS,
            registered: Some(true),
            same_file: Some(true),
            ..Facts::default()
        };
        let loss = |facts: Facts| facts.loss().unwrap();
        assert_eq!(
            loss(Facts {
                closed: true,
                ..facts
            }),
            Loss::Closed
        );
        assert_eq!(
            loss(Facts {
                registered: Some(false),
                ..facts
            }),
            Loss::NotRegistered
        );
        assert_eq!(
            loss(Facts {
                same_file: Some(false),
                ..facts
            }),
            Loss::OtherFile
        );
        assert_eq!(
            loss(Facts {
                asked_for: Some(false),
                ..facts
            }),
            Loss::NotAskedFor
        );
        assert_eq!(
            loss(Facts {
                data_at_ns: Some(1_500 * MS),
                ..facts
            }),
            Loss::CameAfter { ns: 500 * MS }
        );
    }
}
