//! What tokio-console is told of a recording.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use netpoller_endpoint::told::{self, Teller};
use netpoller_proto::v1::EventKind;
use tonic::Status;

use super::events::{Forward, Losses, Wanted};
use super::moment::Moment;
use super::past::Past;
use crate::source::cursor::Cursor;

/// Of what happened before a moment, so much is told with it.
const LOOK_BACK_NS: u64 = 60_000_000_000;
/// Events that are told at a time, at most: the last ones.
const EVENTS: usize = 1 << 16;

/// Tells of a recording, at the moment that others choose.
#[derive(Debug)]
pub(super) struct Console {
    past: Arc<Past>,
    cursor: Arc<Cursor>,
    /// As far as it has been told. Nothing is read before somebody asks.
    told: Arc<Mutex<Option<Told>>>,
}

impl Console {
    pub(super) fn new(past: Arc<Past>, cursor: Arc<Cursor>) -> Self {
        Self {
            past,
            cursor,
            told: Arc::default(),
        }
    }
}

#[tonic::async_trait]
impl Teller for Console {
    async fn tell(&self) -> Result<told::Moment, Status> {
        let (past, told) = (Arc::clone(&self.past), Arc::clone(&self.told));
        let at_ns = self.cursor.at_ns();
        let moment = tokio::task::spawn_blocking(move || {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.get_or_insert_with(|| Told::before(&past, at_ns))
                .go(at_ns)
        });
        let failed = |_| Status::internal("reading the recording has failed: a bug");
        moment.await.map_err(failed)
    }
}

/// What was told so far.
#[derive(Debug)]
struct Told {
    past: Arc<Past>,
    moment: Moment,
    events: Forward,
    /// When it was told last: what happened by then was told, or never will be.
    at_ns: u64,
    /// What had been lost by then.
    lost: u64,
}

impl Told {
    /// Nothing, but what is told next is of this moment.
    fn before(past: &Arc<Past>, at_ns: u64) -> Self {
        let from_ns = at_ns.saturating_sub(LOOK_BACK_NS);
        Self {
            past: Arc::clone(past),
            moment: Moment::first(Arc::clone(past)),
            events: Forward::from(Arc::clone(past), from_ns, Wanted::default()),
            at_ns: from_ns.saturating_sub(1),
            lost: Losses::before(past, from_ns).count(),
        }
    }

    fn go(&mut self, at_ns: u64) -> told::Moment {
        let is_cut = at_ns.saturating_sub(self.at_ns) > LOOK_BACK_NS + 1;
        if is_cut || at_ns < self.at_ns {
            let moment = std::mem::replace(&mut self.moment, Moment::first(Arc::clone(&self.past)));
            *self = Self {
                moment,
                ..Self::before(&self.past, at_ns)
            };
        }
        self.moment.go(at_ns);
        let (mut events, mut read, mut lost) = (VecDeque::new(), 0_u64, 0_u64);
        while let Some(event) = self.events.next_until(at_ns) {
            if event.at_ns <= self.at_ns {
                continue;
            }
            read += 1;
            if matches!(event.kind(), EventKind::Run | EventKind::Park) {
                events.push_back(event);
            }
            if events.len() > EVENTS {
                events.pop_front();
                (read, lost) = (read - 1, lost + 1);
            }
        }
        self.at_ns = at_ns;
        let lost_by_now = self.events.losses().count().max(self.lost);
        lost = lost.saturating_add(lost_by_now - self.lost);
        self.lost = lost_by_now;
        let model = &self.moment.model;
        told::Moment {
            at_ns,
            server: self.moment.server.clone(),
            rows: model.rows.values().cloned().collect(),
            stats: model.stats.clone(),
            diagnosis: self.moment.diagnosis.clone(),
            events: events.into(),
            read,
            lost,
            is_cut,
        }
    }
}
