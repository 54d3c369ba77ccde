//! How many descriptors each line has opened, and how many of those were closed: a table of bounded
//! size, in which a line stays for good once it is there.
//!
//! A descriptor is counted where it is opened and again where it is closed, each time at the line
//! that opened it. Nothing locks or allocates for that: a step in the table and one addition,
//! beside the system calls of either. Only the first descriptor of a line takes a place.
//!
//! The lines of a program are few. Those for which there is no place are counted together, and each
//! of them always: whoever finds the table full once finds it full ever after, because no line
//! leaves it. So what is opened there is closed there.

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::RECORDS;

/// Lines that have a place of their own.
pub(crate) const PLACES: usize = 256;

/// Where a descriptor was opened.
pub(crate) type OpenedAt = &'static Location<'static>;

#[derive(Debug)]
pub(crate) struct Sites {
    places: Box<[Place]>,
    others: Counts,
}

/// A line, and its counts. The compiler may have a line in several copies, each of which takes a
/// place.
#[derive(Debug, Default)]
struct Place {
    at: OnceLock<OpenedAt>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Counts {
    /// What was opened and what was closed, which is never more than that.
    fn read(&self) -> (u64, u64) {
        // In this order: each closing that is seen has its opening before it.
        let closed = self.closed.load(Ordering::Acquire);
        (self.opened.load(Ordering::Relaxed), closed)
    }
}

impl Sites {
    pub(crate) fn new() -> Self {
        let places = if RECORDS { PLACES } else { 0 };
        Self {
            places: (0..places).map(|_| Place::default()).collect(),
            others: Counts::default(),
        }
    }

    /// A descriptor was opened at `at`.
    #[inline]
    pub(crate) fn opened(&self, at: OpenedAt) {
        if RECORDS {
            self.counts(at).opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A descriptor that was opened at `at` is closed.
    #[inline]
    pub(crate) fn closed(&self, at: OpenedAt) {
        if RECORDS {
            self.counts(at).closed.fetch_add(1, Ordering::Release);
        }
    }

    fn counts(&self, at: OpenedAt) -> &Counts {
        // Locations lie one behind the other, 24 bytes each.
        let first = (std::ptr::from_ref(at) as usize / size_of::<Location<'_>>()) % PLACES;
        let (before, behind) = self.places.split_at(first);
        let mut places = behind.iter().chain(before);
        let own = places.find(|place| std::ptr::eq(*place.at.get_or_init(|| at), at));
        own.map_or(&self.others, |place| &place.counts)
    }

    /// Each place that is taken with what was opened and what was closed, and with `None` what has
    /// no place.
    pub(crate) fn read(&self) -> impl Iterator<Item = (Option<OpenedAt>, u64, u64)> {
        let places = self.places.iter().filter_map(|place| {
            let at = *place.at.get()?;
            Some((Some(at), &place.counts))
        });
        places
            .chain(std::iter::once((None, &self.others)))
            .map(|(at, counts)| {
                let (opened, closed) = counts.read();
                (at, opened, closed)
            })
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests {
    use super::*;

    /// Another line, as far as the table can tell.
    fn line() -> OpenedAt {
        Box::leak(Box::new(*Location::caller()))
    }

    fn counts(sites: &Sites, at: Option<OpenedAt>) -> (u64, u64) {
        let same = |it: Option<OpenedAt>| it.map(std::ptr::from_ref) == at.map(std::ptr::from_ref);
        let found = sites.read().find(|(it, ..)| same(*it));
        found.map_or((0, 0), |(_, opened, closed)| (opened, closed))
    }

    #[test]
    fn what_exceeds_the_table_is_counted_together_and_closed_where_it_was_opened() {
        let sites = Sites::new();
        let lines: Vec<_> = (0..PLACES + 40).map(|_| line()).collect();
        for (index, at) in lines.iter().enumerate() {
            (0..=index).for_each(|_| sites.opened(at));
        }
        for at in &lines {
            sites.closed(at);
        }
        for (index, at) in lines[..PLACES].iter().enumerate() {
            assert_eq!(counts(&sites, Some(at)), (index as u64 + 1, 1));
        }
        let beyond: usize = (PLACES + 1..=PLACES + 40).sum();
        assert_eq!(counts(&sites, None), (beyond as u64, 40));
        assert_eq!(sites.read().count(), PLACES + 1, "no more than the bound");
    }

    #[test]
    fn threads_that_meet_a_line_at_once_share_its_place() {
        let sites = Sites::new();
        // More lines than places, so that some race for the last ones.
        let lines: Vec<_> = (0..PLACES + 16).map(|_| line()).collect();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (sites, lines) = (&sites, &lines);
                scope.spawn(move || {
                    for at in lines.iter().cycle().skip(thread * 7).take(lines.len()) {
                        sites.opened(at);
                        let (opened, closed) = counts(sites, Some(at));
                        assert!(closed <= opened, "{closed} of {opened}");
                        sites.closed(at);
                        sites.opened(at);
                    }
                });
            }
        });
        let mut all = 0;
        for (at, opened, closed) in sites.read() {
            let lines = if at.is_some() { 1 } else { 16 };
            assert_eq!((opened, closed), (lines * 16, lines * 8));
            all += lines;
        }
        assert_eq!(all, lines.len() as u64);
    }
}
