//! Events, counted by what they have in common.

use std::collections::HashMap;

use clap::ValueEnum;
use netpoller_proto::v1::{Descriptor, Event};
use netpoller_proto::{Direction, Part};

use crate::table::{EventCount, EventGroup};

/// Groups that are counted by themselves; what comes then is counted together.
const MOST: usize = 10_000;
const OTHERS: &str = "(others)";

/// What events can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountBy {
    /// What happened.
    Kind,
    /// The direction.
    Dir,
    /// The poller.
    Poller,
    /// The descriptor.
    Id,
    /// The thread that did it.
    Thread,
    /// The line of code that waits, or else that opened the descriptor.
    Location,
    /// Who waits.
    Task,
}

impl CountBy {
    /// The name of its column, which is how it is written.
    pub(super) fn name(self) -> String {
        let written = self.to_possible_value();
        written.map_or_else(String::new, |it| it.get_name().to_owned())
    }

    /// Whether the descriptor is asked, and not the event.
    pub(super) const fn is_of_row(self) -> bool {
        matches!(self, Self::Location | Self::Task)
    }
}

/// Counts them.
#[derive(Default)]
pub(super) struct Counted {
    groups: HashMap<EventGroup, u64>,
    all: u64,
}

impl Counted {
    /// Takes events, of whose descriptors `row` tells what is known.
    pub(super) fn take(
        &mut self,
        by: &[CountBy],
        events: &[Event],
        row: impl Fn(&Event) -> (Descriptor, Option<Direction>),
    ) {
        for event in events {
            self.all += 1;
            let group = group(by, event, &row);
            if self.groups.len() < MOST || self.groups.contains_key(&group) {
                *self.groups.entry(group).or_default() += 1;
            } else {
                let others = by.iter().fold(EventGroup::default(), |mut others, by| {
                    *field(&mut others, *by) = OTHERS.to_owned();
                    others
                });
                *self.groups.entry(others).or_default() += 1;
            }
        }
    }

    /// The largest first.
    pub(super) fn rows(self) -> Vec<EventCount> {
        let all = self.all;
        let groups = self.groups.into_iter();
        let mut rows: Vec<EventCount> = groups
            .map(|(group, count)| EventCount { group, count, all })
            .collect();
        rows.sort_by(|one, next| {
            let same = |it: &EventGroup| format!("{it:?}");
            next.count
                .cmp(&one.count)
                .then_with(|| same(&one.group).cmp(&same(&next.group)))
        });
        rows
    }
}

fn field(group: &mut EventGroup, by: CountBy) -> &mut String {
    match by {
        CountBy::Kind => &mut group.kind,
        CountBy::Dir => &mut group.direction,
        CountBy::Poller => &mut group.poller,
        CountBy::Id => &mut group.id,
        CountBy::Thread => &mut group.thread,
        CountBy::Location => &mut group.location,
        CountBy::Task => &mut group.task,
    }
}

fn group(
    by: &[CountBy],
    event: &Event,
    row: impl Fn(&Event) -> (Descriptor, Option<Direction>),
) -> EventGroup {
    let mut group = EventGroup::default();
    let row = by.iter().any(|it| it.is_of_row()).then(|| row(event));
    let part = row.as_ref().map(|(row, direction)| Part {
        row,
        direction: *direction,
    });
    for by in by {
        let value = match by {
            CountBy::Kind => event.kind().name().to_owned(),
            CountBy::Dir => event.direction().name().unwrap_or_default().to_owned(),
            CountBy::Poller => event.poller.clone(),
            CountBy::Id => event.id.clone(),
            CountBy::Thread => event.thread.clone(),
            CountBy::Location => part
                .map(|it| it.location().into_owned())
                .unwrap_or_default(),
            CountBy::Task => {
                let waiter = part.and_then(|it| it.waiter().map(|it| it.task.clone()));
                waiter.unwrap_or_default()
            }
        };
        *field(&mut group, *by) = value;
    }
    group
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::EventKind;

    use super::*;
    use crate::fixture;

    fn event(kind: EventKind, id: u32) -> Event {
        Event {
            kind: kind.into(),
            id: format!("{id}.1"),
            ..Event::default()
        }
    }

    fn row(_: &Event) -> (Descriptor, Option<Direction>) {
        (fixture::parked_reader(), Some(Direction::Read))
    }

    #[test]
    fn events_are_counted_by_what_is_asked_for_and_the_largest_comes_first() {
        let mut counted = Counted::default();
        let events = [
            event(EventKind::Park, 1),
            event(EventKind::Event, 1),
            event(EventKind::Park, 2),
        ];
        counted.take(&[CountBy::Kind, CountBy::Task], &events, row);
        let rows = counted.rows();
        let told = rows.iter().map(|it| (&*it.group.kind, it.count, it.all));
        assert_eq!(told.collect::<Vec<_>>(), [("park", 2, 3), ("event", 1, 3)]);
        let waiter = fixture::parked_reader().read.and_then(|it| it.waiter);
        let task = waiter.expect("it waits").task;
        assert!(
            rows.iter()
                .all(|it| it.group.task == task && it.group.id.is_empty())
        );
    }

    #[test]
    fn what_has_too_many_groups_is_counted_together() {
        let mut counted = Counted::default();
        let most = u32::try_from(MOST).expect("it is small");
        let events: Vec<Event> = (0..most + 5).map(|id| event(EventKind::Park, id)).collect();
        counted.take(&[CountBy::Id], &events, row);
        let rows = counted.rows();
        assert_eq!(rows.len(), MOST + 1);
        assert_eq!((&*rows[0].group.id, rows[0].count), (OTHERS, 5));
    }
}
