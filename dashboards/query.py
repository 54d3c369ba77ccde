#!/usr/bin/env python3
"""Asks a Prometheus for every expression of the dashboards. It fails if one is refused, or has no value to show.

A local Prometheus that scrapes every second is assumed; try.sh starts one.
"""

import argparse
import json
import math
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import reading

HERE = pathlib.Path(__file__).parent
FILES = ("netpoller.json", "oncall.json", "fleet.json")

# Nothing but this machine is asked, so no proxy either.
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
VALUES = {"$__rate_interval": "10s", "$job": ".+", "$instance": ".+", "$poller": ".+"}

# Panels of what may not happen in a healthy service: the demo need not show it.
MAY_BE_EMPTY = set()


def ask(server, path, **parameters):
    data = urllib.parse.urlencode(parameters).encode()
    try:
        with OPEN(f"{server}/api/v1/{path}", data, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def await_samples(server, wanted, patience=60):
    """Waits until the target has been scraped often enough for rates to mean something."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        try:
            answer = ask(server, "query", query="max(count_over_time(netpoller_last_poll_timestamp_seconds[1m]))")
            if any(float(series["value"][1]) >= wanted for series in answer["data"]["result"]):
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    sys.exit(f"{server} has not scraped the demo {wanted} times in {patience} s")


def substitute(expr):
    for name, value in VALUES.items():
        expr = expr.replace(name, value)
    return expr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", help="for example http://127.0.0.1:9090")
    parser.add_argument("--samples", type=int, default=20, help="scrapes to wait for")
    parser.add_argument("--print", action="store_true", help="print the last values, too")
    args = parser.parse_args()

    await_samples(args.server, args.samples)
    end = time.time()
    problems, asked = [], 0
    boards = (json.loads((HERE / name).read_text()) for name in FILES)
    for panel in (panel for board in boards for panel in reading.panels(board)):
        for target in panel["targets"]:
            asked += 1
            answer = ask(args.server, "query_range", query=substitute(target["expr"]), start=end - 10, end=end, step=1)
            where = f"{panel['title']} ({target['refId']})"
            if answer["status"] != "success" or answer.get("warnings"):
                problems.append(f"{where}: {answer.get('error') or answer['warnings']} in {target['expr']}")
                continue
            series = answer["data"]["result"]
            shown = [s for s in series if any(not math.isnan(float(value)) for _, value in s["values"])]
            if not shown and panel["title"] not in MAY_BE_EMPTY:
                problems.append(f"{where}: no value in {target['expr']}")
            if args.print:
                print(f"\n{where}: {target['legendFormat']}")
                for s in series[:24]:
                    print("  ", s["metric"], s["values"][-1][1])
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} of {asked} expressions have a problem")
    print(f"{asked} expressions, each has values")


if __name__ == "__main__":
    main()
