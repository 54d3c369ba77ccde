#!/usr/bin/env python3
"""Writes netpoller.json: what the dashboard shows, row by row; and oncall.json and fleet.json, whose sources are oncall.py
and fleet.py. `--check` only says whether the files are up to date.

What a metric means is in its HELP line; what is said here is what good looks like, and what to do when it does not.
"""

import json

import catalogue
import fleet
import oncall
from config import parse, write
from grafana import (JOB, JOBS, PROCESS, chosen, dashboard, graph, heatmap, mean, quantile, rate, ratio, sel, stat, table,
                     total)

# The kinds that are descriptors; the kind timer is a sleep, which has a slot but no descriptor.
DESCRIPTORS = "tcp|listener|udp|unix|pipe|other"

# Laws: what is counted on the way in is what is counted on the way out, plus what is inside. Each is an expression that
# is 0 at rest, for each process and poller, so that no error of one process can hide one of another.

EACH = "job, instance, poller"


def count(metric, **labels):
    return total(metric, EACH, **labels)


def transitions(names):
    return count("netpoller_transitions_total", transition="~" + names)


LAWS = {
    "armed": (
        transitions("arm|rearm") + " - " + transitions("park|ready_armed|unblock_armed|cancel_armed")
    ),
    # The waiters are told by these transitions, so this finds more leaving than ever parked.
    "parked": (
        transitions("park")
        + " - " + transitions("ready_parked|unblock_parked|cancel_parked|rearm")
        + " - " + count("netpoller_waiters")
    ),
    # Readiness that is in the words now is not exported; there cannot be less of it than none.
    "ready": (
        f"clamp_max({transitions('ready_idle|ready_armed|ready_parked')}"
        f" - {transitions('consume|reset|recycled')}, 0)"
    ),
    "unparked": (
        transitions("unblock_parked") + " - " + count("netpoller_unparks_total", cause="~deadline|close")
    ),
    "slots": (
        count("netpoller_slots_opened_total")
        + " - " + count("netpoller_slots_closed_total")
        + " - " + count("netpoller_descriptor_slots", state="used")
    ),
    "kinds": (
        count("netpoller_registrations_total")
        + " - " + count("netpoller_deregistrations_total")
        + " - " + count("netpoller_descriptor_slots", state="used")
    ),
    # Every wait ends in a batch or an error, except the one that is going on.
    "waited": (
        count("netpoller_polls_total")
        + " - " + count("netpoller_events_per_poll_count")
        + " - " + count("netpoller_poll_errors_total")
        + " - " + count("netpoller_poller_blocked")
    ),
    # A break that was written may still be on its way.
    "drained": (
        f"clamp_max({count('netpoller_breaks_total', result='written')} - {count('netpoller_break_wakeups_total')}, 0)"
    ),
}

FAULTS = [
    stat(
        "Findings",
        """Known faults that are there now: what `netpoller doctor` tells of. There are none. Those whose alert is critical are red,
        those whose alert is a warning orange. The panel below tells which, and `netpoller doctor` where and why.""",
        "short",
        (total("netpoller_findings", lint=oncall.PAGING), "{{poller}} critical"),
        (total("netpoller_findings", lint=oncall.WAITING), "{{poller}} warning"),
        bad=1, milder=1,
    ),
    stat(
        "Laws violated",
        """Conservation laws that three looks in a row have found violated: what `netpoller audit` tells of. There are none. Anything
        else is a bug of netpoller; the row Health tells which law.""",
        "short", (total("netpoller_laws_violated"), "{{poller}}"), warn=1,
    ),
    stat(
        "Events due",
        """Instances in which the kernel has events or deadlines have passed, and nobody comes for them. There are none: whoever
        sleeps or runs tasks polls in between.""",
        "short", (total("netpoller_events_due"), "{{poller}}"), bad=1,
    ),
    stat(
        "Overdue deadlines",
        "Deadlines that have passed and have not fired. There are none: deadlines fire inside a poll, so nobody polls.",
        "short", (total("netpoller_overdue_deadlines"), "{{poller}}"), bad=1,
    ),
    stat(
        "Open files",
        "Files that the processes have open, of those that they may have; the worst of them. Much below the limit is good.",
        "percentunit",
        (f"max({sel('netpoller_open_files', PROCESS)} / {sel('netpoller_open_files_limit', PROCESS)})", "files"),
        warn=catalogue.FILES_EARLY, bad=catalogue.FILES,
    ),
    stat(
        "Accept queue",
        """Connections that wait to be accepted, of those that may, at the fullest listener of all. At most a few at a time is good; at
        the limit the kernel lets no more in, and clients time out.""",
        "percentunit",
        (f"max({sel('netpoller_accept_queue_connections')} / ({sel('netpoller_accept_queue_limit')} > 0))", "queue"),
        warn=0.5, bad=catalogue.QUEUE,
    ),
    graph(
        "Findings by lint",
        "Known faults by the name under which `netpoller doctor` tells of them. There are none. A line leads to its runbook.",
        "short", (total("netpoller_findings", "poller, lint") + " > 0 or " + total("netpoller_findings") + " == 0", "{{poller}} {{lint}}"),
        links=[oncall.TO_RUNBOOK],
    ),
    graph(
        "Oldest wait",
        """How long the longest of those has been parked that are parked now, but for sleeps and accepts. It rises with clients that keep
        a connection open and say nothing, and falls when they go; the same of writers is a peer that reads nothing.""",
        "s",
        (f"max by (poller, direction) ({sel('netpoller_oldest_wait_seconds')})", "{{poller}} {{direction}}"),
        log=True,
    ),
    graph(
        "Unpolled",
        """For how long nobody has polled although something was due. It is 0, or a moment on a busy machine; else a task keeps the
        thread that polls, or nobody does.""",
        "s", (f"max by (poller) ({sel('netpoller_unpolled_seconds')})", "{{poller}}"), bad=catalogue.UNPOLLED,
    ),
]

OVERVIEW = [
    stat(
        "Descriptors",
        """Descriptors registered now. It follows the connections of the service and comes back when they go; a line that only
        rises is a leak of descriptors.""",
        "short", (total("netpoller_registered_fds"), "{{poller}}"),
    ),
    stat(
        "Waiters",
        """Readers, writers and sleepers parked now. About one for each idle connection is normal. No waiters at all under load
        means that the tasks are not waiting for the network but for something else.""",
        "short", (total("netpoller_waiters"), "{{poller}}"),
    ),
    stat(
        "Deadlines armed",
        "Entries of the deadline queue. At most two for each descriptor and one for each sleep.",
        "short", (total("netpoller_deadlines_armed"), "{{poller}}"),
    ),
    stat(
        "Utilisation",
        """The share of the time in which the busiest poller does not sleep in epoll_wait. Near 1 it has no room left. One that a runtime
        or a loop of the program drives never sleeps there, and is left out.""",
        "percentunit",
        (f"max by (poller) (clamp_min(1 - (sum by ({EACH}) "
         f"(rate({sel('netpoller_poll_duration_seconds_sum')}[$__rate_interval])) > 0), 0))", "{{poller}}"),
        warn=0.8, bad=0.95,
    ),
    stat(
        "Polls", "Calls to epoll_wait. None, with waiters that wait for long, is a poller that nobody drives.",
        "ops", (rate("netpoller_polls_total"), "{{poller}}"),
    ),
    stat(
        "Up",
        "Age of the process that has restarted last of the chosen ones. It only grows between two deploys.",
        "s", (f"min(time() - {sel('netpoller_start_timestamp_seconds', PROCESS)})", "youngest"),
    ),
    graph(
        "Operations",
        """Reads, writes, accepts and connects that were completed, whatever the result. For a request and its answer there is
        one read and one write.""",
        "ops", (rate("netpoller_io_operations_total", "poller, op"), "{{poller}} {{op}}"),
        lines=4,
    ),
    graph(
        "Bytes",
        "Payload moved. Reads and writes that part company show a peer that sends without taking, or takes without sending.",
        "Bps", (rate("netpoller_io_bytes_total", "poller, direction"), "{{poller}} {{direction}}"),
    ),
    graph(
        "Operations that did not succeed",
        """Timeouts, operations cut short by close, and errors. Some timeouts are what deadlines are for; a step in timeouts is a
        slow peer, a step in errors is a peer that resets.""",
        "ops",
        (rate("netpoller_io_operations_total", "poller, op, result", result="~timeout|closed|error"),
         "{{poller}} {{op}} {{result}}"),
        lines=12,
    ),
]

WAITING = [
    graph(
        "Parked now",
        """Waiters by direction. Readers follow the idle connections, and sleepers count as readers. Writers are normally few: many of them are peers that do
        not read.""",
        "short", (total("netpoller_waiters", "poller, direction"), "{{poller}} {{direction}}"),
    ),
    graph(
        "How long they were parked (p50, p99)",
        """From parking until the event was fetched, by direction. Readers wait as long as their peers think. A p99 of writers
        above a few milliseconds is back pressure.""",
        "s",
        (quantile(0.5, "netpoller_block_duration_seconds", "poller, direction", outcome="io"), "{{poller}} {{direction}} p50"),
        (quantile(0.99, "netpoller_block_duration_seconds", "poller, direction", outcome="io"), "{{poller}} {{direction}} p99"),
        lines=4, log=True,
    ),
    graph(
        "How parking ended",
        """Reads and writes that had to wait, by outcome: mostly io. deadline is time lost on peers that do not answer; sleeps are not
        among them.""",
        "ops",
        (rate("netpoller_block_duration_seconds_count", "poller, direction, outcome"), "{{poller}} {{direction}} {{outcome}}"),
        lines=6,
    ),
    heatmap(
        "Time parked, ended by io",
        """Waits that ended because something happened. Two bands, answers and idle connections, are usual; a band that moves up
        is a peer that got slower.""",
        "s", "netpoller_block_duration_seconds", outcome="io",
    ),
    heatmap(
        "Time parked, ended by a deadline",
        "Reads and writes that ended with a timeout. The bands lie at the timeouts of the program; its sleeps are not among them.",
        "s", "netpoller_block_duration_seconds", outcome="deadline",
    ),
    heatmap(
        "Time parked, ended by close",
        "Waits that ended because the descriptor was closed or evicted under them. Empty in most services.",
        "s", "netpoller_block_duration_seconds", outcome="close",
    ),
    graph(
        "Wakeup latency (p50, p99)",
        """From the return of epoll_wait until the waiter runs. Tens of microseconds are good. Above a millisecond the executor is
        short of time: too few threads, or tasks that compute for long between two awaits.""",
        "s",
        (quantile(0.5, "netpoller_wakeup_latency_seconds", "poller, direction"), "{{poller}} {{direction}} p50"),
        (quantile(0.99, "netpoller_wakeup_latency_seconds", "poller, direction"), "{{poller}} {{direction}} p99"),
        (quantile(0.99, "netpoller_timer_wakeup_latency_seconds", "poller"), "{{poller}} sleeps p99"),
        width=12, lines=5, log=True, warn=catalogue.LATE,
    ),
    heatmap(
        "Wakeup latency",
        """From the return of epoll_wait until the waiter runs, in full. A second band far above the first is a queue of the
        executor, not of the network.""",
        "s", "netpoller_wakeup_latency_seconds", width=12,
    ),
]

MACHINE = [
    graph(
        "Transitions of rg",
        """Changes of the words of readers. Steady proportions are good. Where nobody is there before the data, arm, park, ready_parked
        and consume go together; ready_idle and reset mean that data was there before anybody asked.""",
        "ops",
        (rate("netpoller_transitions_total", "poller, direction, transition", direction="read"),
         "{{poller}} {{direction}} {{transition}}"),
        width=12, lines=14,
    ),
    graph(
        "Transitions of wg",
        """Changes of the words of writers. Nearly all ready_idle and ready_again is good: the socket tells again and again that there
        is room, and nobody has to wait for it. park is back pressure, or a connection being made.""",
        "ops",
        (rate("netpoller_transitions_total", "poller, direction, transition", direction="write"),
         "{{poller}} {{direction}} {{transition}}"),
        width=12, lines=14,
    ),
    graph(
        "Unparks by cause",
        "Parked waiters that were released: reads and writes mostly by io, sleeps by their deadline.",
        "ops", (rate("netpoller_unparks_total", "poller, direction, cause"), "{{poller}} {{direction}} {{cause}}"),
        lines=8,
    ),
    graph(
        "Races won by the event",
        """Share of waits that never parked because the event came while the waiter was arming itself. Low is usual; a high share
        costs nothing but says that peers answer about as fast as the program asks.""",
        "percentunit",
        (ratio(rate("netpoller_transitions_total", "poller, direction", transition="ready_armed"),
               rate("netpoller_transitions_total", "poller, direction", transition="arm")), "{{poller}} {{direction}}"),
    ),
    graph(
        "Spurious wakeups",
        """Waiters that were woken and found nothing. Close to none; more when several tasks read the same descriptor or
        another process takes from it.""",
        "ops", (rate("netpoller_spurious_wakeups_total", "poller, direction"), "{{poller}} {{direction}}"),
    ),
    graph(
        "Reads saved",
        """Reads that were not tried because the one before was short, which says that the socket is empty. About one for each
        request is good; none means that requests fill the program's buffers.""",
        "ops", (rate("netpoller_elided_reads_total"), "{{poller}}"),
    ),
    graph(
        "Waits for a descriptor's lock",
        "Operations that queued behind another of the same direction on the same descriptor. None, unless tasks share a socket.",
        "ops", (rate("netpoller_fd_lock_waits_total", "poller, direction"), "{{poller}} {{direction}}"),
    ),
    graph(
        "System calls for each operation",
        """Calls to the kernel behind one completed operation, by their result. One ok and little eagain is good: the eagain calls
        are what asking before waiting costs.""",
        "none",
        (ratio(rate("netpoller_io_syscalls_total", "poller, op, result"), rate("netpoller_io_operations_total", "poller, op"),
               matching="ignoring (result) group_left ()"), "{{poller}} {{op}} {{result}}"),
        lines=16,
    ),
]

POLLING = [
    graph(
        "Polls by mode",
        """Calls to epoll_wait by what the caller asked for: block has no limit of its own, although a deadline may end it; timed has
        one; nonblock only looks. Few polls with many events each are good.""",
        "ops", (rate("netpoller_polls_total", "poller, mode"), "{{poller}} {{mode}}"),
    ),
    graph(
        "Events for each poll (mean, p99)",
        """Size of a batch. It grows with the load, which makes polling cheaper. At the limit the batch is full: one poller has
        reached what it can carry.""",
        "none",
        (f"max by (poller) ({sel('netpoller_poll_batch_limit')})", "{{poller}} limit"),
        (mean("netpoller_events_per_poll"), "{{poller}} mean"),
        (quantile(0.99, "netpoller_events_per_poll"), "{{poller}} p99"),
    ),
    graph(
        "Events by kind",
        """Bits that epoll reported. rdhup and hup go with closing connections. err is a connection that was reset or refused.""",
        "ops", (rate("netpoller_events_total", "poller, event"), "{{poller}} {{event}}"),
        lines=5,
    ),
    heatmap(
        "Events for each wait",
        "Spread of the batch sizes. The mass moves up with the load.",
        "none", "netpoller_events_per_poll",
    ),
    heatmap(
        "Time in epoll_wait",
        "How long the waits slept. Under load it goes towards 0, idle towards the next deadline.",
        "s", "netpoller_poll_duration_seconds",
    ),
    heatmap(
        "Dispatch",
        """From the return of epoll_wait until the last waker of the batch was called. It grows with the batch; a tail that does
        not is a waker that does work of its own.""",
        "s", "netpoller_dispatch_duration_seconds",
    ),
    graph(
        "Empty and full waits",
        """Share of the waits that found nothing, and of those that filled the whole batch. Empty ones were ended by a deadline or a
        break; full ones, when they last, are a poller at its limit.""",
        "percentunit",
        (ratio(rate("netpoller_polls_empty_total"), rate("netpoller_polls_total")), "{{poller}} empty"),
        (ratio(rate("netpoller_polls_full_total"), rate("netpoller_polls_total")), "{{poller}} full"),
    ),
    graph(
        "Share of time in epoll_wait",
        """Seconds asleep for each second, summed over the instances. 1 for each idle instance; 0 for one that is saturated, or
        whose driver never blocks.""",
        "none", (rate("netpoller_poll_duration_seconds_sum"), "{{poller}}"),
    ),
    graph(
        "Dispatch (p50, p99)",
        "Below 100 µs is good. All waiters of a batch wait for it.",
        "s",
        (quantile(0.5, "netpoller_dispatch_duration_seconds"), "{{poller}} p50"),
        (quantile(0.99, "netpoller_dispatch_duration_seconds"), "{{poller}} p99"),
        log=True,
    ),
    graph(
        "Shares of a wakeup (p99)",
        """Where the time from the kernel to the waiter goes. kernel_to_poller is the longest that fetched events can have waited
        before anybody asked, and inside a tokio runtime, where that is not known, what the kernel says of a sample;
        poller_to_waker is what the poller did before it called the waker; waker_to_run is the scheduler's, of the runtime or of
        the kernel.""",
        "s", (quantile(0.99, "netpoller_wakeup_share_seconds", "poller, share"), "{{poller}} {{share}}"),
        log=True,
    ),
    graph(
        "Gap between polls (p50, p99)",
        "Time in which nobody polled; not inside a tokio runtime. A long tail is a task that does not yield, or a waker that works.",
        "s",
        (quantile(0.5, "netpoller_poll_gap_seconds"), "{{poller}} p50"),
        (quantile(0.99, "netpoller_poll_gap_seconds"), "{{poller}} p99"),
        log=True,
    ),
    graph(
        "Flight recorder",
        """Events that the flight recorder takes. Any unrecorded are those of threads beyond the two hundred and fifty-five that have a
        ring of their own.""",
        "ops", (rate("netpoller_recorder_events_total", "poller, result"), "{{poller}} {{result}}"),
    ),
    graph(
        "Since the last poll",
        """Age of the last return from epoll_wait when the metrics were scraped, the oldest of all instances. Idle, it grows to the next
        deadline; under traffic it is well below a second. What grows while there are events due is a poller that nobody drives.""",
        "s",
        (f"max by (poller) (clamp_min(timestamp({sel('netpoller_last_poll_timestamp_seconds')}) - "
         f"({sel('netpoller_last_poll_timestamp_seconds')} > 0), 0))", "{{poller}}"),
    ),
    graph(
        "Breaks",
        """Requests to end a blocking wait early. written went to the eventfd, coalesced found one on its way, woken were drained by
        a poll. written and woken go together.""",
        "ops",
        (rate("netpoller_breaks_total", "poller, result"), "{{poller}} {{result}}"),
        (rate("netpoller_break_wakeups_total"), "{{poller}} woken"),
    ),
    graph(
        "Break latency (p50, p99)",
        "From the request of a break until the poll has returned. Tens of microseconds are good: it is one write and one wakeup.",
        "s",
        (quantile(0.5, "netpoller_break_latency_seconds"), "{{poller}} p50"),
        (quantile(0.99, "netpoller_break_latency_seconds"), "{{poller}} p99"),
        log=True,
    ),
]

DEADLINES = [
    graph(
        "Deadlines set",
        """arm sets a time to come, clear removes one, past is a time that was over already and releases at once. Many past are a
        program that computes its deadlines from a stale clock.""",
        "ops", (rate("netpoller_deadlines_set_total", "poller, op"), "{{poller}} {{op}}"),
    ),
    graph(
        "Deadlines fired",
        """fired has expired a deadline: the sleeps that ended and the operations that timed out. stale came up with nothing left to expire and
        extended was put back for later: that is what moving deadlines costs, and it is cheap.""",
        "ops",
        (rate("netpoller_deadlines_fired_total"), "{{poller}} fired"),
        (rate("netpoller_deadlines_stale_total"), "{{poller}} stale"),
        (rate("netpoller_deadlines_extended_total"), "{{poller}} extended"),
    ),
    graph(
        "Deadlines armed",
        "Size of the deadline queue. It follows the descriptors; a line that only rises is a leak.",
        "short", (total("netpoller_deadlines_armed"), "{{poller}}"),
    ),
    graph(
        "Sleeps",
        "Sleeps going on: each has a slot and a deadline. It follows what the program keeps sleeping.",
        "short", (total("netpoller_sleeps"), "{{poller}}"), width=12,
    ),
    graph(
        "Sleeps begun and ended",
        "In the long run as many end as begin.",
        "ops",
        (rate("netpoller_registrations_total", kind="timer"), "{{poller}} begun"),
        (rate("netpoller_deregistrations_total", kind="timer"), "{{poller}} ended"),
        width=12,
    ),
    graph(
        "How long sleeps last (p50, p99)",
        "From parking until the deadline fired, of sleeps alone: what the program asks for, and not how late they are.",
        "s",
        (quantile(0.5, "netpoller_timer_block_duration_seconds", "poller"), "{{poller}} p50"),
        (quantile(0.99, "netpoller_timer_block_duration_seconds", "poller"), "{{poller}} p99"),
        log=True,
    ),
    graph(
        "Lag (p50, p99)",
        """How long after its time a deadline fired. Below a millisecond is good; it is never negative. Lag without wakeup latency
        is a poller that is not called often enough.""",
        "s",
        (quantile(0.5, "netpoller_deadline_lag_seconds"), "{{poller}} p50"),
        (quantile(0.99, "netpoller_deadline_lag_seconds"), "{{poller}} p99"),
        width=12, log=True, warn=catalogue.LATE,
    ),
    heatmap(
        "Lag",
        "How late deadlines fired, in full. One band below a millisecond is good; none lies above the interval of the polls.",
        "s", "netpoller_deadline_lag_seconds", width=12,
    ),
]

def hour(name, metric, by="", **labels):
    """How often within an hour. By a label only those that are not 0; if all are, 0."""
    def times(by):
        return f"round(sum by ({by}) (increase({sel(metric, **labels)}[1h])))"

    return (f"{times(by)} > 0 or {times('')} == 0" if by else times("")), name


REGISTRATIONS = [
    stat(
        "Errors in the last hour",
        """Each is 0, or a few. refused: registrations, by errno (ENOSPC is the user's limit of epoll watches, ENOMEM the kernel's memory,
        EPERM a regular file, EEXIST what is registered already, EBADF what is closed). polls: calls of epoll_wait that failed, but for
        those that a signal ended. stale: events of a descriptor that had gone; many are one that is still open elsewhere, in a
        child process for example. unknown: events with none of the known bits. in error, out of it: descriptors whose last
        event was EPOLLERR alone, and those that had another one since. accept pauses, refused: no descriptor was left; raise
        the limit, or look for a leak.""",
        "short",
        hour("refused {{errno}}", "netpoller_register_errors_total", "errno"),
        hour("polls", "netpoller_poll_errors_total", errno="other"),
        hour("stale", "netpoller_stale_events_total"),
        hour("unknown", "netpoller_ignored_events_total"),
        hour("in error", "netpoller_event_err_set_total"),
        hour("out of it", "netpoller_event_err_cleared_total"),
        hour("accept pauses", "netpoller_accept_backoffs_total"),
        hour("accept refused", "netpoller_accept_shed_total"),
        width=24, warn=10,
    ),
    graph(
        "Descriptors by kind",
        "What is registered now.",
        "short", (total("netpoller_registered_fds", "poller, kind"), "{{poller}} {{kind}}"), stack=True,
        lines=6,
    ),
    graph(
        "Registrations",
        "Descriptors that came, by kind. For a server it is the rate of new connections.",
        "ops", (rate("netpoller_registrations_total", "poller, kind", kind="~" + DESCRIPTORS), "{{poller}} {{kind}}"),
        lines=6,
    ),
    graph(
        "Deregistrations",
        "Descriptors that went, by kind. In the long run as many as came.",
        "ops", (rate("netpoller_deregistrations_total", "poller, kind", kind="~" + DESCRIPTORS), "{{poller}} {{kind}}"),
        lines=6,
    ),
    graph(
        "Slots",
        "The table of descriptors. Slots are recycled, not freed, so their sum is the highest number there ever was.",
        "short", (total("netpoller_descriptor_slots", "poller, state"), "{{poller}} {{state}}"), stack=True, width=12,
    ),
    graph(
        "Slots taken and given back",
        """By descriptors and by sleeps. evicted are descriptors whose waiters were released by close or by an operator; each close
        evicts once.""",
        "ops",
        (rate("netpoller_slots_opened_total"), "{{poller}} opened"),
        (rate("netpoller_slots_closed_total"), "{{poller}} closed"),
        (rate("netpoller_descriptors_evicted_total"), "{{poller}} evicted"),
        width=12,
    ),
    graph(
        "Time in epoll_ctl (p99)",
        """What a registration, and a deregistration, took in the kernel. A microsecond is good. Much more is somebody who reads the
        fdinfo of the poller, as agents do that look into /proc: it keeps registrations and events waiting meanwhile.""",
        "s", (quantile(0.99, "netpoller_epoll_ctl_duration_seconds", "poller, op"), "{{poller}} {{op}}"), width=12,
        log=True,
    ),
    graph(
        "From accept to the first read (p50, p99)",
        """How long it takes until a connection that was accepted has had its first bytes read. It grows with clients that connect
        and do not speak, and with a server whose tasks begin late.""",
        "s",
        (quantile(0.5, "netpoller_accept_to_first_read_seconds"), "{{poller}} p50"),
        (quantile(0.99, "netpoller_accept_to_first_read_seconds"), "{{poller}} p99"),
        width=12, log=True,
    ),
]

HEALTH = [
    graph(
        "Conservation laws",
        """What came in, less what went out, less what is inside: 0 for every poller. Under load a scrape may catch a poller between
        two counts, so single points off by a few are noise; a line that stays off is a bug of netpoller.""",
        "short",
        *((f"sum by (poller) ({law})", "{{poller}} " + name) for name, law in LAWS.items()),
        width=16, signed=True, lines=8,
    ),
    graph(
        "Scrapes",
        """Time that reading the metrics took in the process. Below a few milliseconds is good; it does not hold up the
        data path.""",
        "s", (f"max by (instance) ({sel('netpoller_scrape_duration_seconds', PROCESS)})", "{{instance}}"),
    ),
    graph(
        "Answers to scrapes",
        """Answers of the metrics server by their code, and scrapes that the process could not answer. Nothing but 200 is good: 403 is
        called by a name that it does not know, 503 came while all connections were busy.""",
        "ops",
        (f"sum(rate({sel('netpoller_scrape_errors_total', PROCESS)}[$__rate_interval]))", "failed"),
        (f"sum by (code) (rate({sel('netpoller_scrape_requests_total', PROCESS)}[$__rate_interval]))", "{{code}}"),
        lines=9,
    ),
    table(
        "Builds",
        "Which build of netpoller each instance runs. More than one version is a rollout that is going on, or one that has stopped.",
        (sel("netpoller_build_info", PROCESS), ""), width=16,
    ),
    graph(
        "Insecure inspection listeners",
        "Listeners of the inspection endpoint that other machines reach without being asked who they are: allow_insecure(). None is good.",
        "short", (f"sum by (instance) ({sel('netpoller_introspection_insecure', PROCESS)})", "{{instance}}"),
    ),
    graph(
        "Calls of Control",
        "Calls that were to change something in the process, by whether they were done. Each is in the log of its process, with its caller.",
        "ops", (f"sum by (result) (rate({sel('netpoller_control_calls_total', PROCESS)}[$__rate_interval]))", "{{result}}"),
    ),
]


def build():
    return dashboard(
        [
            ("Faults", False, FAULTS),
            ("Overview", False, OVERVIEW),
            ("Who waits, and for how long", False, WAITING),
            ("The machine", True, MACHINE),
            ("Polling", True, POLLING),
            ("Deadlines", True, DEADLINES),
            ("Registrations and errors", True, REGISTRATIONS),
            ("Health", True, HEALTH),
        ],
        title="netpoller",
        uid="netpoller",
        description="Who waits, for how long, and why: the pollers of the netpoller library.",
        tags=["netpoller", "epoll", "prometheus"],
        links=oncall.LINKS,
        refresh="30s",
        time={"from": "now-1h", "to": "now"},
        templating=chosen(),
    )


def installed(part, config):
    """A part of a dashboard, as an installation wants it."""
    if isinstance(part, dict):
        return {name: installed(value, config) for name, value in part.items()}
    if isinstance(part, list):
        return [installed(value, config) for value in part]
    if not isinstance(part, str):
        return part
    if config.selector:
        part = part.replace(JOB, f"{config.selector}, {JOB}").replace(JOBS, config.scoped(JOBS))
    return part.replace(oncall.RUNBOOKS, config.runbooks)


def boards(config):
    files = {}
    for name, board in (("netpoller.json", build()), ("oncall.json", oncall.build()), ("fleet.json", fleet.build())):
        board = installed(board, config)
        board["tags"] += config.tags
        files[name] = json.dumps(board, indent=2, ensure_ascii=False) + "\n"
    return files


def main():
    config, folder, flags = parse(__doc__, "check")
    write(folder, boards(config), check=bool(flags))


if __name__ == "__main__":
    main()
