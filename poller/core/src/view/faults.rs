//! Faults on purpose, so that it can be seen that they are found: for the demo of the inspector and
//! for tests. Needs the feature `faults`, which services do not have.

use crate::observe::{DescId, Direction, Histogram, Transition};
use crate::poller::{Desc, Poller};

/// Counts `transition` `times` too often, without anything having happened: the law that it belongs
/// to is broken from then on.
pub fn skew(poller: &Poller, direction: Direction, transition: Transition, times: u32) {
    let local = poller.shared.recorder.local();
    for _ in 0..times {
        local.count_transitions(direction, [transition]);
        local.event_in(direction, transition.into(), DescId::NONE, 0);
    }
}

/// Holds the lock of a descriptor, as a thread does that is stuck.
pub fn hold(desc: &Desc) -> impl Sized {
    desc.slot.lock()
}

/// Counts a sample that nobody has measured.
pub fn record(poller: &Poller, histogram: Histogram, value: u64) {
    poller.shared.recorder.local().record(histogram, value);
}
