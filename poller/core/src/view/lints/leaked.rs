//! Readiness that nobody comes for: bytes arrived, the edge is kept in the descriptor, and nobody
//! reads or waits.

use super::SUSPECTS;
use super::finding::Finding;
use super::lint::Lint;
use super::observation::{Observation, Suspects, key, same_side};
use super::span;
use crate::desc::{Kind, State};
use crate::observe::Direction;
use crate::sys::mask_names;
use crate::view::kernel::descriptor::Answer;
use crate::view::raw::RawRow;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Leaked {
    suspects: Suspects<()>,
}

impl Leaked {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Vec<Finding> {
        let before = self.suspects.begin();
        if !observation.runs(Lint::LeakedReadiness) {
            return Vec::new();
        }
        let hold_ns = observation.hold_ns(Lint::LeakedReadiness);
        let unread = observation
            .sides(State::Ready)
            .filter(|(row, direction, _)| {
                *direction == Direction::Read && observation.age_ns(row.opened_at_ns) > hold_ns
            });
        let mut suspects =
            observation.ready_ones(unread.map(|(row, direction, _)| (row, direction)));
        let mut findings = Vec::new();
        // The oldest registrations first: what has been lying there for longest is most likely
        // among them.
        suspects.sort_by_key(|(row, _)| row.opened_at_ns);
        for (row, direction) in suspects {
            let side = &row.sides[direction.index()];
            let seen = self.suspects.see(
                &before,
                key(row, direction),
                same_side(side),
                observation.now_ns,
                || (),
            );
            let first_ns = seen.first_ns;
            // Seen once, it may be read in a moment; and whoever is asked about twice has not been.
            if findings.len() == SUSPECTS || first_ns == observation.now_ns {
                continue;
            }
            let Some(answer) = observation.answer(row) else {
                continue;
            };
            let unread = Unread {
                first_seen_ns: first_ns,
                entered_ns: side.since_ns,
                data_at_ns: answer
                    .last_data_received_ns()
                    .map(|ago| observation.now_ns.saturating_sub(ago)),
                bytes: answer.receive_queue,
            };
            if let Some(since_ns) = unread.since_ns()
                && observation.age_ns(since_ns) > hold_ns
            {
                findings.push(describe(observation, row, &answer, since_ns));
            }
        }
        findings
    }
}

/// What is known of readiness that nobody has consumed.
#[derive(Clone, Copy, Debug)]
struct Unread {
    /// When it was first seen so; it has not changed since.
    first_seen_ns: u64,
    /// When the last edge came; 0 if that is not known.
    entered_ns: u64,
    /// When data last came; nobody has begun to read since, or the readiness would be gone.
    data_at_ns: Option<u64>,
    /// `None` for what has no such number: a listener, an eventfd.
    bytes: Option<u64>,
}

impl Unread {
    /// Since when it has been lying there at least; `None` if there is nothing to read but the end.
    fn since_ns(&self) -> Option<u64> {
        let entered_ns = if self.entered_ns == 0 {
            u64::MAX
        } else {
            self.entered_ns
        };
        let from_data = self.data_at_ns.unwrap_or(u64::MAX);
        let since_ns = self.first_seen_ns.min(entered_ns).min(from_data);
        (self.bytes != Some(0)).then_some(since_ns)
    }
}

fn describe(
    observation: &Observation<'_>,
    row: &RawRow,
    answer: &Answer,
    since_ns: u64,
) -> Finding {
    let age = span(observation.age_ns(since_ns));
    let what = match (row.kind, answer.receive_queue) {
        (Kind::TcpListener | Kind::UnixListener, _) => "connections that nobody accepts".to_owned(),
        (_, Some(bytes)) => format!("{bytes} bytes that nobody reads"),
        (_, None) => "something to read that nobody reads".to_owned(),
    };
    let summary = format!(
        "descriptor {} has had {what} for {age}, and nobody waits for it",
        row.fd
    );
    let mut finding = Finding::of_row(
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
    .evidence("last event", mask_names(row.last_events));
    // Nobody waits; whoever waited last may have nothing to do with it.
    finding.location = row.opened_location;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_lain_there_since_they_came_or_since_they_were_first_seen() {
        let unread = Unread {
            first_seen_ns: 500,
            entered_ns: 0,
            data_at_ns: None,
            bytes: Some(3),
        };
        assert_eq!(unread.since_ns(), Some(500));
        let earlier = Unread {
            data_at_ns: Some(100),
            ..unread
        };
        assert_eq!(earlier.since_ns(), Some(100));
        let by_the_edge = Unread {
            entered_ns: 200,
            ..unread
        };
        assert_eq!(by_the_edge.since_ns(), Some(200));
        let no_number = Unread {
            bytes: None,
            ..unread
        };
        assert_eq!(no_number.since_ns(), Some(500));
    }

    #[test]
    fn the_end_of_a_stream_that_nobody_has_come_for_is_not_data() {
        let end = Unread {
            first_seen_ns: 500,
            entered_ns: 0,
            data_at_ns: Some(100),
            bytes: Some(0),
        };
        assert_eq!(end.since_ns(), None);
    }
}
