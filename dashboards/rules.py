#!/usr/bin/env python3
"""Writes the rules of Prometheus into rules/, and those for its operator into deploy/. `--check` only says whether the files
are up to date; `--test` has promtool check them too, and run cases in which each alert fires and in which it may not.

netpoller.yml has recording rules and alerts, renamed.yml the old names of metrics that were renamed. What to do about an
alert is in RUNBOOKS.md.
"""

from cases import promtool
from config import parse, write
from kubernetes import prometheus_rule
from prometheus import renamed, rules


def main():
    config, folder, flags = parse(__doc__, "check", "test")
    write(folder, {
        "rules/netpoller.yml": rules(config),
        "rules/renamed.yml": renamed(config),
        "deploy/prometheusrule.yaml": prometheus_rule(rules(config)),
    }, check=bool(flags))
    if "test" in flags:
        promtool(folder)


if __name__ == "__main__":
    main()
