//! What the kernel says of a thread of this process (proc(5)).

use std::fmt;

/// A thread at one moment.
#[derive(Clone, Copy, Debug)]
pub(in crate::view) struct OsThread {
    /// `R`, `S`, `D` and so on.
    state: char,
    /// How long it has run, ever; `None` where the kernel does not count it, as the next.
    ran_ns: Option<u64>,
    /// How long it was runnable and did not run, ever. A wait that goes on is not in it.
    delayed_ns: Option<u64>,
    /// Its nice value.
    nice: Option<i64>,
    /// The system call that it is in; `None` if it runs, or nobody may know.
    call: Option<i64>,
}

/// Who has run for so long computes, however small a share of the processor it got.
const COMPUTES_NS: u64 = 50_000_000;

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::view) enum State {
    /// It computes.
    Runs,
    /// It sleeps in this system call.
    Sleeps(i64),
    /// It waits where executors wait, or for a processor.
    Waits,
}

impl OsThread {
    /// `None` if it is gone.
    pub(in crate::view) fn read(tid: i32) -> Option<Self> {
        let file = |name: &str| std::fs::read_to_string(format!("/proc/self/task/{tid}/{name}"));
        let stat = file("stat").ok()?;
        let schedstat = file("schedstat").unwrap_or_default();
        let mut times = schedstat.split_whitespace().map(|it| it.parse().ok());
        let call = file("syscall").ok();
        Some(Self {
            state: state(&stat)?,
            ran_ns: times.next().flatten(),
            delayed_ns: times.next().flatten(),
            nice: nice(&stat),
            call: call.and_then(|text| text.split_whitespace().next()?.parse().ok()),
        })
    }

    /// Why the kernel does not tell what the threads of this process do: it may be built without
    /// that, or be asked not to tell.
    pub(in crate::view) fn refused() -> Option<std::io::Error> {
        let me = crate::sys::thread_id();
        std::fs::read(format!("/proc/self/task/{me}/syscall")).err()
    }

    /// How long it has run, and how long it was runnable and did not run, ever.
    pub(in crate::view) fn times_ns(&self) -> (Option<u64>, Option<u64>) {
        (self.ran_ns, self.delayed_ns)
    }

    pub(in crate::view) fn nice(&self) -> Option<i64> {
        self.nice
    }

    /// It wants to run, and may be running.
    pub(in crate::view) fn is_runnable(&self) -> bool {
        self.state == 'R'
    }

    /// What it does, given what it was like so many nanoseconds before, when it did the same. One
    /// that is runnable and is kept from running, on a machine that is short of processors, waits.
    pub(in crate::view) fn doing(&self, before: Option<(u64, &OsThread)>) -> State {
        match (self.state, self.call) {
            ('R', _) => {
                let ran = before.and_then(|(ns, before)| {
                    Some((ns, self.ran_ns?.saturating_sub(before.ran_ns?)))
                });
                match ran {
                    // A fifth of the time: it may have to share the processor.
                    Some((ns, ran)) if ran >= (ns / 5).min(COMPUTES_NS) => State::Runs,
                    _ => State::Waits,
                }
            }
            ('S' | 'D', Some(call)) if call >= 0 && !is_idle(call) => State::Sleeps(call),
            _ => State::Waits,
        }
    }
}

impl State {
    pub(in crate::view) fn is_busy(self) -> bool {
        self != State::Waits
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Runs => f.write_str("runs (R)"),
            State::Sleeps(call) => match name(*call) {
                Some(name) => write!(f, "sleeps in {name}(2) (S)"),
                None => write!(f, "sleeps in system call {call} (S)"),
            },
            State::Waits => f.write_str("waits"),
        }
    }
}

/// The threads of this process.
pub(in crate::view) fn all() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let numbers = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    numbers.collect()
}

/// What the kernel calls a thread: the beginning of its name.
pub(in crate::view) fn name_of(tid: i32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/self/task/{tid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Field 3 of `stat`: the name before it is in parentheses and may contain anything.
fn state(stat: &str) -> Option<char> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.trim_start().chars().next()
}

/// Field 19, likewise.
fn nice(stat: &str) -> Option<i64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(16)?.parse().ok()
}

/// Where executors and pollers sleep when there is nothing to do: of a thread in there nobody can
/// say that it is kept.
fn is_idle(call: i64) -> bool {
    #[allow(clippy::useless_conversion)]
    let idle = [
        libc::SYS_futex,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_ppoll,
    ]
    .map(i64::from);
    idle.contains(&call) || is_old_idle(call)
}

#[cfg(target_arch = "x86_64")]
fn is_old_idle(call: i64) -> bool {
    [libc::SYS_epoll_wait, libc::SYS_poll].contains(&call)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_old_idle(_: i64) -> bool {
    false
}

/// The name of a system call in which threads are found that should not block.
fn name(call: i64) -> Option<&'static str> {
    #[allow(clippy::useless_conversion)]
    let names = [
        (libc::SYS_read, "read"),
        (libc::SYS_write, "write"),
        (libc::SYS_pread64, "pread"),
        (libc::SYS_pwrite64, "pwrite"),
        (libc::SYS_recvfrom, "recvfrom"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_nanosleep, "nanosleep"),
        (libc::SYS_clock_nanosleep, "clock_nanosleep"),
        (libc::SYS_openat, "openat"),
        (libc::SYS_fsync, "fsync"),
        (libc::SYS_fdatasync, "fdatasync"),
        (libc::SYS_flock, "flock"),
        (libc::SYS_wait4, "wait4"),
    ]
    .map(|(number, name)| (i64::from(number), name));
    let known = names.into_iter().find(|(number, _)| *number == call);
    known.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: OsThread = OsThread {
        state: 'R',
        ran_ns: Some(1_000),
        delayed_ns: None,
        nice: None,
        call: None,
    };

    #[test]
    fn a_thread_runs_only_if_it_had_a_processor() {
        let now = |ran: u64| OsThread {
            ran_ns: Some(1_000 + ran),
            ..BEFORE
        };
        assert_eq!(now(200).doing(Some((1_000, &BEFORE))), State::Runs);
        assert_eq!(now(199).doing(Some((1_000, &BEFORE))), State::Waits);
        assert_eq!(now(1_000).doing(None), State::Waits, "seen once");
        let minute = Some((60_000_000_000, &BEFORE));
        assert_eq!(now(COMPUTES_NS).doing(minute), State::Runs);
        assert_eq!(now(COMPUTES_NS - 1).doing(minute), State::Waits);
    }

    #[test]
    fn a_thread_that_sleeps_is_to_blame_by_where_it_does() {
        let sleeps = |call: libc::c_long| {
            let thread = OsThread {
                state: 'S',
                call: Some(call),
                ..BEFORE
            };
            thread.doing(None)
        };
        assert_eq!(sleeps(libc::SYS_futex), State::Waits);
        assert_eq!(sleeps(libc::SYS_epoll_pwait), State::Waits);
        let slept = sleeps(libc::SYS_clock_nanosleep).to_string();
        assert_eq!(slept, "sleeps in clock_nanosleep(2) (S)");
    }

    #[test]
    fn this_thread_is_found_and_runs() {
        let me = OsThread::read(crate::sys::thread_id()).unwrap();
        assert_eq!(me.state, 'R');
        assert!((-20..=19).contains(&me.nice().unwrap()));
        assert_eq!(state("7 (a) R) S 1 2"), Some('S'));
        let stat = "7 (a) R) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -5 20 21";
        assert_eq!(nice(stat), Some(-5));
        assert!(OsThread::read(-1).is_none());
        let found = std::thread::Builder::new().name("found here".into());
        let found = found.spawn(|| {
            let me = crate::sys::thread_id();
            assert!(all().contains(&me));
            assert_eq!(name_of(me).as_deref(), Some("found here"));
        });
        found.unwrap().join().unwrap();
    }
}
