//! Another process, or this one as it was: what messages tell of it.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use netpoller_core::internals::visible;
use netpoller_core::view::lints::Lint;
use netpoller_core::{Counter, DescId, Direction, Histogram, Kind, Transition};
use netpoller_proto::v1::{
    self, Descriptor, DiagnoseResponse, GetServerResponse, GetStatsResponse, PollerStats,
};
use tonic::Status;

use super::process::{
    Begun, Breaks, Counts, Event, Heard, Place, PollerNow, Process, Reading, Side, SideWords, Wake,
    Who, Words,
};
use super::wall::Anchor;

/// No time is later, so that times can be added: it is told by whoever has written a file.
const LATEST_NS: u64 = 1 << 62;
/// Letters of a text that are shown.
const LONGEST: usize = 512;
/// Pollers that are looked at.
const MAX_POLLERS: usize = 1024;
/// Threads whose numbers are remembered.
const MAX_THREADS: usize = 4096;

/// Who tells of a process.
#[tonic::async_trait]
pub trait Teller: Debug + Send + Sync + 'static {
    /// How things stand now, and what has happened since this was last asked.
    async fn tell(&self) -> Result<Moment, Status>;
}

/// What messages tell of a moment.
#[derive(Debug, Default)]
pub struct Moment {
    /// When it is, on the clock of the process.
    pub at_ns: u64,
    /// Who it is.
    pub server: GetServerResponse,
    /// The table.
    pub rows: Vec<Arc<Descriptor>>,
    /// The statistics.
    pub stats: Option<Arc<GetStatsResponse>>,
    /// The last diagnosis.
    pub diagnosis: Option<DiagnoseResponse>,
    /// The runs and the parks that happened since the moment before, by time. Those of a poller
    /// that is not among the statistics are not shown.
    pub events: Vec<v1::Event>,
    /// All events that happened since, and those that nobody knows.
    pub read: u64,
    /// See `read`.
    pub lost: u64,
    /// What happened right after the moment before is not among `events`.
    pub is_cut: bool,
}

/// A process of which somebody tells.
///
/// What it does not tell is not shown, but for one thing: who waited last is who was last seen
/// waiting, which may have been before others came and went.
#[derive(Debug)]
pub(crate) struct Told {
    teller: Box<dyn Teller>,
    moment: Moment,
    /// By life of the process and name.
    pollers: Numbers<(u64, String)>,
    threads: Numbers<String>,
    /// The rows of each poller of the moment.
    tables: Vec<Vec<Row>>,
    /// The events of each.
    events: Vec<Vec<v1::Event>>,
    /// The rows in which somebody was last seen waiting, by poller and slot.
    waited: HashMap<(u32, u32), Waited>,
}

/// Numbers for what has none. None is given twice.
#[derive(Debug)]
struct Numbers<T> {
    known: HashMap<T, u32>,
    last: u32,
}

impl<T: Eq + Hash> Numbers<T> {
    fn new() -> Self {
        Self {
            known: HashMap::new(),
            last: 0,
        }
    }

    fn of(&mut self, it: T) -> u32 {
        let last = &mut self.last;
        *self.known.entry(it).or_insert_with(|| {
            *last = last.wrapping_add(1);
            *last
        })
    }
}

impl Told {
    pub(super) fn by(teller: impl Teller) -> Self {
        Self {
            teller: Box::new(teller),
            moment: Moment::default(),
            pollers: Numbers::new(),
            threads: Numbers::new(),
            tables: Vec::new(),
            events: Vec::new(),
            waited: HashMap::new(),
        }
    }

    fn stats(&self) -> &[PollerStats] {
        let stats = self.moment.stats.as_ref();
        stats.map_or(&[], |stats| &stats.pollers)
    }

    fn name(&self, poller: usize) -> &str {
        let poller = self.stats().get(poller);
        let poller = poller.and_then(|stats| stats.poller.as_ref());
        poller.map_or("", |poller| &poller.name)
    }
}

impl Process for Told {
    type Moment = Moment;
    type Row = Row;
    /// Events have the names of theirs.
    const KNOWS_THREADS: bool = false;

    async fn moment(&mut self) -> Result<Moment, Status> {
        self.teller.tell().await
    }

    fn begin(&mut self, moment: Moment) -> Begun {
        self.moment = moment;
        let stats = self.moment.stats.take();
        let mut stats = stats.unwrap_or_else(|| Arc::new(without_counts(&self.moment.server)));
        if !are_told_apart(&stats.pollers) {
            // Their rows and events have no more than that name.
            let mut names = HashSet::new();
            let told = &mut Arc::make_mut(&mut stats).pollers;
            told.retain(|it| {
                let name = it.poller.as_ref().map(|poller| poller.name.clone());
                name.is_some_and(|name| names.insert(name))
            });
            told.truncate(MAX_POLLERS);
        }
        let epoch = stats.epoch;
        let names = stats.pollers.iter().filter_map(|it| it.poller.as_ref());
        let names: Vec<String> = names.map(|poller| poller.name.clone()).collect();
        self.moment.stats = Some(stats);
        let pollers = &mut self.pollers;
        let is_there: HashSet<&str> = names.iter().map(String::as_str).collect();
        pollers
            .known
            .retain(|(life, name), _| *life == epoch && is_there.contains(name.as_str()));
        let mut by_name = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            let number = pollers.of((epoch, name.clone()));
            by_name.insert(name.as_str(), (index, number));
        }
        if self.threads.known.len() > MAX_THREADS {
            self.threads.known.clear();
            // Who ran then has another number now.
            self.moment.is_cut = true;
        }
        self.events = vec![Vec::new(); names.len()];
        for event in std::mem::take(&mut self.moment.events) {
            let place = by_name.get(event.poller.as_str());
            if let Some(events) = place.and_then(|(index, _)| self.events.get_mut(*index)) {
                events.push(event);
            }
        }
        let mut before = std::mem::take(&mut self.waited);
        self.tables = vec![Vec::new(); self.stats().len()];
        for row in std::mem::take(&mut self.moment.rows) {
            let Some((index, number)) = by_name.get(row.poller.as_str()) else {
                continue;
            };
            let key = (*number, row.slot);
            let known = before.remove(&key);
            let known = known.filter(|known| known.generation == row.generation);
            let mut waited = known.map_or_else(Default::default, |known| known.rows);
            for (direction, waited) in Direction::ALL.into_iter().zip(&mut waited) {
                let side = row.side(direction);
                if side.is_some_and(|side| side.waiter.is_some()) {
                    *waited = Some(Arc::clone(&row));
                }
            }
            if waited.iter().any(Option::is_some) {
                let waited = Waited {
                    generation: row.generation,
                    rows: waited.clone(),
                };
                self.waited.insert(key, waited);
            }
            if let Some(table) = self.tables.get_mut(*index) {
                // They come by their slots: of two lives of one the later holds.
                if table.last().is_some_and(|last| last.now.slot == row.slot) {
                    table.pop();
                }
                table.push(Row { now: row, waited });
            }
        }
        let server = &self.moment.server;
        Begun {
            now_ns: time(self.moment.at_ns),
            anchor: Anchor::at(time(server.captured_at_ns), time(server.wall_clock_ns)),
        }
    }

    fn pollers(&mut self) -> Vec<PollerNow> {
        let epoch = self.moment.stats.as_ref().map_or(0, |stats| stats.epoch);
        let pollers = &mut self.pollers;
        let stats = self.moment.stats.iter().flat_map(|stats| &stats.pollers);
        stats
            .map(|stats| now(stats, |name| pollers.of((epoch, name.to_owned()))))
            .collect()
    }

    fn places(&self, poller: usize) -> u32 {
        let rows = self.tables.get(poller).map_or(0, Vec::len);
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    fn row(&self, poller: usize, place: u32) -> Option<Row> {
        let place = usize::try_from(place).ok()?;
        self.tables.get(poller)?.get(place).cloned()
    }

    fn words(&mut self, _: usize, row: &Row) -> Option<Words> {
        let row = &row.now;
        Some(Words {
            fd: u64::try_from(row.fd).ok(),
            local: text(&row.local),
            peer: text(&row.peer),
            label: text(&row.label),
            closing: row.closing,
            sides: Direction::ALL.map(|it| row.side(it).map_or_else(Default::default, in_words)),
        })
    }

    fn events(&mut self, poller: usize, events: &mut Vec<Event>) -> Heard {
        let of_it = self.events.get_mut(poller).map(std::mem::take);
        let threads = &mut self.threads;
        events.extend(of_it.unwrap_or_default().into_iter().filter_map(|event| {
            Some(Event {
                at_ns: time(event.at_ns),
                id: event.id.parse().ok()?,
                direction: event.direction().word(),
                kind: event.kind().word()?,
                thread: threads.of(event.thread.chars().take(LONGEST).collect()),
                argument: time(event.argument),
            })
        }));
        let Moment {
            read, lost, is_cut, ..
        } = self.moment;
        Heard {
            is_cut: is_cut || lost > 0,
            read,
            lost,
            // Of several nobody knows whose they were.
            overwritten: match self.stats().len() {
                1 => lost,
                _ => 0,
            },
        }
    }

    fn lost<'r>(
        &mut self,
        poller: usize,
        rows: impl Iterator<Item = &'r Row>,
    ) -> Vec<(DescId, Direction)> {
        let name = self.name(poller);
        let findings = self.moment.diagnosis.iter().flat_map(|it| &it.findings);
        let stuck = [Lint::StuckWaiter, Lint::LostEdge].map(Lint::name);
        let found = findings.filter_map(|it| {
            let direction = it.direction().word()?;
            let row = it.descriptor.as_ref()?;
            let is_told = stuck.contains(&it.lint.as_str()) && it.poller == name;
            // It was found at some moment before this one, and may have gone on since.
            is_told.then_some(((row.id(), direction), row.side(direction)?.since_ns))
        });
        let found: HashMap<_, _> = found.collect();
        if found.is_empty() {
            return Vec::new();
        }
        let sides = rows.flat_map(|row| Direction::ALL.map(|direction| (row, direction)));
        let lost = sides.filter(|(row, direction)| {
            let side = row.now.side(*direction);
            let side = side.filter(|side| side.state() == v1::State::Parked);
            side.is_some_and(|side| found.get(&(row.id(), *direction)) == Some(&side.since_ns))
        });
        lost.map(|(row, direction)| (row.id(), direction)).collect()
    }

    fn forget(&mut self, _: u32, _: u32) {}

    fn end(&mut self) {
        self.moment = Moment::default();
        self.tables.clear();
        self.events.clear();
    }
}

/// Whether each of them has a name of its own, and they are no more than are looked at.
fn are_told_apart(pollers: &[PollerStats]) -> bool {
    let mut names = HashSet::new();
    let all = pollers
        .iter()
        .map(|it| it.poller.as_ref().map(|it| &it.name));
    pollers.len() <= MAX_POLLERS
        && all
            .into_iter()
            .all(|it| it.is_some_and(|it| names.insert(it)))
}

/// Which pollers there were, where nobody told what they had counted.
fn without_counts(server: &GetServerResponse) -> GetStatsResponse {
    let pollers = server.pollers.iter().map(|poller| PollerStats {
        poller: Some(poller.clone()),
        ..PollerStats::default()
    });
    GetStatsResponse {
        pollers: pollers.collect(),
        epoch: server.started_at_ns,
        ..GetStatsResponse::default()
    }
}

fn time(ns: u64) -> u64 {
    ns.min(LATEST_NS)
}

/// As a terminal may be given it.
fn text(of: &str) -> Arc<str> {
    let text: String = of.chars().take(LONGEST).map(visible).collect();
    text.into()
}

fn place(line: &str) -> Option<Place> {
    (!line.is_empty()).then(|| Place::Told(text(line)))
}

fn now(stats: &PollerStats, number: impl FnOnce(&str) -> u32) -> PollerNow {
    let poller = stats.poller.clone().unwrap_or_default();
    let counter = |it: Counter| stats.counters.get(it.name()).copied();
    let breaks = || {
        Some(Breaks {
            // Nobody tells its number.
            fd: None,
            requested: counter(Counter::BreaksRequested)?,
            written: counter(Counter::BreaksWritten)?,
            coalesced: counter(Counter::BreaksCoalesced)?,
            drained: counter(Counter::BreaksDrained)?,
        })
    };
    let batch = Histogram::EventsPerPoll.name();
    let batch = stats.histograms.iter().find(|it| it.name == batch);
    PollerNow {
        number: number(&poller.name),
        name: text(&poller.name),
        waiters: u64::try_from(poller.waiters).unwrap_or(0),
        descriptors: poller.descriptors,
        epoll_fd: u64::try_from(poller.epoll_fd).ok(),
        created_at_ns: time(poller.created_at_ns),
        breaks: breaks(),
        batch_p99: batch.and_then(|it| it.quantile(0.99)),
    }
}

fn in_words(side: &v1::Direction) -> SideWords {
    let waiter = side.waiter.as_ref();
    let nearest = waiter.and_then(|waiter| waiter.nearest.as_ref());
    SideWords {
        counts: side.transitions.as_ref().map(|counts| Counts {
            arms: counts.get(Transition::Arm),
            edges: counts.edges(),
        }),
        cause: side.last_wake.as_ref().and_then(|it| it.cause().word()),
        at: waiter.and_then(|waiter| place(&waiter.location)),
        nearest: nearest.and_then(|it| Some((it.kind().word()?, place(&it.location)?))),
    }
}

/// The rows in which somebody was last seen waiting in each direction.
#[derive(Debug)]
struct Waited {
    generation: u32,
    rows: [Option<Arc<Descriptor>>; 2],
}

/// A row, with those in which somebody was last seen waiting.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    now: Arc<Descriptor>,
    waited: [Option<Arc<Descriptor>>; 2],
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        // What was before follows from that.
        Arc::ptr_eq(&self.now, &other.now) || self.now == other.now
    }
}

impl Row {
    /// Who waits, or was last seen waiting.
    fn waiter(&self, direction: Direction) -> Option<&v1::Waiter> {
        let waited = match direction {
            Direction::Read => self.waited.first(),
            Direction::Write => self.waited.last(),
        };
        waited?.as_ref()?.side(direction)?.waiter.as_ref()
    }
}

impl Reading for Row {
    fn id(&self) -> DescId {
        self.now.id()
    }

    fn kind(&self) -> Kind {
        self.now.kind().word().unwrap_or(Kind::Other)
    }

    fn opened_at_ns(&self) -> u64 {
        time(self.now.opened_at_ns)
    }

    fn opened(&self) -> Option<Place> {
        place(&self.now.opened_location)
    }

    fn is_torn(&self) -> bool {
        self.now.torn
    }

    fn connect_parks(&self) -> u64 {
        self.now.connect_parks
    }

    fn side(&self, direction: Direction) -> Side {
        let side = self.now.side(direction);
        let count = |transition| {
            let counts = side.and_then(|side| side.transitions.as_ref());
            counts.map_or(0, |counts| counts.get(transition))
        };
        let woken = count(Transition::ReadyParked);
        let wake = side.and_then(|side| side.last_wake.as_ref());
        Side {
            state: side.and_then(|side| side.state().word()),
            since_ns: side.map_or(0, |side| time(side.since_ns)),
            deadline_ns: side.map_or(0, |side| time(side.deadline_ns)),
            parks: count(Transition::Park),
            wakes: woken.saturating_add(count(Transition::UnblockParked)),
            last_wake: wake.map(|wake| {
                let called_ns = time(wake.fetched_ns.saturating_add(wake.poller_to_waker_ns));
                let ran_ns = time(called_ns.saturating_add(wake.waker_to_run_ns));
                Wake {
                    called_ns,
                    ran_ns: (!wake.pending).then_some(ran_ns),
                }
            }),
        }
    }

    fn is_same(&self, earlier: &Self, direction: Direction) -> bool {
        self.now.side(direction) == earlier.now.side(direction)
    }

    fn who(&self, direction: Direction) -> Option<Who> {
        let waiter = self.waiter(direction)?;
        let counts = self.now.side(direction)?.transitions.as_ref();
        if counts.is_some_and(|counts| counts.get(Transition::Park) == 0) {
            return None;
        }
        Some(match waiter.task_id {
            0 => Who::Thread(0, text(&waiter.thread)),
            number if waiter.task == number.to_string() => Who::Runtime(number),
            number => Who::Named(number),
        })
    }

    fn name(&self, who: &Who, direction: Direction) -> Arc<str> {
        match (who, self.waiter(direction)) {
            (Who::Thread(_, name), _) => name.clone(),
            (Who::Named(_), Some(waiter)) => text(&waiter.task),
            // It has none but its number.
            (Who::Named(_) | Who::Runtime(_), _) => Arc::default(),
        }
    }

    fn line(&self, direction: Direction) -> Option<Place> {
        let waiter = self.waiter(direction)?;
        let nearest = waiter.nearest.as_ref();
        place(nearest.map_or(&waiter.location, |line| &line.location))
    }
}
