//! What is found.

use std::cmp::Reverse;
use std::panic::Location;

use super::lint::{Lint, Severity};
use super::observation::Observation;
use crate::observe::Direction;
use crate::view::line::{Line, Place};
use crate::view::raw::RawRow;
use crate::view::row::{Reader, Row};

/// A known fault, found in a poller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// Which fault.
    pub lint: Lint,
    /// How grave.
    pub severity: Severity,
    /// Name of the poller.
    pub poller: String,
    /// The descriptor, if the fault is one's.
    pub row: Option<Row>,
    /// Its direction, if it is one's.
    pub direction: Option<Direction>,
    /// Since when, as far as it is known; else when it was first seen. CLOCK_MONOTONIC.
    pub since_ns: u64,
    /// `since_ns` is when it was first seen: it may have begun long before.
    pub first_seen: bool,
    /// One sentence that says what is wrong.
    pub summary: String,
    /// What it was concluded from: what was observed, and its value with its unit.
    pub evidence: Vec<(&'static str, String)>,
    /// The code that is concerned: the call that waits, or that registered the descriptor.
    pub location: Option<&'static Location<'static>>,
    /// Where that code is a library's: the nearest line of the program's own, if one is known.
    pub nearest: Option<Line>,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    /// One about the poller as a whole.
    pub(super) fn of_poller(
        lint: Lint,
        observation: &Observation<'_>,
        since_ns: u64,
        summary: String,
    ) -> Self {
        Self {
            lint,
            severity: lint.severity(),
            poller: observation.poller.name().to_owned(),
            row: None,
            direction: None,
            since_ns,
            first_seen: false,
            summary,
            evidence: Vec::new(),
            location: None,
            nearest: None,
            advice: lint.advice(),
        }
    }

    /// One about a descriptor, or about one direction of it.
    pub(super) fn of_row(
        lint: Lint,
        observation: &Observation<'_>,
        raw: &RawRow,
        direction: Option<Direction>,
        since_ns: u64,
        summary: String,
    ) -> Self {
        let cache = &observation.poller.shared.cache;
        let row = cache
            .get(raw.slot)
            .map(|desc| Reader::default().row(observation.poller, desc, raw));
        let waiter = direction.and_then(|direction| raw.place(direction));
        Self {
            row,
            direction,
            ..Self::of_poller(lint, observation, since_ns, summary)
        }
        .at(waiter.or(raw.opened_location.map(Place::from)))
    }

    /// The code that is concerned.
    #[must_use]
    pub(super) fn at(mut self, place: Option<Place>) -> Self {
        self.location = place.map(|place| place.call);
        self.nearest = place.and_then(|place| place.nearest);
        self
    }

    /// Nobody can tell since when it is so.
    #[must_use]
    pub(super) fn first_seen(mut self) -> Self {
        self.first_seen = true;
        self
    }

    #[must_use]
    pub(super) fn evidence(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.evidence.push((name, value.into()));
        self
    }

    /// Evidence that there may be none of.
    #[must_use]
    pub(super) fn evidence_if(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.evidence(name, value),
            None => self,
        }
    }

    /// The gravest first; of one kind the oldest.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        (Reverse(self.severity), self.lint, self.since_ns)
    }
}
