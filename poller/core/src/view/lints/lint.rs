//! The catalogue.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How grave a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs time or memory.
    Warning,
    /// Somebody waits for what will not come.
    Error,
}

impl Severity {
    /// Returns `info`, `warning` or `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What is known of when a fault began, and so how long a look must be to find it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Timing {
    /// The poller or the kernel tells when it began, so one short look finds it however long ago
    /// that was.
    Dated,
    /// It is timed from the look that first saw it, unless more is known.
    FirstSeen,
    /// It is counted from look to look.
    Rate,
}

macro_rules! lints {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal, $severity:ident, hold $hold:literal ms, $advice:literal;)+) => {
        /// A known fault.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Lint {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Lint {
            /// All, in the order of the docs.
            pub const ALL: [Lint; [$($name),+].len()] = [$(Lint::$variant),+];

            /// Returns the name on the command line and in the protocol.
            pub fn name(self) -> &'static str {
                match self {
                    $(Lint::$variant => $name,)+
                }
            }

            /// Says in one sentence what is wrong.
            pub fn help(self) -> &'static str {
                match self {
                    $(Lint::$variant => concat!($($doc),+).trim_ascii_start(),)+
                }
            }

            /// Returns what to do about it.
            pub fn advice(self) -> &'static str {
                match self {
                    $(Lint::$variant => $advice,)+
                }
            }

            /// Returns how grave it is.
            pub fn severity(self) -> Severity {
                match self {
                    $(Lint::$variant => Severity::$severity,)+
                }
            }

            /// Returns how long the fault must last before it is reported, unless [`Options::hold`](super::Options::hold) says otherwise. For what happens too often it is in addition to the window over which the rate is taken.
            pub fn default_hold(self) -> Duration {
                match self {
                    $(Lint::$variant => Duration::from_millis($hold),)+
                }
            }
        }
    };
}

lints! {
    /// Nobody is inside epoll_wait, nor has been for a while, although the kernel has events or deadlines are due.
    PollerAway => "poller-away", Error, hold 2000 ms,
        "somebody must call poll: keep a thread in `block_on`, attach the tokio driver inside a runtime that is not blocked, start a \
         `ThreadDriver`, or call `Poller::poll` from your own loop; if a thread does, look at what keeps it from coming back";
    /// Events are due and nobody polls, tasks that were woken do not run, or one of several workers of a runtime runs nothing else, because a thread has been at one task all the while.
    BlockedExecutor => "blocked-executor", Error, hold 100 ms,
        "a task kept its thread: move what computes or blocks to a thread of its own (`spawn_blocking`, a pool), or let it give way \
         every now and then";
    /// A thread that polls was runnable and did not run for most of the time, while events or deadlines were due.
    ThreadStarved => "thread-starved", Error, hold 500 ms,
        "it waits for a processor: give it, or its cgroup, a larger share (nice(1), cpu.weight, cpu.max), more processors to run on \
         (taskset(1), cpuset.cpus), or run less beside it";
    /// A waiter is parked although the kernel says that its descriptor is ready: it waits for an edge that has gone by.
    StuckWaiter => "stuck-waiter", Error, hold 1000 ms,
        "readiness is an edge: read or write until EAGAIN before waiting again (semantics 13); a bare wait after a partial read waits \
         for bytes that came before it";
    /// A waiter is parked, its descriptor is ready, and the edge that should have woken it was not delivered.
    LostEdge => "lost-edge", Error, hold 1000 ms,
        "somebody removed the registration with epoll_ctl, or closed the descriptor or a duplicate of it behind the poller's back: \
         close descriptors through the handle that registered them, and keep other code away from the epoll instance";
    /// A deadline has passed and has not fired.
    OverdueDeadline => "overdue-deadline", Error, hold 1000 ms,
        "deadlines fire inside poll: somebody must poll this poller, at least as often as `Poller::next_deadline` says";
    /// The descriptor has had bytes, connections or the end of its stream to read for a while, and nobody reads or waits.
    LeakedReadiness => "leaked-readiness", Warning, hold 3000 ms,
        "read them, or close the descriptor; a task that owned it may be gone, or wait for something else. Of what was read \
         before it takes seven times as long to be told: `doctor --for 30s`";
    /// A waiter was woken, and its task has not run since.
    WokenNotRun => "woken-not-run", Error, hold 2000 ms,
        "its waker was called, so look at who should poll the task: a future that is kept and not polled, a waker that schedules \
         nothing, an executor that is busy or gone";
    /// A wait has lasted for long and has no deadline.
    NoDeadline => "no-deadline", Info, hold 300000 ms,
        "set a deadline, or wait within `time::timeout`: a peer that goes without a word is not noticed otherwise";
    /// A write waits, without a deadline, for a peer that has taken nothing for a while.
    PeerNotReading => "peer-not-reading", Warning, hold 3000 ms,
        "set a write deadline (`set_write_deadline`) and close what does not keep it; a peer that reads nothing holds its buffers, the \
         task that writes, and whatever that task holds";
    /// A peer does not answer any more, however often it is tried: the connection is half open.
    PeerGone => "peer-gone", Warning, hold 3000 ms,
        "set deadlines for reads and writes, or TCP_USER_TIMEOUT and keep-alive, so that the kernel gives up sooner than after its \
         quarter of an hour; close it, or evict it with `netpoller evict`";
    /// The peer has closed a connection, and the program neither closes nor uses it (CLOSE_WAIT).
    CloseWaitHeld => "close-wait-held", Warning, hold 3000 ms,
        "read to the end of the stream and drop the connection; look at the line that opened it for a pool or a map that keeps it, or \
         a task that has ended without it";
    /// Connections wait to be accepted, and nobody accepts them.
    AcceptStalled => "accept-stalled", Warning, hold 3000 ms,
        "accept in a loop that does nothing else, and do handshakes in a task of each connection, with a deadline: one silent client \
         must not keep all others waiting";
    /// Nearly all of the files that the process may have are open, or soon will be because one line opens descriptors and does not close them.
    DescriptorsRunOut => "descriptors-run-out", Warning, hold 800 ms,
        "look at the line that opens them for a pool, a map or a task that keeps what is done with; `netpoller leaks` counts them by \
         line, peer and state; raise the limit (`ulimit -n`, LimitNOFILE=) only if so many are meant: at the limit nothing can be \
         accepted, connected or opened";
    /// The same socket is registered twice: every event wakes both registrations.
    DuplicateRegistration => "duplicate-registration", Warning, hold 100 ms,
        "register a socket once and share the handle, whose methods take `&self`, instead of a duplicate of its descriptor";
    /// The kernel has a registration that the table does not know: a duplicate keeps a closed descriptor alive.
    GhostRegistration => "ghost-registration", Warning, hold 100 ms,
        "deregister before close(2): drop or close the `Desc` first, then the descriptor; a duplicate, or a child process that \
         inherited one, keeps the open file and its registration alive";
    /// A registered descriptor is in blocking mode, so that an operation may block the whole thread.
    BlockingMode => "blocking-mode", Warning, hold 50 ms,
        "set O_NONBLOCK before registering; other users of the same open file, as a child process, may have cleared it since";
    /// A registered descriptor was closed, or its number given to another file, behind the poller's back.
    StaleDescriptor => "stale-descriptor", Error, hold 50 ms,
        "close a descriptor through the handle that registered it, and never dup2(2) over its number: look for a second owner of the \
         number, as from `from_raw_fd`, `into_raw_fd` or a C library";
    /// More breaks are written than polls bring events.
    WakeStorm => "wake-storm", Warning, hold 0 ms,
        "a break costs two system calls and a trip through the scheduler: do not call `Poller::wake` for each piece of work, only \
         when the poller sleeps; deadlines that are set ever earlier break its sleep too";
    /// Most waits wake to an EAGAIN.
    SpuriousRatio => "spurious-ratio", Warning, hold 0 ms,
        "several waiters are woken for what one of them takes: share one registration instead of duplicates, or give each acceptor \
         a listener of its own (SO_REUSEPORT)";
    /// Polls fill their whole batch again and again, so that ready descriptors wait for the next one.
    StarvedBatch => "starved-batch", Warning, hold 0 ms,
        "raise `Builder::batch`, or spread the descriptors over more pollers";
    /// Calling the wakers of a batch takes a large share of the time, in which nobody polls.
    SlowDispatch => "slow-dispatch", Warning, hold 0 ms,
        "a waker should only schedule: move the work it does into a task, and look for locks that it waits for";
    /// Descriptors are closed almost as soon as they are opened, at a high rate.
    GenerationChurn => "generation-churn", Info, hold 0 ms,
        "keep connections open and reuse them: opening one costs several system calls, a registration and a slow start";
}

impl Lint {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// Returns what is known of when the fault began.
    pub fn timing(self) -> Timing {
        match self {
            Self::WakeStorm
            | Self::SpuriousRatio
            | Self::StarvedBatch
            | Self::SlowDispatch
            | Self::GenerationChurn => Timing::Rate,
            Self::BlockingMode
            | Self::StaleDescriptor
            | Self::GhostRegistration
            | Self::DescriptorsRunOut
            | Self::ThreadStarved => Timing::FirstSeen,
            _ => Timing::Dated,
        }
    }

    /// Returns whether it needs the kernel's list of registrations: it runs only where [`Options::kernel`](super::Options::kernel) allows that.
    pub fn needs_kernel(self) -> bool {
        matches!(self, Self::DuplicateRegistration | Self::GhostRegistration)
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no lint of this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownLint(String);

impl fmt::Display for UnknownLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Lint::ALL.map(Lint::name).join(", ");
        write!(f, "there is no lint {:?}; there are: {names}", self.0)
    }
}

impl std::error::Error for UnknownLint {}

impl FromStr for Lint {
    type Err = UnknownLint;

    fn from_str(name: &str) -> Result<Self, UnknownLint> {
        Self::ALL
            .into_iter()
            .find(|lint| lint.name() == name)
            .ok_or_else(|| UnknownLint(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_kebab_case_and_reads_back() {
        for lint in Lint::ALL {
            let name = lint.name();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            assert_eq!(name.parse(), Ok(lint));
            assert!(lint.help().ends_with('.') && !lint.help().starts_with(' '));
            assert!(!lint.advice().contains("  "), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        let error = "stuck".parse::<Lint>().unwrap_err().to_string();
        assert!(
            error.contains("\"stuck\"") && error.contains("stuck-waiter"),
            "{error}"
        );
    }
}
