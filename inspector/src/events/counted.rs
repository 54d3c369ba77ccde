//! Events, counted by what they have in common.

use std::collections::HashMap;

use netpoller_proto::v1::{Descriptor, Event};
use netpoller_proto::{Direction, Part};

use crate::table::{CountBy, EventCount, EventGroup};

/// Groups that are counted by themselves; what comes then is counted together.
const MOST: usize = 10_000;
const OTHERS: &str = "(others)";

/// Counts them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    groups: HashMap<EventGroup, u64>,
    all: u64,
}

impl Counted {
    /// Takes events, of whose descriptors `row` tells what is known.
    pub(crate) fn take<'e>(
        &mut self,
        by: &[CountBy],
        events: impl IntoIterator<Item = &'e Event>,
        row: impl Fn(&Event) -> (Descriptor, Option<Direction>),
    ) {
        let of_rows = by.iter().any(|it| it.is_of_row());
        for event in events {
            self.all += 1;
            let row = of_rows.then(|| row(event));
            let part = row.as_ref().map(|(row, direction)| Part {
                row,
                direction: *direction,
            });
            let mut group = EventGroup::of(by, |by| by.of(event, part));
            if self.groups.len() >= MOST && !self.groups.contains_key(&group) {
                group = EventGroup::of(by, |_| OTHERS.to_owned());
            }
            *self.groups.entry(group).or_default() += 1;
        }
    }

    /// The largest first.
    pub(crate) fn rows(&self) -> Vec<EventCount> {
        let all = self.all;
        let groups = self.groups.iter();
        let mut rows: Vec<EventCount> = groups
            .map(|(group, count)| EventCount {
                group: group.clone(),
                count: *count,
                all,
            })
            .collect();
        rows.sort_by(|one, next| {
            let by_count = next.count.cmp(&one.count);
            by_count.then_with(|| one.group.cmp(&next.group))
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::EventKind;

    use super::*;
    use crate::fixture;
    use crate::table::{Context, EVENT_COUNTS};
    use clap::ValueEnum;

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
        let told = rows
            .iter()
            .map(|it| (it.group.get(CountBy::Kind), it.count, it.all));
        assert_eq!(told.collect::<Vec<_>>(), [("park", 2, 3), ("event", 1, 3)]);
        let waiter = fixture::parked_reader().read.and_then(|it| it.waiter);
        let task = waiter.expect("it waits").task;
        assert!(
            rows.iter()
                .all(|it| it.group.get(CountBy::Task) == task
                    && it.group.get(CountBy::Id).is_empty())
        );
    }

    #[test]
    fn what_events_are_counted_by_is_called_as_its_column() {
        let all = CountBy::value_variants();
        assert_eq!(all.len() + 2, EVENT_COUNTS.len());
        for (by, column) in all.iter().zip(&EVENT_COUNTS[2..]) {
            let written = by.to_possible_value().expect("it can be written");
            assert_eq!((written.get_name(), by.name()), (column.name, column.name));
            let group = EventGroup::of(&[*by], |by| format!("a {}", by.name()));
            let row = EventCount {
                group,
                count: 1,
                all: 1,
            };
            let cell = column.cell(&row, &Context::default());
            assert_eq!(cell.text, format!("a {}", by.name()));
        }
    }

    #[test]
    fn what_has_too_many_groups_is_counted_together() {
        let mut counted = Counted::default();
        let most = u32::try_from(MOST).expect("it is small");
        let events: Vec<Event> = (0..most + 5).map(|id| event(EventKind::Park, id)).collect();
        counted.take(&[CountBy::Id], &events, row);
        let rows = counted.rows();
        assert_eq!(rows.len(), MOST + 1);
        assert_eq!((rows[0].group.get(CountBy::Id), rows[0].count), (OTHERS, 5));
    }
}
