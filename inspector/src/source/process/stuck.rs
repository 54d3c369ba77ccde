//! Waits that should be over: the kernel says that there is something to wake the task for, or its
//! deadline has passed, and the runtime keeps it parked.
//!
//! A task may be woken and park again between two looks. So it must look the same in both, stack
//! included, there must have been something for it in each look at the sockets in between, and
//! nothing of it may have been read.

use std::collections::{HashMap, HashSet};

use netpoller_core::internals::Listing;
use netpoller_core::view::lints::Lint;
use netpoller_proto::Direction;
use netpoller_proto::v1::{Finding, Mode, Since};

use super::finding::{evidence, finding};
use super::kept::{Key, Parked, Row, Waiter};
use super::look::Look;
use super::unread::Unread;
use crate::text;

/// Those that take the memory of the process.
pub(super) const LINTS: [Lint; 2] = [Lint::LostEdge, Lint::OverdueDeadline];

/// A deadline may fire so much later.
const LATE_NS: u64 = 1_000_000_000;

/// Tasks that should not wait any more.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// With the inode of the socket.
    ready: HashMap<Key, (Parked, u64, Unread)>,
    /// With the deadline.
    overdue: HashMap<Key, (Parked, u64)>,
}

fn sides(row: &Row) -> impl Iterator<Item = (Direction, Parked, u64)> {
    Direction::ALL.into_iter().filter_map(|direction| {
        let deadline_ns = row.side(direction).deadline_ns;
        Some((direction, row.parked(direction)?, deadline_ns))
    })
}

impl Stuck {
    pub(super) fn of(look: &Look, allow: &[String]) -> Self {
        let mut stuck = Self::default();
        // Nothing in it goes on.
        if look.is_stopped {
            return stuck;
        }
        let runs = |lint: Lint| !allow.iter().any(|it| it == lint.name());
        for ((set, fd), row) in &look.kept {
            let inode = look.inodes.get(fd).copied();
            for (direction, parked, deadline_ns) in sides(row) {
                let key = (*set, *fd, direction);
                let listed = inode.and_then(|it| look.sockets.get(&it));
                let unread = listed.filter(|_| direction == Direction::Read);
                let unread = unread.and_then(Unread::of);
                if let (Some(inode), Some(unread)) = (inode, unread)
                    && runs(Lint::LostEdge)
                {
                    stuck.ready.insert(key, (parked, inode, unread));
                }
                if deadline_ns > 1
                    && deadline_ns.saturating_add(LATE_NS) < look.captured_at_ns
                    && runs(Lint::OverdueDeadline)
                {
                    stuck.overdue.insert(key, (parked, deadline_ns));
                }
            }
        }
        stuck
    }

    /// Forgets those for whom there is nothing any more, or who have read.
    pub(super) fn confirm(&mut self, now: &Listing) {
        self.ready.retain(|_, (_, inode, unread)| {
            let now = now.sockets.get(inode).and_then(Unread::of);
            unread.still(now).is_some()
        });
    }

    /// Returns who is still not woken at the last look, and for what.
    pub(super) fn unwoken<'l>(
        &self,
        look: &'l Look,
    ) -> impl Iterator<Item = (Key, &'l Row, Unread)> {
        let sides = look.kept.iter().flat_map(|((set, fd), row)| {
            let sides = sides(row);
            sides.map(move |(direction, parked, _)| ((*set, *fd, direction), parked, row))
        });
        sides.filter_map(|(key, parked, row)| {
            let (was, inode, unread) = self.ready.get(&key)?;
            let now = look.sockets.get(inode).and_then(Unread::of);
            let now = unread.still(now).filter(|_| *was == parked)?;
            Some((key, row, now))
        })
    }

    /// Returns those that are left at the last look, but who is not woken in these epoll sets.
    pub(super) fn findings(&self, look: &Look, but: &HashSet<i32>, began_ns: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        if look.is_stopped {
            return findings;
        }
        for (key, row, unread) in self.unwoken(look) {
            let (set, fd, direction) = key;
            if but.contains(&set) {
                continue;
            }
            let what = match unread.read {
                None => format!("{} bytes or connections", unread.waiting),
                Some(_) => text::several(unread.waiting, "byte"),
            };
            let summary = format!(
                "{} waits to {} descriptor {fd} although it has {what}: nobody has woken it",
                who(row, direction),
                direction.name(),
            );
            let finding = finding(Lint::LostEdge, summary);
            findings.push(found(look, key, row, finding, began_ns));
        }
        for ((set, fd), row) in &look.kept {
            for (direction, parked, deadline_ns) in sides(row) {
                let key = (*set, *fd, direction);
                let overdue = self.overdue.get(&key);
                if overdue.is_some_and(|was| *was == (parked, deadline_ns)) {
                    let late = look.captured_at_ns.saturating_sub(deadline_ns);
                    let summary = format!(
                        "the deadline of {} to {} descriptor {fd} passed {} ago and has not fired",
                        who(row, direction),
                        direction.name(),
                        text::duration(late)
                    );
                    let mut finding = finding(Lint::OverdueDeadline, summary);
                    finding.since = Since::Began.into();
                    findings.push(found(look, key, row, finding, deadline_ns));
                }
            }
        }
        findings
    }
}

fn who(row: &Row, direction: Direction) -> String {
    let waiter = row.side(direction).waiter.as_ref();
    waiter.map_or_else(|| "somebody".to_owned(), Waiter::called)
}

/// Adds what is known of the row.
fn found(
    look: &Look,
    (set, fd, direction): Key,
    row: &Row,
    finding: Finding,
    since_ns: u64,
) -> Finding {
    let poller = look.poller(set);
    let waiter = row.side(direction).waiter.as_ref();
    let polls = match poller.is_some_and(|it| it.blocked) {
        true => "a thread is in epoll_wait",
        false => "no thread is in epoll_wait",
    };
    Finding {
        descriptor: look.row(set, fd).cloned(),
        direction: match direction {
            Direction::Read => Mode::Read.into(),
            Direction::Write => Mode::Write.into(),
        },
        evidence: evidence([
            ("task", waiter.map(Waiter::called)),
            ("waits for", waiter.map(|it| it.reason.clone())),
            ("the poller", Some(polls.to_owned())),
        ]),
        location: waiter.map_or_else(String::new, |it| it.stack.location().to_owned()),
        nearest: waiter.and_then(Waiter::nearest),
        since_ns,
        since: match finding.since() {
            Since::Began => Since::Began.into(),
            _ => Since::FirstSeen.into(),
        },
        poller: poller.map(|it| it.name.clone()).unwrap_or_default(),
        ..finding
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_core::internals::Listed;
    use netpoller_proto::v1;

    use super::super::kept::{Side, made};
    use super::*;

    const NOW_NS: u64 = 60_000_000_000;

    /// Task 21 waits to read descriptor 6, which is a socket with these bytes, received and unread.
    fn look(received: u64, unread: u64, fingerprint: u64, deadline_ns: u64) -> Look {
        let waiter = Waiter {
            task: "G21".to_owned(),
            task_id: 21,
            reason: "IO wait".to_owned(),
            fingerprint,
            ..Waiter::default()
        };
        let read = Side {
            deadline_ns,
            ..made::waits(waiter)
        };
        let row = Row {
            kind: "runtime.pollDesc",
            sequence: Some(1),
            events: None,
            ..made::row(0, read)
        };
        let mut listed = Listed::default();
        listed.socket.recvq = Some(unread);
        listed.socket.bytes_received = Some(received);
        Look {
            captured_at_ns: NOW_NS,
            pollers: vec![v1::Poller {
                name: "epoll-3".to_owned(),
                epoll_fd: 3,
                blocked: true,
                ..v1::Poller::default()
            }],
            rows: vec![Arc::new(v1::Descriptor {
                poller: "epoll-3".to_owned(),
                fd: 6,
                ..v1::Descriptor::default()
            })],
            inodes: HashMap::from([(6, 61)]),
            sockets: Arc::new(HashMap::from([(61, listed)])),
            kept: HashMap::from([((3, 6), row)]),
            is_inside: true,
            ..Look::default()
        }
    }

    fn listing(look: &Look) -> Listing {
        Listing {
            sockets: HashMap::clone(&look.sockets),
            ..Listing::default()
        }
    }

    /// What is found after these looks, of which all but the first and the last are at the sockets
    /// alone.
    fn found(looks: &[Look]) -> Vec<Finding> {
        let [first, between @ .., last] = looks else {
            panic!("two looks at least")
        };
        let mut stuck = Stuck::of(first, &[]);
        for look in between {
            stuck.confirm(&listing(look));
        }
        stuck.findings(last, &HashSet::new(), 7)
    }

    #[test]
    fn who_is_not_woken_for_what_there_is_is_found_with_the_task() {
        let looks = [look(5, 5, 1, 0), look(9, 9, 1, 0), look(9, 9, 1, 0)];
        let [finding] = &found(&looks)[..] else {
            panic!("one finding")
        };
        assert_eq!((&*finding.lint, &*finding.poller), ("lost-edge", "epoll-3"));
        assert_eq!((finding.since(), finding.since_ns), (Since::FirstSeen, 7));
        assert!(
            finding
                .summary
                .starts_with("G21 waits to read descriptor 6 although it has 9 bytes")
        );
        assert_eq!(finding.descriptor.as_ref().map(|it| it.fd), Some(6));
        let told = |name: &str, value: &str| {
            let mut evidence = finding.evidence.iter();
            evidence.any(|it| it.name == name && it.value == value)
        };
        assert!(told("task", "G21") && told("the poller", "a thread is in epoll_wait"));
    }

    #[test]
    fn who_has_read_run_or_nothing_to_read_is_not() {
        let waits = || look(5, 5, 1, 0);
        for now in [look(5, 0, 1, 0), look(9, 5, 1, 0), look(5, 5, 2, 0)] {
            assert_eq!(found(&[waits(), now]), []);
        }
        // In one look in between.
        for now in [look(5, 0, 1, 0), look(9, 5, 1, 0)] {
            assert_eq!(found(&[waits(), now, waits()]), []);
        }
        assert_eq!(
            found(&[look(0, 0, 1, 0), look(5, 5, 1, 0)]),
            [],
            "it has just come"
        );
    }

    #[test]
    fn a_deadline_that_has_passed_and_does_not_fire_is_found() {
        let late = || look(0, 0, 1, NOW_NS - 5_000_000_000);
        let [finding] = &found(&[late(), late()])[..] else {
            panic!("one finding")
        };
        assert_eq!(finding.lint, "overdue-deadline");
        assert!(
            finding.summary.contains("passed 5.0s ago"),
            "{}",
            finding.summary
        );
        assert_eq!(
            (finding.since(), finding.since_ns),
            (Since::Began, NOW_NS - 5_000_000_000)
        );
        assert_eq!(found(&[late(), look(0, 0, 1, 1)]), [], "it has fired");
        let soon = || look(0, 0, 1, NOW_NS - LATE_NS / 2);
        assert_eq!(found(&[soon(), soon()]), []);
    }

    #[test]
    fn a_stopped_process_and_what_is_left_out_are_not_looked_at() {
        let stopped = || Look {
            is_stopped: true,
            ..look(5, 5, 1, NOW_NS - 5_000_000_000)
        };
        assert_eq!(found(&[stopped(), stopped()]), []);
        let both = look(5, 5, 1, NOW_NS - 5_000_000_000);
        let allow = LINTS.map(|it| it.name().to_owned());
        assert_eq!(
            Stuck::of(&both, &allow).findings(&both, &HashSet::new(), 7),
            []
        );
        assert_eq!(
            Stuck::of(&both, &allow[..1])
                .findings(&both, &HashSet::new(), 7)
                .len(),
            1
        );
    }
}
