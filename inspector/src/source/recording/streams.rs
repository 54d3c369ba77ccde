//! What goes on, told as fast as it is taken. Where it is, the connection is.

use std::sync::Arc;

use netpoller_proto::v1::{TransitionsFrame, WatchFrame, WatchRequest, WatchTransitionsRequest};
use tonic::Status;

use super::events;
use super::moment::Moment;
use super::past::Past;
use super::sending::{Stream, follow, stream};
use crate::source::cursor::Cursor;
use crate::source::serve::{self, Told};

/// The time between two groups if none is asked for, and the shortest.
const INTERVAL_NS: u64 = 1_000_000_000;
const SHORTEST_NS: u64 = 100_000_000;

/// The time between two groups, of which so much was asked for.
pub(super) fn step_ns(interval_ns: u64) -> u64 {
    match interval_ns {
        0 => INTERVAL_NS,
        interval_ns => interval_ns.max(SHORTEST_NS),
    }
}

/// The table as it changed.
pub(super) fn table(
    past: &Arc<Past>,
    cursor: &Arc<Cursor>,
    request: &WatchRequest,
) -> Result<Stream<WatchFrame>, Status> {
    let filter = request.filter.as_ref();
    let wanted = serve::Wanted::new(&request.poller, false, filter)?;
    let step_ns = step_ns(request.interval_ns);
    let (past, cursor, stats) = (Arc::clone(past), Arc::clone(cursor), request.stats);
    let mut teller = Teller {
        moment: Moment::first(past),
        told: Told::default(),
        wanted,
        stats,
    };
    if let Some(moves) = cursor.moves() {
        return Ok(follow(moves, move |at_ns, send| {
            let _ = teller.tell(at_ns).into_iter().all(send);
        }));
    }
    Ok(stream(move |send| {
        let mut at_ns = cursor.start_ns();
        loop {
            cursor.go(at_ns);
            let frames = teller.tell(at_ns);
            if !frames.into_iter().all(send) || at_ns >= cursor.ends_at_ns() {
                return;
            }
            at_ns = at_ns.saturating_add(step_ns).min(cursor.ends_at_ns());
        }
    }))
}

/// Tells a subscriber of one moment after another.
struct Teller {
    moment: Moment,
    told: Told,
    wanted: serve::Wanted,
    stats: bool,
}

impl Teller {
    fn tell(&mut self, at_ns: u64) -> Vec<WatchFrame> {
        self.moment.go(at_ns);
        let model = &self.moment.model;
        let rows: Vec<_> = model.rows.values().cloned().collect();
        let table = serve::Table {
            captured_at_ns: model.captured_at_ns,
            epoch: model.epoch,
            rows: &rows,
            sockets_at_ns: model.captured_at_ns,
            sockets_error: &model.sockets_error,
        };
        let mut frames = self.told.tell(&table, &self.wanted);
        if let Some(last) = frames.last_mut().filter(|_| self.stats) {
            last.stats = model.stats.as_deref().cloned();
        }
        frames
    }
}

/// What happened.
pub(super) fn events(
    past: &Arc<Past>,
    cursor: &Arc<Cursor>,
    request: &WatchTransitionsRequest,
) -> Result<Stream<TransitionsFrame>, Status> {
    let wanted = events::Wanted::new(request)?;
    let until_ns = match request.history_only {
        true => cursor.at_ns(),
        false => cursor.ends_at_ns(),
    };
    let from_ns = match request.history || request.history_only {
        // What the recorder of the process held when it was recorded is older than the recording.
        true => 0,
        false => cursor.start_ns(),
    };
    let (past, cursor) = (Arc::clone(past), Arc::clone(cursor));
    // Losses count from where it begins.
    let losses = match from_ns {
        0 => events::Losses::default(),
        from_ns => events::Losses::before(&past, from_ns),
    };
    if let Some(moves) = cursor.moves().filter(|_| !request.history_only) {
        let mut before = (!request.history).then(|| cursor.at_ns());
        return Ok(follow(moves, move |at_ns, send| {
            let here = TransitionsFrame {
                captured_at_ns: at_ns,
                ..TransitionsFrame::default()
            };
            // Where one goes back, those that there were by then come again.
            match before.replace(at_ns).filter(|before| *before <= at_ns) {
                None => {
                    let events = events::last(&past, at_ns, &wanted);
                    send(TransitionsFrame { events, ..here });
                }
                Some(before) => {
                    let mut frames = events::between(&past, (before + 1, at_ns), &wanted);
                    let at_that = |frame| TransitionsFrame {
                        captured_at_ns: at_ns,
                        ..losses.since(frame)
                    };
                    if frames.by_ref().map(at_that).all(send) {
                        // Though nothing has happened, it is another moment.
                        send(here);
                    }
                }
            }
        }));
    }
    let moves = !cursor.is_held();
    Ok(stream(move |send| {
        let frames = events::between(&past, (from_ns, until_ns), &wanted);
        let go = |at_ns| {
            if moves {
                cursor.go(at_ns);
            }
        };
        for (sequence, frame) in (0..).zip(frames) {
            go(frame.captured_at_ns);
            let frame = losses.since(frame);
            if !send(TransitionsFrame { sequence, ..frame }) {
                return;
            }
        }
        go(until_ns);
    }))
}
