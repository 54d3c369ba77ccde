//! The histograms, by the metric of which they are series.

/// What a histogram counts in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Events.
    Events,
}

impl Unit {
    /// Returns `ns` or `events`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Events => "events",
        }
    }
}

families! {
    /// A histogram of a poller.
    Histogram {
        netpoller_block_duration_seconds "Time a waiter was parked, by what released it." {
            /// Time a reader was parked until an event was fetched for it.
            TimeParkedReadIo time_parked_read_io [direction "read", outcome "io"],
            /// Time a reader was parked until its deadline released it.
            TimeParkedReadDeadline time_parked_read_deadline [direction "read", outcome "deadline"],
            /// Time a reader was parked until close released it.
            TimeParkedReadClose time_parked_read_close [direction "read", outcome "close"],
            /// Time a writer was parked until an event was fetched for it.
            TimeParkedWriteIo time_parked_write_io [direction "write", outcome "io"],
            /// Time a writer was parked until its deadline released it.
            TimeParkedWriteDeadline time_parked_write_deadline
                [direction "write", outcome "deadline"],
            /// Time a writer was parked until close released it.
            TimeParkedWriteClose time_parked_write_close [direction "write", outcome "close"],
        }
        netpoller_timer_block_duration_seconds "Time a sleep was parked." {
            TimeParkedTimer time_parked_timer,
        }
        netpoller_timer_wakeup_latency_seconds
        "From the firing of the deadline that ends a sleep until the sleeper runs." {
            WakeLatencyTimer wake_latency_timer,
        }
        netpoller_wakeup_latency_seconds
        "From the return of epoll_wait, or the deadline that fired, until the waiter runs." {
            /// From the return of epoll_wait, or the firing that released it, until the reader
            /// runs.
            WakeLatencyRead wake_latency_read [direction "read"],
            /// From the return of epoll_wait, or the firing that released it, until the writer
            /// runs.
            WakeLatencyWrite wake_latency_write [direction "write"],
        }
        netpoller_wakeup_share_seconds
        "Shares of the way from the kernel to the waiter: the longest time that events can have waited in the kernel, from the return of epoll_wait to the call of the waker, from there until the waiter runs." {
            /// Longest time that events can have waited in the kernel: from the return of one poll
            /// until the return of the next, where that one found events without sleeping. Inside
            /// a runtime, where nobody polls while there is nothing: how long ago data last came,
            /// as the kernel says, asked where nobody has polled for 20 ms.
            KernelToPoller kernel_to_poller [share "kernel_to_poller"],
            /// From the return of epoll_wait, or the firing that released it, until the waiter's
            /// waker is called, to within eight wakers.
            PollerToWaker poller_to_waker [share "poller_to_waker"],
            /// From the call of its waker until the waiter runs.
            WakerToRun waker_to_run [share "waker_to_run"],
        }
        netpoller_dispatch_duration_seconds
        "From the return of epoll_wait until the last waker of the batch was called." {
            Dispatch dispatch,
        }
        netpoller_poll_duration_seconds "Time spent in epoll_wait by polls that may block." {
            PollDuration poll_duration,
        }
        netpoller_poll_gap_seconds
        "Time in which nobody polled, from the return of one poll until the next." {
            /// Time in which nobody polled: from the return of one poll until the beginning of the
            /// next; until the return of one that does not wait. Not recorded inside a runtime,
            /// where nobody polls while there is nothing.
            PollGap poll_gap,
        }
        netpoller_events_per_poll "Events fetched by one poll." {
            EventsPerPoll events_per_poll,
        }
        netpoller_deadline_lag_seconds "How long after its time a deadline fired." {
            DeadlineLag deadline_lag,
        }
        netpoller_break_latency_seconds
        "From the request of a break until the poll has returned." {
            BreakLatency break_latency,
        }
        netpoller_epoll_ctl_duration_seconds "Time spent in epoll_ctl, by what it did." {
            /// Time spent in epoll_ctl to register a descriptor. It waits for the lock of the epoll
            /// instance, which whoever reads its fdinfo holds meanwhile.
            EpollCtlAdd epoll_ctl_add [op "add"],
            /// Time spent in epoll_ctl to deregister a descriptor.
            EpollCtlDel epoll_ctl_del [op "del"],
        }
        netpoller_accept_to_first_read_seconds
        "From the accept of a connection until data was first read from it." {
            AcceptToFirstRead accept_to_first_read,
        }
    }
}

impl Histogram {
    /// Returns what it counts in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::EventsPerPoll => Unit::Events,
            _ => Unit::Ns,
        }
    }
}
