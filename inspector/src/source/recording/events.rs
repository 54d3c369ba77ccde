//! The events of a recording.

use std::collections::VecDeque;
use std::sync::Arc;

use netpoller_proto::recording::Content;
use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{Event, TransitionsFrame, WatchTransitionsRequest};
use tonic::Status;

use super::block::Block;
use super::past::Past;
use crate::source::serve::one;

/// Which events somebody wants.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    poller: String,
    id: String,
    direction: i32,
    kinds: Vec<i32>,
}

impl Wanted {
    pub(super) fn new(request: &WatchTransitionsRequest) -> Result<Self, Status> {
        if !request.id.is_empty() {
            one::id(&request.id)?;
        }
        Ok(Self {
            poller: request.poller.clone(),
            id: request.id.clone(),
            direction: request.direction,
            kinds: request.kinds.clone(),
        })
    }

    /// Those of one descriptor.
    pub(super) fn of(poller: &str, id: &str) -> Self {
        Self {
            poller: poller.to_owned(),
            id: id.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn admits(&self, event: &Event) -> bool {
        (self.poller.is_empty() || event.poller == self.poller)
            && (self.id.is_empty() || event.id == self.id)
            && (self.direction == 0 || event.direction == self.direction)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

/// The blocks of events that happened until then.
fn until(past: &Past, until_ns: u64) -> impl DoubleEndedIterator<Item = &Block> {
    let blocks = past.blocks(0);
    let is_later = |it: &Block| it.head.of == Content::Events && it.head.first_ns > until_ns;
    // Older versions wrote when the first events were told, which is after they happened.
    let later = blocks.iter().position(is_later);
    let near = later.map_or(blocks, |first| &blocks[..=first]);
    near.iter().filter(|it| it.head.of == Content::Events)
}

/// The frames that came between two moments, both included, and of their events those that happened
/// then and are wanted. A frame without any is left out, unless it is the first to tell a loss.
pub(super) fn between<'a>(
    past: &'a Arc<Past>,
    (from_ns, until_ns): (u64, u64),
    wanted: &'a Wanted,
) -> impl Iterator<Item = TransitionsFrame> + 'a {
    let near = until(past, until_ns).filter(move |it| it.head.last_ns >= from_ns);
    let mut losses_told = (0, 0);
    near.filter_map(|block| past.entries(block))
        .flatten()
        .filter_map(move |told| {
            let Told::Transitions(mut frame) = told else {
                return None;
            };
            frame.events.retain(|event| {
                (from_ns..=until_ns).contains(&event.at_ns) && wanted.admits(event)
            });
            let losses = (frame.lost, frame.dropped);
            let is_news =
                losses != losses_told && (from_ns..=until_ns).contains(&frame.captured_at_ns);
            let is_told = is_news || !frame.events.is_empty();
            is_told.then(|| {
                losses_told = losses;
                frame
            })
        })
}

/// What had been lost before a moment: what is told from there on has less.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Losses {
    lost: u64,
    dropped: u64,
}

impl Losses {
    /// How many that is.
    pub(super) fn count(self) -> u64 {
        self.lost.saturating_add(self.dropped)
    }

    pub(super) fn before(past: &Past, at_ns: u64) -> Self {
        // Of all blocks the last that has a frame from before that moment.
        let before = until(past, at_ns).rev().find_map(|block| {
            let entries = past.entries(block)?.into_iter();
            let mut frames = entries.filter_map(|told| match told {
                Told::Transitions(frame) => Some(frame),
                _ => None,
            });
            frames.rfind(|it| it.captured_at_ns < at_ns)
        });
        before.map_or_else(Self::default, |frame| Self {
            lost: frame.lost,
            dropped: frame.dropped,
        })
    }

    /// A frame of what is told from there on.
    pub(super) fn since(self, frame: TransitionsFrame) -> TransitionsFrame {
        TransitionsFrame {
            lost: frame.lost.saturating_sub(self.lost),
            dropped: frame.dropped.saturating_sub(self.dropped),
            ..frame
        }
    }
}

/// The events of a recording, one after another as they happened.
///
/// Frames come in their order, and an event may come in a later one than some that happened after
/// it, where one thread was read before another. So those of a block wait for the next block.
#[derive(Debug)]
pub(super) struct Forward {
    past: Arc<Past>,
    wanted: Wanted,
    /// The block that is read next.
    next: usize,
    /// What was read, by time.
    read: VecDeque<Event>,
    /// Of what happened until then all was read; nothing is known to be if there is none.
    settled_ns: Option<u64>,
    /// What had been lost by the last frame that was read.
    losses: Losses,
}

impl Forward {
    /// Begins with those of about that time.
    pub(super) fn from(past: Arc<Past>, from_ns: u64, wanted: Wanted) -> Self {
        let is_near = |it: &Block| it.head.of == Content::Events && it.head.last_ns >= from_ns;
        let next = past.blocks(0).iter().position(is_near);
        Self {
            next: next.unwrap_or(usize::MAX),
            losses: Losses::default(),
            past,
            wanted,
            read: VecDeque::new(),
            settled_ns: None,
        }
    }

    /// The next one, if it happened until then.
    pub(super) fn next_until(&mut self, until_ns: u64) -> Option<Event> {
        loop {
            let next_ns = self.read.front().map(|it| it.at_ns);
            if next_ns.is_some_and(|it| it > until_ns) {
                return None;
            }
            if next_ns.is_some() && next_ns <= self.settled_ns {
                return self.read.pop_front();
            }
            if !self.read_block() {
                return self.read.pop_front();
            }
        }
    }

    /// What had been lost by what was read last.
    pub(super) fn losses(&self) -> Losses {
        self.losses
    }

    /// Reads the next block; false if there is none.
    fn read_block(&mut self) -> bool {
        let past = Arc::clone(&self.past);
        let mut blocks = past.blocks(self.next).iter();
        let Some(at) = blocks.position(|it| it.head.of == Content::Events) else {
            return false;
        };
        let block = &past.blocks(self.next)[at];
        self.next += at + 1;
        self.settled_ns = self.settled_ns.max(self.read.back().map(|it| it.at_ns));
        for told in past.entries(block).unwrap_or_default() {
            if let Told::Transitions(frame) = told {
                self.losses = Losses {
                    lost: frame.lost,
                    dropped: frame.dropped,
                };
                let wanted = frame.events.into_iter().filter(|it| self.wanted.admits(it));
                self.read.extend(wanted);
            }
        }
        self.read.make_contiguous().sort_by_key(|it| it.at_ns);
        true
    }
}

/// Blocks that are read for what one descriptor did last.
const BLOCKS: usize = 100;
/// Events of one descriptor, at most: the last ones.
const EVENTS: usize = 4096;

/// What happened to one descriptor last, as far back as is looked, the oldest first.
pub(super) fn last(past: &Past, until_ns: u64, wanted: &Wanted) -> Vec<Event> {
    let mut kept: Vec<Vec<Event>> = Vec::new();
    let mut count = 0;
    for block in until(past, until_ns).rev().take(BLOCKS) {
        let entries = past.entries(block).unwrap_or_default();
        let frames = entries.into_iter().filter_map(|told| match told {
            Told::Transitions(frame) => Some(frame.events),
            _ => None,
        });
        let events = frames.flatten();
        let events: Vec<Event> = events
            .filter(|it| it.at_ns <= until_ns && wanted.admits(it))
            .collect();
        count += events.len();
        kept.push(events);
        if count >= EVENTS {
            break;
        }
    }
    let mut events: Vec<Event> = kept.into_iter().rev().flatten().collect();
    events.sort_by_key(|event| event.at_ns);
    events.split_off(events.len().saturating_sub(EVENTS))
}
