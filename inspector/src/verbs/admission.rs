//! Which events `--where` admits. Each is asked for itself, with what is known of its descriptor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netpoller_proto::filter::Field;
use netpoller_proto::v1::filter::Node;
use netpoller_proto::v1::filter_value::Value;
use netpoller_proto::v1::{Comparison, Descriptor, Event, Filter, FilterValue, Operator};
use netpoller_proto::{Direction, Part};

use crate::events::subject;
use crate::failure::Failure;
use crate::query::Query;
use crate::source::{Connection, Selection};

/// What is known of who waits is older than this only for a descriptor that does nothing; where all
/// events are counted, it may be older.
const FRESH: Duration = Duration::from_millis(100);
const FRESH_ENOUGH: Duration = Duration::from_secs(1);
/// Ids in one question; a filter has room for 256.
const IDS: usize = 200;
/// From so many ids on, the whole table is asked for instead.
const MANY: usize = 1_000;
/// Descriptors that are remembered.
const MOST: usize = 20_000;

/// A descriptor, by poller and id.
pub(super) type Key = (String, String);

struct Known {
    /// `None` if it was closed before it could be looked at.
    row: Option<Arc<Descriptor>>,
    at: Instant,
}

/// Decides about events.
pub(super) struct Admission<'a> {
    connection: &'a Connection,
    query: Option<&'a Query>,
    /// The query speaks of what events do not have themselves.
    needs_rows: bool,
    /// And that may change: how old what is known of it may be.
    fresh: Option<Duration>,
    known: HashMap<Key, Known>,
}

impl<'a> Admission<'a> {
    /// Of events whose descriptors are asked for as well, if `with_rows` says so.
    pub(super) fn new(
        connection: &'a Connection,
        query: Option<&'a Query>,
        with_rows: bool,
    ) -> Self {
        let speaks_of =
            |fields: fn(Field) -> bool| query.is_some_and(|query| query.speaks_of(fields));
        Self {
            connection,
            query,
            needs_rows: with_rows || speaks_of(|field| !field.is_own_of_events()),
            fresh: match speaks_of(|field| matches!(field, Field::Task | Field::Where)) {
                true => Some(FRESH),
                false => with_rows.then_some(FRESH_ENOUGH),
            },
            known: HashMap::new(),
        }
    }

    /// Those of the events that are wanted.
    pub(super) async fn admitted(&mut self, events: Vec<Event>) -> Result<Vec<Event>, Failure> {
        if self.needs_rows {
            self.look_up(&events).await?;
        }
        let Some(query) = self.query else {
            return Ok(events);
        };
        Ok(events
            .into_iter()
            .filter(|event| self.admits(query, event))
            .collect())
    }

    /// What is known of its descriptor, if that was asked for.
    pub(super) fn row(&self, event: &Event) -> (Descriptor, Option<Direction>) {
        let key = (event.poller.clone(), event.id.clone());
        let row = self.known.get(&key).and_then(|known| known.row.as_ref());
        subject(event, row.map(Arc::as_ref))
    }

    /// Who is parked now, of those that are wanted.
    pub(super) async fn parked(&mut self) -> Result<Vec<(Arc<Descriptor>, Direction)>, Failure> {
        let selection = Selection {
            waiting_only: true,
            ..Selection::default()
        };
        let waiting = self.connection.descriptors(&selection).await?;
        let mut parked = Vec::new();
        for row in waiting.rows {
            for direction in Direction::ALL {
                let part = Part {
                    row: &row,
                    direction: Some(direction),
                };
                let holds = |query: &Query| query.holds(part, waiting.captured_at_ns);
                if self.query.is_none_or(holds) {
                    parked.push((Arc::clone(&row), direction));
                }
            }
            self.remember(row, Instant::now());
        }
        Ok(parked)
    }

    /// The row of a descriptor as it was looked at last; nothing if it was closed before that.
    pub(super) fn known(&self, key: &Key) -> Option<Arc<Descriptor>> {
        self.known.get(key).and_then(|known| known.row.clone())
    }

    fn admits(&self, query: &Query, event: &Event) -> bool {
        let (row, direction) = self.row(event);
        query.holds(
            Part {
                row: &row,
                direction,
            },
            event.at_ns,
        )
    }

    /// Asks for the descriptors of these events that are not known, or not well enough.
    async fn look_up(&mut self, events: &[Event]) -> Result<(), Failure> {
        let now = Instant::now();
        let is_fresh = |known: &Known| {
            let is_fresh = |fresh| now.duration_since(known.at) < fresh;
            known.row.is_none() || self.fresh.is_none_or(is_fresh)
        };
        let mut wanted: Vec<Key> = events
            .iter()
            .filter(|event| !event.id.is_empty())
            .map(|event| (event.poller.clone(), event.id.clone()))
            .filter(|key| !self.known.get(key).is_some_and(is_fresh))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.look_at(wanted).await.map(drop)
    }

    /// Asks for these descriptors, whatever is known of them; gives those that are there, and maybe
    /// more.
    pub(super) async fn look_at(
        &mut self,
        wanted: Vec<Key>,
    ) -> Result<Vec<Arc<Descriptor>>, Failure> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        if self.known.len() + wanted.len() > MOST {
            self.known.clear();
        }
        let mut rows = Vec::new();
        if wanted.len() > MANY {
            let all = Selection::default();
            rows = self.connection.descriptors(&all).await?.rows;
        } else {
            for ids in wanted.chunks(IDS) {
                let selection = Selection {
                    filter: Some(one_of(ids)),
                    ..Selection::default()
                };
                rows.extend(self.connection.descriptors(&selection).await?.rows);
            }
        }
        let now = Instant::now();
        for key in wanted {
            // What has closed since is remembered as it was.
            self.known
                .entry(key)
                .and_modify(|known| known.at = now)
                .or_insert(Known { row: None, at: now });
        }
        for row in &rows {
            self.remember(Arc::clone(row), now);
        }
        Ok(rows)
    }

    fn remember(&mut self, row: Arc<Descriptor>, at: Instant) {
        let key = (row.poller.clone(), row.id().to_string());
        self.known.insert(key, Known { row: Some(row), at });
    }
}

fn one_of(keys: &[Key]) -> Filter {
    let values = keys.iter().map(|(_, id)| FilterValue {
        value: Some(Value::Text(id.clone())),
    });
    Filter {
        node: Some(Node::Comparison(Comparison {
            field: Field::Id.name().to_owned(),
            op: Operator::In.into(),
            values: values.collect(),
        })),
    }
}
