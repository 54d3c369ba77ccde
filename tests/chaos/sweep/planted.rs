//! Scripts with a fault of their own, each of another kind: a sweep that does not find them finds
//! nothing.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

use netpoller::Poller;
use netpoller::net::TcpListener;
use netpoller_tests::loopback;

use super::outcome::Log;
use super::scenario::Scenario;

/// All of them.
pub(crate) const PLANTED: [Scenario; 5] = [
    Scenario {
        name: "planted: leaks a descriptor",
        run: |poller, log| Box::pin(careless(poller, log, Mistake::Leaks)),
    },
    Scenario {
        name: "planted: hangs",
        run: |poller, log| Box::pin(careless(poller, log, Mistake::Hangs)),
    },
    Scenario {
        name: "planted: ends well with less",
        run: |poller, log| Box::pin(careless(poller, log, Mistake::Lies)),
    },
    Scenario {
        name: "planted: blames something else",
        run: |poller, log| Box::pin(careless(poller, log, Mistake::Blames)),
    },
    Scenario {
        name: "planted: crashes",
        run: |poller, log| Box::pin(careless(poller, log, Mistake::Crashes)),
    },
];

#[derive(Clone, Copy)]
enum Mistake {
    Leaks,
    Hangs,
    Lies,
    Blames,
    Crashes,
}

/// Does something wrong when fcntl(2) fails.
async fn careless(poller: Poller, log: Log, mistake: Mistake) -> io::Result<()> {
    let listener = poller.in_scope(|| TcpListener::bind(loopback()))?;
    match (listener.duplicate(), mistake) {
        (Ok(_), _) => {}
        (Err(error), Mistake::Leaks) => {
            std::mem::forget(OwnedFd::from(tempfile::tempfile()?));
            return Err(error);
        }
        (Err(_), Mistake::Hangs) => pending().await,
        (Err(_), Mistake::Lies) => return Ok(()),
        (Err(_), Mistake::Blames) => return Err(io::ErrorKind::InvalidData.into()),
        (Err(_), Mistake::Crashes) => std::process::abort(),
    }
    log.line("", "all done");
    Ok(())
}
