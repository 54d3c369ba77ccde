#!/usr/bin/env bash
# The Spin model of the descriptor: that it holds, and that each of its mutants is caught. `--deep` searches larger
# combinations of actors too, some gigabytes of memory and minutes of time. Needs spin and gcc.
set -euo pipefail
cd "$(dirname "$0")"
model="$PWD/descriptor.pml"
deep=${1:-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# search CLAIM "ACTORS" [MUTANT]: runs the search and prints what came of it: holds, assertion, deadlock, cycle.
# CLAIM is safety, or the name of a formula, which is searched for under weak fairness.
search() {
    local claim=$1 actors=$2 mutant=${3:-0} compile="-DMEMLIM=12000" run="-m8000000" outcome
    if [ "$claim" = safety ]; then
        compile+=" -DSAFETY -DNOCLAIM"
    else
        compile+=" -DNFAIR=3"
        run+=" -a -f -N $claim"
    fi
    rm -rf "$work/pan" && mkdir "$work/pan" && cd "$work/pan"
    # shellcheck disable=SC2086
    {
        spin -a -DMUTANT="$mutant" $actors "$model" >log 2>&1
        gcc -O1 -w $compile -o pan pan.c >>log 2>&1
        ./pan $run >log 2>&1 || true
    }
    case "$(sed -n 's/^pan:[0-9]*: //p' log | head -1)" in
    "assertion violated"*) outcome=assertion ;;
    "acceptance cycle"*) outcome=cycle ;;
    "invalid end state"*) outcome=deadlock ;;
    *)
        outcome="broken off"
        if grep -q 'errors: 0' log && ! grep -Eq 'too small|out of memory|reached -DMEMLIM|truncated' log; then
            outcome=holds
        fi
        ;;
    esac
    printf '%s' "$outcome"
    cp log "$work/log"
    sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log | head -1 >"$work/states"
}

failed=0
expect() {
    local wanted=$1 name=$2 got began=$SECONDS
    shift 2
    got=$(search "$@")
    printf '%-26s %-18s %-34s %-10s %10s states %4ds\n' \
        "$name" "$1" "${2:--}" "$got" "$(cat "$work/states")" "$((SECONDS - began))"
    if [ "$got" != "$wanted" ]; then
        printf '  expected: %s\n' "$wanted"
        tail -n 40 "$work/log"
        failed=1
    fi
}

echo "== the model holds"
expect holds model safety "-DLATE -DERRORS"
expect holds model safety "-DSETTER"
expect holds model safety "-DOUTSIDE -DWHIMS"
for actors in "" "-DWHIMS" "-DLATE" "-DOUTSIDE" "-DSETTER"; do
    expect holds model parked_is_woken "$actors"
done
for actors in "-DWHIMS" "-DLATE" "-DOUTSIDE"; do
    expect holds model lives_go_on "$actors"
done
if [ "$deep" = --deep ]; then
    expect holds model lives_go_on "-DSETTER"
    expect holds model safety "-DSETTER -DBREAKER"
    expect holds model safety "-DSETTER -DWHIMS"
    expect holds model parked_is_woken "-DSETTER -DBREAKER"
    expect holds model parked_is_woken "-DOUTSIDE -DWHIMS"
    expect holds model parked_is_woken "-DLATE -DERRORS"
    expect holds model parked_is_woken "-DSETTER -DWHIMS"
fi

echo "== its mutants are caught"
# As in the table of README.md.
while read -r mutant wanted claim actors; do
    expect "$wanted" "mutant $mutant" "$claim" "$actors" "$mutant"
done <mutants.txt
exit $failed
