//! What tokio-console is told of a recording.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use netpoller_endpoint::told::{self, Teller};
use netpoller_proto::v1::{Event, EventKind};
use tonic::Status;

use super::events::{Forward, Losses, Wanted};
use super::moment::Moment;
use super::past::Past;
use crate::source::cursor::Cursor;

/// Of what happened before a moment, so much is told with it.
const LOOK_BACK_NS: u64 = 60_000_000_000;
/// Events that are told at a time, at most: the last ones.
const EVENTS: usize = 1 << 16;
/// Letters of a name in them.
const LONGEST: usize = 512;

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
        let is_cut = at_ns < self.at_ns || at_ns.saturating_sub(self.at_ns) > LOOK_BACK_NS + 1;
        if is_cut {
            let from_ns = at_ns.saturating_sub(LOOK_BACK_NS);
            self.events = Forward::from(Arc::clone(&self.past), from_ns, Wanted::default());
            self.at_ns = from_ns.saturating_sub(1);
            self.lost = Losses::before(&self.past, from_ns).count();
        }
        self.moment.go(at_ns);
        let (mut events, mut read, mut lost) = (VecDeque::new(), 0_u64, 0_u64);
        while let Some(event) = self.events.next_until(at_ns) {
            if event.at_ns <= self.at_ns {
                continue;
            }
            read += 1;
            if matches!(event.kind(), EventKind::Run | EventKind::Park) {
                events.push_back(kept(event));
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

/// What is made use of, within bounds: what stands in a file may be of any length.
fn kept(event: Event) -> Event {
    let cut = |text: String| match text.len() > LONGEST {
        true => text.chars().take(LONGEST).collect(),
        false => text,
    };
    Event {
        at_ns: event.at_ns,
        poller: cut(event.poller),
        id: cut(event.id),
        direction: event.direction,
        kind: event.kind,
        thread: cut(event.thread),
        argument: event.argument,
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{TransitionsFrame, WatchFrame};

    use super::*;
    use crate::fixture;
    use crate::source::recording::writer::Writer;

    const MS: u64 = 1_000_000;
    const MINUTE_MS: u64 = 60_000;

    fn event(kind: EventKind, ms: u64) -> Event {
        Event {
            at_ns: fixture::NOW_NS + ms * MS,
            id: "1.1".to_owned(),
            kind: kind.into(),
            ..Event::default()
        }
    }

    /// A recording with a block for the events that were told at each of these times, and how many
    /// had been lost by then.
    fn recorded(told: &[(u64, u64, Vec<Event>)]) -> Arc<Past> {
        let mut file = Vec::new();
        let server = fixture::server(3, fixture::NOW_NS);
        let mut writer = Writer::new(&mut file, server).expect("written to memory");
        let table = WatchFrame {
            captured_at_ns: fixture::NOW_NS,
            keyframe: true,
            end: true,
            ..WatchFrame::default()
        };
        writer.frame(table).expect("written");
        for (ms, lost, events) in told {
            let frame = TransitionsFrame {
                captured_at_ns: fixture::NOW_NS + ms * MS,
                events: events.clone(),
                lost: *lost,
                ..TransitionsFrame::default()
            };
            writer.transitions(frame).expect("written");
            writer.flush().expect("written");
        }
        writer.finish("").expect("written");
        drop(writer);
        Arc::new(Past::of(Box::new(file)).expect("a recording"))
    }

    /// What is told at each of these times: when what is told happened, how many events were read
    /// and lost, and whether some were left out.
    async fn told(past: &Arc<Past>, at_ms: &[u64]) -> Vec<(Vec<u64>, u64, u64, bool)> {
        let (begins_at_ns, ends_at_ns) = (past.begins_at_ns, past.ends_at_ns);
        let cursor = Arc::new(Cursor::new(begins_at_ns, ends_at_ns, None));
        let console = Console::new(Arc::clone(past), Arc::clone(&cursor));
        let mut all = Vec::new();
        for ms in at_ms {
            cursor.go(fixture::NOW_NS + ms * MS);
            let moment = console.tell().await.expect("a moment");
            assert_eq!(moment.at_ns, fixture::NOW_NS + ms * MS);
            let at_ms = moment.events.iter();
            let at_ms = at_ms.map(|it| (it.at_ns - fixture::NOW_NS) / MS);
            all.push((at_ms.collect(), moment.read, moment.lost, moment.is_cut));
        }
        all
    }

    #[tokio::test]
    async fn what_happened_is_told_once_and_what_was_lost_is_counted() {
        use EventKind::{Park, Poll, Run};
        let past = recorded(&[
            (
                100,
                5,
                vec![event(Run, 50), event(Poll, 60), event(Park, 70)],
            ),
            (500, 7, vec![event(Run, 400)]),
            (900, 7, vec![event(Park, 800)]),
        ]);
        let told = told(&past, &[0, 100, 100, 600, 900]).await;
        let events: Vec<_> = told.iter().map(|it| it.0.clone()).collect();
        assert_eq!(events, [vec![], vec![50, 70], vec![], vec![400], vec![800]]);
        assert_eq!(told.iter().map(|it| it.1).sum::<u64>(), 5, "the poll too");
        assert_eq!(told.iter().map(|it| it.2).sum::<u64>(), 7);
        assert!(told.iter().all(|it| !it.3));
    }

    #[tokio::test]
    async fn of_what_happened_before_a_minute_is_told_and_what_is_passed_over_is_not() {
        let at = |ms| (ms, 0, vec![event(EventKind::Run, ms)]);
        let past = recorded(&[at(10), at(MINUTE_MS), at(2 * MINUTE_MS), at(4 * MINUTE_MS)]);
        let begun = told(&past, &[MINUTE_MS + 20]).await;
        assert_eq!(begun[0].0, [MINUTE_MS]);
        let passed = told(&past, &[20, 4 * MINUTE_MS]).await;
        assert_eq!(passed[0], (vec![10], 1, 0, false));
        assert_eq!(passed[1], (vec![4 * MINUTE_MS], 1, 0, true));
    }
}
