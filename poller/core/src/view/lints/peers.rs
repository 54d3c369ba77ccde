//! What the peers of TCP connections do: one reads nothing of what is written to it, one has closed
//! and is held on to, one is gone without a word.
//!
//! The kernel knows of each when it last sent, and when the peer last answered; so it can be told
//! since when it is so, however short the look is.

use std::collections::HashMap;

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, turn};
use super::span;
use super::waiters::Waiters;
use crate::desc::{Kind, State};
use crate::observe::{DescId, Direction, Transition};
use crate::sys::query::{self, TcpInfo};
use crate::view::raw::{RawRow, RawSide};

/// Segments or probes sent one after another without an answer, from which on it is no mere loss.
const IN_VAIN: u8 = 3;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// What the look before saw.
    seen: HashMap<DescId, Lint>,
    /// The slot with which the next look begins, where there are more than one look takes.
    next: u32,
}

impl Peers {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let before = std::mem::take(&mut self.seen);
        let lints = [Lint::PeerNotReading, Lint::PeerGone, Lint::CloseWaitHeld];
        if !lints.into_iter().any(|lint| observation.runs(lint)) {
            return Vec::new();
        }
        let turn = turn(observation.rows.iter().map(|row| row.slot), self.next);
        self.next = turn.end;
        let mut findings = Vec::new();
        let waiters = Waiters::of(observation.rows.iter());
        for row in observation.rows.iter().filter(|row| row.kind == Kind::Tcp) {
            let id = row.id();
            let known = before.get(&id);
            // Those seen before are asked in each look: to be confirmed, or forgotten.
            if known.is_none() && !turn.contains(&row.slot) {
                continue;
            }
            let Some(tcp) = observation.ask(row, query::tcp_info) else {
                continue;
            };
            let Some((lint, since_ns)) = fault(row, &tcp, observation.now_ns) else {
                continue;
            };
            // Who has it waits for something else, as for the answer that it will give.
            let reader = &row.sides[Direction::Read.index()];
            if lint == Lint::CloseWaitHeld && waiters.elsewhere(reader).is_some() {
                continue;
            }
            self.seen.insert(id, lint);
            if known == Some(&lint)
                && observation.runs(lint)
                && observation.age_ns(since_ns) >= observation.hold_ns(lint)
                && findings.len() < SUSPECTS
            {
                findings.push(describe(observation, row, &tcp, lint, since_ns));
            }
        }
        findings
    }
}

fn is_parked(side: &RawSide) -> bool {
    side.state == State::Parked
}

/// Which of the faults it is, if any, and since when.
fn fault(row: &RawRow, tcp: &TcpInfo, now_ns: u64) -> Option<(Lint, u64)> {
    let before = |ms: u32| now_ns.saturating_sub(u64::from(ms) * 1_000_000);
    // Whoever waits with a deadline will not wait for ever.
    let bounded = row
        .sides
        .iter()
        .any(|side| is_parked(side) && side.deadline_ns != 0);
    if !tcp.is_connected() || bounded {
        return None;
    }
    if tcp.unanswered >= IN_VAIN {
        return Some((Lint::PeerGone, before(tcp.last_ack_ms)));
    }
    if tcp.state == TcpInfo::CLOSE_WAIT {
        // Who still writes has not forgotten it.
        let is_forgotten = !row.sides.iter().any(is_parked);
        return is_forgotten.then(|| (Lint::CloseWaitHeld, left_alone(row, tcp, now_ns)));
    }
    let writer = &row.sides[Direction::Write.index()];
    // The kernel sends as long as the peer has room. It probes a peer that has none, which does
    // not count as sending.
    let unsent = tcp.last_sent_ms.filter(|_| tcp.unsent > 0)?;
    is_parked(writer).then(|| (Lint::PeerNotReading, before(unsent).max(writer.since_ns)))
}

/// Since when nothing has happened to a connection whose peer has closed it. The end of the stream
/// is an edge for the reader, unless one was left there before; it came after all data. When the
/// peer last acknowledged something tells nothing: it answers the probes of an idle connection.
fn left_alone(row: &RawRow, tcp: &TcpInfo, now_ns: u64) -> u64 {
    let before = |ms: u32| now_ns.saturating_sub(u64::from(ms) * 1_000_000);
    let reader = row.sides[Direction::Read.index()].since_ns;
    let last = [tcp.last_received_ms, tcp.last_sent_ms];
    last.into_iter()
        .flatten()
        .map(before)
        .fold(reader, u64::max)
}

fn describe(
    observation: &Observation<'_>,
    row: &RawRow,
    tcp: &TcpInfo,
    lint: Lint,
    since_ns: u64,
) -> Finding {
    let age = span(observation.age_ns(since_ns));
    let fd = row.fd;
    let summary = match lint {
        Lint::PeerGone => format!(
            "the peer of descriptor {fd} has not answered for {age}: it was tried {} times in a row",
            tcp.unanswered
        ),
        Lint::CloseWaitHeld => format!(
            "the peer of descriptor {fd} has closed the connection, which nobody has done anything with for {age}"
        ),
        _ => format!(
            "the peer of descriptor {fd} has taken nothing for {age}: {} bytes are not sent, and a write without a \
             deadline waits for room",
            tcp.unsent
        ),
    };
    let waiting = [Direction::Write, Direction::Read]
        .into_iter()
        .find(|direction| is_parked(&row.sides[direction.index()]));
    let last_sent = tcp.last_sent_ms.map(|ms| u64::from(ms) * 1_000_000);
    let mut finding = Finding::of_row(lint, observation, row, waiting, since_ns, summary)
        .evidence("TCP state", tcp.state_name())
        .evidence(
            "peer last answered",
            format!("{} ago", span(u64::from(tcp.last_ack_ms) * 1_000_000)),
        )
        .evidence_if(
            "data last sent",
            last_sent.map(|ago| format!("{} ago", span(ago))),
        );
    match lint {
        Lint::CloseWaitHeld => {
            // Who waited last may know more; at any rate it is the one who opened it.
            let reader = &row.sides[Direction::Read.index()];
            let has_waited = reader.transitions[Transition::Arm.index()] > 0;
            let last = row.place(Direction::Read).filter(|_| has_waited);
            finding = finding.evidence_if("last waited for at", last.map(|at| at.to_string()));
        }
        _ => {
            finding = finding
                .evidence("bytes unsent", tcp.unsent.to_string())
                .evidence("tried in a row", tcp.unanswered.to_string())
                .evidence("sent again in all", tcp.retransmits.to_string());
        }
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desc::PollDesc;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 100 * SECOND;

    fn row(read: State, write: State) -> RawRow {
        let desc = PollDesc::new(3);
        desc.open(7, Kind::Tcp, std::panic::Location::caller());
        let mut row = RawRow::read(&desc).expect("it lives");
        for (side, state) in row.sides.iter_mut().zip([read, write]) {
            side.state = state;
            side.since_ns = 80 * SECOND;
        }
        row
    }

    fn tcp() -> TcpInfo {
        let mut bytes = [0; 256];
        bytes[0] = 1;
        TcpInfo {
            last_sent_ms: Some(9_000),
            last_ack_ms: 4_000,
            unsent: 5,
            ..TcpInfo::parse(&bytes).expect("it is long enough")
        }
    }

    #[test]
    fn a_write_that_waits_for_a_peer_that_takes_nothing_does_so_since_the_last_that_was_sent() {
        let row = row(State::Parked, State::Parked);
        assert_eq!(
            fault(&row, &tcp(), NOW),
            Some((Lint::PeerNotReading, 91 * SECOND))
        );
        let longer = TcpInfo {
            last_sent_ms: Some(50_000),
            ..tcp()
        };
        assert_eq!(
            fault(&row, &longer, NOW),
            Some((Lint::PeerNotReading, 80 * SECOND)),
            "it has not waited for longer"
        );
        let mut bounded = row;
        bounded.sides[Direction::Write.index()].deadline_ns = NOW + 1;
        assert_eq!(fault(&bounded, &tcp(), NOW), None);
        let taken = TcpInfo { unsent: 0, ..tcp() };
        assert_eq!(fault(&row, &taken, NOW), None);
    }

    #[test]
    fn nobody_writes_so_nobody_waits_for_the_peer_to_read() {
        let row = row(State::Parked, State::Ready);
        assert_eq!(fault(&row, &tcp(), NOW), None);
    }

    #[test]
    fn a_peer_is_gone_when_it_was_tried_in_vain_again_and_again() {
        let row = row(State::Parked, State::Parked);
        let tried = |unanswered| TcpInfo {
            unanswered,
            ..tcp()
        };
        assert_eq!(
            fault(&row, &tried(IN_VAIN), NOW),
            Some((Lint::PeerGone, 96 * SECOND))
        );
        let lost = fault(&row, &tried(IN_VAIN - 1), NOW);
        assert_eq!(lost, Some((Lint::PeerNotReading, 91 * SECOND)));
    }

    #[test]
    fn a_connection_that_the_peer_has_closed_is_held_on_to_if_nobody_uses_it() {
        let closed = TcpInfo {
            state: TcpInfo::CLOSE_WAIT,
            ..tcp()
        };
        let idle = row(State::Ready, State::Nil);
        for (received, sent, since) in [
            (90_000, 95_000, 80),
            (10_000, 95_000, 90),
            (90_000, 9_000, 91),
        ] {
            // The peer answers probes all the while.
            let closed = TcpInfo {
                last_received_ms: Some(received),
                last_sent_ms: Some(sent),
                ..closed
            };
            let found = fault(&idle, &closed, NOW);
            assert_eq!(found, Some((Lint::CloseWaitHeld, since * SECOND)));
        }
        assert_eq!(fault(&row(State::Nil, State::Parked), &closed, NOW), None);
        assert_eq!(fault(&idle, &tcp(), NOW), None);
    }
}
