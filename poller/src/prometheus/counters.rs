//! Which counter is which series. A test holds that each is exactly one.

use crate::observe::Counter::{self, *};

/// Labels of a series, `poller` apart.
pub(super) type Labels = &'static [(&'static str, &'static str)];

/// A metric whose series are counters.
pub(super) struct CounterFamily {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) series: &'static [(Labels, Counter)],
}

const fn family(
    name: &'static str,
    help: &'static str,
    series: &'static [(Labels, Counter)],
) -> CounterFamily {
    CounterFamily { name, help, series }
}

/// In the order of the exposition.
pub(super) const FAMILIES: &[CounterFamily] = &[
    family(
        "netpoller_waits_total",
        "Calls of epoll_wait.",
        &[
            (&[("mode", "block")], PollsBlock),
            (&[("mode", "timed")], PollsTimed),
            (&[("mode", "nonblock")], PollsNonblock),
        ],
    ),
    family(
        "netpoller_wait_errors_total",
        "Calls of epoll_wait that failed.",
        &[
            (&[("errno", "EINTR")], PollsEintr),
            (&[("errno", "other")], PollsError),
        ],
    ),
    family(
        "netpoller_polls_empty_total",
        "Polls that found nothing.",
        &[(&[], PollsEmpty)],
    ),
    family(
        "netpoller_polls_full_total",
        "Polls that filled the whole batch.",
        &[(&[], PollsFull)],
    ),
    family(
        "netpoller_events_total",
        "Events with this epoll bit; one event can have several.",
        &[
            (&[("event", "in")], EventsIn),
            (&[("event", "out")], EventsOut),
            (&[("event", "rdhup")], EventsRdhup),
            (&[("event", "hup")], EventsHup),
            (&[("event", "err")], EventsErr),
        ],
    ),
    family(
        "netpoller_stale_events_total",
        "Events of a descriptor that was gone already, dropped.",
        &[(&[], StaleEvents)],
    ),
    family(
        "netpoller_ignored_events_total",
        "Events with none of the known bits.",
        &[(&[], IgnoredEvents)],
    ),
    family(
        "netpoller_event_err_set_total",
        "Descriptors put into the error state by an event with EPOLLERR alone.",
        &[(&[], EventErrSet)],
    ),
    family(
        "netpoller_event_err_cleared_total",
        "Descriptors taken out of the error state by a later event.",
        &[(&[], EventErrCleared)],
    ),
    family(
        "netpoller_spurious_wakeups_total",
        "Waits that woke to a system call that said EAGAIN.",
        &[
            (&[("direction", "read")], SpuriousRead),
            (&[("direction", "write")], SpuriousWrite),
        ],
    ),
    family(
        "netpoller_deadlines_set_total",
        "Deadlines set, one for each direction: to a time to come, to none, to a time past.",
        &[
            (&[("op", "arm")], DeadlinesSet),
            (&[("op", "clear")], DeadlinesCleared),
            (&[("op", "past")], DeadlinesPast),
        ],
    ),
    family(
        "netpoller_deadlines_extended_total",
        "Queued deadlines that were moved later when they came up.",
        &[(&[], DeadlinesExtended)],
    ),
    family(
        "netpoller_deadlines_fired_total",
        "Deadlines that expired.",
        &[(&[], DeadlinesFired)],
    ),
    family(
        "netpoller_deadlines_stale_total",
        "Queue entries that came up with nothing left to expire.",
        &[(&[], DeadlinesStale)],
    ),
    family(
        "netpoller_breaks_requested_total",
        "Breaks of a poll asked for.",
        &[(&[], BreaksRequested)],
    ),
    family(
        "netpoller_breaks_total",
        "Breaks by what became of them: written to the eventfd, or found one pending.",
        &[
            (&[("result", "written")], BreaksWritten),
            (&[("result", "coalesced")], BreaksCoalesced),
        ],
    ),
    family(
        "netpoller_break_wakeups_total",
        "Breaks taken by a poll.",
        &[(&[], BreaksDrained)],
    ),
    family(
        "netpoller_opened_total",
        "Slots taken: descriptors registered and sleeps begun.",
        &[(&[], Opened)],
    ),
    family(
        "netpoller_closed_total",
        "Slots given back.",
        &[(&[], Closed)],
    ),
    family(
        "netpoller_evicted_total",
        "Descriptors evicted, by close or on request.",
        &[(&[], Evicted)],
    ),
    family(
        "netpoller_registrations_total",
        "Descriptors registered; of the kind timer, sleeps begun.",
        &[
            (&[("kind", "tcp")], OpenedTcp),
            (&[("kind", "listener")], OpenedListener),
            (&[("kind", "udp")], OpenedUdp),
            (&[("kind", "unix")], OpenedUnix),
            (&[("kind", "pipe")], OpenedPipe),
            (&[("kind", "timer")], OpenedTimer),
            (&[("kind", "other")], OpenedOther),
        ],
    ),
    family(
        "netpoller_deregistrations_total",
        "Descriptors deregistered; of the kind timer, sleeps ended.",
        &[
            (&[("kind", "tcp")], ClosedTcp),
            (&[("kind", "listener")], ClosedListener),
            (&[("kind", "udp")], ClosedUdp),
            (&[("kind", "unix")], ClosedUnix),
            (&[("kind", "pipe")], ClosedPipe),
            (&[("kind", "timer")], ClosedTimer),
            (&[("kind", "other")], ClosedOther),
        ],
    ),
    family(
        "netpoller_register_errors_total",
        "Registrations refused.",
        &[
            (&[("errno", "ENOMEM")], RegisterEnomem),
            (&[("errno", "ENOSPC")], RegisterEnospc),
            (&[("errno", "EPERM")], RegisterEperm),
            (&[("errno", "EEXIST")], RegisterEexist),
            (&[("errno", "EBADF")], RegisterEbadf),
            (&[("errno", "other")], RegisterOther),
        ],
    ),
    family(
        "netpoller_io_operations_total",
        "Operations by how they ended.",
        &[
            (&[("op", "read"), ("result", "ok")], OpReadOk),
            (&[("op", "read"), ("result", "eof")], OpReadEof),
            (&[("op", "read"), ("result", "timeout")], OpReadTimeout),
            (&[("op", "read"), ("result", "closed")], OpReadClosed),
            (&[("op", "read"), ("result", "error")], OpReadError),
            (&[("op", "write"), ("result", "ok")], OpWriteOk),
            (&[("op", "write"), ("result", "timeout")], OpWriteTimeout),
            (&[("op", "write"), ("result", "closed")], OpWriteClosed),
            (&[("op", "write"), ("result", "error")], OpWriteError),
            (&[("op", "accept"), ("result", "ok")], OpAcceptOk),
            (&[("op", "accept"), ("result", "timeout")], OpAcceptTimeout),
            (&[("op", "accept"), ("result", "closed")], OpAcceptClosed),
            (&[("op", "accept"), ("result", "error")], OpAcceptError),
            (&[("op", "connect"), ("result", "ok")], OpConnectOk),
            (
                &[("op", "connect"), ("result", "timeout")],
                OpConnectTimeout,
            ),
            (&[("op", "connect"), ("result", "closed")], OpConnectClosed),
            (&[("op", "connect"), ("result", "error")], OpConnectError),
        ],
    ),
    family(
        "netpoller_io_syscalls_total",
        "System calls behind the operations.",
        &[
            (&[("op", "read"), ("result", "ok")], SysReadOk),
            (&[("op", "read"), ("result", "eagain")], SysReadEagain),
            (&[("op", "read"), ("result", "eintr")], SysReadEintr),
            (&[("op", "read"), ("result", "error")], SysReadError),
            (&[("op", "write"), ("result", "ok")], SysWriteOk),
            (&[("op", "write"), ("result", "eagain")], SysWriteEagain),
            (&[("op", "write"), ("result", "eintr")], SysWriteEintr),
            (&[("op", "write"), ("result", "error")], SysWriteError),
            (&[("op", "accept"), ("result", "ok")], SysAcceptOk),
            (&[("op", "accept"), ("result", "eagain")], SysAcceptEagain),
            (&[("op", "accept"), ("result", "eintr")], SysAcceptEintr),
            (&[("op", "accept"), ("result", "error")], SysAcceptError),
            (&[("op", "connect"), ("result", "ok")], SysConnectOk),
            (&[("op", "connect"), ("result", "eagain")], SysConnectEagain),
            (&[("op", "connect"), ("result", "eintr")], SysConnectEintr),
            (&[("op", "connect"), ("result", "error")], SysConnectError),
        ],
    ),
    family(
        "netpoller_io_bytes_total",
        "Payload bytes.",
        &[
            (&[("direction", "read")], BytesRead),
            (&[("direction", "write")], BytesWritten),
        ],
    ),
    family(
        "netpoller_elided_reads_total",
        "Reads saved because the one before was short.",
        &[(&[], ElidedReads)],
    ),
    family(
        "netpoller_fd_lock_waits_total",
        "Operations that queued for the lock of a descriptor.",
        &[
            (&[("direction", "read")], FdLockWaitsRead),
            (&[("direction", "write")], FdLockWaitsWrite),
        ],
    ),
    family(
        "netpoller_accept_backoffs_total",
        "Pauses of an accept loop at the limit of open files.",
        &[(&[], AcceptBackoffs)],
    ),
    family(
        "netpoller_accept_shed_total",
        "Connections refused with the reserve descriptor.",
        &[(&[], AcceptShed)],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_exactly_one_series() {
        // Part of netpoller_unparks_total, which also takes a transition.
        let unparks = [
            UnparkReadDeadline,
            UnparkReadClose,
            UnparkWriteDeadline,
            UnparkWriteClose,
        ];
        // Never counted: there is no end of the stream but in reads.
        let unused = [OpWriteEof, OpAcceptEof, OpConnectEof];
        for counter in Counter::ALL {
            let series = FAMILIES
                .iter()
                .flat_map(|family| family.series)
                .filter(|(_, of)| *of == counter)
                .count();
            let elsewhere = unparks.contains(&counter) || unused.contains(&counter);
            assert_eq!(series, usize::from(!elsewhere), "{counter:?}");
        }
    }
}
