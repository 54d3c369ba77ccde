//! What the machine offers: two cores and enough descriptors.

use std::fs;
use std::io;

use super::args::Args;
use super::error::Context;
use super::sys;

/// Descriptors beyond the connections: standard streams, epoll, pipes to the servers, the runtimes'
/// own.
const OTHER_FILES: u64 = 128;

/// Where the two sides run.
pub(crate) struct Machine {
    /// The core of the servers.
    pub(crate) server_core: usize,
    /// The core of the load, this process.
    pub(crate) load_core: usize,
    /// What makes the figures less trustworthy.
    pub(crate) warnings: Vec<String>,
}

impl Machine {
    /// Chooses the cores, moves this thread to the load's, and raises the limit of open files.
    pub(crate) fn prepare(args: &Args) -> io::Result<Machine> {
        let most = args.connections.iter().copied().max().unwrap_or(0);
        sys::allow_open_files(u64::from(most) * args.kinds().len() as u64 + OTHER_FILES)?;

        let cores = sys::allowed_cores().context(|| "asking which cores may be used".to_owned())?;
        // Far apart: where siblings are numbered in two halves, first and last are different
        // physical cores.
        let load_core = cores.first().copied().unwrap_or(0);
        let server_core = cores.last().copied().unwrap_or(load_core);
        sys::pin_to(load_core).context(|| format!("moving the load to core {load_core}"))?;

        let mut warnings = Vec::new();
        if server_core == load_core {
            warnings.push(format!(
                "only core {load_core} may be used, so server and load take turns on it: the figures say little"
            ));
        } else if siblings(server_core)
            .is_some_and(|of_server| Some(of_server) == siblings(load_core))
        {
            warnings.push(format!(
                "cores {server_core} and {load_core} are hardware threads of one core: the load slows the server"
            ));
        }
        if cfg!(debug_assertions) {
            warnings.push("this is a debug build; `cargo bench` makes an optimised one".to_owned());
        }
        Ok(Machine {
            server_core,
            load_core,
            warnings,
        })
    }
}

fn siblings(core: usize) -> Option<String> {
    fs::read_to_string(format!(
        "/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
    ))
    .ok()
}
