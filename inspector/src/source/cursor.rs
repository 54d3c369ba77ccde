//! The moment at which a recording is looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::timeline::Timeline;

/// A place in a recording, shared by whoever asks and whoever answers. Moments are on the clock of
/// the process that was recorded.
#[derive(Debug)]
pub(crate) struct Cursor {
    begins_at_ns: u64,
    ends_at_ns: u64,
    /// Where it was put, if that was said.
    put_at_ns: Option<u64>,
    at_ns: watch::Sender<u64>,
    /// What goes on follows it, and does not move it.
    is_held: AtomicBool,
    /// How the process went on, once that is known.
    timeline: watch::Sender<Option<Arc<Timeline>>>,
    /// Somebody wants to know it.
    is_timeline_wanted: watch::Sender<bool>,
}

impl Cursor {
    /// At a moment of the recording, or at its end.
    pub(super) fn new(begins_at_ns: u64, ends_at_ns: u64, at_ns: Option<u64>) -> Self {
        Self {
            begins_at_ns,
            ends_at_ns,
            put_at_ns: at_ns,
            at_ns: watch::Sender::new(at_ns.unwrap_or(ends_at_ns)),
            is_held: AtomicBool::new(false),
            timeline: watch::Sender::new(None),
            is_timeline_wanted: watch::Sender::new(false),
        }
    }

    /// Whether somebody wants to know how the process went on.
    pub(super) fn timeline_wanted(&self) -> watch::Receiver<bool> {
        self.is_timeline_wanted.subscribe()
    }

    /// Takes how the process went on.
    pub(super) fn mark(&self, timeline: Timeline) {
        self.timeline.send_replace(Some(Arc::new(timeline)));
    }

    /// How the process went on, once that is known; for that all of the recording is read.
    pub(super) async fn timeline(&self) -> Arc<Timeline> {
        self.is_timeline_wanted.send_replace(true);
        let mut timeline = self.timeline.subscribe();
        let known = timeline.wait_for(Option::is_some).await;
        known.ok().and_then(|it| it.clone()).unwrap_or_default()
    }

    /// Goes to the next moment at which something was found, or to the one before, once these are
    /// known. False if there is none.
    pub(super) async fn jump(&self, forth: bool) -> bool {
        let (timeline, at_ns) = (self.timeline().await, self.at_ns());
        let finds = timeline.finds();
        let found = match forth {
            true => finds.iter().find(|it| **it > at_ns),
            false => finds.iter().rev().find(|it| **it < at_ns),
        };
        if let Some(found) = found {
            self.go(*found);
        }
        found.is_some()
    }

    /// Where it is, now and then.
    pub(super) fn place(&self) -> watch::Receiver<u64> {
        self.at_ns.subscribe()
    }

    /// Where it is.
    pub(super) fn at_ns(&self) -> u64 {
        *self.at_ns.borrow()
    }

    /// Where what goes on begins: where it was put, or at the beginning.
    pub(super) fn start_ns(&self) -> u64 {
        self.put_at_ns.unwrap_or(self.begins_at_ns)
    }

    /// The last moment of the recording.
    pub(super) fn ends_at_ns(&self) -> u64 {
        self.ends_at_ns
    }

    /// Goes there, as far as the recording goes.
    pub(super) fn go(&self, at_ns: u64) {
        let at_ns = at_ns.clamp(self.begins_at_ns, self.ends_at_ns);
        self.at_ns.send_replace(at_ns);
    }

    /// Goes on by so much.
    pub(super) fn forward(&self, time: Duration) {
        self.go(self.at_ns().saturating_add(nanos(time)));
    }

    /// Goes back by so much.
    pub(super) fn back(&self, time: Duration) {
        self.go(self.at_ns().saturating_sub(nanos(time)));
    }

    /// Whether there is no more.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_ns() >= self.ends_at_ns
    }

    /// From now on what goes on follows it: nothing comes unless it is moved.
    pub(super) fn hold(&self) {
        self.is_held.store(true, Ordering::Relaxed);
    }

    /// Where it goes; `None` while what goes on moves it.
    pub(super) fn moves(&self) -> Option<watch::Receiver<u64>> {
        self.is_held().then(|| self.place())
    }

    /// Whether what goes on follows it, and does not move it.
    pub(super) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_jumps_between_what_was_found_and_stays_where_nothing_is() {
        let cursor = Arc::new(Cursor::new(0, 100, None));
        let waits = tokio::spawn({
            let cursor = Arc::clone(&cursor);
            async move { cursor.jump(false).await }
        });
        let mut timeline = Timeline::default();
        timeline.look(10, 1, true);
        timeline.look(20, 1, false);
        timeline.look(40, 2, true);
        cursor.mark(timeline);
        assert!(waits.await.expect("it ends") && cursor.at_ns() == 40);
        assert!(cursor.jump(false).await && cursor.at_ns() == 10);
        assert!(!cursor.jump(false).await && cursor.at_ns() == 10);
        assert!(cursor.jump(true).await && cursor.at_ns() == 40);
        assert!(!cursor.jump(true).await && cursor.at_ns() == 40);
    }

    #[test]
    fn it_goes_no_further_than_the_recording() {
        let second = Duration::from_secs(1);
        let cursor = Cursor::new(5_000_000_000, 7_000_000_000, None);
        assert!(cursor.is_at_end() && cursor.start_ns() == 5_000_000_000);
        cursor.back(second);
        assert_eq!((cursor.at_ns(), cursor.is_at_end()), (6_000_000_000, false));
        cursor.back(10 * second);
        assert_eq!(cursor.at_ns(), 5_000_000_000);
        cursor.forward(Duration::MAX);
        assert!(cursor.is_at_end());
        let cursor = Cursor::new(5_000_000_000, 7_000_000_000, Some(6_000_000_000));
        assert_eq!(
            (cursor.at_ns(), cursor.start_ns()),
            (6_000_000_000, 6_000_000_000)
        );
    }
}
