#!/usr/bin/env bash
# Takes tokio-console.png anew: the stock tokio-console, attached to the demo with a stuck waiter planted in it.
# Usage: bash inspector/screenshots/tokio-console.sh [FILE.png]
# It needs tokio-console 0.1.14 (in the path, or $TOKIO_CONSOLE), tmux and chromium.
set -euo pipefail
picture="$(realpath "${1:-"$(dirname "$0")/tokio-console.png"}")"
cd "$(dirname "$0")/../.."
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
# The screen with its colours, as text that HTML takes.
capture() { in_tmux capture-pane -e -p | sed 's/&/\&amp;/g; s/</\&lt;/g' >"$scratch/$1"; }

shows "lost their wakers"
sleep 10 # For durations worth looking at.
capture tasks
in_tmux send-keys r
shows "Resources ("
in_tmux send-keys i
shows "ID▵"
sleep 2 # The next message draws all rows.
capture resources

{
    cat <<'HTML'
<!doctype html><meta charset="utf-8">
<style>
    body { margin: 10px; background: #1e1f22; color: #ddd }
    pre { margin: 0 0 14px; font: 13px/17px "DejaVu Sans Mono", monospace }
    pre span.cell { display: inline-block; width: 1ch; height: 17px; vertical-align: top; overflow: visible; white-space: pre }
    pre span.wide { width: 2ch }
    pre span.bold { font-weight: bold }
    pre span.dim { opacity: .6 }
</style>
HTML
    for screen in resources tasks; do
        printf '<pre>'
        cat "$scratch/$screen"
        printf '</pre>\n'
    done
    cat <<'HTML'
<script>
    const names = ["#1e1f22", "#e06c75", "#5fd38a", "#d7ba5f", "#6ea8e8", "#c792ea", "#3cc7c7", "#ddd",
        "#777", "#ff7b86", "#7ee8a5", "#ffd866", "#8cc4ff", "#dfb0ff", "#5be3e3", "#fff"];
    // Not every machine has a font for what is drawn instead of these.
    const plainer = { "✅": "✔", "🔒": "✘", "⏸": "‖" };
    // The colour number n of the 256.
    const indexed = n => {
        if (n < 16) return names[n];
        if (n > 231) return `rgb(${Array(3).fill(8 + (n - 232) * 10)})`;
        const level = part => part && 55 + part * 40;
        n -= 16;
        return `rgb(${[n / 36 | 0, (n / 6 | 0) % 6, n % 6].map(level)})`;
    };
    for (const pre of document.querySelectorAll("pre")) {
        const text = pre.textContent.trimEnd();
        pre.textContent = "";
        let style = {};
        for (const [, codes, plain] of text.matchAll(/\x1b\[([\d;]*)m|([^\x1b]+|\x1b)/g)) {
            const rest = codes?.split(";").map(Number) ?? [];
            while (rest.length) {
                const code = rest.shift();
                const colour = () => rest.shift() === 5 ? indexed(rest.shift()) : `rgb(${rest.splice(0, 3)})`;
                if (code === 0) style = {};
                else if (code === 1) style.bold = true;
                else if (code === 2) style.dim = true;
                else if (code === 22) style.bold = style.dim = false;
                else if (code === 7) style.reverse = true;
                else if (code === 27) style.reverse = false;
                else if (code === 38) style.front = colour();
                else if (code === 48) style.back = colour();
                else if (code === 39) delete style.front;
                else if (code === 49) delete style.back;
                else if (code >= 90 && code < 98) style.front = names[code - 82];
                else if (code >= 30 && code < 38) style.front = names[code - 30];
                else if (code >= 40 && code < 48) style.back = names[code - 40];
            }
            if (plain === undefined) continue;
            const span = document.createElement("span");
            span.classList.toggle("bold", !!style.bold);
            span.classList.toggle("dim", !!style.dim);
            const [front, back] = style.reverse ? [style.back ?? names[0], style.front ?? "#ddd"] : [style.front, style.back];
            if (front) span.style.color = front;
            if (back) span.style.background = back;
            for (const run of plain.split(/([^\x00-\x7f])/u)) {
                if (run.codePointAt(0) > 0x7f) {
                    // In a cell of its own, or two, whatever the width of its glyph.
                    const cell = document.createElement("span");
                    cell.className = /\p{Emoji_Presentation}/u.test(run) ? "cell wide" : "cell";
                    cell.textContent = plainer[run] ?? run;
                    span.append(cell);
                } else span.append(run);
            }
            pre.append(span);
        }
    }
</script>
HTML
} >"$scratch/screens.html"

browser=(chromium --headless --disable-gpu --hide-scrollbars --force-device-scale-factor=1.5)
# As root, as in a container, its sandbox does not start.
[ "$(id -u)" != 0 ] || browser+=(--no-sandbox)
"${browser[@]}" --user-data-dir="$scratch/profile" --screenshot="$picture" \
    --window-size="$((columns * 8 - 12)),$((rows * 34 + 48))" "file://$scratch/screens.html" 2>/dev/null
echo "$picture"
