//! What only ported tests need: FIFOs, flags of descriptors, descriptors that have nothing but an
//! error to tell of, signals.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::task::{Wake, Waker};
use std::time::Duration;

use netpoller::{Poller, ReadyList, view};
use netpoller_tests::interrupt::{interrupt, this_thread};
use rustix::fs::{CWD, Mode};
use socket2::SockRef;

/// A FIFO in `dir`.
#[track_caller]
pub(crate) fn fifo(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a FIFO");
    path
}

/// The flags of an open file, as the kernel shows them: O_NONBLOCK, O_CLOEXEC.
#[track_caller]
pub(crate) fn flags(fd: &impl AsRawFd) -> i32 {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))
        .expect("it is open");
    let flags = info
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .expect("it has flags");
    i32::from_str_radix(flags.trim(), 8).expect("they are octal")
}

/// Whether reads of `fd` say EAGAIN rather than wait in the kernel.
#[track_caller]
pub(crate) fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    flags(fd) & libc::O_NONBLOCK != 0
}

/// Puts the open file behind `fd`, a duplicate, into blocking mode, as some other library would.
#[track_caller]
pub(crate) fn set_blocking(fd: &OwnedFd) {
    SockRef::from(fd).set_nonblocking(false).expect("its flags");
}

/// Something that epoll takes and has an error, and nothing else, to tell of.
pub(crate) struct Broken {
    pub(crate) file: File,
    pub(crate) what: &'static str,
}

/// A tunnel that nobody has set up yet, as Go uses; where there is none, a full pipe that nobody
/// will read.
#[track_caller]
pub(crate) fn broken() -> Broken {
    match File::options().read(true).write(true).open("/dev/net/tun") {
        Ok(file) => Broken {
            file,
            what: "/dev/net/tun",
        },
        Err(error) => {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                eprintln!(
                    "no /dev/net/tun ({error}): a full pipe without a reader takes its place"
                );
            });
            broken_pipe()
        }
    }
}

/// A full pipe whose reader is gone: semantics 24.
#[track_caller]
pub(crate) fn broken_pipe() -> Broken {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut file = File::from(OwnedFd::from(writer));
    SockRef::from(&file)
        .set_nonblocking(true)
        .expect("its flags");
    while file.write(&[0; 4096]).is_ok() {}
    drop(reader);
    Broken {
        file,
        what: "a full pipe",
    }
}

/// Whether `thread` of this process waits in read(2): not asleep for some other reason, where the
/// kernel tells.
pub(crate) fn waits_in_read(thread: i32) -> bool {
    let task = Path::new("/proc/self/task").join(thread.to_string());
    if let Ok(call) = std::fs::read_to_string(task.join("syscall")) {
        return call.split(' ').next() == Some(&libc::SYS_read.to_string());
    }
    // "number (name) state": the name may hold anything but ends with the last parenthesis.
    std::fs::read_to_string(task.join("stat")).is_ok_and(|stat| {
        let state = stat.rsplit(')').next();
        state.is_some_and(|rest| rest.starts_with(" S"))
    })
}

/// Lets SIGPIPE end this process, as it does in programs that are not Rust's.
pub(crate) fn let_sigpipe_kill() {
    // SAFETY: the default action is no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Runs the test `name` again in a process of its own, where `work` is what it does; says how that
/// process ended.
#[track_caller]
pub(crate) fn in_a_process(name: &str, work: impl FnOnce()) -> Option<std::process::Output> {
    const INSIDE: &str = "NETPOLLER_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        work();
        return None;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture", "--test-threads=1", name])
        .env(INSIDE, name)
        .output()
        .expect("it starts");
    Some(output)
}

/// Threads that are sent signals without end, until it is dropped.
pub(crate) struct Storm {
    over: Arc<AtomicBool>,
    targets: Arc<[AtomicI32]>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Storm {
    /// A storm over as many threads as come to [`Storm::shelter`] it is not.
    pub(crate) fn over(threads: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let targets: Arc<[AtomicI32]> = (0..threads).map(|_| AtomicI32::new(0)).collect();
        let thread = std::thread::spawn({
            let (over, targets) = (over.clone(), targets.clone());
            move || {
                let mut sent = 0;
                while !over.load(Ordering::Acquire) {
                    for target in &*targets {
                        match target.load(Ordering::Acquire) {
                            0 => {}
                            thread => {
                                interrupt(thread);
                                sent += 1;
                            }
                        }
                    }
                    std::thread::sleep(std::time::Duration::from_micros(50));
                }
                sent
            }
        });
        Self {
            over,
            targets,
            thread: Some(thread),
        }
    }

    /// For the thread number `index` to go out into the storm.
    pub(crate) fn target(&self, index: usize) -> Target {
        Target(self.targets.clone(), index)
    }

    /// Ends it, and says how many signals were sent.
    pub(crate) fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Release);
        self.thread
            .take()
            .map_or(0, |thread| thread.join().expect("it does not panic"))
    }
}

/// Makes the thread that enters it the target of a storm.
pub(crate) struct Target(Arc<[AtomicI32]>, usize);

impl Target {
    /// Runs `work` in the storm.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0[self.1].store(this_thread(), Ordering::Release);
        let result = work();
        self.0[self.1].store(0, Ordering::Release);
        result
    }
}

/// Sets an option of a socket that socket2 has no name for.
#[track_caller]
pub(crate) fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: i32) {
    // SAFETY: the kernel copies the value, which lives through the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// Counts the calls of a waker.
#[derive(Debug, Default)]
pub(crate) struct Calls(AtomicUsize);

impl Calls {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let calls = Arc::new(Self::default());
        (calls.clone(), calls.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Fetches what is ready and wakes who waits for it, without waiting. Says how many there were.
#[track_caller]
pub(crate) fn poll_now(poller: &Poller) -> usize {
    let mut ready = ReadyList::default();
    let woken = poller
        .poll(Some(Duration::ZERO), &mut ready)
        .expect("a poll that does not wait");
    ready.wake_all();
    woken
}

/// How many descriptors the kernel has registered for `poller`, its own apart.
#[track_caller]
pub(crate) fn registered(poller: &Poller) -> usize {
    let registrations = view::kernel_registrations(poller).expect("/proc");
    registrations
        .iter()
        .filter(|registration| registration.id.generation != 0)
        .count()
}
