//! The events of a recording.

use std::sync::Arc;

use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{Event, TransitionsFrame, WatchTransitionsRequest};
use netpoller_proto::vocabulary::DescId;
use tonic::Status;

use super::block::{Block, Content};
use super::past::Past;

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
        if !request.id.is_empty() && request.id.parse::<DescId>().is_err() {
            let id = &request.id;
            return Err(Status::invalid_argument(format!(
                "id: {id:?} is none; one is like 42.7"
            )));
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
    let is_later = |it: &Block| it.of == Content::Events && it.first_ns > until_ns;
    // Older versions wrote when the first events were told, which is after they happened.
    let later = blocks.iter().position(is_later);
    let near = later.map_or(blocks, |first| &blocks[..=first]);
    near.iter().filter(|it| it.of == Content::Events)
}

/// The frames that came between two moments, both included, and of their events those that happened
/// then and are wanted. A frame without any is left out, unless it is the first to tell a loss.
pub(super) fn between<'a>(
    past: &'a Arc<Past>,
    (from_ns, until_ns): (u64, u64),
    wanted: &'a Wanted,
) -> impl Iterator<Item = TransitionsFrame> + 'a {
    let near = until(past, until_ns).filter(move |it| it.last_ns >= from_ns);
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
