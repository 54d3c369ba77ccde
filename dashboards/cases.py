"""Cases of the rules for promtool: what fires, with which labels and words, and what may not."""

import pathlib
import re
import subprocess
import tempfile

from catalogue import ALERTS, OF, PROCESS, RECORDS, Case, refused, series, unpolled
from config import Config, seconds, write
from prometheus import quoted, renamed, rules, runbook, severity

# What goes on for long: values as above, the cases of the alerts that fire then, and the moments.
LASTING = {
    "a process that is dead for more than an hour": (
        {series("up", PROCESS): "1 1 0x90",
         series("netpoller_build_info", PROCESS, version="0.1.0"): "1 1 _x90"},
        {"NetpollerDown": Case({}, PROCESS)}, ["75m", "90m"],
    ),
    "a target that is dead and then taken out of the configuration": (
        {series("up", PROCESS): "1 1 0x30 stale",
         series("netpoller_build_info", PROCESS, version="0.1.0"): "1 1 _x31"},
        {}, ["40m"],
    ),
    "a job that is taken out of the configuration": (
        {series("up", PROCESS): "1x10 stale", series("netpoller_build_info", PROCESS, version="0.1.0"): "1x10 stale"},
        {"NetpollerAbsent": Case({}, {"job": "svc", "namespace": "shop"})}, ["30m", "2h"],
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


def course(name, values, interval="1m"):
    lines = [f"  - name: {quoted(name)}", f"    interval: {interval}", "    input_series:"]
    for of, values in values.items():
        lines += [f"      - series: {quoted(of)}", f"        values: {quoted(values)}"]
    return lines


def fired(alert, case, config):
    """The alert as it is told then."""
    description = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: case.labels[match[1]], alert.description)
    description = re.sub(r"\{\{ \$value[^}]* \}\}", case.value, description)
    labels = {"severity": severity(alert, config), **config.labels, **case.labels}
    labels = ", ".join(f"{label}: {quoted(value)}" for label, value in labels.items())
    return [
        "        exp_alerts:",
        f"          - exp_labels: {{{labels}}}",
        "            exp_annotations:",
        f"              summary: {quoted(alert.summary)}",
        f"              description: {quoted(config.ranges(description))}",
        f"              runbook_url: {quoted(runbook(alert, config))}",
    ]


def alerted(expected, at, config=Config()):
    """`expected` are the cases of the alerts that fire, by name; all others must not."""
    lines = ["    alert_rule_test:"]
    for alert in ALERTS:
        for moment in at:
            lines += [f"      - eval_time: {moment}", f"        alertname: {alert.name}"]
            told = alert.name in expected
            lines += fired(alert, expected[alert.name], config) if told else ["        exp_alerts: []"]
    return lines


def recorded(record):
    # Rounded, for a quantile is interpolated.
    expr, labels = f"round({record.name}, 0.001)", series("", record.labels)
    return ["    promql_expr_test:", f"      - expr: {quoted(expr)}", "        eval_time: 15m",
            "        exp_samples:", f"          - {{labels: {quoted(labels)}, value: {record.value}}}"]


def suite(file, *cases):
    lines = [f"rule_files: [{quoted(str(file))}]", "evaluation_interval: 15s", "tests:"]
    return "\n".join(lines + [line for case in cases for line in case]) + "\n"


def tests(file):
    cases = [course(record.name, record.values) + recorded(record) for record in RECORDS]
    for alert in ALERTS:
        # Long after it has begun, and so after it has lasted for as long as it must.
        at = max(5 * 60, 3 * seconds(alert.hold))
        for part, case in alert.fires.items():
            cases.append(course(f"{alert.name} fires: {part}", case.values)
                         + alerted({alert.name: case, **case.also}, [f"{at}s"]))
        for values in alert.silent:
            cases.append(course(f"{alert.name} just does not fire", values)
                         + alerted({}, [f"{at + more}s" for more in (-60, 0, 60)]))
    for name, (values, expected, moments) in LASTING.items():
        cases.append(course(name, values) + alerted(expected, moments))
    # As often as Prometheus scrapes and evaluates.
    moments = [f"{seconds}s" for seconds in (0, 60, 120, 135, 150, 165, 180, 195, 210, 240, 300, 450)]
    for name, values in HEALTHY.items():
        cases.append(course(f"{name}: nothing fires", values, interval="15s") + alerted({}, moments))
    return suite(file, *cases)


# An installation with everything otherwise.
OTHERWISE = Config(interval=120, selector='job="svc"', critical="page", labels={"team": "storage"},
                   runbooks="https://wiki/netpoller")


def tests_otherwise(file):
    """What does not page there: one look, one burst of refusals, another job. What does, and with which labels."""
    away, *_ = [alert for alert in ALERTS if alert.name == "NetpollerNobodyPolls"]
    other = {of.replace('job="svc"', 'job="other"'): values for of, values in away.fires["unpolled"].values.items()}
    moments = [f"{minutes}m" for minutes in range(3, 15)]
    return suite(
        file,
        course("one look", unpolled("0 10 0x20"), interval="2m") + alerted({}, moments, OTHERWISE),
        course("one burst", refused(shed="0 0 5x20"), interval="2m") + alerted({}, moments, OTHERWISE),
        course("another job", other) + alerted({}, moments, OTHERWISE),
        *(course(f"all the same: {alert.name}", case.values)
          + alerted({alert.name: Case({}, case.labels, value)}, ["15m"], OTHERWISE)
          for alert, case, value in (
              (away, away.fires["unpolled"], "14m 10s"),
              *((alert, alert.fires[part], value) for alert in ALERTS for name, part, value in (
                  ("NetpollerRefused", "connections", "40"), ("NetpollerLawViolated", "laws", "1"),
                  ("NetpollerScrapeRefused", "503", "8"),
              ) if alert.name == name),
          )),
    )


def promtool(folder):
    """Has promtool check the rules that are there, and run all cases."""
    written = [str(folder / "rules" / name) for name in ("netpoller.yml", "renamed.yml")]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        otherwise = {"otherwise.yml": rules(OTHERWISE), "otherwise-renamed.yml": renamed(OTHERWISE)}
        write(scratch, otherwise | {
            "tests.yml": tests(written[0]), "tests-otherwise.yml": tests_otherwise(scratch / "otherwise.yml"),
        }, check=False)
        written += [str(scratch / name) for name in otherwise]
        subprocess.run(["promtool", "check", "rules", "--lint=all", *written], check=True)
        suites = [str(scratch / name) for name in ("tests.yml", "tests-otherwise.yml")]
        subprocess.run(["promtool", "test", "rules", *suites], check=True)
