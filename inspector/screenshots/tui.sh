#!/usr/bin/env bash
# Takes the pictures of the terminal UI anew, of the demo with a peer planted in it that reads nothing.
# Usage: bash inspector/screenshots/tui.sh [FOLDER]
# It needs tmux and chromium; $NETPOLLER is the command, or it is built.
set -euo pipefail
here="$(realpath "$(dirname "$0")")"
folder="$(realpath "${1:-$here/../docs/pictures}")"
cd "$here/../.."
columns=120 rows=30
export SCALE=1
if [ -z "${NETPOLLER:-}" ]; then
    cargo build --quiet --release --bin netpoller
    NETPOLLER=target/release/netpoller
fi
scratch="$(mktemp -d)"
in_tmux() { tmux -S "$scratch/tmux" -u -f /dev/null "$@"; }
clean_up() {
    in_tmux kill-server 2>/dev/null || true
    [ -z "${demo:-}" ] || kill "$demo" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

XDG_RUNTIME_DIR="$scratch" "$NETPOLLER" demo --headless --for 5min --connections 24 \
    --plant peer-not-reading >/dev/null 2>"$scratch/said" &
demo=$!
until target="$(sed -n 's/^attach with: netpoller -t //p' "$scratch/said")" && [ -n "$target" ]; do
    kill -0 "$demo" || { cat "$scratch/said"; exit 1; }
    sleep 0.1
done
# For a path that looks as yours does.
in_tmux new-session -d -x "$columns" -y "$rows" "cd '$scratch' && '$(realpath "$NETPOLLER")' -t '$target' tui"
shows() {
    for _ in $(seq 300); do
        in_tmux capture-pane -p | grep -qF -- "$1" && return
        sleep 0.1
    done
    echo "the terminal UI never showed '$1', but:" >&2
    in_tmux capture-pane -p >&2
    exit 1
}
# The picture of this name, of the view of this key once it shows a text.
take() {
    in_tmux send-keys "$2"
    shows "$3"
    sleep 1.5
    in_tmux capture-pane -N -e -p >"$scratch/screen"
    bash "$here/draw.sh" "$folder/$1.png" "$columns" "$rows" "$scratch/screen"
}
shows "1 FINDING"
sleep 20 # For a past worth looking at.
take waiters 2 "TASK"
take waiters-grouped b "ROWS"
in_tmux send-keys b b
take latency 3 "P99"
in_tmux send-keys Down Down Down Down Down Down Down Down
take latency-over-time m "over time"
in_tmux send-keys m
take pollers 4 "ACTIVITY"
take leaks 5 "SITE"
take findings 6 "peer-not-reading"
take events 7 "park"
take timeline 8 "newly found"
take descriptors 1 "WHERE"
in_tmux send-keys 6
shows "peer-not-reading"
take details Enter "KERNEL"
