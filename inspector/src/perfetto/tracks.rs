//! A track for each poller, thread and descriptor.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

use netpoller_proto::v1::{Descriptor, GetServerResponse};
use netpoller_proto::vocabulary::Direction;

use super::message::{EXPLICIT, ProcessDescriptor, TrackDescriptor};
use super::writer::{Args, Value, Writer};

/// The track of the process.
pub(super) const PROCESS: u64 = 1;

/// Tracks that are known to have been told of. To tell of one again changes nothing.
const MOST: usize = 10_000;

/// Below a poller stand its threads, then its sleeps together, then its descriptors by slot.
const THREADS: i32 = 0;
const SLEEPS: i32 = 1;
const DESCRIPTORS: i32 = 2;

/// The tracks of a descriptor; of a sleep all are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    pub(super) own: u64,
    pub(super) sides: [u64; 2],
}

/// The tracks of pollers, threads and sleeps that were told of.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    told: HashSet<u64>,
}

/// The same number for the same track, always.
fn uuid(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    // Small numbers are those of a few tracks that there are once.
    hasher.finish() | 1 << 63
}

impl Tracks {
    /// Tells of the process, under which all others stand.
    pub(super) fn process<W: Write>(
        writer: &mut Writer<W>,
        server: &GetServerResponse,
    ) -> io::Result<()> {
        let name = server.executable.rsplit('/').next().unwrap_or_default();
        writer.track(TrackDescriptor {
            uuid: Some(PROCESS),
            process: Some(ProcessDescriptor {
                pid: i32::try_from(server.pid).ok(),
                process_name: Some(name.to_owned()),
            }),
            child_ordering: Some(EXPLICIT),
            ..TrackDescriptor::default()
        })
    }

    fn poller<W: Write>(&mut self, writer: &mut Writer<W>, poller: &str) -> io::Result<u64> {
        let track = uuid(("poller", poller));
        if self.is_news(track) {
            writer.track(TrackDescriptor {
                uuid: Some(track),
                name: Some(format!("poller {poller}")),
                parent_uuid: Some(PROCESS),
                child_ordering: Some(EXPLICIT),
                ..TrackDescriptor::default()
            })?;
        }
        Ok(track)
    }

    /// What a thread has done for a poller.
    pub(super) fn thread<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        poller: &str,
        thread: &str,
    ) -> io::Result<u64> {
        let parent = self.poller(writer, poller)?;
        let track = uuid(("thread", poller, thread));
        if self.is_news(track) {
            writer.track(TrackDescriptor {
                uuid: Some(track),
                name: Some(format!("thread {thread}")),
                parent_uuid: Some(parent),
                sibling_order_rank: Some(THREADS),
                ..TrackDescriptor::default()
            })?;
        }
        Ok(track)
    }

    /// Tells of the sleeps of a slot, which has one at a time: they come and go by thousands.
    pub(super) fn sleep<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        (poller, slot): (&str, &str),
    ) -> io::Result<Lanes> {
        let parent = self.poller(writer, poller)?;
        let own = uuid(("sleep", poller, slot));
        if self.is_news(own) {
            writer.track(TrackDescriptor {
                uuid: Some(own),
                // One beside the other in one place.
                name: Some("sleeps".to_owned()),
                parent_uuid: Some(parent),
                sibling_order_rank: Some(SLEEPS),
                ..TrackDescriptor::default()
            })?;
        }
        Ok(Lanes {
            own,
            sides: [own; 2],
        })
    }

    /// Tells of a descriptor, of which it may be known what it is, or the number alone.
    pub(super) fn descriptor<W: Write>(
        &mut self,
        writer: &mut Writer<W>,
        (poller, id): (&str, &str),
        row: Option<&Descriptor>,
        fd: Option<i32>,
    ) -> io::Result<Lanes> {
        let parent = self.poller(writer, poller)?;
        let own = uuid(("descriptor", poller, id));
        let slot = id.split_once('.').and_then(|(slot, _)| slot.parse().ok());
        writer.track(TrackDescriptor {
            uuid: Some(own),
            name: Some(name(id, row, fd)),
            parent_uuid: Some(parent),
            child_ordering: Some(EXPLICIT),
            sibling_order_rank: Some(DESCRIPTORS.saturating_add(slot.unwrap_or(i32::MAX))),
            description: row.map(description),
            ..TrackDescriptor::default()
        })?;
        let mut sides = [own; 2];
        for direction in Direction::ALL {
            let track = uuid(("side", poller, id, direction.index()));
            writer.track(TrackDescriptor {
                uuid: Some(track),
                name: Some(direction.name().to_owned()),
                parent_uuid: Some(own),
                sibling_order_rank: i32::try_from(direction.index()).ok(),
                ..TrackDescriptor::default()
            })?;
            sides[direction.index()] = track;
        }
        Ok(Lanes { own, sides })
    }

    fn is_news(&mut self, track: u64) -> bool {
        if self.told.len() >= MOST {
            self.told.clear();
        }
        self.told.insert(track)
    }
}

fn name(id: &str, row: Option<&Descriptor>, fd: Option<i32>) -> String {
    let Some(row) = row else {
        return fd.map_or_else(|| id.to_owned(), |fd| format!("{id} fd {fd}"));
    };
    let mut name = format!("{id} fd {} {}", row.fd, row.kind().name());
    let there = [&row.local, &row.peer].map(|it| (!it.is_empty()).then_some(it));
    match there {
        [Some(local), Some(peer)] => name += &format!(" {local} to {peer}"),
        [Some(one), None] | [None, Some(one)] => name += &format!(" {one}"),
        [None, None] => {}
    }
    if !row.label.is_empty() {
        name += &format!(" \"{}\"", row.label);
    }
    name
}

fn description(row: &Descriptor) -> String {
    match row.opened_location.as_str() {
        "" => "its line is not known".to_owned(),
        line => format!("registered at {line}"),
    }
}

/// What the table knows of a descriptor.
pub(super) fn known(row: &Descriptor) -> Args {
    let texts = [
        ("kind", row.kind().name()),
        ("local", &row.local),
        ("peer", &row.peer),
        ("label", &row.label),
        ("opened_location", &row.opened_location),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let mut args: Args = texts
        .map(|(name, text)| (name, Value::Text(text.to_owned())))
        .collect();
    args.push(("opened_at_ns", Value::Number(row.opened_at_ns)));
    args
}
