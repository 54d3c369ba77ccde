#!/usr/bin/env bash
# Draws screens of a terminal, as `tmux capture-pane -e -p` has them, one below the other.
# Usage: bash inspector/screenshots/draw.sh FILE.png COLUMNS ROWS SCREEN...
# It needs chromium; $SCALE is how many dots a pixel has, 1.5 unless said. ROWS are those of all screens together.
set -euo pipefail
picture="$(realpath "$1")" columns="$2" rows="$3"
shift 3
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

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
    for screen in "$@"; do
        printf '<pre>'
        sed 's/&/\&amp;/g; s/</\&lt;/g' "$screen"
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

browser=(chromium --headless --disable-gpu --hide-scrollbars --force-device-scale-factor="${SCALE:-1.5}")
# As root, as in a container, its sandbox does not start.
[ "$(id -u)" != 0 ] || browser+=(--no-sandbox)
"${browser[@]}" --user-data-dir="$scratch/profile" --screenshot="$picture" \
    --window-size="$((columns * 8 - 12)),$((rows * 17 + 14 * $# + 20))" "file://$scratch/screens.html" 2>/dev/null
echo "$picture"
