//! The last events of the flight recorder.

use std::collections::{HashMap, VecDeque};
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
    /// How many times what was kept before was forgotten: with another number others are kept.
    forgotten: u64,
    /// Overwritten before they could be read, or left out because this command was slow.
    pub(crate) lost: u64,
    /// The same, of the streams before this one.
    lost_before: u64,
    /// When the last happened that came over the streams before, by poller, and of all.
    known: HashMap<String, u64>,
    known_until_ns: u64,
    /// The first have not come that tell whether those before are the ones just before them.
    resumes: bool,
    /// Why there are no newer ones.
    pub(crate) trouble: String,
}

impl Tail {
    /// Forgets what is kept: what comes is of another moment, or of another life of the process.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            forgotten: self.forgotten + 1,
            ..Self::default()
        };
    }

    /// What comes from here on comes over another stream, and begins with what was before.
    pub(crate) fn resume(&mut self) {
        self.lost_before = self.lost;
        self.resumes = true;
        self.known.clear();
        self.known_until_ns = 0;
        for event in self.frames.iter().flat_map(|frame| frame.iter()) {
            self.known_until_ns = self.known_until_ns.max(event.at_ns);
            match self.known.get_mut(&event.poller) {
                Some(until) => *until = event.at_ns.max(*until),
                None => drop(self.known.insert(event.poller.clone(), event.at_ns)),
            }
        }
    }

    /// Takes what has come.
    pub(crate) fn take(&mut self, frame: TransitionsFrame) {
        self.trouble.clear();
        let lost = frame.lost.saturating_add(frame.dropped);
        self.lost = self.lost_before.saturating_add(lost);
        let mut events = frame.events;
        if let Some(first) = events.first().filter(|_| self.resumes) {
            self.resumes = false;
            // What happened meanwhile is not all there any more.
            if first.at_ns > self.known_until_ns && self.kept > 0 {
                self.forget();
                self.lost = lost;
            }
        }
        if !self.known.is_empty() {
            let is_new = |event: &Event| {
                let until = self.known.get(&event.poller);
                until.is_none_or(|until| event.at_ns > *until)
            };
            events.retain(is_new);
        }
        if events.is_empty() {
            return;
        }
        if let Some(more @ 1..) = events.len().checked_sub(MOST) {
            events.drain(..more);
            self.lost = self.lost.saturating_add(more as u64);
            self.lost_before = self.lost_before.saturating_add(more as u64);
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

    /// With another number others are kept.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
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

    fn at(poller: &str, at_ns: &[u64], lost: u64) -> TransitionsFrame {
        let event = |at_ns: &u64| Event {
            poller: poller.to_owned(),
            at_ns: *at_ns,
            ..Event::default()
        };
        TransitionsFrame {
            events: at_ns.iter().map(event).collect(),
            lost,
            ..TransitionsFrame::default()
        }
    }

    fn moments(tail: &Tail) -> Vec<u64> {
        tail.since(0).map(|(_, event)| event.at_ns).collect()
    }

    #[test]
    fn another_stream_goes_on_where_the_last_ended_and_tells_nothing_twice() {
        let mut tail = Tail::default();
        tail.take(at("a", &[10, 20], 3));
        tail.take(at("b", &[15], 3));
        tail.resume();
        assert_eq!(tail.lost, 3);
        tail.take(at("a", &[10, 20, 30], 0));
        // What one poller told last is older than what another did.
        tail.take(at("b", &[15, 18], 2));
        assert_eq!(moments(&tail), [10, 20, 15, 30, 18]);
        assert_eq!((tail.lost, tail.forgotten()), (5, 0));
    }

    #[test]
    fn where_something_is_missing_between_two_streams_what_was_before_is_forgotten() {
        let mut tail = Tail::default();
        tail.take(at("a", &[10, 20], 3));
        tail.resume();
        tail.take(at("a", &[40, 50], 0));
        assert_eq!(moments(&tail), [40, 50]);
        assert_eq!((tail.lost, tail.forgotten()), (0, 1));
        tail.forget();
        assert_eq!((moments(&tail), tail.forgotten()), (vec![], 2));
    }
}
