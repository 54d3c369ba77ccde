//! One cause, one finding: what is not told beside what explains it, in one table.
//!
//! A cause counts as soon as it is suspected, and also where it is itself explained by another: who
//! is stuck because nobody polls is stuck all the same. Whatever is not in the table is told beside
//! everything else, for it has a cause of its own, or cannot be found of the same descriptor.

use super::finding::Finding;
use super::lint::Lint::{self, *};
use crate::observe::{DescId, Direction};
use crate::view::row::Row;

/// How far a cause explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// Everything of the poller: nothing there can go on.
    Poller,
    /// The same descriptor.
    Descriptor,
    /// The same direction of it.
    Side,
}

/// Each cause, how far it reaches, and what it explains there.
const TABLE: &[(Lint, Reach, &[Lint])] = &[
    // Nobody polls, or woken tasks do not run, because of one task.
    (
        BlockedExecutor,
        Reach::Poller,
        &[
            PollerAway,
            StuckWaiter,
            LostEdge,
            OverdueDeadline,
            WokenNotRun,
            NoDeadline,
            StarvedBatch,
            SlowDispatch,
        ],
    ),
    // What that task would take if it came back.
    (
        BlockedExecutor,
        Reach::Descriptor,
        &[LeakedReadiness, CloseWaitHeld, AcceptStalled],
    ),
    (
        PollerAway,
        Reach::Poller,
        &[StuckWaiter, LostEdge, OverdueDeadline, NoDeadline],
    ),
    // The thread that polls would come, and be through with its wakers, if it had a processor.
    (
        ThreadStarved,
        Reach::Poller,
        &[PollerAway, OverdueDeadline, StarvedBatch, SlowDispatch],
    ),
    // The poller has done its part, and nobody does the rest.
    (
        WokenNotRun,
        Reach::Descriptor,
        &[AcceptStalled, CloseWaitHeld],
    ),
    // The waiter's own finding says what has become of the file.
    (LostEdge, Reach::Descriptor, &[StaleDescriptor]),
    (LostEdge, Reach::Side, &[NoDeadline, PeerNotReading]),
    (StuckWaiter, Reach::Descriptor, &[StaleDescriptor]),
    (StuckWaiter, Reach::Side, &[NoDeadline, PeerNotReading]),
    // What the kernel says of the number is of another file, and nothing wakes who waits.
    (
        StaleDescriptor,
        Reach::Descriptor,
        &[
            BlockingMode,
            LeakedReadiness,
            PeerNotReading,
            PeerGone,
            CloseWaitHeld,
            AcceptStalled,
            NoDeadline,
        ],
    ),
    // Who waits for such a peer reads nothing, and waits for as long as the peer likes.
    (
        PeerNotReading,
        Reach::Descriptor,
        &[LeakedReadiness, NoDeadline],
    ),
    (PeerGone, Reach::Descriptor, &[LeakedReadiness, NoDeadline]),
    (CloseWaitHeld, Reach::Descriptor, &[LeakedReadiness]),
    // The wait that holds the acceptor is named there.
    (
        AcceptStalled,
        Reach::Descriptor,
        &[LeakedReadiness, NoDeadline],
    ),
    // It is the duplicates that are woken for nothing.
    (SpuriousRatio, Reach::Poller, &[DuplicateRegistration]),
];

/// What a finding, or a suspicion, is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Subject {
    pub(super) lint: Lint,
    /// `None` where it is the poller.
    pub(super) id: Option<DescId>,
    /// `None` where it is both, or neither.
    pub(super) direction: Option<Direction>,
}

impl Subject {
    fn of(finding: &Finding) -> Self {
        Self {
            lint: finding.lint,
            id: finding.row.as_ref().map(Row::id),
            direction: finding.direction,
        }
    }

    fn explains(&self, other: &Self) -> bool {
        let reaches = |reach| match reach {
            Reach::Poller => true,
            Reach::Descriptor => self.id.is_some() && self.id == other.id,
            Reach::Side => {
                self.id.is_some() && (self.id, self.direction) == (other.id, other.direction)
            }
        };
        TABLE
            .iter()
            .filter(|(cause, _, explained)| *cause == self.lint && explained.contains(&other.lint))
            .any(|(_, reach, _)| reaches(*reach))
    }
}

/// What is wrong with one poller in one look, for certain or by suspicion.
#[derive(Debug, Default)]
pub(super) struct Causes(Vec<Subject>);

impl Causes {
    pub(super) fn add(&mut self, lint: Lint, id: Option<DescId>, direction: Option<Direction>) {
        self.0.push(Subject {
            lint,
            id,
            direction,
        });
    }

    pub(super) fn add_all(&mut self, findings: &[Finding]) {
        self.0.extend(findings.iter().map(Subject::of));
    }

    /// Whether one of them explains what `lint` finds of a direction of a descriptor.
    pub(super) fn explain(&self, lint: Lint, id: DescId, direction: Direction) -> bool {
        let subject = Subject {
            lint,
            id: Some(id),
            direction: Some(direction),
        };
        self.0.iter().any(|cause| cause.explains(&subject))
    }

    /// Whether one of them explains this finding.
    pub(super) fn explain_finding(&self, finding: &Finding) -> bool {
        let subject = Subject::of(finding);
        self.0.iter().any(|cause| cause.explains(&subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: DescId = DescId {
        slot: 1,
        generation: 1,
    };
    const OTHER: DescId = DescId {
        slot: 2,
        generation: 1,
    };

    fn subject(lint: Lint, id: Option<DescId>, direction: Direction) -> Subject {
        Subject {
            lint,
            id,
            direction: Some(direction),
        }
    }

    fn reaches(cause: Lint, explained: Lint) -> Vec<Reach> {
        let rows = TABLE.iter();
        rows.filter(|(it, _, lints)| *it == cause && lints.contains(&explained))
            .map(|(_, reach, _)| *reach)
            .collect()
    }

    /// Every pair of lints, both ways: what the table has is explained as far as it says and no
    /// further, and what it does not have is told.
    #[test]
    fn each_pair_is_one_finding_where_the_table_says_so_and_two_elsewhere() {
        for (cause, explained) in Lint::ALL
            .into_iter()
            .flat_map(|cause| Lint::ALL.map(|explained| (cause, explained)))
        {
            let reach = reaches(cause, explained);
            let (read, write) = (Direction::Read, Direction::Write);
            let is_explained = |id, direction| {
                subject(cause, Some(ONE), read).explains(&subject(explained, id, direction))
            };
            let at = format!("{explained} beside {cause}");
            let far = reach.contains(&Reach::Poller);
            let near = far || reach.contains(&Reach::Descriptor);
            assert_eq!(is_explained(Some(ONE), read), !reach.is_empty(), "{at}");
            assert_eq!(is_explained(Some(ONE), write), near, "{at}, the other side");
            assert_eq!(is_explained(Some(OTHER), read), far, "{at}, elsewhere");
            assert_eq!(is_explained(None, read), far, "{at}, of the poller");
        }
    }

    #[test]
    fn nothing_explains_itself_and_no_two_explain_each_other() {
        for (cause, explained) in Lint::ALL
            .into_iter()
            .flat_map(|cause| Lint::ALL.map(|explained| (cause, explained)))
        {
            if !reaches(cause, explained).is_empty() {
                assert!(reaches(explained, cause).is_empty(), "{cause}, {explained}");
                assert!(reaches(cause, explained).len() == 1, "{cause}, {explained}");
                // What is graver is never hidden by what is not, unless it only says where.
                assert!(
                    cause.severity() >= explained.severity(),
                    "{cause} hides {explained}"
                );
            }
        }
    }

    #[test]
    fn that_nobody_polls_is_explained_by_a_thread_that_is_kept_from_it_and_a_stuck_waiter_is_not() {
        let starved = subject(ThreadStarved, None, Direction::Read);
        let explains = |lint, id| starved.explains(&subject(lint, id, Direction::Read));
        for lint in [PollerAway, OverdueDeadline, StarvedBatch, SlowDispatch] {
            assert!(explains(lint, None) && explains(lint, Some(ONE)), "{lint}");
        }
        // It polls in between, and finds what is there to be found.
        for lint in [StuckWaiter, LostEdge, LeakedReadiness, WokenNotRun] {
            assert!(!explains(lint, Some(ONE)), "{lint}");
        }
        // A task that keeps it is a cause of its own.
        assert!(!explains(BlockedExecutor, None));
    }

    #[test]
    fn a_cause_without_a_descriptor_explains_only_what_it_reaches_as_a_poller() {
        let blocked = subject(BlockedExecutor, None, Direction::Read);
        assert!(blocked.explains(&subject(WokenNotRun, Some(ONE), Direction::Read)));
        assert!(!blocked.explains(&subject(LeakedReadiness, None, Direction::Read)));
        assert!(!blocked.explains(&subject(LeakedReadiness, Some(ONE), Direction::Read)));
    }
}
