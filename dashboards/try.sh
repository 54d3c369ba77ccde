#!/usr/bin/env bash
# Runs every expression of the dashboard against a real Prometheus that scrapes the demo, and sees each alert fire that a
# planted fault has to raise, and none without one: `bash dashboards/try.sh [NETPOLLER]`.
# NETPOLLER is the binary, built if it is not given. Needs prometheus, promtool and python3; everything is on loopback and
# in a temporary folder. KEEP=FILE keeps the scrape; --print after NETPOLLER prints what each panel shows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

for tool in prometheus promtool python3; do
    command -v "$tool" >/dev/null || { echo "$tool is missing; on Debian: apt-get install prometheus python3" >&2; exit 2; }
done
netpoller=${1:-}
if [ -z "$netpoller" ]; then
    cargo build --quiet --manifest-path "$here/../Cargo.toml" -p netpoller-inspector
    netpoller=${CARGO_TARGET_DIR:-$here/../target}/debug/netpoller
fi

scratch=$(mktemp -d)
children=()
finish() {
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait || true
    rm -rf "$scratch"
}
trap finish EXIT

# Waits for `$2` in the file `$1`, written by process `$3`.
await() {
    for _ in $(seq 300); do
        grep -q "$2" "$1" && return
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    cat "$1" >&2
    exit 1
}

# Runs a demo called `$1`, with the rest as its arguments; `${at[$1]}` is where its metrics are.
declare -A at
demo() {
    XDG_RUNTIME_DIR=$scratch "$netpoller" demo --headless --metrics 127.0.0.1:0 "${@:2}" \
        >"$scratch/$1.out" 2>"$scratch/$1.err" &
    children+=($!)
    await "$scratch/$1.err" "metrics at" $!
    at[$1]=$(sed -n 's/.*metrics at //p' "$scratch/$1.err")
}
target() { echo "${at[$1]}" | cut -d/ -f3; }
demo demo --connections 100
metrics=${at[demo]}
# What keeps others from a processor is left out, and what is a fault only after minutes.
demo planted --connections 4 --plant={poller-away,stuck-waiter,lost-edge,woken-not-run,overdue-deadline,accept-stalled} \
    --plant={descriptors-run-out,leaked-readiness,close-wait-held,peer-not-reading,peer-gone,broken-law} \
    --plant={ghost-registration,duplicate-registration,blocking-mode,stale-descriptor,starved-batch}

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$scratch/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s}
rule_files: ["$here/rules/*.yml"]
scrape_configs:
  - job_name: demo
    static_configs: [{targets: ["$(target demo)"]}]
  - job_name: planted
    static_configs: [{targets: ["$(target planted)"]}]
YAML
prometheus --config.file="$scratch/prometheus.yml" --storage.tsdb.path="$scratch/data" \
    --web.listen-address="127.0.0.1:$port" --log.level=warn 2>"$scratch/prometheus.err" &
children+=($!)

python3 "$here/query.py" "http://127.0.0.1:$port" "${@:2}" || { cat "$scratch/prometheus.err" >&2; exit 1; }

python3 "$here/alerts.py" "http://127.0.0.1:$port"

python3 - "$metrics" >"$scratch/scrape.txt" <<'PY'
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.stdout.write(opener.open(sys.argv[1], timeout=10).read().decode())
PY
promtool check metrics <"$scratch/scrape.txt"
echo "promtool has nothing to say about $(grep -vc '^#' "$scratch/scrape.txt") series"
python3 "$here/generate.py" --check
python3 "$here/rules.py" --test
for board in netpoller oncall fleet; do
    python3 "$here/check.py" --dashboard "$here/$board.json" --metrics "$scratch/scrape.txt"
done
[ -z "${KEEP:-}" ] || cp "$scratch/scrape.txt" "$KEEP"
