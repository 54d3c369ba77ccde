//! Rows that have something in common, as one row.

use std::collections::HashMap;

use netpoller_proto::filter::{Field, Key};

use super::cell::Cell;
use super::column::{Column, Cut};
use super::entry::Entry;
use crate::text;

/// What rows can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupBy {
    Location,
    Task,
}

impl GroupBy {
    /// All of them, in the order in which one goes through them.
    pub(crate) const ALL: [Self; 2] = [Self::Location, Self::Task];

    const fn field(self) -> Field {
        match self {
            Self::Location => Field::Where,
            Self::Task => Field::Task,
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Task => "task",
        }
    }

    /// What a row has of it; empty if it has none.
    pub(crate) fn key(self, entry: &Entry) -> String {
        match entry.key(self.field()) {
            Key::Text(text) => text,
            _ => String::new(),
        }
    }

    /// The columns of groups by it.
    pub(crate) fn columns(self) -> &'static [Column<Group>] {
        match self {
            Self::Location => &BY_LOCATION,
            Self::Task => &BY_TASK,
        }
    }
}

/// Rows that have something in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// What; empty for those that have none of it.
    pub(crate) key: String,
    pub(crate) rows: u64,
    /// How long the oldest has been as it is.
    pub(crate) oldest_ns: Option<u64>,
    /// Which one that is.
    pub(crate) id: String,
}

type C = Column<Group>;

const ROWS: C = C::numbers("rows", "ROWS", C::ALWAYS, |group| {
    Key::Number(group.rows.into())
})
.grouped()
.least(6);
const OLDEST: C = C::numbers("oldest", "OLDEST", 200, |group| {
    group
        .oldest_ns
        .map_or(Key::Absent, |age| Key::Number(age.into()))
})
.least(8)
.look(|group, _| Cell::plain(group.oldest_ns.map_or("-".into(), text::duration)));
const ID: C = C::words("id", "ID", 100, |group| Key::text(&group.id)).least(8);
const KEY: C = C::words("key", "", C::ALWAYS, |group| Key::text(&group.key))
    .least(14)
    .look(|group, _| {
        Cell::plain(match group.key.as_str() {
            "" => "(none)".to_owned(),
            key => text::tail_of_path(key).to_owned(),
        })
    });

static BY_LOCATION: [C; 4] = [
    ROWS,
    OLDEST,
    KEY.called("location", "LOCATION").cut_to(
        Cut::Start(Some(|group| text::file_and_line(&group.key))),
        |group| text::tail_of_path(&group.key).len(),
    ),
    ID,
];
static BY_TASK: [C; 4] = [
    ROWS,
    OLDEST,
    KEY.called("task", "TASK")
        .cut_to(Cut::Middle, |group| group.key.len()),
    ID,
];

/// The groups of these rows, the largest first, and of those the one with the oldest row.
pub(crate) fn grouped(entries: &[Entry], by: GroupBy, context: &super::Context) -> Vec<Group> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut oldest: Vec<&Entry> = Vec::new();
    for entry in entries {
        let place = *places.entry(by.key(entry)).or_insert_with_key(|key| {
            groups.push(Group {
                key: key.clone(),
                rows: 0,
                oldest_ns: None,
                id: String::new(),
            });
            oldest.push(entry);
            groups.len() - 1
        });
        let group = &mut groups[place];
        group.rows += 1;
        let age = entry.since(context.now_ns);
        if age > group.oldest_ns {
            group.oldest_ns = age;
            oldest[place] = entry;
        }
    }
    for (group, oldest) in groups.iter_mut().zip(oldest) {
        group.id = oldest.id(context);
    }
    groups.sort_by(|left, right| {
        let key = |it: &Group| std::cmp::Reverse((it.rows, it.oldest_ns));
        key(left).cmp(&key(right)).then(left.key.cmp(&right.key))
    });
    groups
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixture;
    use crate::table::{Context, waiters};

    #[test]
    fn rows_are_counted_by_line_and_by_task_with_the_oldest_of_each() {
        let rows = (0..120).map(|slot| Arc::new(fixture::row(slot, fixture::NOW_NS)));
        let entries = waiters(rows.collect());
        let context = Context {
            now_ns: fixture::NOW_NS,
            ..Context::default()
        };
        for by in GroupBy::ALL {
            let groups = grouped(&entries, by, &context);
            let all: u64 = groups.iter().map(|it| it.rows).sum();
            assert_eq!(all, entries.len() as u64);
            assert!(groups.windows(2).all(|pair| pair[0].rows >= pair[1].rows));
            let oldest = entries.iter().filter_map(|it| it.since(context.now_ns));
            let of_groups = groups.iter().filter_map(|it| it.oldest_ns);
            assert_eq!(of_groups.max(), oldest.max());
        }
        let by_line = grouped(&entries, GroupBy::Location, &context);
        assert!(by_line.len() < entries.len() / 2 && by_line[0].key.contains("src/"));
    }
}
