//! What /proc tells of one process: its open files, its epoll sets, its threads and its limit.
//!
//! The text is the kernel's, and some of it the process's own: names of threads and paths. So
//! nothing is taken for granted, and whatever cannot be read is absent.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use netpoller_core::internals::compare_files;

/// Open files that are looked at.
const MOST_FILES: usize = 200_000;
/// Registrations that are looked at, of all epoll sets together: a process may have one set under
/// thousands of numbers.
const MOST_REGISTERED: usize = 100_000;
/// Threads that are looked at.
const MOST_THREADS: usize = 10_000;
/// Bytes of a file of /proc that are read.
const LARGEST: u64 = 64 << 20;

/// What an epoll descriptor stands for.
const EPOLL: &str = "anon_inode:[eventpoll]";

/// An open file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFile {
    pub(super) fd: i32,
    /// As the kernel writes it: `socket:[4711]`, `anon_inode:[eventfd]`, a path.
    pub(super) link: String,
    /// Of the file; 0 if it cannot be told.
    pub(super) inode: u64,
}

impl OpenFile {
    /// Of a socket.
    pub(super) fn socket_inode(&self) -> Option<u64> {
        self.numbered("socket:[")
    }

    /// Of a pipe.
    pub(super) fn pipe_inode(&self) -> Option<u64> {
        self.numbered("pipe:[")
    }

    fn numbered(&self, what: &str) -> Option<u64> {
        let number = self.link.strip_prefix(what)?.strip_suffix(']')?;
        number.parse().ok()
    }

    pub(super) fn is_epoll(&self) -> bool {
        self.link == EPOLL
    }
}

/// A registration of an epoll set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) fd: i32,
    /// Bits that were asked for.
    pub(super) events: u32,
    /// Of the file that was registered: the number may stand for another one by now.
    pub(super) inode: u64,
    /// The word with which it was registered, which comes with each event.
    pub(super) data: u64,
}

impl Registered {
    /// Whether it may be of the file that has its number now. Where an inode cannot be told that is
    /// not known, and of eventfds and the like neither: they share one.
    pub(super) fn may_be_of(&self, inode: u64) -> bool {
        self.inode == 0 || inode == 0 || self.inode == inode
    }
}

/// A thread, and the call in which it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) tid: i32,
    pub(super) name: String,
    /// The number of the call and its first argument, if it is in one and that may be known.
    pub(super) call: Option<(i64, u64)>,
    /// Where its stack ends now, if it is in a call and that may be known.
    pub(super) stack: Option<u64>,
    /// How long it has run, and was runnable and did not run.
    pub(super) times_ns: Option<(u64, u64)>,
}

/// A process at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) files: Vec<OpenFile>,
    /// By the number of the epoll descriptor; of several that are one open file, the lowest.
    pub(super) sets: HashMap<i32, Vec<Registered>>,
    /// The others of these, with the lowest.
    pub(super) duplicates: HashMap<i32, i32>,
    /// There are more registrations than were read.
    pub(super) are_cut: bool,
    pub(super) threads: Vec<Thread>,
    /// Of open files (RLIMIT_NOFILE).
    pub(super) limit: Option<u64>,
    /// What could not be read, and why.
    pub(super) missing: Vec<String>,
}

/// The epoll descriptors of a process that are open files of their own.
struct Distinct {
    pid: u32,
    /// In the order in which the kernel has the files.
    sorted: Vec<i32>,
    /// The kernel tells whether two are one.
    is_known: bool,
}

impl Distinct {
    fn new(pid: u32) -> Self {
        Self {
            pid,
            sorted: Vec::new(),
            is_known: true,
        }
    }

    /// Returns which of those before is the same open file, or takes note of this one.
    fn same(&mut self, fd: i32) -> Option<i32> {
        let place = self.sorted.binary_search_by(|other| {
            let order = compare_files(self.pid, *other, fd);
            self.is_known &= order.is_some();
            order.unwrap_or(Ordering::Less)
        });
        match place {
            Ok(at) => self.sorted.get(at).copied(),
            Err(at) => {
                self.sorted.insert(at, fd);
                None
            }
        }
    }
}

/// Whether two sets are one, where the kernel does not tell: they have the same registrations, of
/// which each has a word of its own.
fn is_same(one: &[Registered], other: &[Registered]) -> bool {
    let is_address = |it: &Registered| i32::try_from(it.data).is_err();
    one == other && one.iter().any(is_address)
}

fn path(pid: u32, of: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{of}"))
}

fn text(path: PathBuf) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Facts {
    /// Reads them. Fails if the open files may not be looked at, or the process has ended.
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let mut facts = Self::default();
        for entry in fs::read_dir(path(pid, "fd"))? {
            let Ok(entry) = entry else { break };
            let Some(fd) = entry.file_name().to_str().and_then(|fd| fd.parse().ok()) else {
                continue;
            };
            if facts.files.len() == MOST_FILES {
                let more = format!("open files beyond the first {MOST_FILES} are not looked at");
                facts.missing.push(more);
                break;
            }
            match fs::read_link(entry.path()) {
                Ok(link) => {
                    let inode = fs::metadata(entry.path()).map_or(0, |it| it.ino());
                    let link = link.to_string_lossy().into_owned();
                    facts.files.push(OpenFile { fd, link, inode });
                }
                // It was closed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        facts.files.sort_by_key(|file| file.fd);
        let mut room = MOST_REGISTERED;
        let mut distinct = Distinct::new(pid);
        for set in facts.files.iter().filter(|file| file.is_epoll()) {
            // tokio has its own under two numbers.
            if let Some(same) = distinct.same(set.fd) {
                facts.duplicates.insert(set.fd, same);
                continue;
            }
            if room == 0 {
                facts.are_cut = true;
                break;
            }
            match text(path(pid, &format!("fdinfo/{}", set.fd))) {
                Ok(info) => {
                    let mut more = registered(&info);
                    let all: Vec<_> = more.by_ref().take(room).collect();
                    facts.are_cut |= more.next().is_some();
                    let same = facts.sets.iter().find(|(_, other)| is_same(&all, other));
                    if let Some((same, _)) = same.filter(|_| !distinct.is_known) {
                        facts.duplicates.insert(set.fd, *same);
                        continue;
                    }
                    room -= all.len();
                    facts.sets.insert(set.fd, all);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let why = format!("the registrations of epoll descriptor {}: {error}", set.fd);
                    facts.missing.push(why);
                }
            }
        }
        if facts.are_cut {
            let more =
                format!("registrations beyond the first {MOST_REGISTERED} are not looked at");
            facts.missing.push(more);
        }
        let refused;
        (facts.threads, refused) = threads(pid);
        if let Some(error) = refused {
            facts.missing.push(format!(
                "in which call its threads wait: {error} (it takes the right to trace the process: run as root, or set \
                 kernel.yama.ptrace_scope to 0)"
            ));
        }
        facts.limit = text(path(pid, "limits")).ok().as_deref().and_then(limit);
        Ok(facts)
    }
}

/// The threads of a process, and why it cannot be known in which calls they wait, if so.
pub(super) fn threads(pid: u32) -> (Vec<Thread>, Option<io::Error>) {
    let (mut threads, mut refused) = (Vec::new(), None);
    let entries = fs::read_dir(path(pid, "task")).into_iter().flatten();
    for entry in entries.flatten().take(MOST_THREADS) {
        let tid = entry.file_name().to_str().and_then(|tid| tid.parse().ok());
        let Some(tid) = tid else { continue };
        let of = |what: &str| text(path(pid, &format!("task/{tid}/{what}")));
        let Ok(name) = of("comm") else { continue };
        let state = match of("syscall") {
            Ok(text) => text,
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    refused = Some(error);
                }
                String::new()
            }
        };
        threads.push(Thread {
            tid,
            name: name.trim_end_matches('\n').to_owned(),
            call: call(&state),
            stack: stack(&state),
            times_ns: of("schedstat").ok().as_deref().and_then(times),
        });
    }
    threads.sort_by_key(|thread| thread.tid);
    (threads, refused)
}

/// How many epoll sets a process has, and how many sockets and pipes; `None` if that may not be
/// known.
pub(in crate::source) fn count(pid: u32) -> Option<(u64, u64)> {
    let (mut sets, mut channels) = (0, 0);
    let mut distinct = Distinct::new(pid);
    for entry in fs::read_dir(path(pid, "fd"))
        .ok()?
        .flatten()
        .take(MOST_FILES)
    {
        let link = fs::read_link(entry.path()).unwrap_or_default();
        let link = link.to_string_lossy();
        let fd = entry.file_name().to_str().and_then(|fd| fd.parse().ok());
        let is_set = link == EPOLL && fd.is_some_and(|fd| distinct.same(fd).is_none());
        sets += u64::from(is_set);
        channels += u64::from(link.starts_with("socket:[") || link.starts_with("pipe:["));
    }
    Some((sets, channels))
}

/// Whether an open file is in blocking mode; `None` if that cannot be told.
pub(super) fn is_blocking(pid: u32, fd: i32) -> Option<bool> {
    let info = text(path(pid, &format!("fdinfo/{fd}"))).ok()?;
    let flags = info.lines().find_map(|it| it.strip_prefix("flags:"))?;
    let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
    Some(flags & libc::O_NONBLOCK == 0)
}

/// The registrations in the text of an epoll descriptor:
/// `tfd:        7 events:     2019 data:                7  pos:0 ino:1a2b sdev:9`.
fn registered(info: &str) -> impl Iterator<Item = Registered> + '_ {
    info.lines().filter_map(|line| {
        let mut words = line.strip_prefix("tfd:")?.split_ascii_whitespace();
        let fd = words.next()?.parse().ok()?;
        let (mut events, mut inode, mut data) = (None, None, None);
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let (name, value) = word.split_once(':')?;
            // There may be blanks between a name and its value.
            let value = match value {
                "" => words.next()?,
                value => value,
            };
            match name {
                "events" => events = u32::from_str_radix(value, 16).ok(),
                "ino" => inode = u64::from_str_radix(value, 16).ok(),
                "data" => data = u64::from_str_radix(value, 16).ok(),
                _ => {}
            }
        }
        Some(Registered {
            fd,
            events: events?,
            inode: inode.unwrap_or(0),
            data: data.unwrap_or(0),
        })
    })
}

/// The call in /proc/PID/task/TID/syscall: `232 0x4 0x7ffd… …`; `running` and `-1 …` are none.
fn call(text: &str) -> Option<(i64, u64)> {
    let mut words = text.split_ascii_whitespace();
    let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let first = words.next()?.strip_prefix("0x")?;
    Some((number, u64::from_str_radix(first, 16).ok()?))
}

/// The end of the stack in the same text, which is the last word but one.
fn stack(text: &str) -> Option<u64> {
    call(text)?;
    let address = text.split_ascii_whitespace().rev().nth(1)?;
    u64::from_str_radix(address.strip_prefix("0x")?, 16).ok()
}

/// The first two numbers of /proc/PID/task/TID/schedstat; none where the kernel does not count.
fn times(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let (ran, waited) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (ran > 0).then_some((ran, waited))
}

/// The soft limit of open files.
fn limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_registration_may_be_of_a_file_of_which_something_cannot_be_told() {
        let of = |inode| Registered {
            fd: 3,
            events: 1,
            inode,
            data: 0,
        };
        assert!(of(7).may_be_of(7) && of(0).may_be_of(7) && of(7).may_be_of(0));
        assert!(!of(7).may_be_of(8));
    }

    #[test]
    fn this_process_is_read_with_its_sockets_and_threads() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let facts = Facts::read(std::process::id()).expect("it is this one");
        let file = facts.files.iter().find(|it| it.fd == ours.as_raw_fd());
        assert!(
            file.is_some_and(|it| it.socket_inode().is_some()),
            "{file:?}"
        );
        assert!(facts.files.is_sorted_by_key(|it| it.fd));
        let me = std::thread::current();
        let name = me.name().expect("tests have names");
        let is_me = |it: &Thread| name.starts_with(&it.name) && it.name.len() >= 15;
        assert!(facts.threads.iter().any(is_me), "{:?}", facts.threads);
        assert!(facts.limit.is_some_and(|limit| limit > 0));
    }

    #[test]
    fn a_set_under_two_numbers_is_one() {
        let epoll = || {
            rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).expect("a set")
        };
        let (one, other) = (epoll(), epoll());
        let again = one.try_clone().expect("a number");
        let [one_fd, other_fd, again_fd] = [&one, &other, &again].map(AsRawFd::as_raw_fd);
        let facts = Facts::read(std::process::id()).expect("it is this one");
        // Where the kernel does not tell, two that are empty are two.
        if compare_files(std::process::id(), one_fd, other_fd).is_some() {
            assert_eq!(facts.duplicates.get(&again_fd), Some(&one_fd));
            assert!(!facts.sets.contains_key(&again_fd));
        }
        assert!(facts.sets.contains_key(&one_fd) && facts.sets.contains_key(&other_fd));
        let registered = |data| Registered {
            fd: 7,
            events: 1,
            inode: 70,
            data,
        };
        let address = registered(0x7f00_0000_0000);
        assert!(is_same(&[address], &[address]));
        assert!(
            !is_same(&[registered(7)], &[registered(7)]),
            "so may two have it"
        );
        assert!(!is_same(&[address], &[address, address]) && !is_same(&[], &[]));
    }

    #[test]
    fn registrations_are_read_as_the_kernel_writes_them() {
        let info = "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t1060\n\
                    tfd:        7 events: 8000201d data: 3fa15c8b00000001  pos:0 ino:1a2b sdev:9\n\
                    tfd:       12 events:       19 data:                0  pos:0 ino:3c sdev:9\n\
                    tfd:  nonsense\ntfd: 3 events: xyz data: 0\n";
        let all: Vec<_> = registered(info).collect();
        let one = |fd, events, inode, data| Registered {
            fd,
            events,
            inode,
            data,
        };
        let first = one(7, 0x8000_201d, 0x1a2b, 0x3fa1_5c8b_0000_0001);
        assert_eq!(all, [first, one(12, 0x19, 0x3c, 0)]);
    }

    #[test]
    fn a_call_is_told_only_of_a_thread_that_is_in_one() {
        assert_eq!(
            call("232 0x4 0x7ffd 0x80 0x0 0x0 0x8 0x7f 0x7f\n"),
            Some((232, 4))
        );
        for text in ["running\n", "-1 0x7f 0x7f\n", "", "7", "7 x"] {
            assert_eq!(call(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_soft_limit_and_the_times_of_a_thread_are_read() {
        let text = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \n";
        assert_eq!(limit(text), Some(1024));
        assert_eq!(limit("Max open files  unlimited unlimited files"), None);
        assert_eq!(times("12 34 5\n"), Some((12, 34)));
        assert_eq!(times("0 0 0\n"), None);
    }
}
