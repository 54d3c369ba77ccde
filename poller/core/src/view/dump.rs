//! The flight recorder in a file: when asked, when the program panics, or when a condition comes
//! true.
//!
//! A dump is text, a line an event, as [`recorder::dump`] writes it. It names descriptors by id and
//! number, and holds neither addresses nor payload. Its file is readable by this user alone and has
//! a name that nobody can know before, and a process writes [`MOST`] at most, so that a fault that
//! repeats itself does not fill the disk.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::recorder;
use crate::clock;
use crate::poller::Poller;
use crate::sys::OwnThread;

/// Most dumps that one process writes to files.
pub const MOST: u32 = 64;

static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// Writes a dump of all pollers to a new file `netpoller-<pid>-<reason>-<random>.txt` in
/// `directory`, and returns its path. Of `reason` letters, digits and dashes are kept.
///
/// # Errors
///
/// If the file cannot be made or written, and then none is left; or if [`MOST`] were written
/// already.
pub fn to_file(directory: &Path, reason: &str) -> io::Result<PathBuf> {
    write_file(&WRITTEN, directory, reason, recorder::dump)
}

/// A dump in a file of its own, counted by `written`.
fn write_file(
    written: &AtomicU32,
    directory: &Path,
    reason: &str,
    dump: fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    // Taken before, for several threads may panic at once, and given back if nothing comes of it.
    let one_more = |count: u32| (count < MOST).then_some(count + 1);
    if earlier(directory) >= MOST
        || written
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_err()
    {
        return Err(io::Error::other(format!(
            "{MOST} dumps were written already, by this process or an earlier one of its number"
        )));
    }
    let outcome = write_new_file(directory, reason, dump);
    if outcome.is_err() {
        written.fetch_sub(1, Ordering::Relaxed);
    }
    outcome
}

fn write_new_file(
    directory: &Path,
    reason: &str,
    dump: fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let reason: String = reason
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(32)
        .collect();
    // So that nobody can have made it before, in a directory where everybody may.
    let random = RandomState::new().hash_one(clock::now_ns());
    let name = format!("{}{reason}-{random:016x}.txt", prefix());
    let path = directory.join(name);
    let doing =
        |error| crate::error::context(format_args!("cannot write {}", path.display()), error);
    let mut out = BufWriter::new(create(&path).map_err(doing)?);
    if let Err(error) = dump(&mut out).and_then(|()| out.flush()) {
        // Half a dump helps nobody, and the disk may be full.
        let _ = fs::remove_file(&path);
        return Err(doing(error));
    }
    Ok(path)
}

fn prefix() -> String {
    format!("netpoller-{}-", std::process::id())
}

/// Dumps of this user in `directory` by processes with this number: in a container every one is
/// number 1. Files of others do not count.
fn earlier(directory: &Path) -> u32 {
    let (prefix, own) = (prefix(), crate::sys::effective_uid());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(prefix.as_bytes())
    });
    let ours = named.filter(|entry| {
        entry
            .metadata()
            .is_ok_and(|file| file.is_file() && file.uid() == own)
    });
    ours.take(MOST as usize).map(|_| 1).sum()
}

/// A file that did not exist, so that nobody's link is followed.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes every panic, of any thread, write a dump into `directory` before it is reported as it was
/// until now. The directory is made if it is not there. A thread may panic with
/// a lock of ours held; such a dump waits for none, and says what it could not read.
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

/// Looks at all pollers again and again, and writes a dump each time `condition` becomes true for
/// one of them; not again before it was false for all. Runs on a thread of its own for as long as
/// the result is kept.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::view::{self, dump};
/// use std::time::Duration;
///
/// let overdue = |poller: &netpoller::Poller| {
///     let now = view::now_ns();
///     let info = poller.info();
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
    let thread = OwnThread::spawn("netpoller-dump".into(), move || {
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
    Ok(Trigger { stop, thread })
}

/// Made by [`when`]. Dropping it ends its thread, at the next look if it is the condition that
/// drops it.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Trigger {
    stop: Arc<AtomicBool>,
    thread: OwnThread,
}

// It is a handle: nothing is in the middle of anything.
impl std::panic::UnwindSafe for Trigger {}
impl std::panic::RefUnwindSafe for Trigger {}

impl Drop for Trigger {
    fn drop(&mut self) {
        let stop = &self.stop;
        self.thread.end(|thread| {
            stop.store(true, Ordering::Release);
            thread.unpark();
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    #[cfg(not(netpoller_bare))]
    use crate::sync::LockOrder;
    #[cfg(not(netpoller_bare))]
    use crate::sys::ForkMutex;

    fn write(written: &AtomicU32, directory: &Path) -> io::Result<PathBuf> {
        write_file(written, directory, "again", recorder::dump)
    }

    /// Dumps that an earlier process left behind, perhaps before the machine was booted: the same
    /// number, other contents.
    fn leave(directory: &Path, count: u32) -> Vec<PathBuf> {
        let name = |number| format!("{}again-{number}.txt", prefix());
        let paths: Vec<_> = (0..count).map(|it| directory.join(name(it))).collect();
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
    fn a_condition_that_drops_its_own_trigger_is_not_asked_again() {
        let _poller = Poller::builder().build().unwrap();
        let own: Arc<std::sync::Mutex<Option<Trigger>>> = Arc::default();
        let (sender, dropped) = std::sync::mpsc::channel();
        let kept = own.clone();
        let condition = move |_: &Poller| {
            let trigger = kept.lock().unwrap().take();
            if trigger.is_some() {
                drop(trigger);
                sender.send(()).unwrap();
            }
            false
        };
        let every = Duration::from_millis(1);
        let trigger = when(std::env::temp_dir(), every, condition).unwrap();
        let stop = Arc::downgrade(&trigger.stop);
        *own.lock().unwrap() = Some(trigger);
        let limit = Duration::from_secs(30);
        dropped.recv_timeout(limit).expect("hangs, or panics");
        while stop.upgrade().is_some() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_process_that_starts_again_and_again_with_one_number_does_not_fill_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let earlier = leave(directory.path(), MOST - 1);
        let path = write(&AtomicU32::new(0), directory.path()).unwrap();
        assert!(!fs::read_to_string(path).unwrap().contains("earlier"));
        // Each process begins to count anew; in a container every one is number 1.
        for _ in 0..3 {
            let error = write(&AtomicU32::new(0), directory.path()).unwrap_err();
            assert!(error.to_string().contains("earlier one"), "{error}");
        }
        assert_kept(&earlier);
        let count = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(count, MOST as usize);
    }

    #[test]
    fn names_that_others_have_taken_and_files_that_are_not_ours_keep_no_dump_from_being_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        // What anybody can put into a directory that is open to all.
        for number in 0..2 * MOST {
            let name = |end: &str| path.join(format!("{}{end}{number}", prefix()));
            std::os::unix::fs::symlink("/dev/null", name("link")).unwrap();
            fs::create_dir(name("directory")).unwrap();
        }
        let written = AtomicU32::new(0);
        let mut names: Vec<_> = (0..MOST).map(|_| write(&written, path).unwrap()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), MOST as usize);
        assert!(write(&written, path).is_err());
    }

    #[test]
    fn a_dump_that_fails_leaves_no_file_and_is_not_counted() {
        let directory = tempfile::tempdir().unwrap();
        let written = AtomicU32::new(0);
        let full = |out: &mut dyn Write| {
            out.write_all(b"some of it")?;
            out.flush()?;
            Err(io::Error::from_raw_os_error(libc::ENOSPC))
        };
        for _ in 0..2 * MOST {
            write_file(&written, directory.path(), "full", full).unwrap_err();
            write(&written, &directory.path().join("missing")).unwrap_err();
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        write(&written, directory.path()).unwrap();
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

        // Whoever has the place of a lock has that lock.
        fn with<T>(_held: T, dump: &mut dyn FnMut()) {
            dump();
        }
        static POLLERS: ForkMutex<()> = ForkMutex::new(LockOrder::Pollers, ());
        static THREADS: ForkMutex<()> = ForkMutex::new(LockOrder::Threads, ());
        let registry = panic_dump(|dump| with(POLLERS.lock(), dump));
        assert!(registry.contains("# incomplete: the list of pollers is locked"));
        assert!(!registry.contains("# poller panicked: "), "{registry}");

        let names = panic_dump(|dump| with(THREADS.lock(), dump));
        assert!(names.contains("# incomplete: the names of threads are locked"));
        assert!(names.contains("# poller panicked: ") && !names.contains(&own[..16]));
    }
}
