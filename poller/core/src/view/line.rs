//! From which line of code a row tells that somebody waits there; which one that is, where the call
//! is a library's, is decided in `observe::line`.

use std::panic::Location;

use super::raw::RawRow;
use crate::observe::{Direction, Exemplar, Names};
use crate::poller::Poller;

pub use crate::observe::Line;
pub(crate) use crate::observe::Place;

impl RawRow {
    /// The line that waits in `direction`, or waited there last; `None` if nobody ever has.
    pub(crate) fn place(&self, direction: Direction) -> Option<Place> {
        let side = &self.sides[direction.index()];
        self.place_of(side.location, || Names::shared().line(side.task))
    }

    /// The same of a call on this descriptor.
    pub(super) fn place_of(
        &self,
        call: Option<&'static Location<'static>>,
        named: impl FnOnce() -> Option<&'static Location<'static>>,
    ) -> Option<Place> {
        let call = call?;
        Some(Place::of(call, named, self.opened()))
    }

    /// Where the descriptor comes from.
    fn opened(&self) -> Option<Line> {
        self.opened_location.map(|location| Line {
            location,
            kind: self.origin,
        })
    }
}

/// The line that has waited for an exemplar of `poller`, `None` where it is not that of a wait.
/// Where its descriptor comes from is known for as long as that lives, and the line of its task's
/// name beyond that.
pub(crate) fn place_of_exemplar(poller: &Poller, exemplar: &Exemplar) -> Option<Place> {
    let row = exemplar.descriptor().and_then(|id| {
        let row = RawRow::read(poller.shared.cache.get(id.slot)?)?;
        (row.generation == id.generation).then_some(row)
    });
    let named = || Names::shared().line(exemplar.task_name());
    let opened = row.and_then(|row| row.opened());
    Some(Place::of(exemplar.location()?, named, opened))
}
