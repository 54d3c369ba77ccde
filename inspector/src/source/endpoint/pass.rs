//! Time that goes by between two questions: by itself, or in a recording.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connect::Connection;
use crate::failure::Failure;
use crate::source::cursor::Cursor;
use crate::timeline::Timeline;

/// How long something is to go on, by the clock of what is looked at: that of a recording goes as
/// it is read.
#[derive(Debug, Clone)]
pub(crate) struct Lasts {
    /// By the clock of this machine; `None` where it has no end.
    ends: Option<Instant>,
    began: Instant,
    /// Of a recording, with where it began and where it ends.
    recorded: Option<(Arc<Cursor>, u64, u64)>,
}

impl Lasts {
    /// Whether it has gone on for so long, or will have `after` that.
    pub(crate) fn is_over_after(&self, time: Duration) -> bool {
        match &self.recorded {
            Some((cursor, _, ends_at_ns)) => {
                cursor.at_ns().saturating_add(nanos(time)) > *ends_at_ns
            }
            None => {
                let then = Instant::now().checked_add(time);
                self.ends
                    .is_some_and(|ends| then.is_none_or(|then| then > ends))
            }
        }
    }

    /// The moment of a recording at which it is over; `None` of a process.
    pub(crate) fn until_ns(&self) -> Option<u64> {
        self.recorded.as_ref().map(|(_, _, ends_at_ns)| *ends_at_ns)
    }

    /// Whether it has gone on for so long.
    pub(crate) fn is_over(&self) -> bool {
        match &self.recorded {
            Some((cursor, _, ends_at_ns)) => cursor.at_ns() >= *ends_at_ns,
            None => self.ends.is_some_and(|ends| Instant::now() >= ends),
        }
    }

    /// Ends when it has gone on for so long; never of a recording, which is asked instead.
    pub(crate) async fn over(&self) {
        match self.ends.filter(|_| self.recorded.is_none()) {
            Some(ends) => tokio::time::sleep_until(ends.into()).await,
            None => std::future::pending().await,
        }
    }

    /// How long it has gone on.
    pub(crate) fn went_on(&self) -> Duration {
        match &self.recorded {
            Some((cursor, began_ns, _)) => {
                Duration::from_nanos(cursor.at_ns().saturating_sub(*began_ns))
            }
            None => self.began.elapsed(),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Between two looks at a process without an endpoint: each costs it something.
pub(in crate::source) const SHORTEST_LOOK: Duration = Duration::from_secs(1);

impl Connection {
    /// Begins something that goes on for so long from here on.
    pub(crate) fn lasts(&self, time: Duration) -> Lasts {
        let began = Instant::now();
        Lasts {
            began,
            ends: began.checked_add(time),
            recorded: self.cursor.as_ref().map(|cursor| {
                let at_ns = cursor.at_ns();
                (Arc::clone(cursor), at_ns, at_ns.saturating_add(nanos(time)))
            }),
        }
    }

    /// For how long nothing may come of a table that is told at each interval, even if nothing has
    /// changed.
    pub(crate) fn silence(&self, interval: Duration) -> Duration {
        let interval = match self.server.outside {
            Some(_) => interval.max(SHORTEST_LOOK),
            None => interval,
        };
        interval.saturating_mul(3)
    }

    /// The same, of a recording.
    pub(in crate::source) fn of_recording(self, cursor: Arc<Cursor>) -> Self {
        Self {
            cursor: Some(cursor),
            ..self
        }
    }

    /// Whether it is a recording that answers.
    pub(crate) fn is_recording(&self) -> bool {
        self.cursor.is_some()
    }

    /// Waits for so long. A recording is looked at so much later, at once.
    pub(crate) async fn pass(&self, time: Duration) {
        match &self.cursor {
            Some(cursor) => cursor.forward(time),
            None => tokio::time::sleep(time).await,
        }
    }

    /// Looks at a recording from where what goes on begins: the moment that was said, or its
    /// beginning.
    pub(crate) fn start(&self) {
        if let Some(cursor) = &self.cursor {
            cursor.go(cursor.start_ns());
        }
    }

    /// Looks at a recording so much earlier.
    pub(crate) fn back(&self, time: Duration) {
        if let Some(cursor) = &self.cursor {
            cursor.back(time);
        }
    }

    /// Looks at a recording at the next moment at which something was found, or at the one before;
    /// where there is none, as before.
    pub(crate) async fn jump(&self, forth: bool) {
        if let Some(cursor) = &self.cursor {
            cursor.jump(forth).await;
        }
    }

    /// How the process of a recording went on; `None` of a process. All of the recording is read
    /// for that.
    pub(crate) async fn timeline(&self) -> Option<Arc<Timeline>> {
        match &self.cursor {
            Some(cursor) => Some(cursor.timeline().await),
            None => None,
        }
    }

    /// Where a recording is looked at; `None` of a process.
    pub(crate) fn moves(&self) -> Option<watch::Receiver<u64>> {
        self.cursor.as_ref().map(|cursor| cursor.place())
    }

    /// Makes what goes on in a recording follow the moment at which it is looked at, so that it
    /// comes when that is moved.
    pub(crate) fn hold(&self) {
        if let Some(cursor) = &self.cursor {
            cursor.hold();
        }
    }

    /// Looks at a recording so much before a moment of it.
    pub(crate) fn look_before(&self, at_ns: u64, time: Duration) {
        if let Some(cursor) = &self.cursor {
            cursor.go(at_ns);
            cursor.back(time);
        }
    }

    /// Whether it is a recording of which there is more.
    pub(crate) fn has_more(&self) -> bool {
        self.is_recording() && !self.is_over()
    }

    /// Whether nothing comes any more: it is a recording at its end.
    pub(crate) fn is_over(&self) -> bool {
        self.cursor.as_ref().is_some_and(|it| it.is_at_end())
    }

    /// A stream has ended: that of a recording at its end, and any other one that has no end.
    pub(crate) async fn ended(&self) -> Result<(), Failure> {
        if self.is_recording() {
            return Ok(());
        }
        let trouble = self.peer.trouble_soon().await;
        let target = self.target.to_string();
        Err(Failure::lost(target, "the stream has ended", trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(time: Duration, cursor: Option<&Arc<Cursor>>) -> Lasts {
        let began = Instant::now();
        Lasts {
            began,
            ends: began.checked_add(time),
            recorded: cursor.map(|it| (Arc::clone(it), it.at_ns(), it.at_ns() + nanos(time))),
        }
    }

    #[test]
    fn of_a_recording_time_goes_by_as_it_is_read() {
        let second = Duration::from_secs(1);
        let cursor = Arc::new(Cursor::new(0, 60_000_000_000, Some(10_000_000_000)));
        let lasts = lasts(20 * second, Some(&cursor));
        assert!(!lasts.is_over() && !lasts.is_over_after(20 * second));
        assert!(lasts.is_over_after(21 * second));
        cursor.forward(15 * second);
        assert_eq!(lasts.went_on(), 15 * second);
        assert!(!lasts.is_over() && lasts.is_over_after(6 * second));
        cursor.forward(5 * second);
        assert!(lasts.is_over());
    }

    #[test]
    fn what_has_no_end_on_the_clock_has_none() {
        let ever = lasts(Duration::MAX, None);
        assert!(!ever.is_over() && !ever.is_over_after(Duration::from_secs(1)));
        assert!(lasts(Duration::ZERO, None).is_over());
    }
}
