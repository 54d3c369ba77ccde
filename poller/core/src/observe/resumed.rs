//! Which wait of the future that this thread polls has resumed, for a future that is measured.

use std::cell::Cell;

use super::Awaited;

/// A wait that had parked, and runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resumed {
    pub(crate) awaited: Awaited,
    /// When there was something to wake it for, as a deadline that was due; `woken_ns` where that
    /// is not known.
    pub(crate) due_ns: u64,
    /// When it was found out that it is over.
    pub(crate) woken_ns: u64,
    /// When its waker was called.
    pub(crate) called_ns: u64,
}

impl Resumed {
    /// Of two, the one whose waker was called first: it is the one that made the task run.
    fn first(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).min_by_key(|it| it.called_ns)
    }
}

#[derive(Clone, Copy, Debug)]
enum Watched {
    No,
    /// With the first that has resumed.
    Yes(Option<Resumed>),
}

thread_local! {
    static WATCHED: Cell<Watched> = const { Cell::new(Watched::No) };
}

/// Whether a future is measured that this thread polls.
#[inline(always)]
pub(crate) fn is_watched() -> bool {
    WATCHED.with(|watched| matches!(watched.get(), Watched::Yes(_)))
}

/// A wait has resumed, in a future that is measured.
pub(crate) fn has_resumed(resumed: Resumed) {
    WATCHED.with(|watched| {
        if let Watched::Yes(first) = watched.get() {
            watched.set(Watched::Yes(Resumed::first(first, Some(resumed))));
        }
    });
}

/// One poll of a future that is measured. These nest: whoever measures the outer one hears of the
/// waits of the inner one too, once that has ended.
#[derive(Debug)]
pub(crate) struct Watch(Watched);

impl Watch {
    pub(crate) fn begin() -> Self {
        Self(WATCHED.replace(Watched::Yes(None)))
    }

    /// Returns the wait that made the task run, if one has resumed.
    pub(crate) fn end(self) -> Option<Resumed> {
        let Watched::Yes(mine) = WATCHED.get() else {
            return None;
        };
        WATCHED.set(match self.0 {
            Watched::No => Watched::No,
            Watched::Yes(others) => Watched::Yes(Resumed::first(others, mine)),
        });
        mine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(awaited: Awaited, called_ns: u64) -> Resumed {
        Resumed {
            awaited,
            due_ns: 0,
            woken_ns: called_ns - 1,
            called_ns,
        }
    }

    #[test]
    fn each_of_nested_watches_hears_of_its_own_waits_and_of_those_inside() {
        assert!(!is_watched());
        has_resumed(resumed(Awaited::Read, 1));
        let outer = Watch::begin();
        has_resumed(resumed(Awaited::Write, 20));
        let inner = Watch::begin();
        assert!(is_watched());
        has_resumed(resumed(Awaited::Sleep, 15));
        has_resumed(resumed(Awaited::Accept, 16));
        assert_eq!(inner.end(), Some(resumed(Awaited::Sleep, 15)));
        let idle = Watch::begin();
        assert_eq!(idle.end(), None);
        assert_eq!(outer.end(), Some(resumed(Awaited::Sleep, 15)));
        assert!(!is_watched());
    }
}
