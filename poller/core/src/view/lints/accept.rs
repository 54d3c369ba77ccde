//! Listeners from which nobody takes the connections: the acceptor is gone, or waits for something
//! else, as a handshake inside of accept.

use std::collections::HashMap;
use std::io;

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, Suspects, key, same_side};
use super::span;
use super::waiters::{Parked, Waiters};
use crate::desc::{Kind, State};
use crate::observe::{Counter, DescId, Direction, Label, Names, Transition};
use crate::sys::sock_diag::{Family, Message, Progress, SockDiag};
use crate::sys::{query, socket};
use crate::view::line::Place;
use crate::view::raw::{RawRow, RawSide};

/// For so long after one pause for want of descriptors the next is waited for: they take up to a
/// second each.
const PAUSES_NS: u64 = 2_500_000_000;

/// Of a listener of which nobody knows who accepts, for so many times as long.
const UNKNOWN: u64 = 7;
/// Connections that are asked for their address, the youngest first.
const ASKED: usize = 256;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Accepts {
    suspects: Suspects<Seen>,
    shortage: Shortage,
    refused: Option<String>,
}

/// What was seen of one listener.
#[derive(Clone, Copy, Debug)]
struct Seen {
    queue: Queue,
    /// A connection was taken from one look to the next; the last one before this.
    taken_ns: Option<u64>,
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

/// Accept loops that pause because the process has no descriptors left.
#[derive(Debug, Default)]
struct Shortage {
    /// Pauses by the last look.
    pauses: Option<u64>,
    /// When they were first and last found to have become more.
    seen: Option<(u64, u64)>,
}

impl Shortage {
    /// Since when it was seen, if it goes on.
    fn look(&mut self, pauses: u64, now_ns: u64) -> Option<u64> {
        if self.pauses.replace(pauses).is_some_and(|it| pauses > it) {
            let first_ns = self.seen.map_or(now_ns, |(first_ns, _)| first_ns);
            self.seen = Some((first_ns, now_ns));
        }
        self.seen
            .take_if(|(_, last_ns)| now_ns.saturating_sub(*last_ns) > PAUSES_NS);
        self.seen.map(|(first_ns, _)| first_ns)
    }
}

impl Accepts {
    /// Why the kernel did not tell of the queues of Unix listeners in the last look.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// What is found, and the waits that hold the acceptors.
    pub(super) fn look(
        &mut self,
        observation: &Observation<'_>,
    ) -> (Vec<Finding>, Vec<(DescId, Direction)>) {
        let before = self.suspects.begin();
        let (mut findings, mut held_by) = (Vec::new(), Vec::new());
        if !observation.runs(Lint::AcceptStalled) {
            return (findings, held_by);
        }
        let counter = |counter| observation.stats.counter(counter);
        let accepted = counter(Counter::OpAcceptOk);
        let pauses = counter(Counter::AcceptBackoffs);
        let short_ns = self.shortage.look(pauses, observation.now_ns);
        let is_asked = |row: &&RawRow| {
            let listens = row.kind.is_listener();
            let accepts = row.sides[Direction::Read.index()].state == State::Parked;
            listens && (short_ns.is_some() || !accepts)
        };
        // Most have none who wait.
        let waiting = observation.readable(observation.rows.iter().filter(is_asked));
        let waiters = Waiters::of(observation.rows.iter());
        let mut unix = None;
        for row in waiting {
            let side = &row.sides[Direction::Read.index()];
            let queue = queue(observation, row, &mut unix);
            let Some((length, limit)) = queue.filter(|(length, _)| *length > 0) else {
                continue;
            };
            let queue = Queue {
                length,
                limit,
                accepted,
            };
            if let Some(short_ns) = short_ns {
                if findings.len() < SUSPECTS {
                    findings.push(describe_shortage(observation, row, queue, short_ns));
                }
                continue;
            }
            let key = key(row, Direction::Read);
            let same = same_side(side);
            let note = || Seen {
                queue,
                taken_ns: None,
            };
            let seen = self
                .suspects
                .see(&before, key, same, observation.now_ns, note);
            if seen.first_ns == observation.now_ns {
                continue;
            }
            if !queue.is_left_alone(seen.note.queue, side.state) {
                seen.note.taken_ns = Some(observation.now_ns);
                seen.note.queue = queue;
                continue;
            }
            let holder = acceptor(row).and_then(|it| waiters.elsewhere(it));
            // Whoever sleeps, or waits with a deadline, comes back.
            let is_bounded = holder.is_some_and(|wait| wait.is_bounded());
            let known_ns = side.since_ns.max(accepted_ns(observation, row));
            let since_ns = match (seen.note.taken_ns, known_ns) {
                (Some(taken_ns), known_ns) => taken_ns.max(known_ns),
                (None, 0) => seen.first_ns,
                (None, known_ns) => known_ns,
            };
            // Who accepts without ever having waited is not known, and may be busy elsewhere.
            let is_unknown = acceptor(row).is_none() && accepted > 0;
            let times = if is_unknown { UNKNOWN } else { 1 };
            let hold_ns = observation
                .hold_ns(Lint::AcceptStalled)
                .saturating_mul(times);
            let held = observation.age_ns(since_ns) >= hold_ns;
            if held && !is_bounded && findings.len() < SUSPECTS {
                held_by.extend(holder.map(|wait| (wait.id, wait.direction)));
                let finding = describe(observation, row, queue, since_ns, holder);
                findings.push(match known_ns {
                    0 => finding.first_seen(),
                    _ => finding,
                });
            }
        }
        self.refused = match unix {
            Some(Err(error)) => Some(format!(
                "the kernel does not list Unix sockets (sock_diag): {error}"
            )),
            _ => None,
        };
        (findings, held_by)
    }
}

/// The queues of Unix sockets, by inode.
type UnixQueues = io::Result<HashMap<u64, (u32, u32)>>;

/// How many wait to be accepted at each of these listeners, and how many may. Of a Unix listener it
/// is not asked where nobody waits.
pub(super) fn queues<'r>(
    observation: &Observation<'_>,
    listeners: impl Iterator<Item = &'r RawRow>,
) -> impl Iterator<Item = (u32, u32)> {
    let (tcp, unix): (Vec<_>, Vec<_>) = listeners.partition(|row| row.kind == Kind::TcpListener);
    let unix = observation.readable(unix.into_iter());
    let mut known = None;
    tcp.into_iter()
        .chain(unix)
        .filter_map(move |row| queue(observation, row, &mut known))
}

/// How many wait to be accepted, if the kernel tells, and how many may.
fn queue(
    observation: &Observation<'_>,
    row: &RawRow,
    unix: &mut Option<UnixQueues>,
) -> Option<(u32, u32)> {
    match row.kind {
        Kind::TcpListener => observation.ask(row, query::tcp_info)?.accept_queue,
        _ => {
            let file = observation.ask(row, query::file_id)?;
            let queues = unix.get_or_insert_with(unix_queues).as_ref().ok()?;
            queues.get(&file.inode).copied()
        }
    }
}

/// The queues of all Unix sockets: of one alone the kernel does not tell.
fn unix_queues() -> UnixQueues {
    let (mut queues, mut diag) = (HashMap::new(), SockDiag::new()?);
    diag.ask(Family::Unix)?;
    let mut note = |it: Message<'_>| {
        let queue = it.diag().and_then(|it| Some((it.inode, it.queues?)));
        queues.extend(queue.map(|(inode, [length, limit])| (inode, (length, limit))));
    };
    while diag.receive(Family::Unix, &mut note)? == Progress::More {}
    Ok(queues)
}

/// When the youngest of the connections was opened that came to this listener; 0 if none is left.
fn accepted_ns(observation: &Observation<'_>, listener: &RawRow) -> u64 {
    let address = |row: &RawRow| observation.ask(row, socket::local_addr);
    let Some(of_listener) = address(listener) else {
        return 0;
    };
    let port = of_listener.as_socket().map(|it| it.port());
    let rows = observation.rows.iter();
    let mut streams: Vec<_> = rows
        .filter(|row| matches!(row.kind, Kind::Tcp | Kind::Unix))
        .collect();
    streams.sort_unstable_by_key(|row| std::cmp::Reverse(row.opened_at_ns));
    let own = streams.into_iter().take(ASKED).find(|row| {
        address(row).is_some_and(|it| match port {
            None => it == of_listener,
            port => it.as_socket().map(|it| it.port()) == port,
        })
    });
    own.map_or(0, |row| row.opened_at_ns)
}

/// Who accepted last, `None` if nobody has waited to.
fn acceptor(row: &RawRow) -> Option<&RawSide> {
    let side = &row.sides[Direction::Read.index()];
    (side.transitions[Transition::Arm.index()] > 0).then_some(side)
}

/// What the kernel did not even let wait, for want of room.
fn dropped(observation: &Observation<'_>, row: &RawRow) -> Option<String> {
    let dropped = observation.ask(row, query::dropped)?;
    (dropped > 0).then(|| dropped.to_string())
}

fn describe_shortage(
    observation: &Observation<'_>,
    row: &RawRow,
    queue: Queue,
    first_ns: u64,
) -> Finding {
    let Queue { length, limit, .. } = queue;
    let counter = |counter| observation.stats.counter(counter).to_string();
    let summary = format!(
        "{length} connections to listener {} wait to be accepted, and accepting them fails: the process has no \
         descriptors left",
        row.fd
    );
    let read = Some(Direction::Read);
    Finding::of_row(
        Lint::AcceptStalled,
        observation,
        row,
        read,
        first_ns,
        summary,
    )
    .first_seen()
    .evidence("accept queue", format!("{length} of {limit}"))
    .evidence("pauses of accept loops", counter(Counter::AcceptBackoffs))
    .evidence(
        "refused with the reserve descriptor",
        counter(Counter::AcceptShed),
    )
    .evidence_if("dropped by the kernel", dropped(observation, row))
}

fn describe(
    observation: &Observation<'_>,
    row: &RawRow,
    queue: Queue,
    since_ns: u64,
    held_by: Option<Parked>,
) -> Finding {
    let age = span(observation.age_ns(since_ns));
    let Queue { length, limit, .. } = queue;
    let acceptor = acceptor(row);
    let task = acceptor.map(|side| match (side.task, side.task_id) {
        (Label(0), 0) => "a thread outside of any task".to_owned(),
        (Label(0), id) => format!("task {id}"),
        (label, _) => format!("task {}", Names::shared().text(label)),
    });
    let instead = held_by.map(|wait| {
        let what = format!("is parked in a {} of {}", wait.direction.name(), wait.id);
        let at = wait.at.map_or_else(String::new, |at| format!(" at {at}"));
        format!("{what}{at} for {}", span(observation.age_ns(wait.since_ns)))
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
    let holder = held_by.and_then(|wait| wait.at);
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
    .evidence_if("dropped by the kernel", dropped(observation, row))
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
    fn a_shortage_goes_on_for_as_long_as_there_are_pauses() {
        let mut shortage = Shortage::default();
        let mut look = |pauses, ms: u64| shortage.look(pauses, ms * 1_000_000);
        assert_eq!(look(7, 0), None, "it may be long over");
        assert_eq!(look(8, 1_000), Some(1_000_000_000));
        assert_eq!(look(8, 2_000), Some(1_000_000_000));
        assert_eq!(look(9, 3_000), Some(1_000_000_000));
        assert_eq!(look(9, 5_501), None);
    }

    #[test]
    fn a_queue_is_full_when_the_kernel_lets_nobody_else_in() {
        assert!(!queue(8, 0).is_full() && queue(9, 0).is_full());
    }
}
