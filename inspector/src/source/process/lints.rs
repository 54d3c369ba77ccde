//! Faults that the kernel knows of: of peers, of listeners, and of the number of open files.
//!
//! All of them must last through every look of a diagnosis. The looks in between ask for the
//! sockets alone, which keeps nobody waiting.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_core::internals::Listed;
use netpoller_core::view::lints::{Lint, Timing};
use netpoller_endpoint::messages;
use netpoller_proto::v1::{self, Descriptor, Finding, Since};

use super::blocked::{self, Blocked};
use super::finding::{evidence, finding};
use super::glance::Glance;
use super::leaked::{self, Leaked};
use super::look::Look;
use super::stuck::{self, Stuck};
use crate::text;

/// Those that the kernel knows of.
const LINTS: [Lint; 4] = [
    Lint::PeerGone,
    Lint::CloseWaitHeld,
    Lint::AcceptStalled,
    Lint::DescriptorsRunOut,
];

/// Those that tell since when something is so; and a reading is as old as what came last.
const DATED: [Lint; 3] = [Lint::PeerGone, Lint::OverdueDeadline, Lint::LeakedReadiness];

/// Segments or probes sent one after another without an answer, from which on it is no mere loss.
const IN_VAIN: u8 = 3;
/// Less room than a tenth of the limit is too little, and so much is always enough.
const ROOM: u64 = 1_000;

/// What was the matter in the first look, and in all that followed.
#[derive(Debug)]
pub(super) struct Suspects {
    began_ns: u64,
    /// By the inode of the socket; of a listener with how many waited to be accepted.
    sockets: HashMap<u64, (Lint, Option<u64>)>,
    stuck: Stuck,
    blocked: Blocked,
    leaked: Leaked,
}

impl Suspects {
    pub(super) fn of(look: &Look, allow: &[String]) -> Self {
        let sockets = look.inodes.values().filter_map(|inode| {
            let listed = look.sockets.get(inode)?;
            let lint = fault(listed)?;
            let is_wanted = !allow.iter().any(|it| it == lint.name());
            is_wanted.then_some((*inode, (lint, listed.socket.acceptq)))
        });
        Self {
            began_ns: look.captured_at_ns,
            sockets: sockets.collect(),
            stuck: Stuck::of(look, allow),
            blocked: Blocked::of(look, allow),
            leaked: Leaked::of(look, allow),
        }
    }

    /// Forgets those with which nothing is the matter any more.
    pub(super) fn confirm(&mut self, now: &Glance) {
        self.sockets.retain(|inode, (lint, before)| {
            let listed = now.listing.sockets.get(inode);
            let is_so = listed.is_some_and(|it| is_still(it, *lint, *before));
            *before = listed.and_then(|it| it.socket.acceptq);
            is_so
        });
        self.stuck.confirm(&now.listing);
        self.blocked.confirm(&now.threads);
        self.leaked.confirm(&now.listing);
    }

    /// What is left of them at the last look.
    pub(super) fn findings(&self, look: &Look, allow: &[String]) -> Vec<Finding> {
        let (mut findings, blocked) = self.blocked.findings(look, &self.stuck, self.began_ns);
        // Where nobody asks for events, nobody is woken.
        findings.extend(self.stuck.findings(look, &blocked, self.began_ns));
        findings.extend(self.leaked.findings(look));
        for row in &look.rows {
            let inode = look.inodes.get(&row.fd).filter(|_| !row.stale);
            let known = inode.and_then(|it| Some((self.sockets.get(it)?, look.sockets.get(it)?)));
            if let Some(((lint, before), listed)) = known
                && is_still(listed, *lint, *before)
            {
                findings.push(self.of_socket(*lint, row, listed, look.captured_at_ns));
            }
        }
        if !allow.iter().any(|it| it == Lint::DescriptorsRunOut.name()) {
            findings.extend(self.run_out(look));
        }
        findings.sort_by_key(|it| std::cmp::Reverse(it.severity));
        findings
    }

    fn of_socket(
        &self,
        lint: Lint,
        row: &Arc<Descriptor>,
        listed: &Listed,
        now_ns: u64,
    ) -> Finding {
        let fd = row.fd;
        let age = |since_ns| text::duration(now_ns.saturating_sub(since_ns));
        let socket = &listed.socket;
        let (summary, since_ns, since) = match (lint, listed.last_ack_ns) {
            (Lint::PeerGone, Some(last_ns)) => (
                format!(
                    "the peer of descriptor {fd} has not answered for {}: it was tried {} times in a row",
                    age(last_ns),
                    listed.unanswered
                ),
                last_ns,
                Since::Began,
            ),
            (Lint::AcceptStalled, _) => (
                format!(
                    "{} not accepted on descriptor {fd}, and there were some in each of the looks",
                    text::several(socket.acceptq.unwrap_or(0), "connection")
                ),
                self.began_ns,
                Since::FirstSeen,
            ),
            _ => (
                format!(
                    "the peer of descriptor {fd} has closed the connection, and the program has not"
                ),
                self.began_ns,
                Since::FirstSeen,
            ),
        };
        let ago = |at_ns: Option<u64>| at_ns.map(|at_ns| format!("{} ago", age(at_ns)));
        let evidence = evidence([
            (
                "TCP state",
                Some(socket.tcp_state.to_owned()).filter(|it| !it.is_empty()),
            ),
            ("data last came", ago(socket.last_recv_ns)),
            ("data last sent", ago(socket.last_send_ns)),
            (
                "wait to be accepted",
                socket.acceptq.map(|it| it.to_string()),
            ),
            ("may wait", socket.acceptq_limit.map(|it| it.to_string())),
            (
                "bytes not read",
                socket.recvq.filter(|it| *it > 0).map(|it| it.to_string()),
            ),
        ]);
        Finding {
            poller: row.poller.clone(),
            descriptor: Some(Descriptor::clone(row)),
            since_ns,
            since: since.into(),
            evidence,
            ..finding(lint, summary)
        }
    }

    fn run_out(&self, look: &Look) -> Option<Finding> {
        let (open, limit) = (look.open_files, look.limit?);
        let left = limit.saturating_sub(open);
        (left < (limit / 10).min(ROOM)).then(|| Finding {
            poller: look.pollers.first().map(|it| it.name.clone()).unwrap_or_default(),
            since_ns: self.began_ns,
            since: Since::FirstSeen.into(),
            evidence: evidence([
                ("open files", Some(open.to_string())),
                ("limit", Some(limit.to_string())),
            ]),
            ..finding(
                Lint::DescriptorsRunOut,
                format!("{open} of the {limit} files are open that the process may have: there is room for {left}"),
            )
        })
    }
}

/// What is the matter with a socket, as it is at this moment.
fn fault(listed: &Listed) -> Option<Lint> {
    let socket = &listed.socket;
    if listed.unanswered >= IN_VAIN && listed.last_ack_ns.is_some() {
        return Some(Lint::PeerGone);
    }
    if socket.tcp_state == "CLOSE_WAIT" {
        return Some(Lint::CloseWaitHeld);
    }
    (socket.acceptq? > 0).then_some(Lint::AcceptStalled)
}

/// Whether that is still the matter. Where fewer wait than before, somebody has accepted.
fn is_still(listed: &Listed, lint: Lint, before: Option<u64>) -> bool {
    let is_stalled = listed.socket.acceptq >= before || lint != Lint::AcceptStalled;
    fault(listed) == Some(lint) && is_stalled
}

/// Returns those that can be looked for.
pub(super) fn known(look: &Look) -> impl Iterator<Item = Lint> {
    let inside = stuck::LINTS
        .into_iter()
        .chain([blocked::LINT, leaked::LINT]);
    let inside = inside.filter(|_| look.is_inside);
    LINTS.into_iter().chain(inside)
}

/// Returns the lints as an endpoint lists its own. From outside nothing has a hold time but the
/// diagnosis.
pub(super) fn listed(look: &Look) -> Vec<v1::Lint> {
    let listed = known(look).map(|lint| {
        let timing = match lint.timing() {
            Timing::Dated if DATED.contains(&lint) => v1::Timing::Dated,
            _ => v1::Timing::FirstSeen,
        };
        v1::Lint {
            hold_ns: 0,
            timing: timing.into(),
            ..messages::lint(lint)
        }
    });
    listed.collect()
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::DescriptorKind;

    use super::*;

    /// One row of a socket that is listed so.
    fn look(kind: DescriptorKind, change: impl FnOnce(&mut Listed)) -> Look {
        let mut listed = Listed::default();
        listed.socket.inode = 61;
        change(&mut listed);
        Look {
            captured_at_ns: 9_000_000_000,
            rows: vec![Arc::new(Descriptor {
                poller: "epoll-3".into(),
                fd: 6,
                kind: kind.into(),
                ..Descriptor::default()
            })],
            inodes: HashMap::from([(6, 61)]),
            sockets: Arc::new(HashMap::from([(61, listed)])),
            open_files: 10,
            limit: Some(100),
            ..Look::default()
        }
    }

    fn found(look: &Look) -> Vec<Finding> {
        let suspects = Suspects::of(look, &[]);
        suspects.findings(look, &[])
    }

    #[track_caller]
    fn only(look: &Look) -> Finding {
        match &found(look)[..] {
            [only] => only.clone(),
            several => panic!("{several:?}"),
        }
    }

    #[test]
    fn what_the_kernel_says_of_a_peer_is_a_finding_with_its_descriptor() {
        let held = only(&look(DescriptorKind::Tcp, |it| {
            it.socket.tcp_state = "CLOSE_WAIT"
        }));
        assert_eq!(
            (&*held.lint, held.since()),
            ("close-wait-held", Since::FirstSeen)
        );
        assert_eq!(held.descriptor.map(|it| it.fd), Some(6));
        let gone = only(&look(DescriptorKind::Tcp, |it| {
            it.unanswered = 3;
            it.last_ack_ns = Some(4_000_000_000);
        }));
        assert_eq!((&*gone.lint, gone.since()), ("peer-gone", Since::Began));
        assert!(gone.summary.contains("for 5.0s"), "{}", gone.summary);
        assert_eq!(
            found(&look(DescriptorKind::Tcp, |it| it.unanswered = 2)),
            []
        );
    }

    #[test]
    fn a_listener_with_connections_in_each_look_is_found_and_one_without_in_one_is_not() {
        let waits = look(DescriptorKind::TcpListener, |it| {
            it.socket.acceptq = Some(3)
        });
        let stalled = only(&waits);
        assert!(stalled.lint == "accept-stalled" && stalled.summary.starts_with("3 connections"));
        let mut suspects = Suspects::of(&waits, &[]);
        let again = netpoller_core::internals::Listing {
            sockets: HashMap::clone(&waits.sockets),
            ..Default::default()
        };
        suspects.confirm(&Glance {
            listing: again,
            ..Glance::default()
        });
        assert_eq!(suspects.findings(&waits, &[]).len(), 1);
        // Somebody accepts, but there are always more.
        let more = look(DescriptorKind::TcpListener, |it| {
            it.socket.acceptq = Some(5)
        });
        suspects.confirm(&Glance {
            listing: netpoller_core::internals::Listing {
                sockets: HashMap::clone(&more.sockets),
                ..Default::default()
            },
            ..Glance::default()
        });
        assert_eq!(suspects.findings(&more, &[]).len(), 1);
        assert_eq!(suspects.findings(&waits, &[]), []);
        let mut suspects = Suspects::of(&waits, &[]);
        suspects.confirm(&Glance::default());
        assert_eq!(suspects.findings(&waits, &[]), []);
    }

    #[test]
    fn open_files_near_their_limit_are_found_unless_that_is_allowed() {
        let mut near = look(DescriptorKind::Tcp, |_| {});
        assert_eq!(found(&near), []);
        near.open_files = 91;
        let finding = only(&near);
        assert_eq!(finding.lint, "descriptors-run-out");
        assert!(
            finding.summary.starts_with("91 of the 100"),
            "{}",
            finding.summary
        );
        let allow = ["descriptors-run-out".to_owned()];
        assert_eq!(Suspects::of(&near, &allow).findings(&near, &allow), []);
        near.limit = None;
        assert_eq!(found(&near), []);
    }
}
