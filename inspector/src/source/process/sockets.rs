//! The sockets of the network namespace that a process is in.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;

use netpoller_core::internals::Listing;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Asks the kernel for them. Where they are in another namespace than this command, a thread enters
/// that, and ends.
pub(super) fn read(pid: u32) -> Listing {
    let namespace = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let ours = fs::read_link("/proc/self/ns/net").ok();
    match fs::read_link(&namespace) {
        Ok(theirs) if Some(&theirs) != ours.as_ref() => elsewhere(namespace).unwrap_or_else(|error| {
            let why = format!(
                "the sockets of its network namespace: {error} (entering it takes the right to administer the system: \
                 run as root)"
            );
            Listing {
                errors: vec![why],
                read_at_ns: netpoller_core::view::now_ns(),
                ..Listing::default()
            }
        }),
        // The same; or it cannot be told, and those of ours that have its inodes are its own.
        _ => Listing::read(),
    }
}

fn elsewhere(namespace: PathBuf) -> io::Result<Listing> {
    let file = File::open(namespace)?;
    let entered = thread::Builder::new().spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(Listing::read())
    })?;
    let listing = entered.join();
    listing.unwrap_or_else(|_| Err(io::Error::other("the thread that entered it has panicked")))
}
