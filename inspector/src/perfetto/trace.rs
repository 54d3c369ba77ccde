//! From events to slices, instants and arrows.

use std::io::{self, Write};
use std::sync::Arc;

use netpoller_proto::v1::{
    Descriptor, Event, EventKind, GetServerResponse, State, TransitionsFrame,
};
use netpoller_proto::vocabulary::Direction;

use super::followed::{Descriptors, Followed, Key, fd, may_be_of_sleep, slot_of};
use super::instant::{is_of_poller, mark};
use super::order::{Order, Told, What};
use super::tracks::{PROCESS, Tracks, known};
use super::wait::{Moment, NOT_TOLD, STILL};
use super::writer::{Arg, Args, Mark, Value, Writer};

/// Descriptors that are followed at a time; beyond that all are begun anew.
const MOST: usize = 1 << 17;

/// A trace that is written.
#[derive(Debug)]
pub(crate) struct Trace<W> {
    writer: Writer<W>,
    tracks: Tracks,
    order: Order,
    descriptors: Descriptors,
    /// Those that were closed since the last frame, or in the one before: something may follow.
    closed: Vec<Key>,
    closed_before: Vec<Key>,
    /// The last moment that was told.
    told_ns: u64,
    /// The last moment of which something was read, where it ends.
    now_ns: u64,
    summary: Summary,
}

/// What there is in a trace.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Summary {
    pub(crate) events: u64,
    pub(crate) waits: u64,
    pub(crate) lost: u64,
    pub(crate) bytes: u64,
}

impl<W: Write> Trace<W> {
    /// Begins the trace of a process.
    pub(crate) fn new(out: W, server: &GetServerResponse) -> io::Result<Self> {
        let mut writer = Writer::new(out, server)?;
        Tracks::process(&mut writer, server)?;
        Ok(Self {
            writer,
            tracks: Tracks::default(),
            order: Order::default(),
            descriptors: Descriptors::default(),
            closed: Vec::new(),
            closed_before: Vec::new(),
            told_ns: 0,
            now_ns: 0,
            summary: Summary::default(),
        })
    }

    /// Takes a row that was read before the events: who is parked may be so for longer than they
    /// tell.
    pub(crate) fn began(&mut self, row: &Arc<Descriptor>, direction: Direction) {
        let side = row.side(direction).filter(|_| !row.torn);
        let side = side.filter(|it| it.state() == State::Parked && !it.since_at_least);
        if let Some(side) = side.filter(|it| it.since_ns > 0) {
            self.order.parked(side.since_ns, Arc::clone(row), direction);
        }
    }

    /// Takes a row that was read after the last events were taken.
    pub(crate) fn saw(&mut self, row: &Arc<Descriptor>) {
        let key = (row.poller.clone(), row.id().to_string());
        if let Some(followed) = self.descriptors.get_mut(&key) {
            followed.confirm(row, self.order.lost());
        }
    }

    /// Those of whom it is not known who waits, or, after a loss, whether they do so still.
    pub(crate) fn unseen(&self) -> Vec<Key> {
        self.descriptors.unseen(self.order.lost())
    }

    /// Takes the next events, with what is known of their descriptors.
    pub(crate) fn take(
        &mut self,
        frame: TransitionsFrame,
        row: impl Fn(&Key) -> Option<Arc<Descriptor>>,
    ) -> io::Result<()> {
        self.now_ns = self.now_ns.max(frame.captured_at_ns);
        for told in self.order.take(frame) {
            self.tell(told, &row)?;
        }
        let closed = std::mem::take(&mut self.closed);
        for key in std::mem::replace(&mut self.closed_before, closed) {
            if let Some(followed) = self.descriptors.remove(&key) {
                self.end(followed, NOT_TOLD, self.told_ns)?;
            }
        }
        Ok(())
    }

    /// Writes out what there is so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// What there is so far.
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            bytes: self.writer.written(),
            ..self.summary
        }
    }

    /// Makes it end with the last event.
    pub(crate) fn cut(&mut self) {
        self.now_ns = self.order.cut().unwrap_or(self.now_ns);
    }

    /// Tells what is held: nothing more comes.
    pub(crate) fn rest(&mut self, row: impl Fn(&Key) -> Option<Arc<Descriptor>>) -> io::Result<()> {
        for told in self.order.rest() {
            self.tell(told, &row)?;
        }
        Ok(())
    }

    /// Ends it: who waits still is said to.
    pub(crate) fn finish(
        &mut self,
        row: impl Fn(&Key) -> Option<Arc<Descriptor>>,
    ) -> io::Result<()> {
        self.rest(row)?;
        self.end_all(STILL, self.now_ns.max(self.told_ns))?;
        self.writer.flush()
    }

    fn end_all(&mut self, outcome: &'static str, at_ns: u64) -> io::Result<()> {
        for followed in self.descriptors.take_all() {
            self.end(followed, outcome, at_ns)?;
        }
        Ok(())
    }

    /// Ends the waits of a descriptor that is followed no longer.
    fn end(&mut self, mut followed: Followed, outcome: &'static str, at_ns: u64) -> io::Result<()> {
        let moment = Moment {
            at_ns,
            lost: self.summary.lost,
            row: followed.row.as_ref(),
        };
        for side in &mut followed.sides {
            side.end(&mut self.writer, moment, outcome)?;
        }
        Ok(())
    }

    fn tell(
        &mut self,
        told: Told,
        row: &impl Fn(&Key) -> Option<Arc<Descriptor>>,
    ) -> io::Result<()> {
        let at_ns = told.at_ns;
        self.told_ns = at_ns;
        match told.what {
            What::Lost(events) => {
                self.summary.lost += events;
                let mark = Mark {
                    name: "events_lost",
                    category: "recorder",
                    args: vec![("events", Value::Number(events))],
                    ..Mark::default()
                };
                self.writer.instant(at_ns, PROCESS, mark)
            }
            What::Parked { row, direction } => {
                let key = (row.poller.clone(), row.id().to_string());
                if self.descriptors.is_over(&key) {
                    return Ok(());
                }
                self.follow(&key, Some(row), None, at_ns)?;
                let args = vec![("told_by", Value::Text("the table".to_owned()))];
                self.park(&key, direction, at_ns, args)
            }
            What::Event(mut event) => {
                self.summary.events += 1;
                event.at_ns = at_ns;
                let late = told.happened_at_ns;
                let late = late.map(|at_ns| ("happened_at_ns", Value::Number(at_ns)));
                let key = (event.poller.clone(), event.id.clone());
                let is_of_thread = event.id.is_empty() || is_of_poller(event.kind());
                // It comes so late that something else is drawn in its place.
                if is_of_thread || self.descriptors.is_over(&key) {
                    let ends = told.comes_from.into_iter().collect();
                    return self.of_thread(&event, late, told.leads_to, ends);
                }
                self.follow(&key, row(&key), Some(&event), at_ns)?;
                self.of_descriptor(key, &event, late, told.comes_from)
            }
        }
    }

    /// Knows the descriptor from here on.
    fn follow(
        &mut self,
        key: &Key,
        row: Option<Arc<Descriptor>>,
        event: Option<&Event>,
        at_ns: u64,
    ) -> io::Result<()> {
        let (poller, id) = key;
        let fd = row.as_ref().map(|row| row.fd).or(event.and_then(fd));
        let before = self.descriptors.get_mut(key).map(|it| it.may_be_sleep);
        // Whether it can be a sleep still.
        let may_be = match fd {
            Some(fd) => fd == -1,
            None => event.is_some_and(|it| may_be_of_sleep(it, before.is_none())),
        };
        let is_new = before.is_none();
        if is_new && self.descriptors.len() >= MOST {
            self.end_all("not followed any longer", at_ns)?;
        }
        let has_come_out = before == Some(true) && !may_be;
        if is_new || has_come_out {
            let writer = &mut self.writer;
            let lanes = match may_be {
                true => self.tracks.sleep(writer, (poller, slot_of(id)))?,
                false => self
                    .tracks
                    .descriptor(writer, (poller, id), row.as_deref(), fd)?,
            };
            let is_opened = event.is_some_and(|it| it.kind() == EventKind::Opened);
            if let Some(row) = row.as_deref().filter(|_| !is_opened) {
                let mark = Mark {
                    name: "descriptor",
                    category: "descriptor",
                    args: known(row),
                    ..Mark::default()
                };
                writer.instant(at_ns, lanes.own, mark)?;
            }
            if let Some(followed) = self.descriptors.get_mut(key) {
                followed.go(lanes);
            } else {
                let followed = Followed::new(key.clone(), lanes, may_be && fd.is_none());
                if let Some(before) = self.descriptors.insert(followed) {
                    // Its end is among what was lost.
                    self.end(before, NOT_TOLD, at_ns)?;
                }
            }
        }
        if let (Some(followed), Some(row)) = (self.descriptors.get_mut(key), row) {
            followed.saw(&row);
        }
        Ok(())
    }

    fn park(
        &mut self,
        key: &Key,
        direction: Direction,
        at_ns: u64,
        mut args: Args,
    ) -> io::Result<()> {
        let Some(followed) = self.descriptors.get_mut(key) else {
            return Ok(());
        };
        args.push(("id", Value::Text(key.1.clone())));
        let moment = Moment {
            at_ns,
            lost: self.summary.lost,
            row: followed.row.as_ref(),
        };
        let side = &mut followed.sides[direction.index()];
        let has_begun = side.park(&mut self.writer, moment, args)?;
        self.summary.waits += u64::from(has_begun);
        Ok(())
    }

    /// What a thread has done for a poller.
    fn of_thread(
        &mut self,
        event: &Event,
        late: Option<Arg>,
        flows: Vec<u64>,
        ends: Vec<u64>,
    ) -> io::Result<()> {
        let track = self
            .tracks
            .thread(&mut self.writer, &event.poller, &event.thread)?;
        let mut mark = mark(event);
        (mark.flows, mark.ends) = (flows, ends);
        mark.args.extend(late);
        self.writer.instant(event.at_ns, track, mark)
    }

    fn of_descriptor(
        &mut self,
        key: Key,
        event: &Event,
        late: Option<Arg>,
        comes_from: Option<u64>,
    ) -> io::Result<()> {
        let kind = event.kind();
        let thread = ("thread", Value::Text(event.thread.clone()));
        let direction = event.direction().word();
        if kind == EventKind::Park
            && let Some(direction) = direction
        {
            let args = [thread].into_iter().chain(late).collect();
            return self.park(&key, direction, event.at_ns, args);
        }
        let Some(followed) = self.descriptors.get_mut(&key) else {
            return Ok(());
        };
        let writer = &mut self.writer;
        let moment = Moment {
            at_ns: event.at_ns,
            lost: self.summary.lost,
            row: followed.row.as_ref(),
        };
        let mut mark = mark(event);
        mark.args.extend(late);
        let Some(direction) = direction else {
            mark.args.push(thread);
            if let Some(row) = moment.row.filter(|_| kind == EventKind::Opened) {
                mark.args.extend(known(row));
            }
            writer.instant(event.at_ns, followed.own, mark)?;
            if kind == EventKind::Closed {
                for side in &mut followed.sides {
                    side.end(writer, moment, kind.name())?;
                }
                self.closed.push(key);
            }
            return Ok(());
        };
        let side = &mut followed.sides[direction.index()];
        match kind {
            EventKind::ReadyParked | EventKind::UnblockParked => {
                let arrow = comes_from.unwrap_or_else(|| self.order.arrow());
                return side.wake(writer, moment, event, mark.args, arrow);
            }
            EventKind::Run => {
                let thread = self.tracks.thread(writer, &event.poller, &event.thread)?;
                return side.run(writer, moment, thread, mark);
            }
            _ => {}
        }
        mark.args.push(thread);
        writer.instant(event.at_ns, side.track, mark)?;
        match kind {
            EventKind::Rearm => side.rearm(),
            EventKind::CancelParked => side.end(writer, moment, kind.name())?,
            EventKind::ReadyArmed | EventKind::UnblockArmed | EventKind::CancelArmed => {
                side.unpark(writer, moment, kind.name())?;
            }
            _ => {}
        }
        Ok(())
    }
}
