//! Who ran while nobody polled, as far as the flight recorder still tells.

use super::row::{Reader, Waiter, Wake};
use crate::observe::{DescId, Direction, EventKind, RawEvent};
use crate::poller::Poller;

/// What is shorter has no culprit.
const LONG_NS: u64 = 1_000_000;
/// An event may bear a time so much later than that of the poll that has fetched it.
const APART_NS: u64 = 1_000;

/// The longest silence of a thread in a span of time, and what came before it.
struct Silence {
    from_ns: u64,
    until_ns: u64,
    last: Option<RawEvent>,
    longest: Option<(u64, RawEvent)>,
    /// The thread has found the wake that the span ends with.
    found: bool,
}

impl Silence {
    fn hear(&mut self, event: RawEvent, is_wake: bool) {
        if self.found {
            return;
        }
        if let Some(last) = self.last.filter(|_| event.at_ns > self.from_ns) {
            let until_ns = event.at_ns.min(self.until_ns);
            let silent_ns = until_ns.saturating_sub(last.at_ns.max(self.from_ns));
            if self.longest.is_none_or(|(longest, _)| silent_ns > longest) {
                self.longest = Some((silent_ns, last));
            }
        }
        self.last = Some(event);
        self.found = is_wake;
    }

    /// The wait whose end the thread was running after, for most of the span.
    fn ran(&self) -> Option<(DescId, Direction)> {
        let (silent_ns, last) = self.longest.filter(|_| self.found)?;
        let runs = matches!(last.kind, EventKind::Run | EventKind::Consume);
        (runs && silent_ns >= (self.until_ns - self.from_ns) / 2)
            .then_some((last.desc, last.direction?))
    }
}

/// Who ran on the thread that polled next in the time before the poll that found `wake` of `id`,
/// and was the last to be seen there. `None` if that is not known, as of a task that waits for
/// nothing of this poller.
pub(crate) fn ran_instead(
    poller: &Poller,
    reader: &mut Reader,
    id: DescId,
    direction: Direction,
    wake: &Wake,
) -> Option<Waiter> {
    if wake.before_poll_ns < LONG_NS {
        return None;
    }
    let fetched_ns = wake.fetched_ns;
    let recorder = &poller.shared.recorder;
    recorder.threads().find_map(|thread| {
        let mut silence = Silence {
            from_ns: fetched_ns.saturating_sub(wake.before_poll_ns),
            until_ns: fetched_ns,
            last: None,
            longest: None,
            found: false,
        };
        recorder.read_ring(thread, 0, u64::MAX, |event| {
            let is_wake = event.desc == id
                && event.direction == Some(direction)
                && matches!(
                    event.kind,
                    EventKind::ReadyParked | EventKind::UnblockParked
                )
                && event.at_ns.wrapping_sub(fetched_ns) <= APART_NS;
            silence.hear(event, is_wake);
        });
        let (id, direction) = silence.ran()?;
        reader.last_waiter(poller, id, direction, thread as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Whom a thread is told to have run from 100 ms to 400 ms, where it found a wake.
    fn ran(events: &[(u64, EventKind, u32)]) -> Option<u32> {
        let mut silence = Silence {
            from_ns: 100 * MS,
            until_ns: 400 * MS,
            last: None,
            longest: None,
            found: false,
        };
        for (at_ms, kind, slot) in events {
            let event = RawEvent {
                at_ns: at_ms * MS,
                desc: DescId {
                    slot: *slot,
                    generation: 1,
                },
                direction: Some(Direction::Read),
                kind: *kind,
                argument: 0,
            };
            silence.hear(event, *kind == EventKind::ReadyParked && *at_ms == 400);
        }
        silence.ran().map(|(id, _)| id.slot)
    }

    #[test]
    fn the_one_after_whose_wake_the_thread_was_silent_for_longest_is_named() {
        use EventKind::{Arm, Consume, Park, ReadyParked, Run};
        let found = (400, ReadyParked, 9);
        // It may have begun before the span did.
        assert_eq!(ran(&[(50, Run, 1), found]), Some(1));
        assert_eq!(
            ran(&[
                (100, Run, 1),
                (110, Park, 1),
                (111, Consume, 2),
                (390, Arm, 2),
                found
            ]),
            Some(2)
        );
        // Nobody knows what ran after this.
        assert_eq!(ran(&[(100, Run, 1), (110, Park, 1), found]), None);
        // None of them for most of the time.
        assert_eq!(
            ran(&[(100, Run, 1), (200, Run, 2), (300, Run, 3), found]),
            None
        );
        // Another thread has found the wake.
        assert_eq!(ran(&[(100, Run, 1), (400, Arm, 1)]), None);
        assert_eq!(ran(&[found]), None, "nothing is left of what came before");
    }
}
