//! The waits of one direction of a descriptor, one after another.
//!
//! A wait is a slice from where its waiter was parked to where it ran, or to where it was given up;
//! in it is another one from the wake on, so that what is not of it was the kernel's or the peer's
//! time, and what is of it the scheduler's.

use std::io::{self, Write};
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, Event, State, Waiter};
use netpoller_proto::vocabulary::Direction;

use super::writer::{Args, Mark, Value, Writer};

/// What is said where neither event nor table says it.
pub(super) const NOT_TOLD: &str = "not told";
/// What is said of a wait that goes on when the trace ends.
pub(super) const STILL: &str = "still waiting";

/// One direction.
#[derive(Debug)]
pub(super) struct Side {
    /// Where it is drawn from the next wait on.
    pub(super) track: u64,
    pub(super) direction: Direction,
    wait: Option<Wait>,
}

/// A wait that goes on.
#[derive(Debug)]
struct Wait {
    track: u64,
    /// Nothing if its beginning was not told: then there is no slice.
    began_ns: Option<u64>,
    /// Its waiter has another waker, and is not parked until that is there.
    is_rearmed: bool,
    woken: Option<Woken>,
    /// What was lost until it began.
    lost: u64,
    /// What was lost until it was known the last time that it goes on.
    confirmed: u64,
    /// The row that was read while it went on, which says who waits.
    row: Option<Arc<Descriptor>>,
}

#[derive(Debug)]
struct Woken {
    at_ns: u64,
    cause: &'static str,
    arrow: u64,
    /// What was lost until then.
    lost: u64,
}

/// Something that happens to a direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) at_ns: u64,
    /// Events that were lost so far.
    pub(super) lost: u64,
    /// What was seen of the descriptor last.
    pub(super) row: Option<&'a Arc<Descriptor>>,
}

impl Side {
    pub(super) fn new(track: u64, direction: Direction) -> Self {
        Self {
            track,
            direction,
            wait: None,
        }
    }

    /// Whether it is not known who waits, or not whether that goes on, now that so much is lost.
    pub(super) fn is_unseen(&self, lost: u64) -> bool {
        let parked = self.wait.as_ref().filter(|it| it.woken.is_none());
        parked.is_some_and(|it| it.began_ns.is_some() && (it.row.is_none() || it.confirmed < lost))
    }

    /// Takes a row that was read, which may say who waits; true if it does.
    pub(super) fn saw(&mut self, row: &Arc<Descriptor>) -> bool {
        if let Some(wait) = &mut self.wait
            && let Some(side) = row.side(self.direction)
            && side.state() == State::Parked
            && wait.began_ns == Some(side.since_ns)
        {
            wait.row = Some(Arc::clone(row));
            return true;
        }
        false
    }

    /// The same of a row that was read after so much was lost: who waits there does so still.
    pub(super) fn confirm(&mut self, row: &Arc<Descriptor>, lost: u64) {
        if self.saw(row)
            && let Some(wait) = &mut self.wait
        {
            wait.confirmed = wait.confirmed.max(lost);
        }
    }

    /// Somebody is parked; true if a wait has begun with that.
    pub(super) fn park<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        moment: Moment<'_>,
        mut args: Args,
    ) -> io::Result<bool> {
        if let Some(wait) = &mut self.wait {
            let is_same = wait.began_ns == Some(moment.at_ns) && wait.woken.is_none();
            if is_same || std::mem::take(&mut wait.is_rearmed) {
                return Ok(false);
            }
        }
        self.end(writer, moment, NOT_TOLD)?;
        self.wait = Some(Wait::new(self.track, Some(moment.at_ns), moment.lost));
        if let Some(row) = moment.row {
            self.saw(row);
        }
        let direction = Value::Text(self.direction.name().to_owned());
        args.push(("direction", direction));
        let mark = Mark {
            name: "wait",
            category: "wait",
            args,
            ..Mark::default()
        };
        writer.begin(moment.at_ns, self.track, mark)?;
        Ok(true)
    }

    /// The waiter goes on with another waker.
    pub(super) fn rearm(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.is_rearmed = true;
        }
    }

    /// The wait is over without a wake if its waiter was about to be parked again.
    pub(super) fn unpark<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        moment: Moment<'_>,
        outcome: &'static str,
    ) -> io::Result<()> {
        match self.wait.as_ref().is_some_and(|it| it.is_rearmed) {
            true => self.end(writer, moment, outcome),
            false => Ok(()),
        }
    }

    /// The waiter is woken, by what the arrow comes from.
    pub(super) fn wake<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        moment: Moment<'_>,
        event: &Event,
        args: Args,
        arrow: u64,
    ) -> io::Result<()> {
        if self.wait.as_ref().is_some_and(|it| it.woken.is_some()) {
            self.end(writer, moment, NOT_TOLD)?;
        }
        let cause = event.cause().map_or(NOT_TOLD, |cause| cause.name());
        let mut mark = Mark {
            name: "woken",
            category: "wake",
            args,
            flows: vec![arrow],
            ..Mark::default()
        };
        mark.args.extend([
            ("cause", Value::Text(cause.to_owned())),
            ("by", Value::Text(event.kind().name().to_owned())),
            ("thread", Value::Text(event.thread.clone())),
        ]);
        let track = self.track;
        let wait = self
            .wait
            .get_or_insert_with(|| Wait::new(track, None, moment.lost));
        wait.woken = Some(Woken {
            at_ns: moment.at_ns,
            cause,
            arrow,
            lost: moment.lost,
        });
        if wait.began_ns.is_some() {
            return writer.begin(moment.at_ns, wait.track, mark);
        }
        let began = Value::Text(NOT_TOLD.to_owned());
        mark.args.push(("wait_began", began));
        writer.instant(moment.at_ns, wait.track, mark)
    }

    /// The waiter runs, as `mark` says on the track of its thread.
    pub(super) fn run<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        moment: Moment<'_>,
        track: u64,
        mut mark: Mark,
    ) -> io::Result<()> {
        if let Some(wait) = &mut self.wait {
            mark.args.extend(waiter(wait, self.direction, moment.row));
            if let Some(woken) = &wait.woken {
                mark.ends.push(woken.arrow);
            }
        }
        let outcome = mark.name;
        writer.instant(moment.at_ns, track, mark)?;
        self.close(writer, moment, outcome)
    }

    /// The wait is over, whether it was said how or not.
    pub(super) fn end<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        moment: Moment<'_>,
        outcome: &'static str,
    ) -> io::Result<()> {
        if let Some(wait) = &self.wait
            && let Some(woken) = &wait.woken
        {
            // Its arrow has to end somewhere.
            let mark = Mark {
                name: "run_not_told",
                category: "wake",
                ends: vec![woken.arrow],
                ..Mark::default()
            };
            writer.instant(moment.at_ns, wait.track, mark)?;
        }
        self.close(writer, moment, outcome)
    }

    /// Ends the slices of the wait.
    fn close<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        moment: Moment<'_>,
        outcome: &'static str,
    ) -> io::Result<()> {
        let Some(wait) = self.wait.take() else {
            return Ok(());
        };
        let Some(began_ns) = wait.began_ns else {
            return Ok(());
        };
        let until_ns = wait.woken.as_ref().map_or(moment.at_ns, |it| it.at_ns);
        let known = wait.woken.as_ref().map_or(wait.confirmed, |it| it.lost);
        let outcome = match &wait.woken {
            _ if outcome != STILL => outcome,
            // What is lost may have ended it.
            _ if moment.lost > known => NOT_TOLD,
            Some(_) => "woken, not run yet",
            None => STILL,
        };
        let mut args = vec![
            ("outcome", Value::Text(outcome.to_owned())),
            (
                "parked_ns",
                Value::Number(until_ns.saturating_sub(began_ns)),
            ),
        ];
        if let Some(woken) = &wait.woken {
            args.push(("cause", Value::Text(woken.cause.to_owned())));
            writer.end(moment.at_ns, wait.track, Vec::new())?;
        }
        if moment.lost > wait.lost {
            // It may be several.
            args.push(("events_lost_meanwhile", Value::Flag(true)));
        }
        args.extend(waiter(&wait, self.direction, moment.row));
        writer.end(moment.at_ns, wait.track, args)
    }
}

impl Wait {
    fn new(track: u64, began_ns: Option<u64>, lost: u64) -> Self {
        Self {
            track,
            began_ns,
            is_rearmed: false,
            woken: None,
            lost,
            confirmed: lost,
            row: None,
        }
    }
}

/// Who waits, as the row says that was read in this wait, or else as it was seen last.
fn waiter(wait: &Wait, direction: Direction, last: Option<&Arc<Descriptor>>) -> Args {
    let of = |row: &Arc<Descriptor>| row.side(direction).and_then(|it| it.waiter.clone());
    let (waiter, seen) = match wait.row.as_ref().and_then(of) {
        Some(waiter) => (Some(waiter), "in this wait"),
        None => (last.and_then(of), "in another wait"),
    };
    let Some(waiter) = waiter else {
        return Vec::new();
    };
    let Waiter {
        task,
        location,
        nearest,
        ..
    } = waiter;
    let nearest = nearest.map_or_else(String::new, |line| line.text());
    let texts = [("task", task), ("location", location), ("nearest", nearest)];
    let mut args: Args = texts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name, Value::Text(text)))
        .collect();
    if !args.is_empty() {
        args.push(("waiter_seen", Value::Text(seen.to_owned())));
    }
    args
}
