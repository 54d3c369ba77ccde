//! What the numbers of one descriptor may mean, in sentences.

use netpoller_proto::v1::{Descriptor, GetDescriptorResponse, KernelView, Mode, State};
use netpoller_proto::{Direction, Part, Side};

use crate::text;

/// Bits of poll(2).
const POLLIN: u32 = 0x1;
const POLLOUT: u32 = 0x4;
const POLLERR: u32 = 0x8;
const POLLHUP: u32 = 0x10;
/// What is worth a remark before a poll.
const LONG_NS: u64 = 10_000_000;
/// Readiness may be on its way for so long; the kernel's answer is younger than the row.
const SETTLED_NS: u64 = 100_000_000;

/// Remarks, the gravest first.
pub(crate) fn hints(answer: &GetDescriptorResponse) -> Vec<String> {
    let mut hints = Vec::new();
    let Some(row) = &answer.descriptor else {
        return hints;
    };
    let now_ns = answer.captured_at_ns;
    if let Some(kernel) = &answer.kernel {
        contradictions(row, kernel, now_ns, &mut hints);
    }
    for wait in &answer.elsewhere {
        let what = match wait.sleeps {
            true => "sleeps".to_owned(),
            false => format!("waits to {} {}", name_of(wait.direction()), wait.id),
        };
        let at = match wait.location.as_str() {
            "" => String::new(),
            at => format!(" at {at}"),
        };
        hints.push(format!(
            "whoever waited last to {} it waits elsewhere: it {what}{at} since {} ago",
            name_of(wait.waited()),
            text::duration(now_ns.saturating_sub(wait.since_ns))
        ));
    }
    for direction in Direction::ALL {
        let part = Part {
            row,
            direction: Some(direction),
        };
        if part.deadline_ns().is_some_and(|deadline| deadline < now_ns) {
            hints.push(format!(
                "the {} deadline has passed and has not fired: nobody polls",
                direction.name()
            ));
        }
        let Some(wake) = row.side(direction).and_then(|side| side.last_wake.as_ref()) else {
            continue;
        };
        let (name, poller, run) = (
            direction.name(),
            wake.poller_to_waker_ns,
            wake.waker_to_run_ns,
        );
        // Inside a runtime the bound may be the time in which there was nothing to do.
        let bound = wake.before_poll_ns.filter(|_| !wake.before_poll_idle);
        let before = wake.before_poll_told_ns.or(bound).unwrap_or(0);
        if wake.pending {
            let ago = text::duration(now_ns.saturating_sub(wake.fetched_ns));
            hints.push(format!(
                "the last {name} waiter was woken {ago} ago and has not run yet: its executor is busy, or dropped it"
            ));
        } else if before > LONG_NS && before / 2 > poller.max(run) {
            let before = text::duration(before);
            let at = if wake.before_poll_exact || wake.before_poll_told_ns.is_some() {
                "for"
            } else {
                "for up to"
            };
            let who = match &wake.ran_instead {
                Some(ran) if ran.task.is_empty() => {
                    format!("thread {} ran something else", ran.thread)
                }
                Some(ran) => format!("task {} ran instead", ran.task),
                None => "the thread that polls was kept by something else".to_owned(),
            };
            hints.push(format!(
                "before the last {name} wake nobody polled {at} {before} while there was something to fetch: {who}"
            ));
        } else if run > 1_000_000 && run / 10 > poller {
            hints.push(format!(
                "the last {name} wake took {} after its waker was called: the executor was busy, not the poller",
                text::duration(run)
            ));
        } else if poller > 1_000_000 {
            hints.push(format!(
                "the last {name} wake took {} until its waker was called: other wakers of the batch are slow",
                text::duration(poller)
            ));
        }
    }
    if row.closing {
        hints.push("it was closed or evicted: every operation fails, and its owner has not let go of it yet".into());
    }
    if row.event_err {
        hints.push("the last event was EPOLLERR alone: reads fail as not pollable".into());
    }
    if row.stale {
        hints.push(
            "its number was closed, or given to another file, behind the poller's back: what the \
             kernel says of the number is not of this descriptor"
                .into(),
        );
    }
    if row.torn {
        hints.push(
            "the row changed while it was read: its fields may not belong together; ask again"
                .into(),
        );
    }
    hints
}

/// What the table says and the kernel does not, or the other way round.
fn contradictions(row: &Descriptor, kernel: &KernelView, now_ns: u64, hints: &mut Vec<String>) {
    for (direction, bits, what) in [
        (Direction::Read, POLLIN | POLLHUP | POLLERR, "readable"),
        (Direction::Write, POLLOUT | POLLHUP | POLLERR, "writable"),
    ] {
        let Some(side) = row.side(direction) else {
            continue;
        };
        let settled = now_ns.saturating_sub(side.since_ns) > SETTLED_NS;
        if side.state() == State::Parked && kernel.ready & bits != 0 && settled {
            hints.push(format!(
                "somebody has waited {} to {} although the kernel says that it is {what}: \
                 an edge was lost, or nobody polls; `netpoller doctor` looks closer",
                text::duration(now_ns.saturating_sub(side.since_ns)),
                direction.name(),
            ));
        }
    }
    if !kernel.registered && row.fd >= 0 && kernel.error.is_empty() {
        hints.push("the kernel does not have it registered: its descriptor was closed behind the poller's back".into());
    }
    if kernel.blocking {
        hints.push("it is in blocking mode: an operation may block the whole thread".into());
    }
    let state = row.side(Direction::Read).map(Side::state);
    if state == Some(State::Ready) && kernel.receive_queue > 0 {
        hints.push(format!(
            "{} bytes are there to be read and nobody waits for them",
            kernel.receive_queue
        ));
    }
}

/// The direction of an event.
pub(super) fn name_of(mode: Mode) -> &'static str {
    mode.name().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use netpoller_proto::v1::{Elsewhere, Wake};

    fn answer() -> GetDescriptorResponse {
        GetDescriptorResponse {
            captured_at_ns: fixture::NOW_NS,
            descriptor: Some(fixture::parked_reader()),
            kernel: Some(KernelView {
                registered: true,
                receive_queue: 0,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn nothing_is_said_of_a_reader_that_waits_for_what_is_not_there() {
        assert_eq!(hints(&answer()), Vec::<String>::new());
    }

    #[test]
    fn a_reader_that_waits_for_what_is_there_is_told() {
        let mut answer = answer();
        answer.kernel.as_mut().expect("a view").ready = POLLIN;
        let hints = hints(&answer);
        assert!(
            hints[0].contains("12.4s") && hints[0].contains("readable"),
            "{hints:?}"
        );
    }

    #[test]
    fn where_the_last_reader_waits_instead_is_told() {
        let mut answer = answer();
        answer.elsewhere.push(Elsewhere {
            waited: Mode::Read.into(),
            id: "7.1".into(),
            direction: Mode::Write.into(),
            since_ns: fixture::NOW_NS - 3_000_000_000,
            location: "src/proxy.rs:12".into(),
            ..Default::default()
        });
        assert_eq!(
            hints(&answer),
            [
                "whoever waited last to read it waits elsewhere: it waits to write 7.1 at src/proxy.rs:12 since 3.0s ago"
            ]
        );
    }

    #[test]
    fn whose_share_of_a_slow_wake_it_was_is_told() {
        let mut answer = answer();
        let wake = |poller_to_waker_ns, waker_to_run_ns, pending| {
            Some(Wake {
                poller_to_waker_ns,
                waker_to_run_ns,
                pending,
                ..Default::default()
            })
        };
        let away = |before, told| {
            Some(Wake {
                before_poll_ns: Some(before),
                before_poll_told_ns: told,
                ..wake(1_900, 105_000, false).unwrap_or_default()
            })
        };
        for (last_wake, word) in [
            (wake(20_000, 40_000_000, false), "executor was busy"),
            (wake(40_000_000, 20_000, false), "other wakers"),
            (away(300_000_000, None), "nobody polled for up to 300ms"),
            (
                away(300_000_000, Some(290_000_000)),
                "nobody polled for 290ms",
            ),
            (wake(1, 0, true), "has not run yet"),
            // Whatever a target may say.
            (wake(u64::MAX, u64::MAX, false), "other wakers"),
        ] {
            let row = answer.descriptor.as_mut().expect("a row");
            row.read.as_mut().expect("a side").last_wake = last_wake;
            let hints = hints(&answer);
            assert!(hints[0].contains(word), "{hints:?}");
        }
    }
}
