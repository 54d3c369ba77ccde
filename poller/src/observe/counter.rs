//! The counters of a poller, by name.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// A counter of a poller. Counts since the poller was made, never goes down.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Counter {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Counter {
            /// All, in the order of the tables.
            pub const ALL: [Counter; [$($name),+].len()] = [$(Counter::$variant),+];

            /// The name in tables and in the protocol.
            pub fn name(self) -> &'static str {
                match self {
                    $(Counter::$variant => $name,)+
                }
            }

            /// One sentence that says what is counted.
            pub fn help(self) -> &'static str {
                match self {
                    $(Counter::$variant => concat!($($doc),+),)+
                }
            }
        }
    };
}

counters! {
    /// Slots taken: descriptors registered and sleeps begun.
    Opened => "opened",
    /// Slots given back.
    Closed => "closed",
    /// Descriptors evicted, by close or on request.
    Evicted => "evicted",
    /// TCP streams registered.
    OpenedTcp => "opened_tcp",
    /// Listening sockets registered.
    OpenedListener => "opened_listener",
    /// UDP sockets registered.
    OpenedUdp => "opened_udp",
    /// Unix sockets registered, listeners apart.
    OpenedUnix => "opened_unix",
    /// Ends of pipes and FIFOs registered.
    OpenedPipe => "opened_pipe",
    /// Other descriptors registered.
    OpenedOther => "opened_other",
    /// Sleeps begun.
    OpenedTimer => "opened_timer",
    /// TCP streams deregistered.
    ClosedTcp => "closed_tcp",
    /// Listening sockets deregistered.
    ClosedListener => "closed_listener",
    /// UDP sockets deregistered.
    ClosedUdp => "closed_udp",
    /// Unix sockets deregistered, listeners apart.
    ClosedUnix => "closed_unix",
    /// Ends of pipes and FIFOs deregistered.
    ClosedPipe => "closed_pipe",
    /// Other descriptors deregistered.
    ClosedOther => "closed_other",
    /// Sleeps ended.
    ClosedTimer => "closed_timer",
    /// Registrations refused: no memory.
    RegisterEnomem => "register_enomem",
    /// Registrations refused: the user's limit of epoll watches is reached.
    RegisterEnospc => "register_enospc",
    /// Registrations refused: not pollable, as a regular file.
    RegisterEperm => "register_eperm",
    /// Registrations refused: registered already.
    RegisterEexist => "register_eexist",
    /// Registrations refused: the descriptor is closed.
    RegisterEbadf => "register_ebadf",
    /// Registrations refused for another reason.
    RegisterOther => "register_other",
    /// Events with EPOLLIN.
    EventsIn => "events_in",
    /// Events with EPOLLOUT.
    EventsOut => "events_out",
    /// Events with EPOLLRDHUP.
    EventsRdhup => "events_rdhup",
    /// Events with EPOLLHUP.
    EventsHup => "events_hup",
    /// Events with EPOLLERR.
    EventsErr => "events_err",
    /// Events of a generation that is gone, dropped.
    StaleEvents => "stale_events",
    /// Events with none of the known bits, ignored.
    IgnoredEvents => "ignored_events",
    /// Descriptors put into the error state by an event with EPOLLERR alone.
    EventErrSet => "event_err_set",
    /// Descriptors taken out of the error state by a later event.
    EventErrCleared => "event_err_cleared",
    /// Deadlines set to a time to come, one for each direction.
    DeadlinesSet => "deadlines_set",
    /// Deadlines cleared.
    DeadlinesCleared => "deadlines_cleared",
    /// Deadlines set to a time already past.
    DeadlinesPast => "deadlines_past",
    /// Entries of the queue that came up early, because their deadline had been moved later, and were queued again.
    DeadlinesExtended => "deadlines_extended",
    /// Deadlines that expired.
    DeadlinesFired => "deadlines_fired",
    /// Queue entries that came up with nothing left to expire.
    DeadlinesStale => "deadlines_stale",
    /// Breaks asked for.
    BreaksRequested => "breaks_requested",
    /// Breaks that wrote the eventfd.
    BreaksWritten => "breaks_written",
    /// Breaks that found one pending.
    BreaksCoalesced => "breaks_coalesced",
    /// Breaks taken by a poll.
    BreaksDrained => "breaks_drained",
    /// Polls without a limit of time from the caller. A deadline may end them all the same.
    PollsBlock => "polls_block",
    /// Polls with a limit of time that the caller gave; deadlines do not count as one.
    PollsTimed => "polls_timed",
    /// Polls that did not wait.
    PollsNonblock => "polls_nonblock",
    /// Polls that found nothing.
    PollsEmpty => "polls_empty",
    /// Polls that filled the whole batch.
    PollsFull => "polls_full",
    /// Polls interrupted by a signal.
    PollsEintr => "polls_eintr",
    /// Polls that failed.
    PollsError => "polls_error",
    /// Waits for reading that woke to an EAGAIN.
    SpuriousRead => "spurious_read",
    /// Waits for writing that woke to an EAGAIN.
    SpuriousWrite => "spurious_write",
    /// Parked readers released by a deadline.
    UnparkReadDeadline => "unpark_read_deadline",
    /// Parked readers released by close.
    UnparkReadClose => "unpark_read_close",
    /// Parked writers released by a deadline.
    UnparkWriteDeadline => "unpark_write_deadline",
    /// Parked writers released by close.
    UnparkWriteClose => "unpark_write_close",
    /// Reads saved because the one before was short.
    ElidedReads => "elided_reads",
    /// Payload bytes read.
    BytesRead => "bytes_read",
    /// Payload bytes written.
    BytesWritten => "bytes_written",
    /// Waits in the queue of a descriptor's read lock.
    FdLockWaitsRead => "fd_lock_waits_read",
    /// Waits in the queue of a descriptor's write lock.
    FdLockWaitsWrite => "fd_lock_waits_write",
    /// Pauses of an accept loop at the limit of open files.
    AcceptBackoffs => "accept_backoffs",
    /// Connections refused with the reserve descriptor.
    AcceptShed => "accept_shed",
    /// Reads that returned bytes.
    OpReadOk => "op_read_ok",
    /// Reads that found the end of the stream.
    OpReadEof => "op_read_eof",
    /// Reads that met their deadline.
    OpReadTimeout => "op_read_timeout",
    /// Reads ended by close.
    OpReadClosed => "op_read_closed",
    /// Reads that failed.
    OpReadError => "op_read_error",
    /// Writes that were done.
    OpWriteOk => "op_write_ok",
    /// Not used by writes; keeps the five results of each operation together.
    OpWriteEof => "op_write_eof",
    /// Writes that met their deadline.
    OpWriteTimeout => "op_write_timeout",
    /// Writes ended by close.
    OpWriteClosed => "op_write_closed",
    /// Writes that failed.
    OpWriteError => "op_write_error",
    /// Connections accepted.
    OpAcceptOk => "op_accept_ok",
    /// Not used by accept; keeps the five results of each operation together.
    OpAcceptEof => "op_accept_eof",
    /// Accepts that met their deadline.
    OpAcceptTimeout => "op_accept_timeout",
    /// Accepts ended by close.
    OpAcceptClosed => "op_accept_closed",
    /// Accepts that failed.
    OpAcceptError => "op_accept_error",
    /// Connections made.
    OpConnectOk => "op_connect_ok",
    /// Not used by connect; keeps the five results of each operation together.
    OpConnectEof => "op_connect_eof",
    /// Connects that met their deadline.
    OpConnectTimeout => "op_connect_timeout",
    /// Connects ended by close.
    OpConnectClosed => "op_connect_closed",
    /// Connects that failed.
    OpConnectError => "op_connect_error",
    /// Calls behind reads that did something.
    SysReadOk => "sys_read_ok",
    /// Calls behind reads that found nothing to do.
    SysReadEagain => "sys_read_eagain",
    /// Calls behind reads interrupted by a signal.
    SysReadEintr => "sys_read_eintr",
    /// Calls behind reads that failed.
    SysReadError => "sys_read_error",
    /// Calls behind writes that did something.
    SysWriteOk => "sys_write_ok",
    /// Calls behind writes that found no room.
    SysWriteEagain => "sys_write_eagain",
    /// Calls behind writes interrupted by a signal.
    SysWriteEintr => "sys_write_eintr",
    /// Calls behind writes that failed.
    SysWriteError => "sys_write_error",
    /// Calls to accept that gave a connection.
    SysAcceptOk => "sys_accept_ok",
    /// Calls to accept with nobody waiting.
    SysAcceptEagain => "sys_accept_eagain",
    /// Calls to accept interrupted by a signal, or whose peer had gone.
    SysAcceptEintr => "sys_accept_eintr",
    /// Calls to accept that failed.
    SysAcceptError => "sys_accept_error",
    /// Calls to connect that connected at once.
    SysConnectOk => "sys_connect_ok",
    /// Calls to connect still in progress when they returned.
    SysConnectEagain => "sys_connect_eagain",
    /// Calls to connect interrupted by a signal.
    SysConnectEintr => "sys_connect_eintr",
    /// Calls to connect that failed.
    SysConnectError => "sys_connect_error",
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    #[inline]
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The counter `by` places after this one. Kinds, operations and results lie in one order each, which the tests
    /// of this file hold fast.
    #[inline]
    pub(crate) fn nth(self, by: usize) -> Counter {
        Self::ALL[self.index() + by]
    }
}

/// The operations whose results are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpKind {
    Read,
    Write,
    Accept,
    Connect,
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpResult {
    Ok,
    Eof,
    Timeout,
    Closed,
    Error,
}

impl OpKind {
    #[cfg(test)]
    const ALL: [(OpKind, &str); 4] = [
        (OpKind::Read, "read"),
        (OpKind::Write, "write"),
        (OpKind::Accept, "accept"),
        (OpKind::Connect, "connect"),
    ];

    /// The counter of operations of this kind with this result.
    #[inline]
    pub(crate) fn op(self, result: OpResult) -> Counter {
        Counter::OpReadOk.nth(self as usize * 5 + result as usize)
    }

    /// The counter of calls behind this kind that did something; `eagain`, `eintr` and `error` follow it.
    #[inline]
    pub(crate) fn sys_ok(self) -> Counter {
        Counter::SysReadOk.nth(self as usize * 4)
    }

    #[inline]
    pub(crate) fn sys_eagain(self) -> Counter {
        self.sys_ok().nth(1)
    }

    #[inline]
    pub(crate) fn sys_eintr(self) -> Counter {
        self.sys_ok().nth(2)
    }

    #[inline]
    pub(crate) fn sys_error(self) -> Counter {
        self.sys_ok().nth(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_counters_have_the_name_they_are_computed_for() {
        let results = [
            OpResult::Ok,
            OpResult::Eof,
            OpResult::Timeout,
            OpResult::Closed,
            OpResult::Error,
        ];
        for (kind, name) in OpKind::ALL {
            for (result, result_name) in results
                .into_iter()
                .zip(["ok", "eof", "timeout", "closed", "error"])
            {
                assert_eq!(kind.op(result).name(), format!("op_{name}_{result_name}"));
            }
            assert_eq!(kind.sys_ok().name(), format!("sys_{name}_ok"));
            assert_eq!(kind.sys_eagain().name(), format!("sys_{name}_eagain"));
            assert_eq!(kind.sys_eintr().name(), format!("sys_{name}_eintr"));
            assert_eq!(kind.sys_error().name(), format!("sys_{name}_error"));
        }
    }

    #[test]
    fn names_are_unique_and_snake_case() {
        let names: std::collections::BTreeSet<_> =
            Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.len(), Counter::COUNT);
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
    }
}
