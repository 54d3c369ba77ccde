//! The counters, by the metric of which they are series.

families! {
    /// A counter of a poller. Counts since the poller was made, never goes down.
    Counter {
        netpoller_polls_total "Calls of epoll_wait." {
            /// Polls without a limit of time from the caller. A deadline may end them all the same.
            PollsBlock polls_block [mode "block"],
            /// Polls with a limit of time that the caller gave; deadlines do not count as one.
            PollsTimed polls_timed [mode "timed"],
            /// Polls that did not wait.
            PollsNonblock polls_nonblock [mode "nonblock"],
        }
        netpoller_poll_errors_total "Calls of epoll_wait that failed." {
            /// Polls interrupted by a signal.
            PollsEintr polls_eintr [errno "EINTR"],
            /// Polls that failed.
            PollsError polls_error [errno "other"],
        }
        netpoller_polls_empty_total "Polls that found nothing." { PollsEmpty polls_empty, }
        netpoller_polls_full_total "Polls that filled the whole batch." { PollsFull polls_full, }
        netpoller_events_total "Events with this epoll bit; one event can have several." {
            /// Events with EPOLLIN.
            EventsIn events_in [event "in"],
            /// Events with EPOLLOUT.
            EventsOut events_out [event "out"],
            /// Events with EPOLLRDHUP.
            EventsRdhup events_rdhup [event "rdhup"],
            /// Events with EPOLLHUP.
            EventsHup events_hup [event "hup"],
            /// Events with EPOLLERR.
            EventsErr events_err [event "err"],
        }
        netpoller_stale_events_total "Events of a descriptor that was gone already, dropped."
            { StaleEvents stale_events, }
        netpoller_ignored_events_total "Events with none of the known bits."
            { IgnoredEvents ignored_events, }
        netpoller_event_err_set_total
        "Descriptors put into the error state by an event with EPOLLERR alone."
            { EventErrSet event_err_set, }
        netpoller_event_err_cleared_total
        "Descriptors taken out of the error state by a later event."
            { EventErrCleared event_err_cleared, }
        netpoller_spurious_wakeups_total "Waits that woke to a system call that said EAGAIN." {
            /// Waits for reading that woke to an EAGAIN.
            SpuriousRead spurious_read [direction "read"],
            /// Waits for writing that woke to an EAGAIN.
            SpuriousWrite spurious_write [direction "write"],
        }
        netpoller_deadlines_set_total
        "Deadlines set, one for each direction: to a time to come, to none, to a time past." {
            /// Deadlines set to a time to come, one for each direction.
            DeadlinesSet deadlines_set [op "arm"],
            /// Deadlines cleared.
            DeadlinesCleared deadlines_cleared [op "clear"],
            /// Deadlines set to a time already past.
            DeadlinesPast deadlines_past [op "past"],
        }
        netpoller_deadlines_extended_total
        "Queued deadlines that were moved later when they came up."
            { DeadlinesExtended deadlines_extended, }
        netpoller_deadlines_fired_total "Deadlines that expired."
            { DeadlinesFired deadlines_fired, }
        netpoller_deadlines_stale_total "Queue entries that came up with nothing left to expire."
            { DeadlinesStale deadlines_stale, }
        netpoller_breaks_requested_total "Breaks of a poll asked for."
            { BreaksRequested breaks_requested, }
        netpoller_breaks_total
        "Breaks by what became of them: written to the eventfd, or found one pending." {
            /// Breaks that wrote the eventfd.
            BreaksWritten breaks_written [result "written"],
            /// Breaks that found one pending.
            BreaksCoalesced breaks_coalesced [result "coalesced"],
        }
        netpoller_break_wakeups_total "Breaks taken by a poll." { BreaksDrained breaks_drained, }
        netpoller_slots_opened_total "Slots taken: descriptors registered and sleeps begun."
            { Opened opened, }
        netpoller_slots_closed_total "Slots given back." { Closed closed, }
        netpoller_descriptors_evicted_total "Descriptors evicted, by close or on request." { Evicted evicted, }
        netpoller_registrations_total "Descriptors registered; of the kind timer, sleeps begun." {
            /// TCP streams registered.
            OpenedTcp opened_tcp [kind "tcp"],
            /// Listening sockets registered.
            OpenedListener opened_listener [kind "listener"],
            /// UDP sockets registered.
            OpenedUdp opened_udp [kind "udp"],
            /// Unix sockets registered, listeners apart.
            OpenedUnix opened_unix [kind "unix"],
            /// Ends of pipes and FIFOs registered.
            OpenedPipe opened_pipe [kind "pipe"],
            /// Sleeps begun.
            OpenedTimer opened_timer [kind "timer"],
            /// Other descriptors registered.
            OpenedOther opened_other [kind "other"],
        }
        netpoller_deregistrations_total
        "Descriptors deregistered; of the kind timer, sleeps ended." {
            /// TCP streams deregistered.
            ClosedTcp closed_tcp [kind "tcp"],
            /// Listening sockets deregistered.
            ClosedListener closed_listener [kind "listener"],
            /// UDP sockets deregistered.
            ClosedUdp closed_udp [kind "udp"],
            /// Unix sockets deregistered, listeners apart.
            ClosedUnix closed_unix [kind "unix"],
            /// Ends of pipes and FIFOs deregistered.
            ClosedPipe closed_pipe [kind "pipe"],
            /// Sleeps ended.
            ClosedTimer closed_timer [kind "timer"],
            /// Other descriptors deregistered.
            ClosedOther closed_other [kind "other"],
        }
        netpoller_register_errors_total "Registrations refused." {
            /// Registrations refused: no memory.
            RegisterEnomem register_enomem [errno "ENOMEM"],
            /// Registrations refused: the user's limit of epoll watches is reached.
            RegisterEnospc register_enospc [errno "ENOSPC"],
            /// Registrations refused: not pollable, as a regular file.
            RegisterEperm register_eperm [errno "EPERM"],
            /// Registrations refused: registered already.
            RegisterEexist register_eexist [errno "EEXIST"],
            /// Registrations refused: the descriptor is closed.
            RegisterEbadf register_ebadf [errno "EBADF"],
            /// Registrations refused for another reason.
            RegisterOther register_other [errno "other"],
        }
        netpoller_io_operations_total "Operations by how they ended." {
            /// Reads that returned bytes.
            OpReadOk op_read_ok [op "read", result "ok"],
            /// Reads that found the end of the stream.
            OpReadEof op_read_eof [op "read", result "eof"],
            /// Reads that met their deadline.
            OpReadTimeout op_read_timeout [op "read", result "timeout"],
            /// Reads ended by close.
            OpReadClosed op_read_closed [op "read", result "closed"],
            /// Reads that failed.
            OpReadError op_read_error [op "read", result "error"],
            /// Writes that were done.
            OpWriteOk op_write_ok [op "write", result "ok"],
            /// Writes that met their deadline.
            OpWriteTimeout op_write_timeout [op "write", result "timeout"],
            /// Writes ended by close.
            OpWriteClosed op_write_closed [op "write", result "closed"],
            /// Writes that failed.
            OpWriteError op_write_error [op "write", result "error"],
            /// Connections accepted.
            OpAcceptOk op_accept_ok [op "accept", result "ok"],
            /// Accepts that met their deadline.
            OpAcceptTimeout op_accept_timeout [op "accept", result "timeout"],
            /// Accepts ended by close.
            OpAcceptClosed op_accept_closed [op "accept", result "closed"],
            /// Accepts that failed.
            OpAcceptError op_accept_error [op "accept", result "error"],
            /// Connections made.
            OpConnectOk op_connect_ok [op "connect", result "ok"],
            /// Connects that met their deadline.
            OpConnectTimeout op_connect_timeout [op "connect", result "timeout"],
            /// Connects ended by close.
            OpConnectClosed op_connect_closed [op "connect", result "closed"],
            /// Connects that failed.
            OpConnectError op_connect_error [op "connect", result "error"],
        }
        netpoller_io_syscalls_total "System calls behind the operations." {
            /// Calls behind reads that did something.
            SysReadOk sys_read_ok [op "read", result "ok"],
            /// Calls behind reads that found nothing to do.
            SysReadEagain sys_read_eagain [op "read", result "eagain"],
            /// Calls behind reads interrupted by a signal.
            SysReadEintr sys_read_eintr [op "read", result "eintr"],
            /// Calls behind reads that failed.
            SysReadError sys_read_error [op "read", result "error"],
            /// Calls behind writes that did something.
            SysWriteOk sys_write_ok [op "write", result "ok"],
            /// Calls behind writes that found no room.
            SysWriteEagain sys_write_eagain [op "write", result "eagain"],
            /// Calls behind writes interrupted by a signal.
            SysWriteEintr sys_write_eintr [op "write", result "eintr"],
            /// Calls behind writes that failed.
            SysWriteError sys_write_error [op "write", result "error"],
            /// Calls to accept that gave a connection.
            SysAcceptOk sys_accept_ok [op "accept", result "ok"],
            /// Calls to accept with nobody waiting.
            SysAcceptEagain sys_accept_eagain [op "accept", result "eagain"],
            /// Calls to accept interrupted by a signal, or whose peer had gone.
            SysAcceptEintr sys_accept_eintr [op "accept", result "eintr"],
            /// Calls to accept that failed.
            SysAcceptError sys_accept_error [op "accept", result "error"],
            /// Calls to connect that connected at once.
            SysConnectOk sys_connect_ok [op "connect", result "ok"],
            /// Calls to connect still in progress when they returned.
            SysConnectEagain sys_connect_eagain [op "connect", result "eagain"],
            /// Calls to connect interrupted by a signal.
            SysConnectEintr sys_connect_eintr [op "connect", result "eintr"],
            /// Calls to connect that failed.
            SysConnectError sys_connect_error [op "connect", result "error"],
        }
        netpoller_io_bytes_total "Payload bytes." {
            /// Payload bytes read.
            BytesRead bytes_read [direction "read"],
            /// Payload bytes written.
            BytesWritten bytes_written [direction "write"],
        }
        netpoller_elided_reads_total "Reads saved because the one before was short."
            { ElidedReads elided_reads, }
        netpoller_fd_lock_waits_total "Operations that queued for the lock of a descriptor." {
            /// Waits in the queue of a descriptor's read lock.
            FdLockWaitsRead fd_lock_waits_read [direction "read"],
            /// Waits in the queue of a descriptor's write lock.
            FdLockWaitsWrite fd_lock_waits_write [direction "write"],
        }
        netpoller_accept_backoffs_total "Pauses of an accept loop at the limit of open files."
            { AcceptBackoffs accept_backoffs, }
        netpoller_accept_shed_total "Connections refused with the reserve descriptor."
            { AcceptShed accept_shed, }
        netpoller_unparks_total "Parked waiters released, by what released them." {
            /// Parked readers released by a deadline.
            UnparkReadDeadline unpark_read_deadline [direction "read", cause "deadline"],
            /// Parked readers released by close.
            UnparkReadClose unpark_read_close [direction "read", cause "close"],
            /// Parked writers released by a deadline.
            UnparkWriteDeadline unpark_write_deadline [direction "write", cause "deadline"],
            /// Parked writers released by close.
            UnparkWriteClose unpark_write_close [direction "write", cause "close"],
            /// Sleepers released by the deadline that they sleep until.
            UnparkTimerDeadline unpark_timer_deadline [direction "timer", cause "deadline"],
            /// Sleepers released by an eviction.
            UnparkTimerClose unpark_timer_close [direction "timer", cause "close"],
        }
    }
}
