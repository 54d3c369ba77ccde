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
    write_file(&WRITTEN, directory, reason, recorder::dump)
}

/// A dump in a file of its own, for which `written` has the next number.
fn write_file(
    written: &AtomicU32,
    directory: &Path,
    reason: &str,
    dump: fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let reason: String = reason
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(32)
        .collect();
    let (path, file) = loop {
        let number = written.fetch_add(1, Ordering::Relaxed);
        if number >= MOST {
            // Not back to zero after four thousand million attempts.
            written.store(MOST, Ordering::Relaxed);
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
    dump(&mut out).and_then(|()| out.flush()).map_err(doing)?;
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
/// directory is made if it is not there. A thread may panic with a lock of ours held; such a dump waits for none, and says what
/// it could not read.
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
        let _ = match write_panic(&directory) {
            Ok(path) => writeln!(stderr, "netpoller: flight recorder in {}", path.display()),
            Err(error) => writeln!(stderr, "netpoller: no flight recorder: {error}"),
        };
        before(panic);
    }));
    Ok(())
}

/// What a panic writes, whatever the thread holds that panics.
fn write_panic(directory: &Path) -> io::Result<PathBuf> {
    write_file(&WRITTEN, directory, "panic", recorder::dump_without_waiting)
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

// It is a handle: nothing is in the middle of anything.
impl std::panic::UnwindSafe for Trigger {}
impl std::panic::RefUnwindSafe for Trigger {}

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

    /// Dumps that an earlier process left behind, perhaps before the machine was booted: the same number, other contents.
    fn earlier(directory: &Path, numbers: std::ops::Range<u32>) -> Vec<PathBuf> {
        let pid = std::process::id();
        let name = |number| format!("netpoller-{pid}-{number}-again.txt");
        let paths: Vec<_> = numbers.map(|number| directory.join(name(number))).collect();
        for path in &paths {
            fs::write(path, "earlier").unwrap();
        }
        paths
    }

    #[track_caller]
    fn assert_kept(paths: &[PathBuf]) {
        for path in paths {
            assert_eq!(fs::read_to_string(path).unwrap(), "earlier", "{path:?}");
        }
    }

    #[test]
    fn the_dumps_of_an_earlier_process_with_the_same_number_are_kept_and_keep_nobody_from_writing()
    {
        let directory = tempfile::tempdir().unwrap();
        let earlier = earlier(directory.path(), 0..MOST - 1);
        let written = AtomicU32::new(0);
        let write = || write_file(&written, directory.path(), "again", recorder::dump);
        let path = write().unwrap();
        let last = format!("netpoller-{}-{}-again.txt", std::process::id(), MOST - 1);
        assert_eq!(path.file_name().unwrap().to_str(), Some(&*last));
        assert!(!fs::read_to_string(path).unwrap().contains("earlier"));
        assert_kept(&earlier);
        assert!(write().is_err(), "it was the last number");
    }

    #[test]
    fn a_process_that_starts_again_and_again_with_one_number_does_not_fill_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let earlier = earlier(directory.path(), 0..MOST);
        // Each process begins to count anew; in a container every one is number 1.
        for _ in 0..3 {
            let written = AtomicU32::new(0);
            let error =
                write_file(&written, directory.path(), "again", recorder::dump).unwrap_err();
            assert!(error.to_string().contains("earlier one"), "{error}");
            assert_eq!(written.load(Ordering::Relaxed), MOST);
        }
        assert_kept(&earlier);
        let count = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(count, MOST as usize);
    }

    /// What the hook of a panic writes on a thread that runs `holding`, if it comes to an end.
    #[cfg(not(netpoller_bare))]
    #[track_caller]
    fn panic_dump(holding: fn(&mut dyn FnMut())) -> String {
        let directory = tempfile::tempdir().unwrap();
        let (done, outcome) = std::sync::mpsc::channel();
        let path = directory.path().to_owned();
        thread::spawn(move || {
            holding(&mut || {
                // Nobody listens only if this came too late.
                let _ = done.send(write_panic(&path));
            });
        });
        let path = outcome
            .recv_timeout(Duration::from_secs(30))
            .expect("it waits for a lock that its own thread holds")
            .unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[cfg(not(netpoller_bare))]
    #[test]
    fn a_panic_with_a_lock_of_ours_held_is_dumped_without_what_the_lock_guards_and_says_so() {
        let poller = Poller::builder().name("panicked").build().unwrap();
        poller.wake().unwrap();
        let free = panic_dump(|dump| dump());
        assert!(!free.contains("# incomplete"), "{free}");
        let own = thread::current().name().unwrap().to_owned();
        assert!(free.contains("# poller panicked: ") && free.contains(&own[..16]));

        let registry = panic_dump(|dump| crate::poller::with_registry_locked(dump));
        assert!(registry.contains("# incomplete: the list of pollers is locked"));
        assert!(!registry.contains("# poller panicked: "), "{registry}");

        let names = panic_dump(|dump| crate::observe::with_names_locked(dump));
        assert!(names.contains("# incomplete: the names of threads are locked"));
        assert!(names.contains("# poller panicked: ") && !names.contains(&own[..16]));
    }
}
