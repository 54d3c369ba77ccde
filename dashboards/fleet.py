"""The dashboard for many instances: which of them is unlike the others? One line for each, the five that stand out most, beside
the median of all."""

import catalogue
import oncall
from grafana import PROCESS, TO_INSTANCE, graph, one_screen, sel, stat, table

# So many lines are enough to see which one is unlike the others.
MOST = 5
EACH = "job, instance"


def most(expr):
    """The instances of which there is most."""
    return f"topk({MOST}, {expr})", "{{instance}}"


def compared(title, description, unit, expr, **more):
    """The instances of which there is most, and what is usual."""
    return graph(title, description, unit, most(expr), (f"quantile(0.5, {expr})", "median"), beside="median",
                 height=6, width=6, compact=True, links=[TO_INSTANCE], **more)


def worst(metric, **labels):
    """The worst poller of each instance."""
    return f"max by ({EACH}) ({sel(metric, **labels)})"


def rate_of(metric, **labels):
    return f"sum by ({EACH}) (rate({sel(metric, **labels)}[$__rate_interval]))"


def late(histogram):
    return f"histogram_quantile(0.99, sum by ({EACH}, le) (rate({sel(histogram + '_bucket')}[$__rate_interval])))"


def with_findings(lints, name):
    """How many instances have some of these."""
    return f"count(sum by ({EACH}) ({sel('netpoller_findings', lint=lints)}) > 0) or vector(0)", name


PANELS = [
    stat(
        "Instances", "Processes that export metrics of netpoller.",
        "short", (f"count({sel('netpoller_build_info', PROCESS)})", "instances"), height=4,
    ),
    stat(
        "With findings",
        """Instances in which `netpoller doctor` would find a fault now. There are none. Red are those with one whose alert is
        critical, orange those with one whose alert is a warning.""",
        "short", with_findings(oncall.PAGING, "critical"), with_findings(oncall.WAITING, "warning"), bad=1, milder=1, height=4,
    ),
    stat(
        "Restarted in 1 h", "Instances whose process is younger than an hour: a deploy, or a crash.",
        "short", (f"count(time() - {sel('netpoller_start_timestamp_seconds', PROCESS)} < 3600) or vector(0)", "instances"), height=4,
    ),
    table(
        "Builds", "Which build of netpoller each instance runs. More than one version is a rollout that is going on, or one that has stopped.",
        (sel("netpoller_build_info", PROCESS), ""), width=12, hide=("features", "job"), height=4,
    ),
    graph(
        "Findings", "Known faults, by instance. There are none.",
        "short", most(f"sum by ({EACH}) ({sel('netpoller_findings')})"),
        stack=True, height=6, width=6, compact=True, links=[TO_INSTANCE],
    ),
    compared(
        "Unpolled", "For how long nobody has polled although something was due. It is 0, or a moment.",
        "s", worst("netpoller_unpolled_seconds"), bad=catalogue.UNPOLLED,
    ),
    compared(
        "Oldest write", "The writer that has been parked for longest: of one instance alone, a peer of that one reads nothing.",
        "s", worst("netpoller_oldest_wait_seconds", direction="write"),
    ),
    compared(
        "Accept queue", "Connections that wait at the fullest listener, of those that may.",
        "percentunit",
        f"max by ({EACH}) ({sel('netpoller_accept_queue_connections')} / ({sel('netpoller_accept_queue_limit')} > 0))",
        bad=catalogue.QUEUE,
    ),
    compared(
        "Late wakes (p99)", "From the event to the waiter that runs. An instance above the others has a busy executor, or a busy machine.",
        "s", late("netpoller_wakeup_latency_seconds"), log=True, warn=catalogue.LATE,
    ),
    compared(
        "Late deadlines (p99)", "From the deadline to its firing.",
        "s", late("netpoller_deadline_lag_seconds"), log=True, warn=catalogue.LATE,
    ),
    compared(
        "Utilisation", "The share of the time in which the busiest poller does not sleep in epoll_wait.",
        "percentunit",
        f"max by ({EACH}) (clamp_min(1 - (sum by ({EACH}, poller) "
        f"(rate({sel('netpoller_poll_duration_seconds_sum')}[$__rate_interval])) > 0), 0))",
    ),
    compared(
        "Open files", "Files that are open, of those that may be. A line that only rises is a leak.",
        "percentunit",
        f"max by ({EACH}) ({sel('netpoller_open_files', PROCESS)} / {sel('netpoller_open_files_limit', PROCESS)})",
        warn=catalogue.FILES_EARLY, bad=catalogue.FILES,
    ),
    compared(
        "Descriptors", "Registered now. One instance with many more than the others is one that the balancer likes, or that leaks.",
        "short", f"sum by ({EACH}) ({sel('netpoller_registered_fds')})",
    ),
    compared(
        "Bytes", "Payload in both directions.",
        "Bps", rate_of("netpoller_io_bytes_total"),
    ),
    compared(
        "Timeouts", "Operations that met their deadline. The clients of one instance, or the network before it.",
        "ops", rate_of("netpoller_io_operations_total", result="timeout"),
    ),
    compared(
        "Errors", "Operations that failed.",
        "ops", rate_of("netpoller_io_operations_total", result="error"),
    ),
]


def build():
    return one_screen(
        PANELS,
        title="netpoller: fleet",
        uid="netpoller-fleet",
        description="Which of many instances is unlike the others?",
        links=oncall.LINKS,
    )
