//! Which descriptors were opened and closed, and which are not as they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use netpoller_proto::v1::Descriptor;

use crate::model::RowKey;
use crate::table::{ChangedRow, Entry};

/// What has become of descriptors of one process: those that were opened, then those that were
/// closed, then those of which a direction, or who waits there, is another.
pub(super) fn between(before: &[Arc<Descriptor>], after: &[Arc<Descriptor>]) -> Vec<ChangedRow> {
    let by_key = |rows: &[Arc<Descriptor>]| -> BTreeMap<RowKey, Arc<Descriptor>> {
        rows.iter()
            .map(|row| (RowKey::of(row), Arc::clone(row)))
            .collect()
    };
    let (before, after) = (by_key(before), by_key(after));
    let row = |before: Option<&Arc<Descriptor>>, after: Option<&Arc<Descriptor>>| ChangedRow {
        before: before.map(entry),
        after: after.map(entry),
    };
    let opened = after.iter().filter(|(key, _)| !before.contains_key(*key));
    let opened = opened.map(|(_, it)| row(None, Some(it)));
    let closed = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let closed = closed.map(|(_, it)| row(Some(it), None));
    let both = after
        .iter()
        .filter_map(|(key, now)| Some((before.get(key)?, now)));
    let changed = both.filter(|(before, after)| as_it_is(before) != as_it_is(after));
    let changed = changed.map(|(before, after)| row(Some(before), Some(after)));
    opened.chain(closed).chain(changed).collect()
}

fn entry(row: &Arc<Descriptor>) -> Entry {
    Entry {
        row: Arc::clone(row),
        direction: None,
    }
}

/// What it is worth to be told that it has changed: counts and ages go on by themselves.
fn as_it_is(row: &Descriptor) -> impl PartialEq + use<'_> {
    let side = |side: &Option<netpoller_proto::Side>| {
        side.as_ref().map(|side| {
            let waiter = side.waiter.as_ref();
            let who = waiter.map(|it| (it.task.clone(), it.thread.clone(), it.location.clone()));
            (side.state(), who)
        })
    };
    (
        side(&row.read),
        side(&row.write),
        row.closing,
        row.event_err,
        row.stale,
    )
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::State;

    use super::*;
    use crate::fixture;

    #[test]
    fn what_was_opened_closed_and_is_in_another_state_is_told_and_nothing_else() {
        let row = |slot| Arc::new(fixture::row(slot, fixture::NOW_NS));
        let mut older = fixture::row(2, fixture::NOW_NS + 5);
        if let Some(read) = &mut older.read {
            read.since_ns += 1;
        }
        let mut other = fixture::row(4, fixture::NOW_NS);
        let read = other.read.get_or_insert_default();
        let state = match read.state() {
            State::Ready => State::Nil,
            _ => State::Ready,
        };
        read.set_state(state);
        let mut again = fixture::row(5, fixture::NOW_NS);
        again.generation += 1;
        let before = [row(1), row(2), row(4), row(5)];
        let after = [row(1), Arc::new(older), Arc::new(other), Arc::new(again)];
        let told: Vec<_> = between(&before, &after)
            .iter()
            .map(|it| {
                let row = it
                    .after
                    .as_ref()
                    .or(it.before.as_ref())
                    .map(|it| it.row.slot);
                (it.change(), row)
            })
            .collect();
        let expected = [
            ("opened", Some(5)),
            ("closed", Some(5)),
            ("changed", Some(4)),
        ];
        assert_eq!(told, expected);
    }
}
