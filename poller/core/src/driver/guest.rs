//! A poller that is polled by a thread that polls another one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::Location;
use std::sync::Arc;

use super::kind::Driver;
use crate::desc::Kind;
use crate::error::context;
use crate::observe::Direction;
use crate::poller::{Desc, Poller, ReadyList, Shared};

/// A poller that a thread polls along with its own: its epoll descriptor is registered with that
/// one.
#[derive(Debug)]
pub(super) struct Guest {
    // Before `epoll`, so that it is deregistered before it is closed.
    desc: Desc,
    /// A duplicate, as other threads may do the same.
    epoll: OwnedFd,
    shared: Arc<Shared>,
}

impl Guest {
    pub(super) fn new(host: &Poller, shared: &Arc<Shared>) -> io::Result<Self> {
        let guest = Poller {
            shared: shared.clone(),
        };
        let failed = |error| {
            let action = format_args!(
                "the poller \"{}\" of this descriptor cannot be polled along with \"{}\", which the thread polls",
                shared.name,
                host.name()
            );
            context(action, error)
        };
        guest.nest().map_err(failed)?;
        let epoll = guest.as_fd().try_clone_to_owned().map_err(failed)?;
        let desc = host
            .open_at(epoll.as_raw_fd(), Kind::Other, Location::caller())
            .map_err(|error| failed(error.into()))?;
        desc.set_label(&format!("poller {}", shared.name));
        shared.add_duplicate(epoll.as_raw_fd());
        Driver::Inline.note(&shared.drivers);
        Ok(Self {
            desc,
            epoll,
            shared: shared.clone(),
        })
    }

    /// Number of the poller.
    pub(super) fn id(&self) -> u32 {
        self.shared.id
    }

    /// Polls it whenever there is something, until it is evicted.
    pub(super) async fn run(self) {
        let mut ready = ReadyList::with_capacity(self.shared.batch);
        while self.desc.reset(Direction::Read).is_ok() {
            loop {
                ready.begin(&self.shared);
                // An error here has nowhere to go, and there is nothing to be had.
                let polled = self.shared.poll_now(&mut ready);
                ready.wake_all();
                if polled.is_err() || !ready.batch_was_full() {
                    break;
                }
            }
            // It is no operation of anybody's, and takes part in no budget.
            let wait = self.desc.wait_at(Direction::Read, Location::caller());
            if wait.await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.shared.remove_duplicate(self.epoll.as_raw_fd());
    }
}
