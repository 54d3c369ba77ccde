#!/usr/bin/env python3
"""Asks a Prometheus whether the alerts fire that the faults of the job `planted` have to raise, and none of the job `demo`.

try.sh starts one that scrapes every second.
"""

import sys
import time

from query import ask

EXPECTED = {
    "NetpollerNobodyPolls", "NetpollerWaiterStuck", "NetpollerDeadlinesOverdue", "NetpollerAcceptStalled",
    "NetpollerFilesRunOut", "NetpollerReadinessLeaked", "NetpollerPeerSilent", "NetpollerRegistrationWrong",
    "NetpollerWorkWasted", "NetpollerLawViolated",
}
# That may be true of the machine.
OF_THE_MACHINE = {"NetpollerThreadStarved"}
PATIENCE = 120


def firing(server, job):
    """The alerts that fire, or have fired within ten minutes."""
    query = f'max by (alertname) (max_over_time(ALERTS{{alertstate="firing", job="{job}"}}[10m]))'
    answer = ask(server, "query", query=query)
    return {series["metric"]["alertname"] for series in answer["data"]["result"]}


def main():
    server, began = sys.argv[1], time.monotonic()
    missing = EXPECTED
    while missing:
        fires = firing(server, "planted")
        for name in sorted(missing & fires):
            print(f"{name} fires after {time.monotonic() - began:.0f} s")
        if not (missing := EXPECTED - fires):
            break
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"planted, and no alert fires: {', '.join(sorted(missing))}")
        time.sleep(1)
    false = firing(server, "demo") - OF_THE_MACHINE
    if false:
        sys.exit(f"nothing is wrong with the demo, and yet: {', '.join(sorted(false))}")
    print(f"{len(EXPECTED)} alerts fire for what was planted, and none for the demo")


if __name__ == "__main__":
    main()
