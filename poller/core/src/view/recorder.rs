//! The flight recorder: what happened last, thread by thread and descriptor by descriptor.
//!
//! Each thread that uses a poller overwrites a ring of its own (see
//! [`Builder::flight_recorder`](crate::Builder::flight_recorder)), and each descriptor keeps the
//! last transitions of its two words. Reading takes no lock and keeps nobody waiting; what was
//! overwritten meanwhile is counted as lost.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use netpoller::view::recorder::{self, Cursor};
//! use netpoller::{Kind, Poller};
//! use std::os::fd::AsFd;
//!
//! let poller = Poller::builder().name("recorded").build()?;
//! let mut cursor = Cursor::now(&poller);
//! let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
//! let desc = poller.open(socket.as_fd(), Kind::Unix)?;
//!
//! let mut events = Vec::new();
//! let lost = cursor.read(&poller, &mut events);
//! assert_eq!((lost, events[0].kind.name()), (0, "opened"));
//! assert_eq!(events[0].id(), Some(desc.id()));
//! # Ok(())
//! # }
//! ```

pub(crate) mod merge;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use crate::clock;
use crate::desc::PollDesc;
use crate::observe::{
    Cause, DescId, Direction, EventKind, KeptIn, RawEvent, thread_name, thread_names_soon,
};
use crate::poller::{Poller, all_pollers_soon};

/// One event of the flight recorder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When, CLOCK_MONOTONIC. What a thread does between two readings of the clock bears the time
    /// of the first.
    pub at_ns: u64,
    /// Slot of the descriptor.
    pub slot: u32,
    /// Its generation, 0 for an event of the poller itself.
    pub generation: u32,
    /// The direction, where there is one.
    pub direction: Option<Direction>,
    /// What happened.
    pub kind: EventKind,
    /// Number of the thread that did it, for [`Event::thread_name`].
    pub thread: u32,
    /// What [`Event::kind`] says it is, 0 else.
    pub argument: u64,
}

impl Event {
    fn new(raw: RawEvent, thread: usize) -> Self {
        Self {
            at_ns: raw.at_ns,
            slot: raw.desc.slot,
            generation: raw.desc.generation,
            direction: raw.direction,
            kind: raw.kind,
            thread: thread as u32,
            argument: raw.argument,
        }
    }

    fn kept(desc: DescId, (direction, kept): KeptIn) -> Self {
        Self {
            at_ns: kept.at_ns,
            slot: desc.slot,
            generation: desc.generation,
            direction: Some(direction),
            kind: kept.kind,
            thread: u32::from(kept.thread),
            argument: kept.argument(),
        }
    }

    /// Returns the id of the descriptor, `slot.generation`; `None` for an event of the poller
    /// itself.
    pub fn id(&self) -> Option<DescId> {
        let (slot, generation) = (self.slot, self.generation);
        DescId { slot, generation }.some()
    }

    /// Returns the name or number of the thread; of the last one that had its number, where that
    /// one has ended.
    pub fn thread_name(&self) -> Arc<str> {
        thread_name(self.thread as usize)
    }

    /// Returns why a waiter was released.
    pub fn cause(&self) -> Option<Cause> {
        self.kind.cause(Cause::from_index(self.argument as usize))
    }
}

/// One line, for dumps: time, thread, descriptor, direction, what happened, its argument.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line {
            event: self,
            thread: &self.thread_name(),
        }
        .fmt(f)
    }
}

/// An event with the name of its thread.
struct Line<'a> {
    event: &'a Event,
    thread: &'a str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, thread } = self;
        let (seconds, nanos) = (event.at_ns / 1_000_000_000, event.at_ns % 1_000_000_000);
        write!(f, "{seconds}.{nanos:09} {thread:<16}")?;
        let id = event
            .id()
            .map_or_else(|| "-".to_owned(), |id| id.to_string());
        let direction = event.direction.map_or("-", Direction::name);
        let kind = event.kind.name();
        write!(f, " {id:<12} {direction:<5} {kind}")?;
        match (event.kind, event.cause()) {
            (EventKind::Event | EventKind::StaleEvent, _) => write!(f, " {:#x}", event.argument),
            (EventKind::ReadyParked, _) => Ok(()),
            (_, Some(cause)) => write!(f, " {}", cause.name()),
            (_, None) if event.argument != 0 => write!(f, " {}", event.argument),
            _ => Ok(()),
        }
    }
}

/// How far one reader has read the rings of one poller. Any number of readers may read at a time.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// By number of thread.
    next: Vec<u64>,
}

impl Cursor {
    /// Makes one that begins with the oldest event that `poller` still holds.
    pub fn oldest(poller: &Poller) -> Self {
        let recorder = &poller.shared.recorder;
        // What is overwritten already was not lost by this reader.
        Self {
            next: recorder
                .threads()
                .map(|thread| recorder.ring_tail(thread).unwrap_or(0))
                .collect(),
        }
    }

    /// Makes one that begins with what happens from now on.
    pub fn now(poller: &Poller) -> Self {
        let recorder = &poller.shared.recorder;
        Self {
            next: recorder
                .threads()
                .map(|thread| recorder.ring_head(thread).unwrap_or(0))
                .collect(),
        }
    }

    /// Appends what `poller`, always the same one, has recorded since, by time. Returns how many
    /// events were overwritten before they could be read.
    pub fn read(&mut self, poller: &Poller, events: &mut Vec<Event>) -> u64 {
        let from = events.len();
        let mut lost = 0;
        for (thread, next) in self.next.iter_mut().enumerate() {
            let found = |raw| events.push(Event::new(raw, thread));
            let recorder = &poller.shared.recorder;
            if let Some((after, missed)) = recorder.read_ring(thread, *next, u64::MAX, found) {
                *next = after;
                lost += missed;
            }
        }
        // Stable: what one thread did at one time stays in its order.
        events[from..].sort_by_key(|event| event.at_ns);
        lost
    }
}

/// Returns everything that `poller` still holds, the oldest first.
pub fn recorded(poller: &Poller) -> Vec<Event> {
    let mut events = Vec::new();
    Cursor::oldest(poller).read(poller, &mut events);
    events
}

/// When those of `wanted` were closed, as far as that is still held.
pub(crate) fn closed_at(poller: &Poller, wanted: &HashSet<DescId>) -> HashMap<DescId, u64> {
    let recorder = &poller.shared.recorder;
    let mut closed = HashMap::new();
    for thread in recorder.threads() {
        recorder.read_ring(thread, 0, u64::MAX, |raw| {
            if raw.kind == EventKind::Closed && wanted.contains(&raw.desc) {
                closed.insert(raw.desc, raw.at_ns);
            }
        });
    }
    closed
}

/// What `poller` still holds of one descriptor, the oldest first, without a hole: from when on all
/// threads still hold what they recorded. A busy thread overwrites what it did to a descriptor
/// while an idle one keeps its part, and what is left of both tells of things that never followed
/// each other.
pub(crate) fn recorded_of(poller: &Poller, id: DescId) -> Vec<Event> {
    let recorder = &poller.shared.recorder;
    // What comes while the rings are read, one after the other, may be in some and not in others.
    let until_ns = clock::now_ns();
    let mut from_ns = 0;
    let mut events = Vec::new();
    for thread in recorder.threads() {
        let mut oldest_ns = None;
        let read = recorder.read_ring(thread, 0, u64::MAX, |raw| {
            oldest_ns.get_or_insert(raw.at_ns);
            if raw.desc == id {
                events.push(Event::new(raw, thread));
            }
        });
        if read.is_some_and(|(_, lost)| lost > 0) {
            from_ns = from_ns.max(oldest_ns.unwrap_or(until_ns));
        }
    }
    events.retain(|event| (from_ns..=until_ns).contains(&event.at_ns));
    events.sort_by_key(|event| event.at_ns);
    events
}

/// Returns the last transitions of a descriptor, eight at most in each direction, the oldest first:
/// kept beside the descriptor for as long as it lives, however long ago they were. Empty once it is
/// closed.
pub fn history(poller: &Poller, id: DescId) -> Vec<Event> {
    let desc = poller.shared.cache.get(id.slot);
    desc.map_or_else(Vec::new, |desc| history_of(desc, id.generation))
}

fn history_of(desc: &PollDesc, generation: u32) -> Vec<Event> {
    let id = DescId {
        slot: desc.slot(),
        generation,
    };
    let mut events: Vec<Event> = Direction::ALL
        .into_iter()
        .flat_map(|direction| {
            let kept = desc.side(direction).history();
            kept.map(move |kept| Event::kept(id, (direction, kept)))
        })
        .collect();
    // Looked at last, so that nothing of a later life is given for this one's.
    if !desc.is_live(generation) {
        return Vec::new();
    }
    events.sort_by_key(|event| event.at_ns);
    events
}

/// How much the flight recorder of a poller holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Volume {
    /// Threads that have a ring.
    pub rings: u64,
    /// Memory of all rings.
    pub bytes: u64,
    /// Events ever recorded.
    pub recorded: u64,
    /// Events that could not be recorded, because there are more threads than rings.
    pub unrecorded: u64,
}

/// Writes what the flight recorders of all pollers hold as text, a line an event.
///
/// # Errors
///
/// Those of `out`.
pub fn dump(out: &mut dyn Write) -> io::Result<()> {
    write_events(out, &super::pollers(), |thread| {
        thread_name(thread as usize)
    })
}

/// [`dump`] by a thread that may hold any lock of ours, as one that panics may: it waits for none,
/// leaves out what it cannot have, and says so.
pub(super) fn dump_without_waiting(out: &mut dyn Write) -> io::Result<()> {
    let pollers = match all_pollers_soon() {
        Some(pollers) => pollers,
        None => {
            writeln!(
                out,
                "# incomplete: the list of pollers is locked, so this is the global one at most"
            )?;
            Poller::existing_global().into_iter().collect()
        }
    };
    let names = thread_names_soon();
    if names.is_none() {
        writeln!(
            out,
            "# incomplete: the names of threads are locked, so they are numbers"
        )?;
    }
    let name = |thread: u32| match &names {
        Some(names) => names.get(thread as usize).cloned().unwrap_or_default(),
        None => thread.to_string().into(),
    };
    write_events(out, &pollers, name)
}

fn write_events(
    out: &mut dyn Write,
    pollers: &[Poller],
    name: impl Fn(u32) -> Arc<str>,
) -> io::Result<()> {
    for poller in pollers {
        let events = recorded(poller);
        writeln!(
            out,
            "# poller {}: {} events, CLOCK_MONOTONIC now {}",
            poller.name(),
            events.len(),
            super::now_ns()
        )?;
        for event in &events {
            let thread = &name(event.thread);
            writeln!(out, "{}", Line { event, thread })?;
        }
    }
    Ok(())
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{Kind, Sides};

    #[test]
    fn what_one_thread_holds_from_before_another_has_overwritten_its_part_is_not_told() {
        loop {
            let poller = Poller::builder().flight_recorder(4096).build().unwrap();
            let (one, other) = UnixStream::pair().unwrap();
            let [desc, another] = [&one, &other].map(|it| poller.open(it.as_fd(), Kind::Unix));
            let (desc, another) = (desc.unwrap(), another.unwrap());
            let told = || recorded_of(&poller, desc.id()).len();
            desc.set_deadline(None, Sides::Read);
            let at_first = told();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    desc.set_deadline(None, Sides::Read);
                    (0..1000).for_each(|_| another.set_deadline(None, Sides::Read));
                });
            });
            let after = told();
            desc.set_deadline(None, Sides::Read);
            // Another test may have had so many threads that there was no ring for these.
            if poller.shared.recorder.totals().unrecorded == 0 {
                assert!(at_first > 0);
                assert_eq!((after, told()), (0, 1));
                return;
            }
        }
    }
}
