//! Who polls.

use std::sync::atomic::{AtomicU32, Ordering};

/// Who polls a poller. Several may. That a thread of the program's own does is known only by its
/// having done so; the others are there or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Driver {
    Inline = 1,
    Tokio = 2,
    /// So many times as there are such threads.
    Thread = 4,
}

impl Driver {
    /// Notes that this driver polls.
    pub(crate) fn note(self, drivers: &AtomicU32) {
        if drivers.load(Ordering::Relaxed) & self as u32 == 0 {
            drivers.fetch_or(self as u32, Ordering::Relaxed);
        }
    }

    /// The last tokio runtime that polled is gone.
    #[cfg(feature = "tokio")]
    pub(crate) fn end_tokio(drivers: &AtomicU32) {
        drivers.fetch_and(!(Driver::Tokio as u32), Ordering::Relaxed);
    }

    pub(crate) fn begin_thread(drivers: &AtomicU32) {
        drivers.fetch_add(Driver::Thread as u32, Ordering::Relaxed);
    }

    pub(crate) fn end_thread(drivers: &AtomicU32) {
        drivers.fetch_sub(Driver::Thread as u32, Ordering::Relaxed);
    }

    /// The drivers in `bits`, joined with "+"; "manual" if there are none.
    pub(crate) fn names(bits: u32) -> String {
        let is_there = [
            ("inline", bits & Driver::Inline as u32 != 0),
            ("tokio", bits & Driver::Tokio as u32 != 0),
            ("thread", bits >= Driver::Thread as u32),
        ];
        let names: Vec<_> = is_there
            .into_iter()
            .filter_map(|(name, is_there)| is_there.then_some(name))
            .collect();
        if names.is_empty() {
            "manual".to_owned()
        } else {
            names.join("+")
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_driver_that_is_there_is_named_once_in_a_fixed_order() {
        let drivers = AtomicU32::new(0);
        let names = || Driver::names(drivers.load(Ordering::Relaxed));
        assert_eq!(names(), "manual", "a loop of the program's own");
        Driver::begin_thread(&drivers);
        Driver::begin_thread(&drivers);
        assert_eq!(names(), "thread");
        Driver::Inline.note(&drivers);
        Driver::Inline.note(&drivers);
        assert_eq!(names(), "inline+thread");
        Driver::Tokio.note(&drivers);
        assert_eq!(names(), "inline+tokio+thread");
        Driver::end_thread(&drivers);
        assert_eq!(names(), "inline+tokio+thread", "there is one more");
        Driver::end_thread(&drivers);
        assert_eq!(names(), "inline+tokio");
    }
}
