#!/usr/bin/env bash
# Takes tokio-console.png anew: the stock tokio-console, attached to the demo with a stuck waiter planted in it.
# Usage: bash inspector/screenshots/tokio-console.sh [FILE.png]
# It needs tokio-console 0.1.14 (in the path, or $TOKIO_CONSOLE), tmux and chromium.
set -euo pipefail
here="$(realpath "$(dirname "$0")")"
picture="$(realpath "${1:-"$here/tokio-console.png"}")"
cd "$here/../.."
console="${TOKIO_CONSOLE:-tokio-console}"
columns=206 rows=24

cargo build --quiet --bin netpoller
scratch="$(mktemp -d)"
in_tmux() { tmux -S "$scratch/tmux" -u -f /dev/null "$@"; }
clean_up() {
    in_tmux kill-server 2>/dev/null || true
    [ -z "${demo:-}" ] || kill "$demo" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

XDG_RUNTIME_DIR="$scratch" target/debug/netpoller demo --headless --for 5min --connections 24 \
    --inspect tcp:127.0.0.1:0 --plant stuck-waiter >/dev/null 2>"$scratch/said" &
demo=$!
until url="$(sed -n 's/.*tokio-console //p' "$scratch/said")" && [ -n "$url" ]; do
    kill -0 "$demo" || { cat "$scratch/said"; exit 1; }
    sleep 0.1
done

in_tmux new-session -d -x "$columns" -y "$rows" "$console" --lang en_US.UTF-8 "$url"
# Waits for a screen with the text.
shows() {
    for _ in $(seq 300); do
        in_tmux capture-pane -p | grep -qF -- "$1" && return
        sleep 0.1
    done
    echo "tokio-console never showed '$1', but:" >&2
    in_tmux capture-pane -p >&2
    exit 1
}
# The screen with its colours.
capture() { in_tmux capture-pane -e -p >"$scratch/$1"; }

shows "lost their wakers"
sleep 10 # For durations worth looking at.
capture tasks
in_tmux send-keys r
shows "Resources ("
in_tmux send-keys i
shows "ID▵"
sleep 2 # The next message draws all rows.
capture resources

bash "$here/draw.sh" "$picture" "$columns" "$((rows * 2))" "$scratch/resources" "$scratch/tasks"
