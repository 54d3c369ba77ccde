#!/usr/bin/env python3
"""Asks a Prometheus for every expression of the dashboards. It fails if one is refused, or has no value to show.

A local Prometheus that scrapes every second is assumed; try.sh starts one.
"""

import argparse
import concurrent.futures
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


def ask(server, path, **parameters):
    data = urllib.parse.urlencode(parameters).encode()
    try:
        with OPEN(f"{server}/api/v1/{path}", data, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def await_samples(server, wanted, jobs, patience=60):
    """Waits until each target, or any, has been scraped often enough for rates to mean something."""
    give_up = time.monotonic() + patience
    count = "max by (job) (count_over_time(netpoller_last_poll_timestamp_seconds[1m]))"
    while time.monotonic() < give_up:
        try:
            counts = ask(server, "query", query=count)["data"]["result"]
            ready = {series["metric"]["job"] for series in counts if float(series["value"][1]) >= wanted}
            if ready.issuperset(jobs) if jobs else ready:
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    sys.exit(f"{server} has not scraped the demo {wanted} times in {patience} s")


def substitute(expr, job):
    for name, value in (VALUES | {"$job": job}).items():
        expr = expr.replace(name, value)
    return expr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", help="for example http://127.0.0.1:9090")
    parser.add_argument("--samples", type=int, default=20, help="scrapes to wait for")
    parser.add_argument("--print", action="store_true", help="print the last values, too")
    parser.add_argument("--job", action="append", default=[], help="ask of this job alone; may be repeated")
    parser.add_argument("--idle", action="store_true", help="a quantile of nothing will do, which is no number")
    parser.add_argument("--may-be-empty", action="append", default=[], metavar="TITLE", help="a panel; may be repeated")
    args = parser.parse_args()

    await_samples(args.server, args.samples, args.job)
    end = time.time()
    problems = []
    boards = [json.loads((HERE / name).read_text()) for name in FILES]
    targets = [(panel, target) for board in boards for panel in reading.panels(board) for target in panel["targets"]]
    asked = [(job, panel, target) for job in args.job or [VALUES["$job"]] for panel, target in targets]

    def answered(job, _, target):
        query = substitute(target["expr"], job)
        return ask(args.server, "query_range", query=query, start=end - 10, end=end, step=1)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda one: answered(*one), asked)
        for (job, panel, target), answer in zip(asked, answers):
            where = f"{panel['title']} ({target['refId']})" + (f" of {job}" if args.job else "")
            if answer["status"] != "success" or answer.get("warnings"):
                problems.append(f"{where}: {answer.get('error') or answer['warnings']} in {target['expr']}")
                continue
            series = answer["data"]["result"]
            shown = [s for s in series if args.idle or any(not math.isnan(float(value)) for _, value in s["values"])]
            if not shown and panel["title"] not in args.may_be_empty:
                problems.append(f"{where}: no value in {target['expr']}")
            if args.print:
                print(f"\n{where}: {target['legendFormat']}")
                for s in series[:24]:
                    print("  ", s["metric"], s["values"][-1][1])
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} of {len(asked)} expressions have a problem")
    print(f"{len(asked)} expressions, each has values")


if __name__ == "__main__":
    main()
