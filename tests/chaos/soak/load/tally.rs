//! What has happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

macro_rules! tally {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What has happened so far, by part of the load.
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            $($(#[doc = $doc])+ pub(crate) $name: AtomicU64,)+
            wrong: AtomicU64,
            first_wrong: Mutex<Option<String>>,
        }

        /// What had happened at the end.
        #[derive(Debug)]
        pub(crate) struct Done {
            $($(#[doc = $doc])+ pub(crate) $name: u64,)+
            /// Operations that ended as they must not.
            pub(crate) wrong: u64,
            pub(crate) first_wrong: Option<String>,
        }

        impl Done {
            pub(super) fn read(tally: &Tally) -> Self {
                Self {
                    $($name: tally.$name.load(Ordering::Relaxed),)+
                    wrong: tally.wrong.load(Ordering::Relaxed),
                    first_wrong: tally.first_wrong.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                }
            }

            /// As much of everything.
            #[cfg(test)]
            pub(crate) fn of(count: u64) -> Self {
                Self { $($name: count,)+ wrong: 0, first_wrong: None }
            }

            /// Each part with what it has done.
            pub(crate) fn parts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

tally! {
    /// Round trips of the echo connections.
    requests,
    /// Connections opened and closed again by their owner.
    churned,
    /// Reads that another task ended by closing their connection.
    cut_off,
    /// Connections reset by their peer in the middle of a read.
    resets,
    /// Deadlines that fired.
    timeouts,
    /// Deadlines moved or cleared while somebody waited.
    moved,
    /// Datagrams received.
    datagrams,
    /// Messages through pipes, read by blocking threads.
    piped,
    /// Breaks asked for.
    breaks,
}

impl Tally {
    /// Whether every part has done something.
    pub(crate) fn is_complete(&self) -> bool {
        let mut parts = Done::read(self).parts().into_iter();
        parts.all(|(_, count)| count > 0)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Something ended as it must not.
    pub(super) fn wrong(&self, what: &str, error: &dyn std::fmt::Display) {
        Self::count(&self.wrong);
        let mut first = self
            .first_wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("{what}: {error}"));
    }
}
