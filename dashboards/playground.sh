#!/usr/bin/env bash
# A playground on this machine: a demo, one with faults planted, and a Prometheus with the rules that scrapes both:
# `bash dashboards/playground.sh [NETPOLLER]`. PORT is where Prometheus is, 9090 if it is not given; Ctrl-C ends all of it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/stage.sh"
need prometheus python3
binary "${1:-}"
stage "${PORT:-9090}"
server=${children[-1]}

python3 - "$prometheus" <<'PY' || { cat "$scratch/prometheus.err" >&2; exit 1; }
import sys, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for _ in range(300):
    try:
        sys.exit(opener.open(sys.argv[1] + "/-/ready", timeout=1).status != 200)
    except OSError:
        time.sleep(0.1)
sys.exit("Prometheus does not answer")
PY
cat <<TEXT
metrics     ${at[demo]}
            ${at[planted]} (faults planted)
prometheus  $prometheus/graph?g0.expr=netpoller_findings%20%3E%200&g0.tab=1
alerts      $prometheus/alerts (they fire within a minute)
look        XDG_RUNTIME_DIR=$scratch $netpoller doctor
dashboards  in Grafana, add $prometheus as a data source and import oncall.json, fleet.json, netpoller.json
TEXT
wait "$server"
