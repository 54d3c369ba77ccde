#!/usr/bin/env bash
# Runs a test binary until one of its tests fails, for what a mutant breaks else often is that the next test hangs.
# Cargo calls it as a runner: first_failure.sh BINARY ARGUMENTS...
set -uo pipefail

pipe=$(mktemp -u)
mkfifo "$pipe"
"$@" >"$pipe" &
pid=$!
exec {lines}<"$pipe"
rm "$pipe"
while IFS= read -r line <&"$lines"; do
    printf '%s\n' "$line"
    if [[ $line == "test "*" ... FAILED" ]]; then
        kill -KILL "$pid"
        exit 101
    fi
done
wait "$pid"
