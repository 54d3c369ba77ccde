//! The flight recorder in a file: when asked, when the program panics, or when a condition comes true.
//!
//! A dump is text, a line an event, as [`recorder::dump`] writes it. It names descriptors by id and number, and holds neither
//! addresses nor payload. Its file is readable by this user alone, and a process writes [`MOST`] at most, so that a fault
//! that repeats itself does not fill the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::recorder;
use crate::poller::Poller;

/// Most dumps that one process writes to files.
pub const MOST: u32 = 64;

static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// Writes a dump of all pollers to a new file `netpoller-<pid>-<number>-<reason>.txt` in `directory`, and returns its path. Of
/// `reason` letters, digits and dashes are kept.
///
/// # Errors
///
/// If the file cannot be made or written, or [`MOST`] were written already.
pub fn to_file(directory: &Path, reason: &str) -> io::Result<PathBuf> {
    let reason: String = reason
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(32)
        .collect();
    let (path, file) = loop {
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        if number >= MOST {
            // Not back to zero after four thousand million attempts.
            WRITTEN.store(MOST, Ordering::Relaxed);
            return Err(io::Error::other(format!(
                "{MOST} dumps were written already, by this process or an earlier one of its number"
            )));
        }
        let name = format!("netpoller-{}-{number}-{reason}.txt", std::process::id());
        let path = directory.join(name);
        match create(&path) {
            // Of an earlier process with this number: in a container every one is number 1.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => break (path, file),
        }
    };
    let doing =
        |error| crate::error::while_doing(format_args!("cannot write {}", path.display()), error);
    let file = file.map_err(doing)?;
    let mut out = BufWriter::new(file);
    recorder::dump(&mut out)
        .and_then(|()| out.flush())
        .map_err(doing)?;
    Ok(path)
}

/// A file that did not exist, so that nobody's link is followed.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// From now on a panic, of any thread, writes a dump into `directory` before the panic is reported as it was until now. The
/// directory is made if it is not there.
///
/// # Errors
///
/// If the directory cannot be made.
pub fn on_panic(directory: impl Into<PathBuf>) -> io::Result<()> {
    let directory = directory.into();
    fs::create_dir_all(&directory)?;
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Whatever goes wrong here, the panic itself is to be seen; and stderr may be gone.
        let mut stderr = io::stderr();
        let _ = match to_file(&directory, "panic") {
            Ok(path) => writeln!(stderr, "netpoller: flight recorder in {}", path.display()),
            Err(error) => writeln!(stderr, "netpoller: no flight recorder: {error}"),
        };
        before(panic);
    }));
    Ok(())
}

/// Looks at all pollers again and again, and writes a dump each time `condition` becomes true for one of them; not again
/// before it was false for all. Runs on a thread of its own for as long as the result is kept.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::view::{self, dump};
/// use std::time::Duration;
///
/// let overdue = |poller: &netpoller::Poller| {
///     let now = view::now_ns();
///     let info = view::info(poller);
///     info.waiters > 0 && now - info.last_poll_ns > 5_000_000_000
/// };
/// let directory = std::env::temp_dir();
/// let _trigger = dump::when(directory, Duration::from_secs(1), overdue)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If the thread cannot be made.
pub fn when(
    directory: impl Into<PathBuf>,
    every: Duration,
    mut condition: impl FnMut(&Poller) -> bool + Send + 'static,
) -> io::Result<Trigger> {
    let directory = directory.into();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = thread::Builder::new()
        .name("netpoller-dump".into())
        .spawn(move || {
            let mut before = false;
            while !stopped.load(Ordering::Acquire) {
                let now = super::pollers().iter().any(&mut condition);
                if now && !before {
                    // There is nobody to tell but the file itself.
                    let _ = to_file(&directory, "trigger");
                }
                before = now;
                thread::park_timeout(every);
            }
        })?;
    Ok(Trigger {
        stop,
        thread: Some(thread),
    })
}

/// Made by [`when`]. Dropping it ends its thread.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Trigger {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Trigger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the condition was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_dumps_of_an_earlier_process_with_the_same_number_are_kept_and_keep_nobody_from_writing()
    {
        let directory = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let earlier: Vec<PathBuf> = (0..WRITTEN.load(Ordering::Relaxed) + 2)
            .map(|number| {
                directory
                    .path()
                    .join(format!("netpoller-{pid}-{number}-again.txt"))
            })
            .collect();
        for path in &earlier {
            fs::write(path, "earlier").unwrap();
        }
        let path = to_file(directory.path(), "again").unwrap();
        assert!(!earlier.contains(&path));
        for path in &earlier {
            assert_eq!(fs::read_to_string(path).unwrap(), "earlier");
        }
    }
}
