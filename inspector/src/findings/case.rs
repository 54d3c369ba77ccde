//! What was found.

use std::sync::Arc;

use netpoller_proto::v1::{Finding, Since};

use super::laws;
use crate::table::Entry;

/// A finding, and its row as the tables have it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) finding: Finding,
    pub(crate) entry: Option<Entry>,
}

impl Case {
    pub(crate) fn new(finding: Finding) -> Self {
        let row = finding.descriptor.clone().map(Arc::new);
        Self {
            entry: row.map(|row| Entry {
                row,
                direction: None,
            }),
            finding,
        }
    }

    /// `slot.generation`, if the finding is about a descriptor.
    pub(crate) fn id(&self) -> Option<String> {
        self.entry.as_ref().map(|entry| entry.row.id().to_string())
    }

    /// Since when it is so, if that is known.
    pub(crate) fn since_ns(&self) -> Option<u64> {
        let began = self.finding.since() != Since::FirstSeen && self.finding.since_ns != 0;
        began.then_some(self.finding.since_ns)
    }

    /// When it was first seen, if nobody knows since when it is so.
    pub(crate) fn first_seen_ns(&self) -> Option<u64> {
        let first_seen = self.finding.since() == Since::FirstSeen;
        first_seen.then_some(self.finding.since_ns)
    }

    /// What makes it another fault than one that was told of.
    pub(crate) fn key(&self) -> Key {
        let finding = &self.finding;
        // A poller has many laws.
        if finding.lint == laws::NAME {
            let law = finding.evidence.first().map(|it| it.value.clone());
            let (lint, poller) = (finding.lint.clone(), finding.poller.clone());
            return (lint, poller, law.unwrap_or_default(), 0);
        }
        (
            finding.lint.clone(),
            finding.poller.clone(),
            self.id().unwrap_or_default(),
            finding.direction,
        )
    }
}

pub(crate) type Key = (String, String, String, i32);
