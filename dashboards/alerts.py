#!/usr/bin/env python3
"""Asks a Prometheus whether the alerts fire that the faults of the job `planted` have to raise, and none of the job `demo`.

try.sh starts one that scrapes every second. `--watch SECONDS` goes on until so many have passed, and looks at a job `healthy`
too.
"""

import argparse
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
# One client in ten of a demo waits for ever and has no deadline, on purpose: that is told after minutes, and pages nobody.
OF_THE_DEMO = {"NetpollerNoDeadline"}
PATIENCE = 120


def firing(server, job):
    """The alerts that fire, or have fired since this Prometheus began."""
    query = f'max by (alertname) (max_over_time(ALERTS{{alertstate="firing", job="{job}"}}[1d]))'
    answer = ask(server, "query", query=query)
    return {series["metric"]["alertname"] for series in answer["data"]["result"]}


def expect_none(server, jobs):
    for job, but in jobs.items():
        up = ask(server, "query", query=f'up{{job="{job}"}} == 1')["data"]["result"]
        false = firing(server, job) - OF_THE_MACHINE - but
        if false or not up:
            sys.exit(f"nothing is wrong with the job {job}, and yet: {', '.join(sorted(false)) or 'it is not scraped'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", help="for example http://127.0.0.1:9090")
    parser.add_argument("--watch", type=int, default=0, metavar="SECONDS", help="go on for so long")
    args = parser.parse_args()
    server, began = args.server, time.monotonic()
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
    healthy = {"demo": OF_THE_DEMO} | ({"healthy": set()} if args.watch else {})
    expect_none(server, healthy)
    while time.monotonic() - began < args.watch:
        time.sleep(5)
        expect_none(server, healthy)
    took = time.monotonic() - began
    quiet = " and ".join(" but for ".join([job, *sorted(but)]) for job, but in healthy.items())
    print(f"{len(EXPECTED)} alerts fire for what was planted, and in {took:.0f} s none for {quiet}")


if __name__ == "__main__":
    main()
