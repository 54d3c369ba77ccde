# What try.sh, playground.sh and render/run.sh have in common: a demo, one with faults planted, and a Prometheus with the
# rules that scrapes both, all on loopback and in a temporary folder. To be sourced, with `here` as this folder.
# shellcheck shell=bash

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "$tool is missing; on Debian: apt-get install ${tool/promtool/prometheus}" >&2; exit 2; }
    done
}

# Sets `netpoller` to the binary `$1`, built if it is not given.
binary() {
    netpoller=${1:-}
    if [ -z "$netpoller" ]; then
        cargo build --quiet --manifest-path "$here/../Cargo.toml" -p netpoller-inspector
        netpoller=${CARGO_TARGET_DIR:-$here/../target}/debug/netpoller
    fi
}

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

# Runs the demos and a Prometheus, whose address is `prometheus` then; `$1` is its port, any if it is empty.
stage() {
    demo demo --connections 100
    # What keeps others from a processor is left out, and what is a fault only after minutes.
    demo planted --connections 4 --plant={poller-away,stuck-waiter,lost-edge,woken-not-run,overdue-deadline,accept-stalled} \
        --plant={descriptors-run-out,leaked-readiness,close-wait-held,peer-not-reading,peer-gone,broken-law} \
        --plant={ghost-registration,duplicate-registration,blocking-mode,stale-descriptor,starved-batch}

    local port=${1:-} job
    [ -n "$port" ] ||
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    {
        echo "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s}"
        echo "rule_files: ['$here/rules/*.yml']"
        echo "scrape_configs:"
        for job in "${!at[@]}"; do
            echo "  - {job_name: $job, static_configs: [{targets: ['$(cut -d/ -f3 <<<"${at[$job]}")']}]}"
        done
    } >"$scratch/prometheus.yml"
    prometheus --config.file="$scratch/prometheus.yml" --storage.tsdb.path="$scratch/data" \
        --web.listen-address="127.0.0.1:$port" --log.level=warn 2>"$scratch/prometheus.err" &
    children+=($!)
    # shellcheck disable=SC2034
    prometheus=http://127.0.0.1:$port
}
