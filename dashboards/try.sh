#!/usr/bin/env bash
# Runs every expression of the dashboard against a real Prometheus that scrapes the demo, and sees each alert fire that a
# planted fault has to raise, and none without one: `bash dashboards/try.sh [NETPOLLER]`.
# NETPOLLER is the binary, built if it is not given. Needs prometheus, promtool and python3; everything is on loopback and
# in a temporary folder. WATCH=SECONDS looks for so long whether an alert fires for the demo, KEEP=FILE keeps the scrape, and
# DRAW=FOLDER has all dashboards drawn too, as render/run.sh does; --print after NETPOLLER prints what each panel shows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/stage.sh"
need prometheus promtool python3
binary "${1:-}"
# None of these clients waits for ever.
[ -z "${WATCH:-}" ] || demo healthy --connections 7
stage

python3 "$here/query.py" "$prometheus" "${@:2}" || { cat "$scratch/prometheus.err" >&2; exit 1; }

python3 "$here/alerts.py" "$prometheus" --watch "${WATCH:-0}"

if [ -n "${DRAW:-}" ]; then
    need chromium node npm
    bash "$here/render/install.sh"
    node "$here/render/resources.mjs"
    TMPDIR=$scratch node "$here/render/draw.mjs" "$prometheus" "$DRAW" 45
fi

python3 - "${at[demo]}" >"$scratch/scrape.txt" <<'PY'
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.stdout.write(opener.open(sys.argv[1], timeout=10).read().decode())
PY
promtool check metrics <"$scratch/scrape.txt"
echo "promtool has nothing to say about $(grep -vc '^#' "$scratch/scrape.txt") series"
promtool check config "$here/deploy/prometheus.yml"
python3 "$here/generate.py" --check
python3 "$here/rules.py" --test
for board in netpoller oncall fleet; do
    python3 "$here/check.py" --dashboard "$here/$board.json" --metrics "$scratch/scrape.txt"
done
[ -z "${KEEP:-}" ] || cp "$scratch/scrape.txt" "$KEEP"
