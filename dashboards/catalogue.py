"""What Prometheus records and tells, alert by alert, with the values with which it does: the source of the rules, of their
cases, and of what is red on the dashboards."""

from dataclasses import dataclass, field

# What scraping adds: every alert keeps all of it, for whoever routes by namespace.
PROCESS = {"job": "svc", "instance": "a:1", "namespace": "shop", "pod": "svc-0"}
OF = {**PROCESS, "poller": "global"}
# What is left of a job whose targets are gone.
JOB = "cluster, namespace, job"


def series(metric, labels, **more):
    inside = ", ".join(f'{name}="{value}"' for name, value in {**labels, **more}.items())
    return f"{metric}{{{inside}}}"


def buckets(histogram, late, of, **labels):
    """A histogram that counts `of` observations in a minute, so many of them `late`: by a tenth to a fifth of a second."""
    return {series(f"{histogram}_count", OF, **labels): f"0+{of}x20"} | {
        series(f"{histogram}_bucket", OF, **labels, le=le): f"0+{step}x20"
        for le, step in (("0.1", of - late), ("0.2", of), ("+Inf", of))
    }


@dataclass
class Record:
    """What an alert asks for, and a panel of your own may."""

    name: str
    expr: str
    # Values of series, the labels that are recorded of them, and the value.
    values: dict
    labels: dict
    value: float


RECORDS = [
    Record("poller:netpoller_wakeup_latency_seconds:p99_5m",
           "histogram_quantile(0.99, sum without (direction) (rate(netpoller_wakeup_latency_seconds_bucket[5m])))",
           buckets("netpoller_wakeup_latency_seconds", 2, 50, direction="read")
           | buckets("netpoller_wakeup_latency_seconds", 0, 50, direction="write"), OF, 0.15),
    Record("poller:netpoller_deadline_lag_seconds:p99_5m",
           "histogram_quantile(0.99, rate(netpoller_deadline_lag_seconds_bucket[5m]))",
           buckets("netpoller_deadline_lag_seconds", 2, 100), OF, 0.15),
    Record("poller:netpoller_accept_queue:ratio",
           "netpoller_accept_queue_connections / (netpoller_accept_queue_limit > 0)",
           {series("netpoller_accept_queue_connections", OF): "32x20",
            series("netpoller_accept_queue_limit", OF): "128x20"}, OF, 0.25),
    Record("instance:netpoller_open_files:ratio", "netpoller_open_files / netpoller_open_files_limit",
           {series("netpoller_open_files", PROCESS): "256x20",
            series("netpoller_open_files_limit", PROCESS): "1024x20"}, PROCESS, 0.25),
]


@dataclass
class Case:
    """Values of series from minute to minute, with which an alert fires."""

    values: dict
    # Its labels then, and {{ $value }} as its description has it.
    labels: dict
    value: str = ""
    # Other alerts that fire as well, each with its case.
    also: dict = field(default_factory=dict)


@dataclass
class Alert:
    name: str
    severity: str
    expr: str
    # How long it must last.
    hold: str
    # One sentence for the subject of a message.
    summary: str
    # What is known of this one; {{ $labels.x }} and {{ $value }} as Prometheus has it.
    description: str
    # By the part of the expression that is meant.
    fires: dict
    # Values with which it just does not fire.
    silent: tuple = ()
    # The lints that it stands for.
    lints: tuple = ()


# The limits of alerts, which dashboards show as well: seconds, and shares of what there may be.
UNPOLLED = 5
LATE = 0.1
QUEUE = 0.9
FILES, FILES_EARLY = 0.9, 0.7

# So many within five minutes are enough to speak of one of a hundred.
ENOUGH = 30

WHERE = "{{ $labels.poller }} of {{ $labels.instance }}"
WHOSE = "{{ $labels.instance }} of {{ $labels.job }}"
COUNT = "{{ $value }}"
DURATION = "{{ $value | humanizeDuration }}"
NUMBER = '{{ $value | printf "%.0f" }}'
SHARE = "{{ $value | humanizePercentage }}"


def findings(*lints):
    """What was found of these lints, each by itself."""
    return f'netpoller_findings{{lint=~"{"|".join(lints)}"}} > 0'


def is_found(lint, without="lint"):
    """Whether this was found, of each poller."""
    return f'sum without ({without}) (netpoller_findings{{lint="{lint}"}}) > 0'


def found(lint):
    return {series("netpoller_findings", OF, lint=lint): "0 3x20"}


def finding(name, severity, lints, summary, what):
    """An alert on the findings of some lints."""
    return Alert(
        name, severity, findings(*lints), "30s", summary,
        f"{{{{ $labels.lint }}}}, {COUNT} at the poller {WHERE}: {what}",
        {lint: Case(found(lint), {**OF, "lint": lint}, "3") for lint in lints}, lints=tuple(lints),
    )


def queue(connections, limit=128):
    return {series("netpoller_accept_queue_connections", OF): f"0 {connections}x20",
            series("netpoller_accept_queue_limit", OF): f"{limit}x21"}


def files(number, limit=100):
    return {series("netpoller_open_files", PROCESS): f"10 {number}x20",
            series("netpoller_open_files_limit", PROCESS): f"{limit}x21"}


def refused(shed="0x20", **errors):
    """What was refused: connections, and registrations by errno."""
    return {series("netpoller_accept_shed_total", OF): shed} | {
        series("netpoller_register_errors_total", OF, errno=errno): errors.get(errno, "0x20")
        for errno in ("ENOSPC", "ENOMEM", "EPERM")
    }


def unpolled(course):
    return {series("netpoller_unpolled_seconds", OF): course}


ALERTS = [
    Alert(
        "NetpollerDown", "critical",
        "up == 0 and on (job, instance) last_over_time(netpoller_build_info[1d])", "1m",
        "A process that netpoller is in cannot be scraped.",
        f"{WHOSE} does not answer scrapes.",
        {"dead": Case(
            {series("up", PROCESS): "1 1 0x20",
             series("netpoller_build_info", PROCESS, version="0.1.0"): "1 1 _x20"}, PROCESS,
        )},
        silent=({series("up", {**PROCESS, "job": "other"}): "1 1 0x20"},),
    ),
    Alert(
        "NetpollerAbsent", "warning",
        f"group by ({JOB}) (last_over_time(netpoller_build_info[1d])) unless group by ({JOB}) (up)", "15m",
        "A service that netpoller is in is scraped no more.",
        "Prometheus has no target of {{ $labels.job }}, which it had scraped within the day.",
        {"the only target is gone": Case(
            {series("up", PROCESS): "1x5 stale", series("netpoller_build_info", PROCESS, version="0.1.0"): "1x5 stale"},
            {"job": "svc", "namespace": "shop"},
        )},
        silent=({series("up", PROCESS): "1x5 stale", series("netpoller_build_info", PROCESS, version="0.1.0"): "1x5 stale",
                 series("up", {**PROCESS, "instance": "b:1", "pod": "svc-1"}): "1x40"},
                {series("up", {"job": "node", "instance": "a:1"}): "1x5 stale"}),
    ),
    Alert(
        "NetpollerNobodyPolls", "critical",
        f'netpoller_unpolled_seconds and (netpoller_unpolled_seconds > {UNPOLLED} or {is_found("poller-away")})', "30s",
        "Events are due, and nobody polls.",
        f"For {DURATION} the kernel has had events for the poller {WHERE}, or deadlines have passed, and nobody comes for them.",
        {"unpolled": Case(unpolled("0 10+60x20"), OF, "4m 10s"),
         "poller-away": Case(unpolled("0 3x20") | found("poller-away"), OF, "3s")},
        silent=(unpolled("0 5x20"),), lints=("poller-away",),
    ),
    finding(
        "NetpollerExecutorBlocked", "critical", ["blocked-executor"],
        "A task keeps the thread that others wait for.",
        "a task has kept its thread, and what waits for the poller does not run.",
    ),
    finding(
        "NetpollerWaiterStuck", "critical", ["stuck-waiter", "lost-edge", "stale-descriptor", "woken-not-run"],
        "Somebody waits for what will not come.",
        "waiters are parked, or were woken and do not run, although their descriptor is ready.",
    ),
    Alert(
        "NetpollerDeadlinesOverdue", "critical", "netpoller_overdue_deadlines > 0", "30s",
        "Deadlines have passed and have not fired.",
        f"Deadlines of the poller {WHERE} that are overdue: {COUNT}. Timeouts do not come.",
        {"overdue": Case({series("netpoller_overdue_deadlines", OF): "0 4x20"}, OF, "4")},
        lints=("overdue-deadline",),
    ),
    Alert(
        "NetpollerAcceptStalled", "critical",
        f'netpoller_accept_queue_connections and ({is_found("accept-stalled")} or poller:netpoller_accept_queue:ratio > {QUEUE})',
        "30s",
        "Clients wait to be accepted.",
        f"Connections that wait at the fullest listener of the poller {WHERE}: {COUNT}. Nobody accepts them, or its queue is "
        "nearly full.",
        {"accept-stalled": Case(queue(3) | found("accept-stalled"), OF, "3"),
         "a queue without a limit": Case(queue(3, limit=0) | found("accept-stalled"), OF, "3"),
         "queue": Case(queue(116), OF, "116")},
        silent=(queue(115),), lints=("accept-stalled",),
    ),
    Alert(
        "NetpollerFilesRunOut", "critical",
        "instance:netpoller_open_files:ratio and "
        f'({is_found("descriptors-run-out", without="lint, poller")} or instance:netpoller_open_files:ratio > {FILES})',
        "30s",
        "The process will soon have no file descriptors left.",
        f"{WHOSE} has {SHARE} of the files open that it may have, or opens ever more and closes none.",
        {"descriptors-run-out": Case(files(40) | found("descriptors-run-out"), PROCESS, "40%"),
         "files": Case(files(91), PROCESS, "91%")},
        lints=("descriptors-run-out",),
    ),
    Alert(
        "NetpollerFilesFill", "warning", f"instance:netpoller_open_files:ratio > {FILES_EARLY}", "5m",
        "The process has many of its file descriptors open.",
        f"{WHOSE} has {SHARE} of the files open that it may have.",
        {"more than usual": Case(files(71), PROCESS, "71%"), "many": Case(files(90), PROCESS, "90%"),
         "nearly all": Case(files(91), PROCESS, "91%", also={"NetpollerFilesRunOut": Case({}, PROCESS, "91%")})},
        silent=(files(70),),
    ),
    # What is refused at one moment alone wakes nobody: that it has been refused for as long as is looked back.
    Alert(
        "NetpollerRefused", "critical",
        'sum without (errno) (increase(netpoller_register_errors_total{errno=~"ENOSPC|ENOMEM"}[2m])) '
        "+ increase(netpoller_accept_shed_total[2m]) > 0", "2m",
        "Connections are refused, for the process or its user is at a limit.",
        f"The poller {WHERE} has refused {NUMBER} connections or registrations in 2m: there were no file descriptors left, "
        "or nothing more may be registered.",
        {"the user's limit of epoll watches": Case(refused(ENOSPC="0+5x20"), OF, "10"),
         "memory of the kernel": Case(refused(ENOMEM="0+5x20"), OF, "10"),
         "connections": Case(refused(shed="0+5x20"), OF, "10")},
        silent=(refused(shed="0x3 5x17"), refused(EPERM="0+5x20")),
    ),
    finding(
        "NetpollerThreadStarved", "warning", ["thread-starved"],
        "A thread that polls is kept from running.",
        "a thread that polls is runnable and waits for a processor most of the time.",
    ),
    finding(
        "NetpollerReadinessLeaked", "warning", ["leaked-readiness", "close-wait-held"],
        "Descriptors have something to read, and nobody reads.",
        "descriptors are ready, or closed by their peers, and nobody comes for them.",
    ),
    finding(
        "NetpollerPeerSilent", "warning", ["peer-not-reading", "peer-gone"],
        "Peers take nothing, or do not answer.",
        "connections wait for peers that take nothing or are gone, without a deadline.",
    ),
    finding(
        "NetpollerRegistrationWrong", "warning", ["ghost-registration", "duplicate-registration", "blocking-mode"],
        "A descriptor is registered wrongly.",
        "descriptors are registered twice, closed before their registration, or in blocking mode.",
    ),
    finding(
        "NetpollerWorkWasted", "warning",
        ["wake-storm", "spurious-ratio", "starved-batch", "slow-dispatch"],
        "The poller does more than it should, or less than it could.",
        "it is woken for nothing, fills its batches, or is held up by wakers.",
    ),
    finding(
        "NetpollerChurn", "info", ["generation-churn"],
        "Descriptors are closed almost as soon as they are opened.",
        "descriptors are opened and closed at a high rate.",
    ),
    Alert(
        "NetpollerLawViolated", "warning", "netpoller_laws_violated > 0", "30s",
        "What netpoller counts does not agree with itself.",
        f"Conservation laws of the poller {WHERE} that are violated: {COUNT}. It is a bug of netpoller.",
        {"laws": Case({series("netpoller_laws_violated", OF): "0 1x20"}, OF, "1")},
    ),
    Alert(
        "NetpollerNoDeadline", "info",
        f'{findings("no-deadline")} and ignoring (lint) max without (direction) (netpoller_oldest_wait_seconds) > 300', "1m",
        "Somebody has waited for long, and has no deadline.",
        f"{{{{ $labels.lint }}}}, {COUNT} at the poller {WHERE}: waits have lasted for more than five minutes, and nothing but "
        "their peer ends them.",
        {"no-deadline": Case(
            found("no-deadline") | {series("netpoller_oldest_wait_seconds", OF, direction="read"): "0 400+60x20"},
            {**OF, "lint": "no-deadline"}, "3",
        )},
        silent=(found("no-deadline") | {series("netpoller_oldest_wait_seconds", OF, direction="write"): "300x20"},),
        lints=("no-deadline",),
    ),
    Alert(
        "NetpollerWakeupSlow", "warning",
        f"poller:netpoller_wakeup_latency_seconds:p99_5m > {LATE} "
        f"and sum without (direction) (increase(netpoller_wakeup_latency_seconds_count[5m])) > {ENOUGH}", "5m",
        "Waiters run late after they were woken.",
        f"One of a hundred waiters of the poller {WHERE} runs more than {DURATION} after its event was fetched.",
        {"wakes": Case(buckets("netpoller_wakeup_latency_seconds", 2, 100, direction="read"), OF, "150ms")},
        silent=(buckets("netpoller_wakeup_latency_seconds", 1, 101, direction="read"),
                buckets("netpoller_wakeup_latency_seconds", 1, 6, direction="read")),
    ),
    Alert(
        "NetpollerDeadlinesLate", "warning",
        f"poller:netpoller_deadline_lag_seconds:p99_5m > {LATE} "
        f"and increase(netpoller_deadline_lag_seconds_count[5m]) > {ENOUGH}", "5m",
        "Deadlines fire late.",
        f"One of a hundred deadlines of the poller {WHERE} fires more than {DURATION} late.",
        {"deadlines": Case(buckets("netpoller_deadline_lag_seconds", 2, 100), OF, "150ms")},
        silent=(buckets("netpoller_deadline_lag_seconds", 1, 101), buckets("netpoller_deadline_lag_seconds", 1, 6)),
    ),
    Alert(
        "NetpollerScrapeRefused", "warning",
        'sum without (code) (increase(netpoller_scrape_requests_total{code=~"403|500|503"}[5m])) > 0', "5m",
        "Scrapes of the metrics are refused, or fail.",
        f"{WHOSE} has refused or failed {NUMBER} scrapes in 5m: it does not know the name it is called by, or is asked "
        "by more than it has room for.",
        {code: Case({series("netpoller_scrape_requests_total", PROCESS, code=code): "0+1x20"}, PROCESS, "5")
         for code in ("403", "500", "503")},
        silent=({series("netpoller_scrape_requests_total", PROCESS, code="404"): "0+1x20"},),
    ),
]



def lints(severity):
    """The lints of the alerts that are so grave."""
    return [lint for alert in ALERTS if alert.severity == severity for lint in alert.lints]


# What was renamed: the old name, and how it is read now.
RENAMED = [
    ("netpoller_waits_total", "netpoller_polls_total"),
    ("netpoller_wait_errors_total", "netpoller_poll_errors_total"),
    ("netpoller_opened_total", "netpoller_slots_opened_total"),
    ("netpoller_closed_total", "netpoller_slots_closed_total"),
    ("netpoller_evicted_total", "netpoller_descriptors_evicted_total"),
    ("netpoller_breaks_requested_total", "sum without (result) (netpoller_breaks_total)"),
    *((f"netpoller_{old}_{end}", f"netpoller_{new}_{end}")
      for old, new in (("events_per_wait", "events_per_poll"), ("wait_duration_seconds", "poll_duration_seconds"))
      for end in ("bucket", "sum", "count")),
]
