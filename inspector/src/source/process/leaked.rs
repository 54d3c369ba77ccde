//! Descriptors that have something to read, of which the runtime knows and for which nobody waits.

use std::collections::HashMap;

use netpoller_core::internals::Listing;
use netpoller_core::view::lints::Lint;
use netpoller_proto::Direction;
use netpoller_proto::v1::{Finding, Mode, Since, State};

use super::finding::{evidence, finding};
use super::kept::{Row, Waiter};
use super::look::Look;
use super::unread::Unread;
use crate::text;

/// It takes the memory of the process.
pub(super) const LINT: Lint = Lint::LeakedReadiness;

/// It has been there for so long; and so many times as long, if something was read before: whoever
/// has read may come back.
const HOLD_NS: u64 = 3_000_000_000;
const TIMES_AFTER_READ: u64 = 7;

/// Descriptors, by epoll set and number, that nobody read in the first look and those since.
#[derive(Debug, Default)]
pub(super) struct Leaked(HashMap<(i32, i32), (u64, u64, Unread)>);

impl Leaked {
    pub(super) fn of(look: &Look, allow: &[String]) -> Self {
        if look.is_stopped || allow.iter().any(|it| it == LINT.name()) {
            return Self::default();
        }
        let rows = look.kept.iter().filter(|(_, row)| is_left(row));
        let leaked = rows.filter_map(|(key, row)| {
            let inode = *look.inodes.get(&key.1)?;
            let listed = look.sockets.get(&inode)?;
            // Another finding tells of these two.
            let is_bytes =
                listed.socket.acceptq.is_none() && listed.socket.tcp_state != "CLOSE_WAIT";
            let unread = Unread::of(listed).filter(|it| is_bytes && it.read.is_some())?;
            Some((*key, (row.address, inode, unread)))
        });
        Self(leaked.collect())
    }

    /// Forgets those of which something was read.
    pub(super) fn confirm(&mut self, now: &Listing) {
        self.0.retain(|_, (_, inode, unread)| {
            let now = now.sockets.get(inode).and_then(Unread::of);
            unread.still(now).is_some()
        });
    }

    /// Returns those that are left at the last look.
    pub(super) fn findings(&self, look: &Look) -> Vec<Finding> {
        let rows = look.kept.iter().filter(|_| !look.is_stopped);
        let findings = rows.filter_map(|((set, fd), row)| {
            let (address, inode, unread) = self.0.get(&(*set, *fd))?;
            let listed = look.sockets.get(inode)?;
            let is_so = *address == row.address && is_left(row);
            let unread = unread.still(Unread::of(listed)).filter(|_| is_so)?;
            let since_ns = listed.socket.last_recv_ns?;
            let age_ns = look.captured_at_ns.saturating_sub(since_ns);
            let hold_ns = match unread.read {
                Some(0) => HOLD_NS,
                _ => HOLD_NS * TIMES_AFTER_READ,
            };
            if age_ns < hold_ns {
                return None;
            }
            let descriptor = look.row(*set, *fd)?;
            let writer = row.side(Direction::Write).waiter.as_ref();
            let summary = format!(
                "descriptor {fd} has {} to read, the last of which came {} ago, and nobody waits for it",
                text::several(unread.waiting, "byte"),
                text::duration(age_ns)
            );
            Some(Finding {
                poller: descriptor.poller.clone(),
                descriptor: Some(descriptor.clone()),
                direction: Mode::Read.into(),
                since_ns,
                since: Since::Began.into(),
                evidence: evidence([
                    ("bytes not read", Some(unread.waiting.to_string())),
                    ("bytes read before", unread.read.map(|it| it.to_string())),
                    ("waits to write", writer.map(Waiter::called)),
                ]),
                ..finding(LINT, summary)
            })
        });
        findings.collect()
    }
}

/// The runtime knows that there is something, and nobody waits for it.
fn is_left(row: &Row) -> bool {
    let side = row.side(Direction::Read);
    side.state == State::Ready && side.waiter.is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_core::internals::Listed;
    use netpoller_proto::v1;

    use super::super::kept::made;
    use super::*;

    const NOW_NS: u64 = 60_000_000_000;

    /// Descriptor 6, of which nobody reads so many bytes that came, the last of them so many
    /// seconds ago.
    fn look(received: u64, unread: u64, seconds: u64) -> Look {
        let row = made::row(1, made::side(State::Ready));
        let mut listed = Listed::default();
        listed.socket.recvq = Some(unread);
        listed.socket.bytes_received = Some(received);
        listed.socket.last_recv_ns = Some(NOW_NS - seconds * 1_000_000_000);
        Look {
            captured_at_ns: NOW_NS,
            pollers: vec![v1::Poller {
                name: "epoll-3".to_owned(),
                epoll_fd: 3,
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

    fn found(first: &Look, between: &Look, last: &Look) -> Vec<Finding> {
        let mut leaked = Leaked::of(first, &[]);
        leaked.confirm(&Listing {
            sockets: HashMap::clone(&between.sockets),
            ..Listing::default()
        });
        leaked.findings(last)
    }

    #[test]
    fn bytes_that_nobody_waits_for_are_found_and_later_if_some_were_read_before() {
        let same = |received, unread, seconds| {
            let look = look(received, unread, seconds);
            found(&look, &look, &look)
        };
        let [finding] = &same(5, 5, 4)[..] else {
            panic!("one finding")
        };
        assert_eq!(
            (&*finding.lint, finding.since()),
            ("leaked-readiness", Since::Began)
        );
        assert_eq!(finding.descriptor.as_ref().map(|it| it.fd), Some(6));
        assert!(
            finding
                .summary
                .starts_with("descriptor 6 has 5 bytes to read"),
            "{}",
            finding.summary
        );
        assert_eq!(same(5, 5, 2), []);
        assert_eq!(same(9, 5, 20), []);
        assert_eq!(same(9, 5, 22).len(), 1);
    }

    #[test]
    fn what_is_read_or_waited_for_or_told_by_another_finding_is_not() {
        let left = || look(5, 5, 4);
        let read = || look(9, 5, 4);
        assert_eq!(found(&left(), &read(), &left()), []);
        assert_eq!(found(&left(), &left(), &read()), []);
        assert_eq!(found(&left(), &look(5, 0, 4), &left()), []);
        let with = |change: fn(&mut Look)| {
            let mut look = left();
            change(&mut look);
            look
        };
        let waits = with(|look| {
            for row in look.kept.values_mut() {
                row.read.waiter = Some(Waiter::default());
            }
        });
        let nothing_is_known = with(|look| {
            for row in look.kept.values_mut() {
                row.read.state = State::Nil;
            }
        });
        let another = with(|look| {
            for row in look.kept.values_mut() {
                row.address += 1;
            }
        });
        let stopped = with(|look| look.is_stopped = true);
        for other in [waits, nothing_is_known, another, stopped] {
            assert_eq!(found(&left(), &left(), &other), []);
        }
        let mut half_closed = left();
        let mut listed = Listed::default();
        (listed.socket.recvq, listed.socket.bytes_received) = (Some(5), Some(5));
        listed.socket.tcp_state = "CLOSE_WAIT";
        half_closed.sockets = Arc::new(HashMap::from([(61, listed)]));
        assert!(Leaked::of(&half_closed, &[]).0.is_empty());
        assert!(Leaked::of(&left(), &[LINT.name().to_owned()]).0.is_empty());
    }
}
