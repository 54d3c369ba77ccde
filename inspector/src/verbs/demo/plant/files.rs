//! The open files of the process.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use netpoller::driver::ThreadDriver;
use netpoller::{Kind, Poller};
use rlimit::Resource;

use super::super::stop::Stop;
use super::fault::Fault;
use super::sown::{Plant, Registered};

/// The limit of a small demo: the machine has room for more.
const LIMIT: u64 = 2_048;
/// The last of them, which it leaves alone: in hundredths of the limit.
const LEFT: u64 = 8;

/// The limit as it was, to be set again.
struct Limit {
    soft: u64,
    hard: u64,
}

impl Drop for Limit {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = Resource::NOFILE.set(self.soft, self.hard);
    }
}

/// Opens sockets and keeps them, until few are left of what the demo allows itself: it lowers its
/// own limit for that, and takes nothing that is `needed` for the rest. Most of them at once, the
/// last ones slowly.
pub(super) fn descriptors_run_out(
    fault: Fault,
    stop: &Arc<Stop>,
    needed: u64,
) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let driver = ThreadDriver::start(&poller)?;
    let (soft, hard) = Resource::NOFILE.get()?;
    let limit = LIMIT.max(needed + needed / 4).min(hard);
    Resource::NOFILE.set(limit, hard)?;
    let at_once = (limit / 100 * (100 - LEFT)).saturating_sub(needed);
    let kept = (0..at_once)
        .map(|_| leaked(&poller))
        .collect::<io::Result<Vec<_>>>()?;
    let plant = Plant::keeping(driver).and(Limit { soft, hard });
    plant.thread(fault, move || {
        let mut kept = kept;
        while !stop.is_set() {
            let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
            if limit.saturating_sub(open) > limit / 100 * LEFT {
                kept.extend(leaked(&poller).ok());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

fn leaked(poller: &Poller) -> io::Result<Registered<UnixDatagram>> {
    let file = UnixDatagram::unbound()?;
    file.set_nonblocking(true)?;
    let desc = poller.open(file.as_fd(), Kind::UnixDatagram)?;
    Ok(Registered { desc, file })
}
