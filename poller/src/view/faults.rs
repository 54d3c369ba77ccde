//! Faults on purpose, so that it can be seen that they are found: for the demo of the inspector and
//! for tests. Needs the feature `faults`, which services do not have.

use crate::observe::{Cause, DescId, Direction, Transition};
use crate::poller::Poller;

/// Counts `transition` `times` too often, without anything having happened: the law that it belongs
/// to is broken from then on.
pub fn skew(poller: &Poller, direction: Direction, transition: Transition, times: u32) {
    let local = poller.shared.recorder.local();
    for _ in 0..times {
        local.transition(DescId::NONE, direction, transition, Cause::Io);
    }
}
