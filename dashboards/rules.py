#!/usr/bin/env python3
"""Writes the rules of Prometheus into rules/, and those for its operator into deploy/. `--check` only says whether the files
are up to date; `--test` has promtool check them, and run a firing and several silent cases of each alert.

netpoller.yml has recording rules and alerts, renamed.yml the old names of metrics that were renamed. What to do about an
alert is in RUNBOOKS.md.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from kubernetes import prometheus_rule

HERE = pathlib.Path(__file__).parent
RUNBOOKS = "https://github.com/netpoller/netpoller/blob/main/dashboards/RUNBOOKS.md#"

# What several alerts or panels ask for: name, what it is, expression.
RECORDS = [
    ("poller:netpoller_findings:sum", "sum without (lint) (netpoller_findings)"),
    ("poller:netpoller_wakeup_latency_seconds:p99_5m",
     "histogram_quantile(0.99, sum without (direction) (rate(netpoller_wakeup_latency_seconds_bucket[5m])))"),
    ("poller:netpoller_deadline_lag_seconds:p99_5m",
     "histogram_quantile(0.99, rate(netpoller_deadline_lag_seconds_bucket[5m]))"),
    ("poller:netpoller_accept_queue:ratio",
     "netpoller_accept_queue_connections / (netpoller_accept_queue_limit > 0)"),
    ("instance:netpoller_open_files:ratio", "netpoller_open_files / netpoller_open_files_limit"),
]


@dataclass
class Alert:
    name: str
    severity: str
    expr: str
    # How long it must last.
    hold: str
    # One sentence for the subject of a message.
    summary: str
    # What is known of this one; {{ $labels.x }} as Prometheus has it.
    description: str
    # The series with which it fires: name with labels and values from minute to minute.
    fires: dict
    # Its labels then.
    labels: dict


WHERE = "{{ $labels.poller }} of {{ $labels.instance }}"
# What scraping adds: every alert keeps all of it, for whoever routes by namespace.
PROCESS = {"job": "svc", "instance": "a:1", "namespace": "shop", "pod": "svc-0"}
OF = {**PROCESS, "poller": "global"}


def series(metric, labels, **more):
    inside = ", ".join(f'{name}="{value}"' for name, value in {**labels, **more}.items())
    return f"{metric}{{{inside}}}"


def found(*lints):
    """Findings of these lints, of each poller."""
    return f'sum without (lint) (netpoller_findings{{lint=~"{"|".join(lints)}"}}) > 0'


def finding(name, severity, lints, summary, description, hold="30s", orelse=""):
    """An alert on the findings of some lints."""
    return Alert(
        name, severity, found(*lints) + orelse, hold, summary, description,
        {series("netpoller_findings", OF, lint=lints[0]): "0 1x20"}, OF,
    )


ALERTS = [
    Alert(
        "NetpollerDown", "critical",
        "up == 0 and on (job, instance) last_over_time(netpoller_build_info[1d])", "1m",
        "A process that netpoller is in cannot be scraped.",
        "{{ $labels.instance }} of {{ $labels.job }} has not answered a scrape for a minute.",
        {series("up", PROCESS): "1 1 0x20",
         series("netpoller_build_info", PROCESS, version="0.1.0"): "1 1 _x20"},
        PROCESS,
    ),
    Alert(
        "NetpollerNobodyPolls", "critical",
        f'{found("poller-away")} or netpoller_unpolled_seconds > 5', "30s",
        "Events are due, and nobody polls.",
        f"The kernel has events for the poller {WHERE}, or deadlines have passed, and nobody comes for them.",
        {series("netpoller_unpolled_seconds", OF): "0 10+60x20"}, OF,
    ),
    finding(
        "NetpollerExecutorBlocked", "critical", ["blocked-executor"],
        "A task keeps the thread that others wait for.",
        f"A task has kept its thread, and what waits for the poller {WHERE} does not run.",
    ),
    finding(
        "NetpollerWaiterStuck", "critical", ["stuck-waiter", "lost-edge", "stale-descriptor", "woken-not-run"],
        "Somebody waits for what will not come.",
        f"Waiters of the poller {WHERE} are parked, or were woken and do not run, although their descriptor is ready.",
    ),
    Alert(
        "NetpollerDeadlinesOverdue", "critical",
        "netpoller_overdue_deadlines > 0", "30s",
        "Deadlines have passed and have not fired.",
        f"Deadlines of the poller {WHERE} are overdue, so timeouts do not come.",
        {series("netpoller_overdue_deadlines", OF): "0 1x20"}, OF,
    ),
    finding(
        "NetpollerAcceptStalled", "critical", ["accept-stalled"],
        "Clients wait to be accepted.",
        f"Connections to a listener of the poller {WHERE} wait, and nobody accepts them, or its queue is nearly full.",
        orelse=" or poller:netpoller_accept_queue:ratio > 0.9",
    ),
    Alert(
        "NetpollerFilesRunOut", "critical",
        'sum without (lint, poller) (netpoller_findings{lint="descriptors-run-out"}) > 0 or instance:netpoller_open_files:ratio > 0.9',
        "30s",
        "The process will soon have no file descriptors left.",
        "{{ $labels.instance }} of {{ $labels.job }} has nearly all of the files open that it may have, or soon will.",
        {series("netpoller_open_files", PROCESS): "10 95x20",
         series("netpoller_open_files_limit", PROCESS): "100x21"},
        PROCESS,
    ),
    finding(
        "NetpollerThreadStarved", "warning", ["thread-starved"],
        "A thread that polls is kept from running.",
        f"A thread that polls {WHERE} is runnable and waits for a processor most of the time.",
    ),
    finding(
        "NetpollerReadinessLeaked", "warning", ["leaked-readiness", "close-wait-held"],
        "Descriptors have something to read, and nobody reads.",
        f"Descriptors of the poller {WHERE} are ready, or closed by their peers, and nobody comes for them.",
    ),
    finding(
        "NetpollerPeerSilent", "warning", ["peer-not-reading", "peer-gone"],
        "Peers take nothing, or do not answer.",
        f"Connections of the poller {WHERE} wait for peers that take nothing or are gone, without a deadline.",
    ),
    finding(
        "NetpollerRegistrationWrong", "warning", ["ghost-registration", "duplicate-registration", "blocking-mode"],
        "A descriptor is registered wrongly.",
        f"Descriptors of the poller {WHERE} are registered twice, closed before their registration, or in blocking mode.",
    ),
    finding(
        "NetpollerWorkWasted", "warning",
        ["wake-storm", "spurious-ratio", "starved-batch", "slow-dispatch", "generation-churn"],
        "The poller does more than it should, or less than it could.",
        f"The poller {WHERE} is woken for nothing, fills its batches, or is held up by wakers.",
    ),
    Alert(
        "NetpollerLawViolated", "warning",
        "netpoller_laws_violated > 0", "30s",
        "What netpoller counts does not agree with itself.",
        f"Conservation laws of the poller {WHERE} are violated: a bug of netpoller.",
        {series("netpoller_laws_violated", OF): "0 1x20"}, OF,
    ),
    Alert(
        "NetpollerNoDeadline", "info",
        f'{found("no-deadline")} and max without (direction) (netpoller_oldest_wait_seconds) > 300', "1m",
        "Somebody has waited for long, and has no deadline.",
        f"Waits of the poller {WHERE} have lasted for more than five minutes, and nothing but their peer ends them.",
        {series("netpoller_findings", OF, lint="no-deadline"): "0 1x20",
         series("netpoller_oldest_wait_seconds", OF, direction="read"): "0 400+60x20"}, OF,
    ),
    Alert(
        "NetpollerWakeupSlow", "warning",
        "poller:netpoller_wakeup_latency_seconds:p99_5m > 0.1", "5m",
        "Waiters run late after they were woken.",
        f"One of a hundred waiters of the poller {WHERE} runs more than 100 ms after its event was fetched.",
        {series("netpoller_wakeup_latency_seconds_bucket", OF, direction="read", le=le): f"0+{step}x20"
         for le, step in (("0.050331648", 10), ("0.201326592", 60), ("+Inf", 60))}, OF,
    ),
    Alert(
        "NetpollerDeadlinesLate", "warning",
        "poller:netpoller_deadline_lag_seconds:p99_5m > 0.1", "5m",
        "Deadlines fire late.",
        f"One of a hundred deadlines of the poller {WHERE} fires more than 100 ms late.",
        {series("netpoller_deadline_lag_seconds_bucket", OF, le=le): f"0+{step}x20"
         for le, step in (("0.050331648", 10), ("0.201326592", 60), ("+Inf", 60))}, OF,
    ),
    Alert(
        "NetpollerScrapeRefused", "warning",
        'sum without (code) (rate(netpoller_scrape_requests_total{code=~"403|500|503"}[5m])) > 0', "5m",
        "Scrapes of the metrics are refused, or fail.",
        "{{ $labels.instance }} of {{ $labels.job }} refuses scrapes, or is asked by more than it has room for.",
        {series("netpoller_scrape_requests_total", PROCESS, code="503"): "0+1x20"},
        PROCESS,
    ),
]

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

# What goes on for long: values as above, the alerts that fire then, and the moments.
LASTING = {
    "a process that is dead for more than an hour": (
        {series("up", PROCESS): "1 1 0x90",
         series("netpoller_build_info", PROCESS, version="0.1.0"): "1 1 _x90"},
        ["NetpollerDown"], ["75m", "90m"],
    ),
    "a target that is dead and then taken out of the configuration": (
        {series("up", PROCESS): "1 1 0x30 stale",
         series("netpoller_build_info", PROCESS, version="0.1.0"): "1 1 _x31"},
        [], ["40m"],
    ),
}

# Programs that are healthy: the values of every series that an alert uses, where they are not all 0.
HEALTHY = {
    "an idle tokio service, which nobody has polled for an hour": {
        series("netpoller_oldest_wait_seconds", OF, direction="read"): "3600+60x30",
        series("netpoller_last_poll_timestamp_seconds", OF): "1x30",
        series("netpoller_accept_queue_limit", OF): "128x30",
    },
    "a start": {
        series("up", PROCESS): "0 1x30",
        series("netpoller_build_info", PROCESS, version="0.1.0"): "_ 1x30",
        series("netpoller_open_files", PROCESS): "_ 30x30",
        series("netpoller_open_files_limit", PROCESS): "_ 1024x30",
    },
    "a restart": {
        series("up", PROCESS): "1x9 0 1x20",
        series("netpoller_build_info", PROCESS, version="0.1.0"): "1x9 _ 1x20",
        series("netpoller_scrape_requests_total", PROCESS, code="503"): "5x9 _ 0x20",
        series("netpoller_deadline_lag_seconds_bucket", OF, le="0.000001024"): "0+9x9 _ 0+9x20",
        series("netpoller_deadline_lag_seconds_bucket", OF, le="+Inf"): "0+9x9 _ 0+9x20",
    },
    "a process that was stopped, and of which one scrape saw something": {
        **{series("netpoller_findings", OF, lint=lint): "0x9 1 0x20"
           for lint in ("poller-away", "stuck-waiter", "blocked-executor", "accept-stalled")},
        series("netpoller_unpolled_seconds", OF): "0x9 10 0x20",
        series("netpoller_overdue_deadlines", OF): "0x9 3 0x20",
        series("netpoller_laws_violated", OF): "0x9 1 0x20",
    },
}


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def rules():
    lines = ["# Written by rules.py.", "groups:", "  - name: netpoller", "    rules:"]
    for name, expr in RECORDS:
        lines += [f"      - record: {name}", f"        expr: {quoted(expr)}"]
    lines += ["  - name: netpoller-alerts", "    rules:"]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {quoted(alert.expr)}",
            f"        for: {alert.hold}",
            f"        labels: {{severity: {alert.severity}}}",
            "        annotations:",
            f"          summary: {quoted(alert.summary)}",
            f"          description: {quoted(alert.description)}",
            f"          runbook_url: {quoted(RUNBOOKS + alert.name.lower())}",
        ]
    return "\n".join(lines) + "\n"


def renamed():
    lines = ["# Written by rules.py. Metrics under the names that they had.", "groups:",
             "  - name: netpoller-renamed", "    rules:"]
    for name, expr in RENAMED:
        lines += [f"      - record: {name}", f"        expr: {quoted(expr)}"]
    return "\n".join(lines) + "\n"


def case(name, values, expected, at, interval="1m"):
    """One case: `expected` are the alerts that fire, and all others must not."""
    lines = [f"  - name: {quoted(name)}", f"    interval: {interval}", "    input_series:"]
    for of, course in values.items():
        lines += [f"      - series: {quoted(of)}", f"        values: {quoted(course)}"]
    lines.append("    alert_rule_test:")
    for alert in ALERTS:
        for moment in at:
            lines += [f"      - eval_time: {moment}", f"        alertname: {alert.name}"]
            if alert not in expected:
                lines.append("        exp_alerts: []")
                continue
            description = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: alert.labels[match[1]], alert.description)
            labels = ", ".join(f"{label}: {quoted(value)}" for label, value in alert.labels.items())
            lines += [
                "        exp_alerts:",
                f"          - exp_labels: {{severity: {alert.severity}, {labels}}}",
                "            exp_annotations:",
                f"              summary: {quoted(alert.summary)}",
                f"              description: {quoted(description)}",
                f"              runbook_url: {quoted(RUNBOOKS + alert.name.lower())}",
            ]
    return lines


def tests():
    lines = [f"rule_files: [{quoted(str(HERE / 'rules' / 'netpoller.yml'))}]", "evaluation_interval: 15s", "tests:"]
    for alert in ALERTS:
        lines += case(f"{alert.name} fires, and nothing else", alert.fires, [alert], ["15m"])
    for name, (values, names, moments) in LASTING.items():
        lines += case(name, values, [alert for alert in ALERTS if alert.name in names], moments)
    # As often as Prometheus scrapes and evaluates.
    moments = [f"{seconds}s" for seconds in (0, 60, 120, 135, 150, 165, 180, 195, 210, 240, 300, 450)]
    for name, values in HEALTHY.items():
        lines += case(f"{name}: nothing fires", values, [], moments, interval="15s")
    return "\n".join(lines) + "\n"


def promtool():
    files = [str(HERE / "rules" / name) for name in ("netpoller.yml", "renamed.yml")]
    subprocess.run(["promtool", "check", "rules", "--lint=all", *files], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as cases:
        cases.write(tests())
        cases.flush()
        subprocess.run(["promtool", "test", "rules", cases.name], check=True)


def main():
    files = {
        "rules/netpoller.yml": rules(),
        "rules/renamed.yml": renamed(),
        "deploy/prometheusrule.yaml": prometheus_rule(rules()),
    }
    for name, text in files.items():
        path = HERE / name
        if not {"--check", "--test"} & set(sys.argv[1:]):
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"{name} is not what rules.py writes; run python3 dashboards/rules.py")
    if "--test" in sys.argv[1:]:
        promtool()


if __name__ == "__main__":
    main()
