//! This process, read in its live tables.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_core::internals::{self, Label, RawRow, RawSide, Slot, StuckWatch, thread_name};
use netpoller_core::view::lints::Options;
use netpoller_core::view::recorder::{self, Cursor};
use netpoller_core::view::{self, EventKind, Reader, Stats};
use netpoller_core::{Counter, DescId, Direction, Histogram, Kind, Poller, Transition};
use tonic::Status;

use super::process::{
    Begun, Breaks, Counts, Event, Heard, Place, PollerNow, Process, Reading, Side, SideWords, Wake,
    Who, Words,
};
use super::wall::Anchor;

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Live {
    anchor: Anchor,
    /// How long the lints leave a waiter alone.
    pub(super) options: Options,
    reader: Reader,
    /// By number of the poller.
    watched: HashMap<u32, Watched>,
    events: Vec<recorder::Event>,
    /// Of the look that goes on.
    look: Look,
}

/// What is remembered of a poller.
#[derive(Debug)]
struct Watched {
    recorded: Cursor,
    stuck: StuckWatch,
}

/// What a look is of.
#[derive(Debug)]
pub(crate) struct Look {
    pub(super) pollers: Vec<Poller>,
    /// When it begins.
    pub(super) now_ns: u64,
    /// How a row is read.
    pub(super) read: fn(Slot<'_>) -> Option<RawRow>,
}

impl Look {
    /// Of the tables of `pollers`, as they are now.
    pub(super) fn at(pollers: Vec<Poller>) -> Self {
        Self {
            pollers,
            now_ns: view::now_ns(),
            read: |slot| slot.read(),
        }
    }
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            anchor: Anchor::now(),
            options: Options::default(),
            reader: Reader::new(),
            watched: HashMap::new(),
            events: Vec::new(),
            look: Look::at(Vec::new()),
        }
    }

    fn poller(&self, index: usize) -> Option<&Poller> {
        self.look.pollers.get(index)
    }
}

impl Process for Live {
    type Moment = Look;
    type Row = RawRow;
    const KNOWS_THREADS: bool = true;

    async fn moment(&mut self) -> Result<Look, Status> {
        Ok(Look::at(view::pollers()))
    }

    fn begin(&mut self, look: Look) -> Begun {
        internals::begin(&mut self.reader);
        let is_there = |id: &u32| look.pollers.iter().any(|it| internals::id(it) == *id);
        self.watched.retain(|id, _| is_there(id));
        for poller in &look.pollers {
            let watched = self.watched.entry(internals::id(poller));
            watched.or_insert_with(|| Watched {
                recorded: Cursor::oldest(poller),
                stuck: StuckWatch::new(self.options.clone()),
            });
        }
        self.look = look;
        Begun {
            now_ns: self.look.now_ns,
            anchor: self.anchor,
        }
    }

    fn pollers(&mut self) -> Vec<PollerNow> {
        let pollers = self.look.pollers.iter();
        pollers.map(|it| now(it, &it.stats())).collect()
    }

    fn places(&self, poller: usize) -> u32 {
        self.poller(poller).map_or(0, internals::slots_made)
    }

    fn row(&self, poller: usize, place: u32) -> Option<RawRow> {
        let slot = internals::slot(self.poller(poller)?, place)?;
        (self.look.read)(slot)
    }

    fn words(&mut self, poller: usize, raw: &RawRow) -> Option<Words> {
        let poller = self.look.pollers.get(poller)?;
        let slot = internals::slot(poller, raw.slot)?;
        let row = slot.row(&mut self.reader, poller, raw);
        Some(Words {
            fd: u64::try_from(row.fd).ok(),
            local: row.local,
            peer: row.peer,
            label: row.label,
            closing: row.closing,
            sides: [&row.read, &row.write].map(in_words),
        })
    }

    fn events(&mut self, poller: usize, events: &mut Vec<Event>) -> Heard {
        self.events.clear();
        let Some(poller) = self.look.pollers.get(poller) else {
            return Heard::default();
        };
        let Some(watched) = self.watched.get_mut(&internals::id(poller)) else {
            return Heard::default();
        };
        let lost = watched.recorded.read(poller, &mut self.events);
        let wanted = |it: &&recorder::Event| matches!(it.kind, EventKind::Run | EventKind::Park);
        events.extend(self.events.iter().filter(wanted).map(|it| Event {
            at_ns: it.at_ns,
            id: DescId {
                slot: it.slot,
                generation: it.generation,
            },
            direction: it.direction,
            kind: it.kind,
            thread: it.thread,
            argument: it.argument,
        }));
        Heard {
            read: self.events.len() as u64,
            lost,
            overwritten: lost,
            is_cut: lost > 0,
        }
    }

    fn lost<'r>(
        &mut self,
        poller: usize,
        rows: impl Iterator<Item = &'r RawRow>,
    ) -> Vec<(DescId, Direction)> {
        let Some(poller) = self.look.pollers.get(poller) else {
            return Vec::new();
        };
        let Some(watched) = self.watched.get_mut(&internals::id(poller)) else {
            return Vec::new();
        };
        let stuck = watched.stuck.look(poller, rows).into_iter();
        let stuck =
            stuck.map(|(slot, generation, direction)| (DescId { slot, generation }, direction));
        stuck.collect()
    }

    fn forget(&mut self, poller: u32, slot: u32) {
        internals::forget(&mut self.reader, poller, slot);
    }

    fn end(&mut self) {
        // A poller lives for as long as somebody has it.
        self.look.pollers.clear();
    }
}

fn now(poller: &Poller, stats: &Stats) -> PollerNow {
    let info = stats.info();
    let fd = internals::break_fd(poller).and_then(|fd| u64::try_from(fd).ok());
    PollerNow {
        number: internals::id(poller),
        name: info.name.as_ref().into(),
        waiters: u64::try_from(info.waiters).unwrap_or(0),
        descriptors: info.descriptors,
        epoll_fd: u64::try_from(info.epoll_fd).ok(),
        created_at_ns: info.created_at_ns,
        breaks: Some(Breaks {
            fd,
            requested: stats.counter(Counter::BreaksRequested),
            written: stats.counter(Counter::BreaksWritten),
            coalesced: stats.counter(Counter::BreaksCoalesced),
            drained: stats.counter(Counter::BreaksDrained),
        }),
        batch_p99: stats.histogram(Histogram::EventsPerPoll).quantile(0.99),
    }
}

fn in_words(side: &view::Side) -> SideWords {
    let count = |transition: Transition| side.transitions[transition.index()];
    let waiter = side.waiter.as_ref();
    let nearest = waiter.and_then(|waiter| waiter.nearest);
    SideWords {
        counts: Some(Counts {
            arms: count(Transition::Arm),
            edges: Transition::edges().map(count).sum(),
        }),
        cause: side.last_wake.map(|wake| wake.cause),
        at: waiter.and_then(|waiter| waiter.location).map(Place::Here),
        nearest: nearest.map(|it| (it.kind, Place::Here(it.location))),
    }
}

fn side(row: &RawRow, direction: Direction) -> &RawSide {
    &row.sides[direction.index()]
}

fn count(side: &RawSide, transition: Transition) -> u64 {
    side.transitions[transition.index()]
}

impl Reading for RawRow {
    fn id(&self) -> DescId {
        RawRow::id(self)
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn opened_at_ns(&self) -> u64 {
        self.opened_at_ns
    }

    fn opened(&self) -> Option<Place> {
        self.opened_location.map(Place::Here)
    }

    fn is_torn(&self) -> bool {
        self.torn
    }

    fn connect_parks(&self) -> u64 {
        self.connect_parks
    }

    fn side(&self, direction: Direction) -> Side {
        let side = side(self, direction);
        Side {
            state: Some(side.state),
            since_ns: side.since_ns,
            deadline_ns: side.deadline_ns,
            parks: count(side, Transition::Park),
            wakes: count(side, Transition::ReadyParked) + count(side, Transition::UnblockParked),
            last_wake: side.last_wake.map(|wake| {
                let called_ns = wake.woken_ns + wake.called_after_ns.unwrap_or(0);
                Wake {
                    called_ns,
                    ran_ns: wake.ran_after_ns.map(|after| called_ns + after),
                }
            }),
        }
    }

    fn is_same(&self, earlier: &Self, direction: Direction) -> bool {
        side(self, direction) == side(earlier, direction)
    }

    fn who(&self, direction: Direction) -> Option<Who> {
        let side = side(self, direction);
        if count(side, Transition::Park) == 0 {
            return None;
        }
        Some(match side.task_id {
            0 => Who::Thread(side.thread, thread_name(side.thread as usize)),
            number if side.task == Label::default() => Who::Runtime(number),
            number => Who::Named(number),
        })
    }

    fn name(&self, who: &Who, direction: Direction) -> Arc<str> {
        match who {
            Who::Thread(_, name) => name.clone(),
            Who::Named(_) | Who::Runtime(_) => internals::text(side(self, direction).task),
        }
    }

    fn line(&self, direction: Direction) -> Option<Place> {
        internals::line(self, direction).map(Place::Here)
    }
}
