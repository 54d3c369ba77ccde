//! The events that are shown: those that the filter admits, one by one and counted.

use std::collections::VecDeque;

use netpoller_proto::Direction;
use netpoller_proto::v1::{Descriptor, Event};

use super::tail::Tail;
use crate::events::Counted;
use crate::table::{CountBy, EventCount};

/// What they are counted by.
const BY: [CountBy; 2] = [CountBy::Location, CountBy::Kind];

/// Events that the filter admits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    /// With their numbers, the newest first.
    pub(crate) shown: VecDeque<(u64, Event)>,
    /// How many there were of each kind, at each line, since the filter is as it is.
    pub(crate) counts: Vec<EventCount>,
    counted: Counted,
    /// Number of the first that was not looked at, of those that were kept then.
    next: u64,
    forgotten: u64,
    /// The counts are shown, and not the events themselves.
    pub(crate) are_counted: bool,
}

impl Events {
    /// Takes those that have come. What they are about, `row` tells.
    pub(crate) fn take(
        &mut self,
        tail: &Tail,
        admits: impl Fn(&Event) -> bool,
        row: impl Fn(&Event) -> (Descriptor, Option<Direction>),
    ) {
        if tail.forgotten() != self.forgotten {
            // Of another moment, or of another life of the process.
            self.begin_anew();
            self.forgotten = tail.forgotten();
        }
        let new: Vec<(u64, Event)> = tail
            .since(self.next)
            .filter(|(_, event)| admits(event))
            .map(|(number, event)| (number, event.clone()))
            .collect();
        self.next = tail.end();
        while self
            .shown
            .back()
            .is_some_and(|(number, _)| *number < tail.first())
        {
            self.shown.pop_back();
        }
        if new.is_empty() {
            return;
        }
        self.counted
            .take(&BY, new.iter().map(|(_, event)| event), row);
        self.counts = self.counted.rows();
        for event in new {
            self.shown.push_front(event);
        }
    }

    /// Forgets all, to be told again.
    pub(crate) fn begin_anew(&mut self) {
        *self = Self {
            are_counted: self.are_counted,
            forgotten: self.forgotten,
            ..Self::default()
        };
    }

    /// Lines that are shown.
    pub(crate) fn len(&self) -> usize {
        match self.are_counted {
            true => self.counts.len(),
            false => self.shown.len(),
        }
    }
}
