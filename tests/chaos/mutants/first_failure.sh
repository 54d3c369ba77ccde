#!/usr/bin/env bash
# Runs a test binary until one of its tests fails, for what a mutant breaks else often is that the next test hangs; and if for
# $STILL seconds no test has ended, it does hang. Cargo calls it as a runner: first_failure.sh BINARY ARGUMENTS...
set -uo pipefail

pipe=$(mktemp -u)
mkfifo "$pipe"
"$@" >"$pipe" &
pid=$!
exec {lines}<"$pipe"
rm "$pipe"
stop() {
    printf '%s\n' "first_failure: $1"
    kill -KILL "$pid"
    exit 101
}
while true; do
    IFS= read -r -t "${STILL:-30}" line <&"$lines" && ended=0 || ended=$?
    # Beyond 128 it was the time that ended it, and else the end of the output.
    if [ "$ended" -gt 128 ]; then stop "no test has ended for ${STILL:-30} s"; fi
    if [ "$ended" != 0 ]; then break; fi
    printf '%s\n' "$line"
    if [[ $line == "test "*" ... FAILED" ]]; then stop "a test has failed"; fi
done
wait "$pid"
