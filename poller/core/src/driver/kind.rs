//! Who polls.

use std::sync::atomic::{AtomicU32, Ordering};

/// Who polls a poller, or has polled it. Several may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Driver {
    Inline = 1,
    Tokio = 2,
    Thread = 4,
}

impl Driver {
    const ALL: [(Driver, &str); 3] = [
        (Driver::Inline, "inline"),
        (Driver::Tokio, "tokio"),
        (Driver::Thread, "thread"),
    ];

    /// Notes that this driver polls.
    pub(crate) fn note(self, drivers: &AtomicU32) {
        if drivers.load(Ordering::Relaxed) & self as u32 == 0 {
            drivers.fetch_or(self as u32, Ordering::Relaxed);
        }
    }

    /// The drivers in `bits`, joined with "+"; "manual" if none was noted.
    pub(crate) fn names(bits: u32) -> String {
        let names: Vec<_> = Self::ALL
            .iter()
            .filter(|(driver, _)| bits & *driver as u32 != 0)
            .map(|(_, name)| *name)
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
    fn every_driver_that_has_polled_is_named_once_in_a_fixed_order() {
        let drivers = AtomicU32::new(0);
        let names = || Driver::names(drivers.load(Ordering::Relaxed));
        assert_eq!(names(), "manual", "a loop of the program's own");
        Driver::Thread.note(&drivers);
        assert_eq!(names(), "thread");
        for _ in 0..2 {
            Driver::Inline.note(&drivers);
            assert_eq!(names(), "inline+thread");
        }
        Driver::Tokio.note(&drivers);
        assert_eq!(names(), "inline+tokio+thread");
    }
}
