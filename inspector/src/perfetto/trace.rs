//! From events to slices, instants and arrows.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use netpoller_proto::v1::{
    Descriptor, Event, EventKind, GetServerResponse, State, TransitionsFrame,
};
use netpoller_proto::vocabulary::Direction;

use super::order::{Order, Told, What};
use super::tracks::{Lanes, PROCESS, Tracks, known};
use super::wait::{Moment, STILL, Side};
use super::writer::{Arg, Args, Mark, Value, Writer};
use crate::table::epoll_names;

/// A descriptor, by poller and id.
pub(crate) type Key = (String, String);

/// Descriptors that are followed at a time; beyond that all are begun anew.
const MOST: usize = 1 << 17;

/// A trace that is written.
#[derive(Debug)]
pub(crate) struct Trace<W> {
    writer: Writer<W>,
    tracks: Tracks,
    order: Order,
    descriptors: HashMap<Key, Followed>,
    /// Those that were closed since the last frame, or in the one before: something may follow.
    closed: Vec<Key>,
    closed_before: Vec<Key>,
    /// The last moment that was told.
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

/// A descriptor that is followed.
#[derive(Debug)]
struct Followed {
    own: u64,
    sides: [Side; 2],
    /// As it was seen last.
    row: Option<Arc<Descriptor>>,
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
            descriptors: HashMap::new(),
            closed: Vec::new(),
            closed_before: Vec::new(),
            now_ns: 0,
            summary: Summary::default(),
        })
    }

    /// Takes a row that was read before the events: who is parked may be so for longer than they
    /// tell.
    pub(crate) fn began(&mut self, row: &Descriptor, direction: Direction) {
        let side = row.side(direction).filter(|_| !row.torn);
        let side = side.filter(|it| it.state() == State::Parked && !it.since_at_least);
        if let Some(side) = side.filter(|it| it.since_ns > 0) {
            let id = row.id().to_string();
            self.order
                .parked(side.since_ns, row.poller.clone(), id, direction);
        }
    }

    /// Takes a row that was read meanwhile.
    pub(crate) fn saw(&mut self, key: &Key, row: &Arc<Descriptor>) {
        if let Some(followed) = self.descriptors.get_mut(key) {
            followed.saw(row);
        }
    }

    /// Those of whom it is not known who waits.
    pub(crate) fn unseen(&self) -> Vec<Key> {
        let all = self.descriptors.iter();
        all.filter(|(_, it)| it.sides.iter().any(Side::is_unseen))
            .map(|(key, _)| key.clone())
            .collect()
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
            self.descriptors.remove(&key);
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

    /// Ends it: who waits still is said to.
    pub(crate) fn finish(
        &mut self,
        row: impl Fn(&Key) -> Option<Arc<Descriptor>>,
    ) -> io::Result<()> {
        for told in self.order.rest() {
            self.now_ns = self.now_ns.max(told.at_ns);
            self.tell(told, &row)?;
        }
        self.end_all(STILL)?;
        self.writer.flush()
    }

    fn end_all(&mut self, outcome: &'static str) -> io::Result<()> {
        for followed in self.descriptors.values_mut() {
            let Followed { sides, row, .. } = followed;
            for side in sides {
                let moment = Moment {
                    at_ns: self.now_ns,
                    lost: self.summary.lost,
                    row: row.as_ref(),
                };
                side.end(&mut self.writer, moment, outcome)?;
            }
        }
        self.descriptors.clear();
        Ok(())
    }

    fn tell(
        &mut self,
        told: Told,
        row: &impl Fn(&Key) -> Option<Arc<Descriptor>>,
    ) -> io::Result<()> {
        let at_ns = told.at_ns;
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
            What::Parked {
                poller,
                id,
                direction,
            } => {
                let key = (poller, id);
                self.follow(&key, row(&key), None, at_ns)?;
                let args = vec![("told_by", Value::Text("the table".to_owned()))];
                self.park(&key, direction, at_ns, args)
            }
            What::Event(mut event) => {
                self.summary.events += 1;
                event.at_ns = at_ns;
                let late = told.happened_at_ns;
                let late = late.map(|at_ns| ("happened_at_ns", Value::Number(at_ns)));
                if event.id.is_empty() || is_of_poller(event.kind()) {
                    return self.of_thread(&event, late, told.leads_to);
                }
                let key = (event.poller.clone(), event.id.clone());
                let opened = (event.kind() == EventKind::Opened).then_some(event.argument);
                self.follow(&key, row(&key), opened, at_ns)?;
                self.of_descriptor(key, &event, late, told.comes_from)
            }
        }
    }

    /// Knows the descriptor from here on.
    fn follow(
        &mut self,
        key: &Key,
        row: Option<Arc<Descriptor>>,
        opened: Option<u64>,
        at_ns: u64,
    ) -> io::Result<()> {
        if !self.descriptors.contains_key(key) {
            if self.descriptors.len() >= MOST {
                self.end_all("not followed any longer")?;
            }
            let (poller, id) = key;
            #[allow(clippy::cast_possible_truncation)] // A descriptor's number, or -1 of a sleep.
            let fd = opened.map(|fd| fd as i32);
            let known_row = row.as_deref();
            let Lanes { own, sides } =
                self.tracks
                    .descriptor(&mut self.writer, (poller, id), known_row, fd)?;
            if let Some(row) = known_row.filter(|_| opened.is_none()) {
                let mark = Mark {
                    name: "descriptor",
                    category: "descriptor",
                    args: known(row),
                    ..Mark::default()
                };
                self.writer.instant(at_ns, own, mark)?;
            }
            let side = |direction: Direction| Side::new(sides[direction.index()], direction);
            let followed = Followed {
                own,
                sides: Direction::ALL.map(side),
                row: None,
            };
            self.descriptors.insert(key.clone(), followed);
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
    fn of_thread(&mut self, event: &Event, late: Option<Arg>, flows: Vec<u64>) -> io::Result<()> {
        let track = self
            .tracks
            .thread(&mut self.writer, &event.poller, &event.thread)?;
        let mut mark = mark(event);
        mark.flows = flows;
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

impl Followed {
    fn saw(&mut self, row: &Arc<Descriptor>) {
        for side in &mut self.sides {
            side.saw(row);
        }
        self.row = Some(Arc::clone(row));
    }
}

/// Whether it is told of whoever polls, though it is about a descriptor, which may be gone.
fn is_of_poller(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Event
            | EventKind::StaleEvent
            | EventKind::DeadlineFired
            | EventKind::DeadlineExtended
            | EventKind::DeadlineStale
    )
}

/// An event as an instant.
fn mark(event: &Event) -> Mark {
    let text = |text: &str| Value::Text(text.to_owned());
    let kind = event.kind();
    let mut args = Args::new();
    if !event.id.is_empty() {
        args.push(("id", text(&event.id)));
    }
    if let Some(direction) = event.direction().name() {
        args.push(("direction", text(direction)));
    }
    #[allow(clippy::cast_possible_truncation)] // As its kind says.
    let argument = match kind {
        EventKind::Event | EventKind::StaleEvent => {
            Some(("epoll", Value::Text(epoll_names(event.argument as u32))))
        }
        // A wake says why by itself.
        EventKind::ReadyParked | EventKind::UnblockParked => None,
        EventKind::UnblockArmed => event.cause().map(|cause| ("cause", text(cause.name()))),
        EventKind::Opened | EventKind::Closed => {
            Some(("fd", Value::Signed((event.argument as i32).into())))
        }
        EventKind::DeadlineSet => Some(("in_us", Value::Number(event.argument))),
        EventKind::DeadlineFired => Some(("late_us", Value::Number(event.argument))),
        EventKind::Poll => Some(("events", Value::Number(event.argument))),
        EventKind::Run => Some(("wake_latency_ns", Value::Number(event.argument))),
        EventKind::Waited => Some(("before_poll_ns", Value::Number(event.argument))),
        _ => (event.argument != 0).then_some(("argument", Value::Number(event.argument))),
    };
    args.extend(argument);
    let category = match kind.word().and_then(|it| it.transition()) {
        Some(_) => "transition",
        None => "event",
    };
    Mark {
        name: kind.name(),
        category,
        args,
        ..Mark::default()
    }
}
