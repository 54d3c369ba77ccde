//! Readiness that nobody comes for: bytes, connections or the end of a stream are there, and nobody
//! reads or waits.
//!
//! Reading is what ends it, so it is judged by the reader's own transitions, by what is taken from
//! one look to the next, and in every look; edges alone change nothing. A reader that is known to
//! wait elsewhere, or an owner that writes, has not forgotten the descriptor: it does not read it
//! by design.

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, Suspects, key};
use super::span;
use super::waiters::Waiters;
use crate::desc::{Kind, State};
use crate::observe::{Counter, Direction, Transition};
use crate::sys::mask_names;
use crate::view::kernel::descriptor::Answer;
use crate::view::line::Place;
use crate::view::raw::{RawRow, RawSide};

/// The end of a stream is held for so many times as long before it is told: a pool notices it when
/// the connection is next used.
const END: u64 = 20;
/// What was read once may be read again without a trace in the descriptor, so only looks tell, and
/// for so many times as long.
const READ_BEFORE: u64 = 7;
/// Where nobody knows whether it was read.
const UNKNOWN: u64 = 3;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Leaked {
    suspects: Suspects<Unread>,
}

impl Leaked {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let before = self.suspects.begin();
        if !observation.runs(Lint::LeakedReadiness) {
            return Vec::new();
        }
        let hold_ns = observation.hold_ns(Lint::LeakedReadiness);
        let waiters = Waiters::of(observation.rows.iter());
        let read = Direction::Read;
        let is_idle = |row: &&RawRow| {
            let side = &row.sides[read.index()];
            // Without an edge there was nothing yet that could have been left.
            let had_an_edge = Transition::edges().any(|it| side.transitions[it.index()] > 0);
            matches!(side.state, State::Nil | State::Ready)
                && had_an_edge
                && observation.age_ns(row.opened_at_ns) > hold_ns
        };
        let idle = observation.rows.iter().filter(is_idle);
        let mut suspects = observation.readable(idle);
        // The oldest registrations first: what has been lying there for longest is most likely
        // among them.
        suspects.sort_by_key(|row| row.opened_at_ns);
        let mut findings = Vec::new();
        for row in suspects {
            let side = &row.sides[read.index()];
            let entered_ns = side.since_ns;
            let seen = self.suspects.see(
                &before,
                key(row, read),
                (0, reads(side)),
                observation.now_ns,
                || Unread {
                    first_seen_ns: observation.now_ns,
                    entered_ns,
                    queue: None,
                    was_taken: false,
                },
            );
            // Seen once, it may be read in a moment; and whoever is asked about twice has not been.
            let is_new = seen.first_ns == observation.now_ns;
            if findings.len() == SUSPECTS || waiters.elsewhere(side).is_some() {
                continue;
            }
            let Some(answer) = observation.answer(row) else {
                continue;
            };
            let now = seen.note.after(observation.now_ns, queue(&answer));
            seen.note = now;
            // A short look need not see the owner write.
            let watched_ns = observation.age_ns(now.first_seen_ns).max(hold_ns);
            if is_new || owner_writes(&answer, row, watched_ns) {
                continue;
            }
            let ends = answer.receive_queue == Some(0);
            let known = has_read(observation, row, &answer);
            let read_before = was_read(side) || now.was_taken || known == Some(true);
            let (since_ns, times) = now.since_ns(read_before);
            let times = if known.is_none() {
                UNKNOWN.max(times)
            } else {
                times
            };
            let times = if ends { END.max(times) } else { times };
            if observation.age_ns(since_ns) > hold_ns.saturating_mul(times) {
                let is_dated = !read_before && now.entered_ns != 0;
                let finding = describe(observation, row, &answer, since_ns, read_before);
                findings.push(match is_dated {
                    true => finding,
                    false => finding.first_seen(),
                });
            }
        }
        findings
    }
}

/// What is known of readiness that nobody has consumed.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Unread {
    /// When it was first seen so; nothing was read since.
    first_seen_ns: u64,
    /// When the word became ready, or the last edge was consumed; 0 if that is not known.
    entered_ns: u64,
    /// How much was there in the last look, where the kernel counts it.
    queue: Option<u64>,
    /// It has become less from one look to the next.
    was_taken: bool,
}

impl Unread {
    /// The same one look later: anew, if something was taken.
    fn after(self, now_ns: u64, queue: Option<u64>) -> Self {
        let taken = queue
            .zip(self.queue)
            .is_some_and(|(now, before)| now < before);
        Self {
            first_seen_ns: if taken { now_ns } else { self.first_seen_ns },
            queue,
            was_taken: self.was_taken || taken,
            ..self
        }
    }

    /// Since when it has been lying there, and how many times the hold time that must be.
    fn since_ns(&self, read_before: bool) -> (u64, u64) {
        if read_before || self.entered_ns == 0 {
            let times = if read_before { READ_BEFORE } else { 1 };
            (self.first_seen_ns, times)
        } else {
            (self.entered_ns.min(self.first_seen_ns), 1)
        }
    }
}

/// What the reader has done, without what the kernel has.
fn reads(side: &RawSide) -> [u64; Transition::COUNT] {
    let mut reads = side.transitions;
    for edge in Transition::edges() {
        reads[edge.index()] = 0;
    }
    reads
}

/// Somebody has waited for it, or taken its readiness, before.
fn was_read(side: &RawSide) -> bool {
    reads(side).iter().any(|count| *count > 0)
}

/// Whether something was read of what has come, as far as the kernel counts it: who reads at once
/// does not wait, and leaves no trace in the descriptor.
fn has_read(observation: &Observation<'_>, row: &RawRow, answer: &Answer) -> Option<bool> {
    if row.kind == Kind::TcpListener {
        // Of which listener it is not known.
        return Some(observation.stats.counter(Counter::OpAcceptOk) > 0);
    }
    let tcp = answer.tcp.filter(|tcp| tcp.is_connected())?;
    Some(tcp.bytes_received > answer.receive_queue?)
}

/// Bytes to read, or connections to accept.
fn queue(answer: &Answer) -> Option<u64> {
    answer.receive_queue.or_else(|| backlog(answer))
}

/// Connections to accept, of a listener.
fn backlog(answer: &Answer) -> Option<u64> {
    let listener = answer.tcp.filter(|tcp| tcp.state_name() == "LISTEN")?;
    Some(listener.unacked.into())
}

/// A program that sends without reading, as one that pushes, has not forgotten the connection.
fn owner_writes(answer: &Answer, row: &RawRow, unread_ns: u64) -> bool {
    let writes = &row.sides[Direction::Write.index()];
    let sent_ns = answer.last_data_sent_ns();
    matches!(writes.state, State::Wait | State::Parked | State::Woken)
        || sent_ns.is_some_and(|sent| sent < unread_ns)
}

fn describe(
    observation: &Observation<'_>,
    row: &RawRow,
    answer: &Answer,
    since_ns: u64,
    read_before: bool,
) -> Finding {
    let age = span(observation.age_ns(since_ns));
    let what = match (row.kind, answer.receive_queue) {
        (kind, _) if kind.is_listener() => "connections that nobody accepts".to_owned(),
        (_, Some(0)) => "the end of its stream to be read".to_owned(),
        (_, Some(bytes)) => format!("{bytes} bytes that nobody reads"),
        (_, None) => "something to read that nobody reads".to_owned(),
    };
    let summary = format!(
        "descriptor {} has had {what} for {age}, and nobody waits for it",
        row.fd
    );
    Finding::of_row(
        Lint::LeakedReadiness,
        observation,
        row,
        Some(Direction::Read),
        since_ns,
        summary,
    )
    .evidence("unread for at least", age)
    .evidence(
        "poll(2) says",
        mask_names(u32::from(answer.ready.cast_unsigned())),
    )
    .evidence_if(
        "bytes readable",
        answer.receive_queue.map(|bytes| bytes.to_string()),
    )
    .evidence_if(
        "connections to accept",
        backlog(answer).map(|waiting| waiting.to_string()),
    )
    .evidence_if(
        "TCP state",
        answer.tcp.map(|tcp| tcp.state_name().to_owned()),
    )
    .evidence("read before", if read_before { "yes" } else { "no" })
    .evidence("last event", mask_names(row.last_events))
    // Nobody waits; whoever waited last may have nothing to do with it.
    .at(row.opened_location.map(Place::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNREAD: Unread = Unread {
        first_seen_ns: 500,
        entered_ns: 200,
        queue: Some(7),
        was_taken: false,
    };

    #[test]
    fn what_was_never_read_has_lain_there_since_its_edge_came() {
        assert_eq!(UNREAD.since_ns(false), (200, 1));
        let unknown = Unread {
            entered_ns: 0,
            ..UNREAD
        };
        assert_eq!(unknown.since_ns(false), (500, 1));
    }

    #[test]
    fn what_was_read_before_is_timed_from_the_look_that_saw_the_last_of_it() {
        assert_eq!(UNREAD.since_ns(true), (500, READ_BEFORE));
        assert_eq!(
            UNREAD.after(900, Some(7)).since_ns(true),
            (500, READ_BEFORE)
        );
        assert_eq!(
            UNREAD.after(900, Some(8)).since_ns(true),
            (500, READ_BEFORE),
            "more came"
        );
        assert_eq!(
            UNREAD.after(900, Some(6)).since_ns(true),
            (900, READ_BEFORE)
        );
        assert!(UNREAD.after(900, Some(6)).was_taken && !UNREAD.after(900, None).was_taken);
    }
}
