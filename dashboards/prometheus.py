"""The rule files of Prometheus, as an installation wants them."""

import json

from catalogue import ALERTS, RECORDS, RENAMED


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def severity(alert, config):
    return config.critical if alert.severity == "critical" else alert.severity


def runbook(alert, config):
    return f"{config.runbooks}#{alert.name.lower()}"


def hold(alert, config):
    """How long it must last: two scrapes at least, and as long as is looked back where that is meant."""
    return config.at_least(alert.hold, 4 if f"[{alert.hold}]" in alert.expr else 2)


def expression(expr, config):
    return quoted(config.scoped(config.ranges(expr)))


def rules(config):
    lines = ["# Written by rules.py.", "groups:", "  - name: netpoller", "    rules:"]
    for record in RECORDS:
        lines += [f"      - record: {config.ranges(record.name)}", f"        expr: {expression(record.expr, config)}"]
    lines += ["  - name: netpoller-alerts", "    rules:"]
    for alert in ALERTS:
        labels = [f"severity: {severity(alert, config)}", *(f"{name}: {quoted(value)}" for name, value in config.labels.items())]
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {expression(alert.expr, config)}",
            f"        for: {hold(alert, config)}",
            f"        labels: {{{', '.join(labels)}}}",
            "        annotations:",
            f"          summary: {quoted(alert.summary)}",
            f"          description: {quoted(config.ranges(alert.description))}",
            f"          runbook_url: {quoted(runbook(alert, config))}",
        ]
    return "\n".join(lines) + "\n"


def renamed(config):
    lines = ["# Written by rules.py. Metrics under the names that they had.", "groups:",
             "  - name: netpoller-renamed", "    rules:"]
    for name, expr in RENAMED:
        lines += [f"      - record: {name}", f"        expr: {expression(expr, config)}"]
    return "\n".join(lines) + "\n"
