//! Registrations that are not as they should be.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use netpoller::Kind;

use super::fault::Fault;
use super::sown::{Plant, Registered, unix_pair};

/// Closes the descriptor first and the registration after, while a duplicate keeps the open file
/// alive.
pub(super) fn ghost(fault: Fault) -> io::Result<Plant> {
    let poller = fault.poller()?;
    let (ours, theirs) = unix_pair()?;
    let duplicate = ours.try_clone()?;
    let desc = poller.open(ours.as_fd(), Kind::Unix)?;
    // Wrong: in this order the kernel is asked to deregister a number that is closed.
    drop(ours);
    desc.close();
    Ok(Plant::keeping(poller).and(duplicate).and(theirs))
}

/// Registers the same socket under two numbers.
pub(super) fn duplicate(fault: Fault) -> io::Result<Plant> {
    let poller = fault.poller()?;
    let (ours, theirs) = unix_pair()?;
    let duplicate = ours.try_clone()?;
    let first = poller.open(ours.as_fd(), Kind::Unix)?;
    let second = poller.open(duplicate.as_fd(), Kind::Unix)?;
    for desc in [&first, &second] {
        desc.set_label(&fault.label());
    }
    Ok(Plant::keeping(Registered {
        desc: first,
        file: ours,
    })
    .and(Registered {
        desc: second,
        file: duplicate,
    })
    .and(theirs))
}

/// Registers a socket that blocks.
pub(super) fn blocking(fault: Fault) -> io::Result<Plant> {
    let poller = fault.poller()?;
    let (ours, theirs) = unix_pair()?;
    ours.set_nonblocking(false)?;
    let desc = poller.open(ours.as_fd(), Kind::Unix)?;
    desc.set_label(&fault.label());
    Ok(Plant::keeping(Registered { desc, file: ours }).and(theirs))
}

/// Registers a socket, and gives its number to a file.
pub(super) fn stale(fault: Fault) -> io::Result<Plant> {
    let poller = fault.poller()?;
    let (ours, theirs) = unix_pair()?;
    let mut number = OwnedFd::from(ours);
    let desc = poller.open(number.as_fd(), Kind::Unix)?;
    desc.set_label(&fault.label());
    // Wrong: the poller does not know of it.
    rustix::io::dup2(std::fs::File::open("/dev/null")?, &mut number)?;
    Ok(Plant::keeping(Registered { desc, file: number }).and(theirs))
}
