//! Which lines open descriptors, and how many of those are open.

use std::collections::BTreeMap;
use std::panic::Location;

use crate::poller::Poller;

/// A line that has opened descriptors of a poller, cumulative since that was made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Site {
    /// The call that opened them, as [`Row::opened_location`](super::Row::opened_location); `None`
    /// for all lines beyond the first 256, which are counted together.
    pub location: Option<&'static Location<'static>>,
    /// Descriptors that were opened there.
    pub opened: u64,
    /// Those of them that were closed, by whatever line.
    pub closed: u64,
}

impl Site {
    /// Returns how many of them are open.
    pub fn live(&self) -> u64 {
        self.opened - self.closed
    }
}

impl Poller {
    /// Reads which lines have opened its descriptors, sleeps not counted, by file and line. While
    /// the poller runs, each line is read at a moment of its own.
    pub fn sites(&self) -> Vec<Site> {
        let mut sites: BTreeMap<_, Site> = BTreeMap::new();
        for (location, opened, closed) in self
            .shared
            .sites
            .read()
            .filter(|(_, opened, _)| *opened > 0)
        {
            let site = Site {
                location,
                opened: 0,
                closed: 0,
            };
            // Those without a place last. A line may have several locations.
            let key = (
                location.is_none(),
                location.map(|at| (at.file(), at.line())),
            );
            let site = sites.entry(key).or_insert(site);
            site.opened += opened;
            site.closed += closed;
        }
        sites.into_values().collect()
    }
}
