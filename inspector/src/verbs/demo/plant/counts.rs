//! What is counted wrongly.

use std::io;

use netpoller::view::faults;
use netpoller::{Direction, Transition};

use super::fault::Fault;
use super::sown::Plant;

/// Counts a reader as parked who never was: the law of parking does not hold from then on.
pub(super) fn broken_law(fault: Fault) -> io::Result<Plant> {
    let poller = fault.poller()?;
    faults::skew(&poller, Direction::Read, Transition::Park, 1);
    Ok(Plant::keeping(poller))
}
