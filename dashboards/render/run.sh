#!/usr/bin/env bash
# Draws every dashboard with Grafana's own components, from a real Prometheus with the rules, which scrapes a demo and one with
# faults planted: `bash dashboards/render/run.sh [--pictures] [NETPOLLER]`. It fails on a panel that is empty, cut off or in error.
# NETPOLLER is the binary, built if it is not given. FOLDER is where the PNGs go, `out` beside this file if it is not given;
# SECONDS_BACK is how much there is to be seen. With --pictures those of README.md are drawn anew. Needs chromium, node, npm,
# prometheus and python3.
set -euo pipefail
render=$(cd "$(dirname "$0")" && pwd)
here=$(dirname "$render")
# shellcheck source-path=SCRIPTDIR/..
. "$here/stage.sh"
need chromium node npm prometheus python3
pictures=''
[ "${1:-}" != --pictures ] || { pictures=yes; shift; }
binary "${1:-}"
stage
bash "$render/install.sh"
back=${SECONDS_BACK:-45}
python3 "$here/query.py" "$prometheus" --samples "$back" || { cat "$scratch/prometheus.err" >&2; exit 1; }
folder=${FOLDER:-$render/out}
TMPDIR=$scratch node "$render/draw.mjs" "$prometheus" "$folder" "$back"
# Those that README.md shows.
[ -z "$pictures" ] || cp "$folder"/{oncall,fleet,netpoller-who-waits-and-for-how-long}.png "$here/pictures"
