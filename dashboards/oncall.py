"""The dashboard for whoever is on call: one screen, nothing folded. Is anything wrong, since when, and whose fault is it?"""

import catalogue
from config import Config
from grafana import PROCESS, TO_FLEET, TO_INSTANCE, graph, one_screen, quantile, rate, ratio, sel, stat

RUNBOOKS = Config().runbooks

# Of a line that has the label, to the runbook that has its name.
TO_RUNBOOK = {"title": "Runbook of ${__field.labels.lint}", "url": RUNBOOKS + "#${__field.labels.lint}", "targetBlank": True}

WORST = "job, instance, poller"

# What wakes somebody, and what can wait until the morning. What is for information is told by lint alone.
PAGING, WAITING = ("~" + "|".join(catalogue.lints(severity)) for severity in ("critical", "warning"))


def share(part):
    """The mean of one share of the way from the kernel to the waiter, over all pollers."""
    return ratio(rate("netpoller_wakeup_share_seconds_sum", "", share=part),
                 rate("netpoller_wakeup_share_seconds_count", "", share=part))


PANELS = [
    stat(
        "Findings",
        """Known faults that are there now, of all instances: what `netpoller doctor` tells of. There are none. Those whose alert is
        critical are red, those whose alert is a warning orange.""",
        "short",
        (f"sum({sel('netpoller_findings', lint=PAGING)})", "critical"),
        (f"sum({sel('netpoller_findings', lint=WAITING)})", "warning"),
        bad=1, milder=1, height=4, links=[TO_FLEET],
    ),
    stat(
        "Nobody polls", "For how long, at worst, events have been due and nobody has come for them. It is 0, or a moment.",
        "s", (f"max({sel('netpoller_unpolled_seconds')})", "unpolled"), warn=1, bad=catalogue.UNPOLLED, height=4, links=[TO_FLEET],
    ),
    stat(
        "Overdue deadlines", "Deadlines that have passed and have not fired. There are none.",
        "short", (f"sum({sel('netpoller_overdue_deadlines')})", "overdue"), bad=1, height=4, links=[TO_FLEET],
    ),
    stat(
        "Accept queue", "Connections that wait to be accepted, of those that may, at the fullest listener. A few at a time are good.",
        "percentunit",
        (f"max({sel('netpoller_accept_queue_connections')} / ({sel('netpoller_accept_queue_limit')} > 0))", "queue"),
        warn=0.5, bad=catalogue.QUEUE, height=4, links=[TO_FLEET],
    ),
    stat(
        "Open files", "Files that a process has open, of those that it may have; the worst of them. Much below the limit is good.",
        "percentunit",
        (f"max({sel('netpoller_open_files', PROCESS)} / {sel('netpoller_open_files_limit', PROCESS)})", "files"),
        warn=catalogue.FILES_EARLY, bad=catalogue.FILES, height=4, links=[TO_FLEET],
    ),
    stat(
        "Laws violated", "Conservation laws that do not hold: a bug of netpoller, and no reason to wake the owner of the service.",
        "short", (f"sum({sel('netpoller_laws_violated')})", "laws"), warn=1, height=4, links=[TO_FLEET],
    ),
    graph(
        "Findings by lint",
        "Which faults, by the name under which `netpoller doctor` tells of them. There are none. A line leads to its runbook.",
        "short",
        (f"sum by (lint) ({sel('netpoller_findings')}) > 0 or sum by () ({sel('netpoller_findings')}) == 0", "{{lint}}"),
        stack=True, height=9, width=12, compact=True, links=[TO_RUNBOOK],
    ),
    graph(
        "Oldest wait",
        """The longest of those who are parked now, but for sleeps and accepts. Of readers it is an idle client; of writers a peer
        that reads nothing.""",
        "s", (f"max by (direction) ({sel('netpoller_oldest_wait_seconds')})", "{{direction}}"), log=True, height=9, width=5, links=[TO_FLEET],
    ),
    graph(
        "Shares of a wake, stacked",
        """Whose fault a slow answer is: the mean time that events waited in the kernel until somebody polled, from there to the waker,
        and until the scheduler ran the waiter. Microseconds are good.""",
        "s",
        (share("kernel_to_poller"), "kernel, nobody polled"),
        (share("poller_to_waker"), "poller, others were woken first"),
        (share("waker_to_run"), "scheduler, others ran first"),
        stack=True, height=9, width=7, links=[TO_FLEET],
    ),
    graph(
        "Late wakes and deadlines (p99)",
        "From the event to the waiter that runs, and from the deadline to its firing. Below a millisecond is good.",
        "s",
        (quantile(0.99, "netpoller_wakeup_latency_seconds", "direction"), "wake {{direction}}"),
        (f"histogram_quantile(0.99, sum by (le) (rate({sel('netpoller_deadline_lag_seconds_bucket')}[$__rate_interval])))", "deadline"),
        log=True, height=9, links=[TO_FLEET], warn=catalogue.LATE,
    ),
    graph(
        "Utilisation",
        """The share of the time in which a poller does not sleep in epoll_wait, the busiest first. Near 1 it has no room left. A
        poller that a runtime or a loop of the program drives never sleeps there, and is left out.""",
        "percentunit",
        (f"topk(5, clamp_min(1 - (sum by ({WORST}) (rate({sel('netpoller_poll_duration_seconds_sum')}[$__rate_interval])) > 0), 0))",
         "{{instance}} {{poller}}"),
        height=9, compact=True, links=[TO_INSTANCE],
    ),
    graph(
        "Failures",
        """Operations that failed or met their deadline, pauses of accept loops and connections refused for want of descriptors. Timeouts
        are the clients'; the others are none.""",
        "ops",
        (rate("netpoller_io_operations_total", "op, result", result="~timeout|error"), "{{op}} {{result}}"),
        (f"sum by () (rate({sel('netpoller_accept_backoffs_total')}[$__rate_interval]))", "accept pauses"),
        (f"sum by () (rate({sel('netpoller_accept_shed_total')}[$__rate_interval]))", "accept refused"),
        height=9, compact=True, links=[TO_FLEET],
    ),
]


LINKS = [
    {"title": "Runbooks", "type": "link", "url": RUNBOOKS, "icon": "doc", "targetBlank": True},
    *({"title": title, "type": "link", "url": f"/d/{uid}", "icon": "dashboard", "includeVars": True, "keepTime": True}
      for title, uid in (("On call", "netpoller-oncall"), ("Fleet", "netpoller-fleet"), ("Internals", "netpoller"))),
]


def build():
    return one_screen(
        PANELS,
        title="netpoller: on call",
        uid="netpoller-oncall",
        description="Is anything wrong with the pollers, since when, and whose fault is it?",
        links=LINKS,
    )
