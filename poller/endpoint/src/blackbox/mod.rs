//! The black box: what this process tells of itself, in a file that outlives it (feature
//! `blackbox`).
//!
//! | file | holds |
//! |---|---|
//! | `place` | where it lies, and what an earlier process has left there |
//! | `file` | the file: a recording at every moment, of bounded size |
//! | `told` | what comes into it |
//! | `tests` | a process that is killed, and what is left of it |

mod file;
mod place;
#[cfg(test)]
mod tests;
mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

use netpoller_core::view;
use netpoller_host::HostThread;

use crate::error::StartError;
use crate::methods::server::remember_process;
use file::BoxFile;
use told::Wanted;

/// Bytes of the file, unless others are said, and the fewest.
const SIZE: u64 = 32 << 20;
const SMALLEST: u64 = 256 << 10;
/// Between two looks at the table.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// What this process does not tell it is asked for again so much later.
const AGAIN: Duration = Duration::from_secs(30);

/// Says how a [`BlackBox`] is to be.
#[derive(Debug, Clone)]
pub struct BlackBoxBuilder {
    size: u64,
    wanted: Wanted,
}

impl BlackBoxBuilder {
    /// Keeps so many bytes on the disk, compressed; 32 MiB without a word, and never less than 256
    /// KiB. What an earlier process has left takes as much beside it, and while the beginning is
    /// forgotten there is a third file of three quarters of it for a moment.
    ///
    /// A whole table may take a quarter of it: one of 10 000 descriptors takes about 1 MiB.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes.max(SMALLEST);
        self
    }

    /// Writes what has changed in the table so often; each second without a word, no more often
    /// than each 100 ms, and no less often than each minute.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.wanted.interval = interval.clamp(SHORTEST, LONGEST);
        self
    }

    /// Leaves out the events of the flight recorder, which are most of the file and of what it
    /// costs where much happens.
    #[must_use]
    pub fn without_events(mut self) -> Self {
        self.wanted.events = false;
        self
    }

    /// Leaves out the diagnosis, which is made each 10 s.
    #[must_use]
    pub fn without_findings(mut self) -> Self {
        self.wanted.findings = false;
        self
    }

    /// Starts the thread that writes to `path`.
    ///
    /// What an earlier process has left there is kept as `path` with `.before` behind it, in place
    /// of the one before that, unless it covers less than ten seconds: a service that fails at each
    /// start does not wipe out what it did before. The directory is that which `path` leads to now,
    /// wherever the process goes later.
    ///
    /// # Errors
    ///
    /// [`StartError`] if another process writes there, if something else than a recording lies
    /// there, or where `.before` or, while it is written anew, `.new` would; or if the file cannot
    /// be made or the thread not be started.
    pub fn start(self, path: impl Into<PathBuf>) -> Result<BlackBox, StartError> {
        view::started_at_ns();
        remember_process();
        let path = path.into();
        let file = BoxFile::create(&path, self.size)?;
        let wanted = self.wanted;
        let thread = HostThread::spawn("netpoller-box", move || run(file, wanted))
            .map_err(StartError::io("start the thread of the black box"))?;
        Ok(BlackBox {
            path,
            _thread: thread,
        })
    }
}

/// Writes what this process tells of itself into a file of bounded size, which is there when the
/// process is not any more, however it ended: `kill -9`, a panic, or a machine out of memory.
///
/// It is a recording, as `netpoller record` makes them: `netpoller -t file:PATH` opens it, also
/// while it is written. It has the table, the statistics, the lines that open descriptors, a
/// diagnosis each 10 s, and the events of the flight recorder. What is not there yet when the
/// process ends is what came since its thread had a processor last, about a quarter of a second,
/// and of the table up to an interval more. It has the addresses of peers, so only the user of this
/// process may read it.
///
/// It is written by a thread of its own, on which nobody waits. The file is not mapped into memory:
/// what was written is the kernel's, and outlives the process as well, though not the machine; and
/// a disk that is full, or a limit of the size of files, is an error and no signal. It is written
/// to stderr, and tried again; the events that were thrown away meanwhile are counted as lost.
///
/// Dropping it writes the end of the recording, and waits until that is written. A forked child
/// writes nothing, and does not keep the file from the next process.
///
/// ```no_run
/// # fn main() -> Result<(), netpoller::inspect::StartError> {
/// // Keep it for as long as the service runs.
/// let _box = netpoller::inspect::BlackBox::start("/var/lib/service/last.npl")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it ends the recording"]
pub struct BlackBox {
    path: PathBuf,
    _thread: HostThread,
}

impl BlackBox {
    /// Starts one of 32 MiB, as [`BlackBoxBuilder::start`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn start(path: impl Into<PathBuf>) -> Result<Self, StartError> {
        Self::builder().start(path)
    }

    /// Returns a builder, to say what is kept before it starts.
    #[must_use]
    pub fn builder() -> BlackBoxBuilder {
        BlackBoxBuilder {
            size: SIZE,
            wanted: Wanted::default(),
        }
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

async fn run(mut file: BoxFile, wanted: Wanted) {
    loop {
        let Err(status) = told::tell(&mut file, &wanted).await;
        file.broken(&status.message());
        tokio::time::sleep(AGAIN).await;
    }
}
