//! The last events of the flight recorder.

use std::collections::VecDeque;
use std::sync::Arc;

use netpoller_proto::v1::{Event, TransitionsFrame};

/// Events that are kept. Nobody scrolls through more.
const MOST: usize = 10_000;

/// The last events, and how many were lost before them. They are shared, so that a copy costs
/// little.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    frames: VecDeque<Arc<Vec<Event>>>,
    /// Number of the first that is kept, from 0 for the first that ever came.
    first: u64,
    kept: usize,
    /// Overwritten before they could be read, or left out because this command was slow.
    pub(crate) lost: u64,
    /// Why there are no newer ones.
    pub(crate) trouble: String,
}

impl Tail {
    /// Takes what has come.
    pub(crate) fn take(&mut self, frame: TransitionsFrame) {
        self.trouble.clear();
        self.lost = frame.lost.saturating_add(frame.dropped);
        if frame.events.is_empty() {
            return;
        }
        let mut events = frame.events;
        if let Some(more @ 1..) = events.len().checked_sub(MOST) {
            events.drain(..more);
            self.lost = self.lost.saturating_add(more as u64);
        }
        self.kept += events.len();
        self.frames.push_back(Arc::new(events));
        while self.kept > MOST {
            let Some(gone) = self.frames.pop_front() else {
                break;
            };
            self.kept -= gone.len();
            self.first += gone.len() as u64;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// Number of the next one that comes.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.kept as u64
    }

    /// Number of the first that is kept.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Those from this number on, with their numbers, the oldest first.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = (u64, &Event)> {
        let mut begin = self.first;
        let frames = self.frames.iter().filter_map(move |frame| {
            let at = begin;
            begin += frame.len() as u64;
            (begin > number).then_some((at, frame))
        });
        frames
            .flat_map(|(at, frame)| (at..).zip(frame.iter()))
            .skip_while(move |(at, _)| *at < number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(events: std::ops::Range<u64>) -> TransitionsFrame {
        TransitionsFrame {
            events: events
                .map(|argument| Event {
                    argument,
                    ..Event::default()
                })
                .collect(),
            ..TransitionsFrame::default()
        }
    }

    #[test]
    fn the_last_events_are_kept_with_their_numbers_and_no_more_than_that() {
        let mut tail = Tail::default();
        for begin in (0..25_000).step_by(1_000) {
            tail.take(frame(begin..begin + 1_000));
        }
        assert_eq!((tail.first(), tail.end()), (15_000, 25_000));
        assert!(
            tail.since(0)
                .all(|(number, event)| number == event.argument)
        );
        assert_eq!(tail.since(0).count(), MOST);
        assert_eq!(tail.since(24_998).count(), 2);
        // More at once than are kept.
        tail.take(frame(25_000..50_000));
        assert_eq!((tail.kept, tail.lost), (MOST, 15_000));
    }
}
