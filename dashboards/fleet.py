"""The dashboard for many instances: which of them is unlike the others? One line for each, the five that stand out most."""

import oncall
from grafana import PROCESS, graph, one_screen, sel, stat, table

# So many lines are enough to see which one is unlike the others.
MOST = 5


def most(expr):
    """The instances of which there is most."""
    return f"topk({MOST}, {expr})", "{{instance}}"


def worst(metric):
    """The worst poller of each instance."""
    return most(f"max by (instance) ({sel(metric)})")


def rate_of(metric, **labels):
    return most(f"sum by (instance) (rate({sel(metric, **labels)}[$__rate_interval]))")


def late(histogram):
    return most(f"histogram_quantile(0.99, sum by (instance, le) (rate({sel(histogram + '_bucket')}[$__rate_interval])))")


def with_findings(lints, name):
    """How many instances have some of these."""
    return f"count(sum by (job, instance) ({sel('netpoller_findings', lint=lints)}) > 0) or vector(0)", name


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
        "short", most(f"sum by (instance) ({sel('netpoller_findings')})"), stack=True, height=6, width=6, compact=True,
    ),
    graph(
        "Unpolled", "For how long nobody has polled although something was due. It is 0, or a moment.",
        "s", worst("netpoller_unpolled_seconds"), height=6, width=6, compact=True,
    ),
    graph(
        "Oldest write", "The writer that has been parked for longest: of one instance alone, a peer of that one reads nothing.",
        "s", most(f"max by (instance) ({sel('netpoller_oldest_wait_seconds', direction='write')})"), height=6, width=6, compact=True,
    ),
    graph(
        "Accept queue", "Connections that wait at the fullest listener, of those that may.",
        "percentunit",
        most(f"max by (instance) ({sel('netpoller_accept_queue_connections')} / ({sel('netpoller_accept_queue_limit')} > 0))"),
        height=6, width=6, compact=True,
    ),
    graph(
        "Late wakes (p99)", "From the event to the waiter that runs. An instance above the others has a busy executor, or a busy machine.",
        "s", late("netpoller_wakeup_latency_seconds"), log=True, height=6, width=6, compact=True,
    ),
    graph(
        "Late deadlines (p99)", "From the deadline to its firing.",
        "s", late("netpoller_deadline_lag_seconds"), log=True, height=6, width=6, compact=True,
    ),
    graph(
        "Utilisation", "The share of the time in which the busiest poller does not sleep in epoll_wait.",
        "percentunit",
        most(f"max by (instance) (clamp_min(1 - (sum by (instance, poller) "
             f"(rate({sel('netpoller_poll_duration_seconds_sum')}[$__rate_interval])) > 0), 0))"),
        height=6, width=6, compact=True,
    ),
    graph(
        "Open files", "Files that are open, of those that may be. A line that only rises is a leak.",
        "percentunit",
        most(f"max by (instance) ({sel('netpoller_open_files', PROCESS)} / {sel('netpoller_open_files_limit', PROCESS)})"),
        height=6, width=6, compact=True,
    ),
    graph(
        "Descriptors", "Registered now. One instance with many more than the others is one that the balancer likes, or that leaks.",
        "short", most(f"sum by (instance) ({sel('netpoller_registered_fds')})"), height=6, width=6, compact=True,
    ),
    graph(
        "Bytes", "Payload in both directions.",
        "Bps", rate_of("netpoller_io_bytes_total"), height=6, width=6, compact=True,
    ),
    graph(
        "Timeouts", "Operations that met their deadline. The clients of one instance, or the network before it.",
        "ops", rate_of("netpoller_io_operations_total", result="timeout"), height=6, width=6, compact=True,
    ),
    graph(
        "Errors", "Operations that failed.",
        "ops", rate_of("netpoller_io_operations_total", result="error"), height=6, width=6, compact=True,
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
